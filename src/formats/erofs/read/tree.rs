//! An image as a [`Tree`].

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{Image, Inode, ReadAt, ReadError};
use crate::formats::erofs::layout::{self, DIRENT_SIZE};
use crate::tree::{self, Content, Kind, Origin, Tree, TreePath};

/// Xattrs of one tree, in bytes. Shared ones take little room in a hostile image and much in memory.
const XATTR_BYTES_MAX: usize = 256 << 20;

/// Reads a whole image. `sink` takes each file's bytes (as many as it is told; they may be many more than the image
/// has) and says where they are now. Every inode gets `origin`.
pub fn tree<R: ReadAt>(
    image: &Image<R>,
    origin: &Origin,
    sink: &mut dyn FnMut(u64, &mut dyn Read) -> io::Result<Content>,
) -> Result<Tree, ReadError> {
    let mut tree = Tree::new(0, origin);
    let mut xattr_bytes = 0;
    walk(image, &mut |path, inode, first| {
        let refused = |error| ReadError::Tree { offset: inode.offset, error };
        if let Some(first) = first {
            return tree.link(first, path.clone(), origin).map_err(refused);
        }
        let kind = kind(image, inode, sink)?;
        let xattrs = image.xattrs(inode)?;
        xattr_bytes += xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if xattr_bytes > XATTR_BYTES_MAX {
            return Err(ReadError::Unsupported { offset: inode.offset, what: "more than 256 MiB of xattrs" });
        }
        let header = &inode.header;
        let mut made = tree::Inode::new(kind, header.mode & 0o7777, header.mtime, origin);
        (made.uid, made.gid, made.xattrs) = (header.uid, header.gid, xattrs);
        // The root exists already.
        tree.replace(path.clone(), made).map_err(refused)?;
        Ok(())
    })?;
    Ok(tree)
}

fn kind<R: ReadAt>(
    image: &Image<R>,
    inode: &Inode,
    sink: &mut dyn FnMut(u64, &mut dyn Read) -> io::Result<Content>,
) -> Result<Kind, ReadError> {
    let read_error = |error| ReadError::Io { offset: inode.offset, error };
    let size = inode.header.size;
    let (major, minor) = layout::decode_device(inode.header.union);
    Ok(match inode.header.mode & layout::S_IFMT {
        layout::S_IFDIR => Kind::Directory,
        layout::S_IFREG => Kind::File(sink(size, &mut image.contents(inode)?).map_err(read_error)?),
        layout::S_IFLNK => {
            if size > tree::path::PATH_MAX as u64 {
                return Err(ReadError::Corrupt { offset: inode.offset, what: "a symlink's target longer than a path" });
            }
            let mut target = Vec::new();
            image.contents(inode)?.read_to_end(&mut target).map_err(read_error)?;
            Kind::Symlink(target)
        }
        layout::S_IFCHR => Kind::CharDevice { major, minor },
        layout::S_IFBLK => Kind::BlockDevice { major, minor },
        layout::S_IFIFO => Kind::Fifo,
        _ => return Err(ReadError::Unsupported { offset: inode.offset, what: "a kind of inode, such as a socket" }),
    })
}

/// A step of [`walk`]: a path, its inode, and the inode's first path if this is not it.
type Visit<'a> = dyn FnMut(&TreePath, &Inode, Option<&TreePath>) -> Result<(), ReadError> + 'a;

/// Visits every path, a directory before what it holds, siblings by their bytes. Checks what concerns several inodes:
/// that directories form a tree, that no data is shared, that entries tell the kinds of their inodes, that links are counted right.
pub(in crate::formats::erofs) fn walk<R: ReadAt>(image: &Image<R>, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    // First path, inode and number of entries of each inode met so far.
    let mut met: BTreeMap<u64, (TreePath, Inode, u64)> = BTreeMap::new();
    // Entries that share their bytes are a bomb: honest ones take at least a dirent each.
    let mut entries_left = image.size() / DIRENT_SIZE as u64;
    // So is data that many inodes share: the writer gives every inode blocks of its own.
    let mut stored_left = image.size();
    // Paths to visit, the next one last: nid, type told by the entry, nid of the parent.
    let directory_type = layout::file_type(layout::S_IFDIR).expect("directories have a type");
    let mut todo = vec![(TreePath::root(), image.root(), directory_type, image.root())];
    while let Some((path, nid, file_type, parent)) = todo.pop() {
        if let Some((first, inode, links)) = met.get_mut(&nid) {
            let corrupt = |what| Err(ReadError::Corrupt { offset: inode.offset, what });
            if inode.header.mode & layout::S_IFMT == layout::S_IFDIR {
                return corrupt("a directory with two names");
            }
            if layout::file_type(inode.header.mode) != Some(file_type) {
                return corrupt("an inode of another kind than its directory entry says");
            }
            *links += 1;
            visit(&path, inode, Some(first))?;
            continue;
        }
        let inode = image.inode(nid)?;
        let corrupt = |what| ReadError::Corrupt { offset: inode.offset, what };
        if layout::file_type(inode.header.mode) != Some(file_type) {
            return Err(corrupt("an inode of another kind than its directory entry says"));
        }
        if matches!(inode.header.mode & layout::S_IFMT, layout::S_IFDIR | layout::S_IFREG | layout::S_IFLNK) {
            let stored: u64 = image.extents(&inode)?.iter().map(|extent| extent.stored).sum();
            stored_left = stored_left.checked_sub(stored).ok_or(corrupt("more data than bytes"))?;
        }
        visit(&path, &inode, None)?;
        let mut links = 1;
        if inode.header.mode & layout::S_IFMT == layout::S_IFDIR {
            let entries = image.directory(&inode)?;
            let count = entries.len() as u64;
            entries_left = entries_left.checked_sub(count).ok_or(corrupt("more directory entries than bytes"))?;
            let named = |name: &[u8], nid| entries.iter().any(|entry| entry.name == name && entry.nid == nid);
            if !named(b".", nid) || !named(b"..", parent) {
                return Err(corrupt("a directory without a right `.` or `..`"));
            }
            links += 1;
            for entry in entries.into_iter().rev().filter(|entry| entry.name != b"." && entry.name != b"..") {
                links += u64::from(entry.file_type == directory_type);
                let below = path.join(&entry.name).map_err(|_| corrupt("a path that is too long"))?;
                todo.push((below, entry.nid, entry.file_type, nid));
            }
        }
        met.insert(nid, (path, inode, links));
    }
    for (_, inode, links) in met.values() {
        if u64::from(inode.header.nlink) != *links {
            return Err(ReadError::Corrupt { offset: inode.offset, what: "a wrong count of links" });
        }
    }
    Ok(())
}

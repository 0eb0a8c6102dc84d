//! A directory of this machine as a [`Tree`]: what a tool unpacked, to be compared with what it was made of.

use std::collections::BTreeMap;
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nodesmith::tree::{Content, Contents, Digest, Inode, Kind, Origin, Tree, TreePath};
use rustix::fs::{lgetxattr, llistxattr, major, minor};
use sha2::{Digest as _, Sha256};

/// Where each content was found.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<Digest, PathBuf>);

impl Contents for Files {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.0.get(digest).ok_or(io::ErrorKind::NotFound)?)
    }
}

/// Everything below `directory`, and itself as the root. Sockets are left out.
pub(crate) fn import(directory: &Path) -> io::Result<(Tree, Files)> {
    let origin = Origin::from("import");
    let mut files = Files::default();
    let mut tree = Tree::new(0, &origin);
    let mut met: BTreeMap<(u64, u64), TreePath> = BTreeMap::new();
    let mut todo = vec![(directory.to_owned(), TreePath::root())];
    while let Some((from, to)) = todo.pop() {
        let metadata = fs::symlink_metadata(&from)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&from)? {
                let name = entry?.file_name();
                todo.push((from.join(&name), to.join(name.as_bytes()).map_err(io::Error::other)?));
            }
        } else if let Some(first) = met.get(&(metadata.dev(), metadata.ino())) {
            tree.link(first, to, &origin).map_err(io::Error::other)?;
            continue;
        }
        let Some(kind) = kind(&from, &metadata, &mut files)? else { continue };
        let mode = u16::try_from(metadata.mode() & 0o7777).unwrap();
        let mut inode = Inode::new(kind, mode, metadata.mtime(), &origin);
        (inode.uid, inode.gid, inode.xattrs) = (metadata.uid(), metadata.gid(), xattrs(&from)?);
        tree.replace(to.clone(), inode).map_err(io::Error::other)?;
        met.insert((metadata.dev(), metadata.ino()), to);
    }
    Ok((tree, files))
}

fn kind(path: &Path, metadata: &Metadata, files: &mut Files) -> io::Result<Option<Kind>> {
    let (device, file_type): (u64, FileType) = (metadata.rdev(), metadata.file_type());
    Ok(Some(if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink(fs::read_link(path)?.as_os_str().as_bytes().to_vec())
    } else if file_type.is_file() {
        let mut hash = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hash)?;
        let digest = Digest(hash.finalize().into());
        files.0.insert(digest, path.to_owned());
        Kind::File(Content::Stored { digest, size: metadata.len() })
    } else if file_type.is_char_device() {
        Kind::CharDevice { major: major(device), minor: minor(device) }
    } else if file_type.is_block_device() {
        Kind::BlockDevice { major: major(device), minor: minor(device) }
    } else if file_type.is_fifo() {
        Kind::Fifo
    } else {
        return Ok(None);
    }))
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 65_536];
    let length = llistxattr(path, &mut names)?;
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = lgetxattr(path, name, &mut value)?;
            value.truncate(length);
            Ok((name.to_vec(), value))
        })
        .collect()
}

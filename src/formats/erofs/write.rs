//! The writer: data first, then directories and inodes, at last the superblock.

use std::collections::BTreeMap;
use std::io::{self, Seek, Write};

use super::compress;
use super::data::{self, Placed, Source};
use super::directory::{self, Directory};
use super::layout::{self, BLOCK, BLOCK_U64, INDEX_SIZE, InodeHeader, Layout, MAP_HEADER_SIZE, MapHeader, SLOT};
use super::place::{Blocks, Places};
use super::xattrs;
use super::{Codec, Options, Summary};
use crate::formats::form_cache::FormCache;
use crate::tree::{Contents, Inode, InodeId, Kind, Tree, TreePath};

/// Writes `tree` as an EROFS image into `out`, which is empty. The superblock comes last: what is left of a build that
/// was killed is no file system.
///
/// Fails when `out`, the contents or the cache do, when a content is not what the tree says, and when the tree has
/// something that EROFS cannot hold (device numbers beyond 12 and 20 bits, 256 KiB of xattrs in one inode, 16 TiB);
/// the message names the path.
pub fn write<W: Write + Seek>(
    tree: &Tree,
    contents: &dyn Contents,
    options: &Options,
    cache: &dyn FormCache,
    out: &mut W,
) -> io::Result<Summary> {
    let nodes = nodes(tree);
    let xattrs = xattrs::encode(nodes.iter().map(|node| (node.path, node.inode)))?;
    let mut drafts = Vec::with_capacity(nodes.len());
    for (node, xattrs) in nodes.iter().zip(xattrs.bodies) {
        drafts.push(Draft::new(node, xattrs, options)?);
    }

    let mut blocks = Blocks::new(out)?;
    let cached_files = write_data(&nodes, &mut drafts, contents, options, cache, &mut blocks)?;
    let xattr_blkaddr = if xattrs.shared.is_empty() { 0 } else { blocks.append(&xattrs.shared)? };

    let mut places = Places::new();
    let nids: Vec<u64> = drafts.iter().map(|draft| places.place(draft.length())).collect();
    write_directories(&nids, &mut drafts, &mut blocks)?;
    let meta_blkaddr = blocks.next();
    write_inodes(&nids, &drafts, options.codec, &mut blocks)?;

    let algorithm = compress::algorithm(options.codec);
    let superblock = layout::Superblock {
        checksum: 0,
        feature_compat: layout::COMPAT_SB_CHKSUM | layout::COMPAT_MTIME,
        blkszbits: 12,
        root_nid: u16::try_from(nids[0]).map_err(io::Error::other)?,
        inos: nodes.len() as u64,
        epoch: options.epoch.cast_unsigned(),
        blocks: blocks.next(),
        meta_blkaddr,
        xattr_blkaddr,
        uuid: options.uuid,
        volume_name: options.label,
        feature_incompat: algorithm.map_or(0, |_| layout::INCOMPAT_ZERO_PADDING | layout::INCOMPAT_COMPR_CFGS),
        available_compr_algs: algorithm.map_or(0, |number| 1 << number),
        extra_devices: 0,
        dirblkbits: 0,
    };
    let bytes = u64::from(superblock.blocks) * BLOCK_U64;
    blocks.finish(&first_block(&superblock, options))?;
    let content_bytes = drafts.iter().filter(|draft| draft.is_file()).map(|draft| draft.header.size).sum();
    Ok(Summary { bytes, inodes: superblock.inos, content_bytes, cached_files })
}

/// An inode with all its names.
struct Node<'a> {
    number: usize,
    /// The first of its paths.
    path: &'a TreePath,
    inode: &'a Inode,
    links: u32,
    parent: usize,
    /// A directory's entries, by name: other nodes' numbers.
    children: Vec<(&'a [u8], usize)>,
}

/// Every inode that has a path, the root first, each directory before what it holds.
fn nodes(tree: &Tree) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut numbers: BTreeMap<InodeId, usize> = BTreeMap::new();
    for (path, id, inode) in tree.iter() {
        let parent = path.parent().and_then(|parent| tree.id(&parent)).and_then(|id| numbers.get(&id).copied());
        let is_directory = inode.kind == Kind::Directory;
        let number = *numbers.entry(id).or_insert_with(|| {
            // A directory is also the `.` in itself.
            let links = u32::from(is_directory);
            let number = nodes.len();
            nodes.push(Node { number, path, inode, links, parent: parent.unwrap_or(0), children: Vec::new() });
            number
        });
        nodes[number].links += 1;
        if let Some(parent) = parent {
            nodes[parent].links += u32::from(is_directory);
            nodes[parent].children.push((path.name(), number));
        }
    }
    nodes
}

/// An inode on its way to the disk.
struct Draft<'a> {
    /// Complete but for what depends on addresses.
    header: InodeHeader,
    xattrs: Vec<u8>,
    body: Body<'a>,
}

enum Body<'a> {
    /// Flat data behind the inode; most often the tail of a file.
    Tail(Vec<u8>),
    /// A compressed file's first block and extents.
    Compressed(u32, Vec<compress::Extent>),
    Directory(Directory<'a>),
}

impl<'a> Draft<'a> {
    fn new(node: &Node<'a>, xattrs: Vec<u8>, options: &Options) -> io::Result<Draft<'a>> {
        let inode = node.inode;
        let refused = |problem| io::Error::new(io::ErrorKind::InvalidInput, format!("`{}`: {problem}", node.path));
        let device = |major, minor| {
            layout::encode_device(major, minor)
                .ok_or_else(|| refused("EROFS holds devices with 12 bits of major and 20 of minor number"))
        };
        let nothing = Body::Tail(Vec::new());
        let (kind, size, union, body) = match &inode.kind {
            Kind::Directory => {
                let directory = Directory::new(node.number, node.parent, &node.children);
                (layout::S_IFDIR, directory.size(), 0, Body::Directory(directory))
            }
            Kind::File(content) => (layout::S_IFREG, content.size(), 0, nothing),
            Kind::Symlink(target) => (layout::S_IFLNK, target.len() as u64, 0, nothing),
            Kind::CharDevice { major, minor } => (layout::S_IFCHR, 0, device(*major, *minor)?, nothing),
            Kind::BlockDevice { major, minor } => (layout::S_IFBLK, 0, device(*major, *minor)?, nothing),
            Kind::Fifo => (layout::S_IFIFO, 0, 0, nothing),
        };
        let narrow = [node.links, inode.uid, inode.gid].into_iter().all(|value| u16::try_from(value).is_ok());
        let header = InodeHeader {
            extended: !narrow || inode.mtime != options.epoch || u32::try_from(size).is_err(),
            layout: Layout::FlatPlain,
            xattr_icount: layout::xattr_icount(xattrs.len()).expect("xattrs::encode has checked it"),
            mode: kind | inode.mode,
            nlink: node.links,
            size,
            union,
            ino: 0,
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
        };
        let mut draft = Draft { header, xattrs, body };
        let room = draft.tail_room();
        if let Body::Directory(directory) = &mut draft.body {
            directory.inline = directory.last_block <= room;
        }
        Ok(draft)
    }

    fn is_file(&self) -> bool {
        self.header.mode & layout::S_IFMT == layout::S_IFREG
    }

    /// Bytes of the inode without its body.
    fn head(&self) -> usize {
        InodeHeader::length(self.header.extended) + self.xattrs.len()
    }

    /// How long a tail may be. Inode and tail share a block, as the kernel's way to read symlinks demands.
    fn tail_room(&self) -> usize {
        BLOCK.saturating_sub(self.head())
    }

    /// Bytes that the inode takes in the metadata area.
    fn length(&self) -> u64 {
        let head = self.head() as u64;
        match &self.body {
            Body::Tail(tail) => head + tail.len() as u64,
            Body::Directory(directory) if directory.inline => head + directory.last_block as u64,
            Body::Directory(_) => head,
            Body::Compressed(..) => {
                let clusters = self.header.size.div_ceil(BLOCK_U64);
                head.next_multiple_of(8) + MAP_HEADER_SIZE as u64 + clusters * INDEX_SIZE as u64
            }
        }
    }

    /// Makes this an inode with flat data.
    fn flat(&mut self, start: u32, tail: Vec<u8>) {
        if !tail.is_empty() {
            self.header.layout = Layout::FlatInline;
        }
        self.header.union = if self.header.size == tail.len() as u64 { 0 } else { start };
        self.body = Body::Tail(tail);
    }

    /// Appends the inode as it is on disk.
    fn encode(&self, ino: u32, codec: Codec, out: &mut Vec<u8>) {
        out.extend_from_slice(&InodeHeader { ino, ..self.header.clone() }.encode());
        out.extend_from_slice(&self.xattrs);
        match &self.body {
            Body::Tail(tail) => out.extend_from_slice(tail),
            Body::Directory(_) => unreachable!("write_directories has made tails of them"),
            Body::Compressed(start, extents) => {
                let algorithmtype = compress::algorithm(codec).expect("only a codec compresses");
                let header = MapHeader { advise: layout::ADVISE_BIG_PCLUSTER_1, algorithmtype, clusterbits: 0 };
                // The inode starts at a slot, so aligning its length aligns its end.
                out.resize(out.len() + self.head().next_multiple_of(8) - self.head(), 0);
                out.extend_from_slice(&header.encode());
                out.extend_from_slice(&compress::indexes(*start, extents));
            }
        }
    }
}

/// Writes what regular files and long symlinks hold; how many files came from the cache.
fn write_data<W: Write>(
    nodes: &[Node<'_>],
    drafts: &mut [Draft<'_>],
    contents: &dyn Contents,
    options: &Options,
    cache: &dyn FormCache,
    blocks: &mut Blocks<'_, W>,
) -> io::Result<u64> {
    let mut sources = Vec::new();
    for (node, draft) in nodes.iter().zip(&*drafts) {
        if let Kind::File(content) = &node.inode.kind {
            sources.push(Source { path: node.path, content, tail_room: draft.tail_room() });
        }
    }
    let (placed, cached_files) = data::write(&sources, contents, options, cache, blocks)?;
    let mut placed = placed.into_iter();
    for (node, draft) in nodes.iter().zip(drafts) {
        let place = match &node.inode.kind {
            Kind::File(_) => placed.next().expect("every source has its place"),
            Kind::Symlink(target) if target.len() <= draft.tail_room() => {
                Placed::Flat { start: 0, tail: target.clone() }
            }
            Kind::Symlink(target) => Placed::Flat { start: blocks.append(target)?, tail: Vec::new() },
            _ => continue,
        };
        match place {
            Placed::Flat { start, tail } => draft.flat(start, tail),
            Placed::Compressed { start, extents } => {
                draft.header.layout = Layout::CompressedFull;
                draft.header.union = extents.iter().map(|extent| extent.blocks).sum();
                draft.body = Body::Compressed(start, extents);
            }
        }
    }
    Ok(cached_files)
}

/// Writes the directories' blocks, now that every inode has its place, and leaves the inline ones behind the inodes.
fn write_directories<W: Write>(nids: &[u64], drafts: &mut [Draft<'_>], blocks: &mut Blocks<'_, W>) -> io::Result<()> {
    let file_type = |draft: &Draft<'_>| layout::file_type(draft.header.mode).expect("the mode of a tree's kind");
    let targets: Vec<(u64, u8)> = nids.iter().copied().zip(drafts.iter().map(file_type)).collect();
    for draft in drafts {
        let Body::Directory(directory) = &draft.body else { continue };
        let (start, mut tail) = (blocks.next(), Vec::new());
        for range in &directory.blocks {
            let block = directory::block(&directory.entries[range.clone()], &targets);
            if directory.inline && range.end == directory.entries.len() {
                tail = block;
            } else {
                blocks.append(&block)?;
            }
        }
        draft.flat(start, tail);
    }
    Ok(())
}

/// Writes the metadata area.
fn write_inodes<W: Write>(
    nids: &[u64],
    drafts: &[Draft<'_>],
    codec: Codec,
    blocks: &mut Blocks<'_, W>,
) -> io::Result<()> {
    let mut order: Vec<(u64, usize)> = nids.iter().copied().zip(0..).collect();
    order.sort_unstable();
    // Bytes since the last whole block that was written, which stood at `written` in the area.
    let (mut pending, mut written) = (Vec::new(), 0);
    for (nid, number) in order {
        let whole = pending.len() / BLOCK * BLOCK;
        blocks.append(&pending[..whole])?;
        pending.drain(..whole);
        written += whole as u64;
        let gap = usize::try_from(nid * SLOT as u64 - written).expect("the gap to the next inode is within a block");
        pending.resize(gap, 0);
        let ino = u32::try_from(number + 1).map_err(io::Error::other)?;
        drafts[number].encode(ino, codec, &mut pending);
    }
    blocks.append(&pending)?;
    Ok(())
}

/// Block 0: the superblock and the configuration of the codec.
fn first_block(superblock: &layout::Superblock, options: &Options) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(layout::SUPERBLOCK_OFFSET, &superblock.encode());
    let config = match options.codec {
        // `z_erofs_zstd_cfgs`: format, base-two logarithm of the window above 10.
        Codec::Zstd { .. } => vec![0, compress::window_log(options.extent) - 10, 0, 0, 0, 0],
        // `z_erofs_lz4_cfgs`: largest distance, blocks of the largest physical cluster.
        Codec::Lz4hc { .. } => {
            let blocks = u16::try_from(options.extent.bytes() / layout::BLOCK_U32).expect("at most 256");
            [u16::MAX.to_le_bytes().as_slice(), &blocks.to_le_bytes(), &[0; 10]].concat()
        }
        Codec::None => Vec::new(),
    };
    if let Ok(length @ 1..) = u16::try_from(config.len()) {
        let at = layout::SUPERBLOCK_OFFSET + layout::SUPERBLOCK_SIZE;
        put(at, &length.to_le_bytes());
        put(at + 2, &config);
    }
    let checksum = layout::checksum(&block);
    let sealed = layout::Superblock { checksum, ..superblock.clone() };
    block[layout::SUPERBLOCK_OFFSET..][..layout::SUPERBLOCK_SIZE].copy_from_slice(&sealed.encode());
    block
}

//! The writer: data first, then directories and inodes, at last the superblock.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;

use super::compress;
use super::data::{self, Placed, Source};
use super::layout::{
    self, BLOCK, BLOCK_U64, DIRENT_SIZE, Dirent, INDEX_SIZE, InodeHeader, Layout, MAP_HEADER_SIZE, MapHeader, SLOT,
};
use super::xattrs;
use super::{Codec, ExtentCache, Options, Summary};
use crate::tree::{Contents, Inode, InodeId, Kind, Tree, TreePath};

/// Writes `tree` as an EROFS image into `out`, from its position 0.
///
/// Fails when `out`, the contents or the cache do, when a content is not what the tree says, and when the tree has
/// something that EROFS cannot hold (device numbers beyond 12 and 20 bits, 256 KiB of xattrs in one inode, 16 TiB);
/// the message names the path.
pub fn write<W: Write + Seek>(
    tree: &Tree,
    contents: &dyn Contents,
    options: &Options,
    cache: &dyn ExtentCache,
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
                let directory = Directory::new(node);
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
    cache: &dyn ExtentCache,
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

/// A directory's entries in the order of their bytes, divided into blocks.
struct Directory<'a> {
    /// Names, with `.` and `..`, and the numbers of the nodes they mean.
    entries: Vec<(&'a [u8], usize)>,
    /// The entries in each block.
    blocks: Vec<Range<usize>>,
    /// Bytes in the last block.
    last_block: usize,
    /// Whether the last block stands behind the inode.
    inline: bool,
}

impl<'a> Directory<'a> {
    fn new(node: &Node<'a>) -> Directory<'a> {
        let mut entries = node.children.clone();
        entries.push((b".", node.number));
        entries.push((b"..", node.parent));
        entries.sort_unstable();
        let mut blocks = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (number, (name, _)) in entries.iter().enumerate() {
            let length = DIRENT_SIZE + name.len();
            if used + length > BLOCK {
                blocks.push(start..number);
                (start, used) = (number, 0);
            }
            used += length;
        }
        blocks.push(start..entries.len());
        Directory { entries, blocks, last_block: used, inline: false }
    }

    fn size(&self) -> u64 {
        (self.blocks.len() as u64 - 1) * BLOCK_U64 + self.last_block as u64
    }
}

/// One block of a directory: its entries, then their names. `targets` are nid and file type of every node.
fn directory_block(entries: &[(&[u8], usize)], targets: &[(u64, u8)]) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut name_at = entries.len() * DIRENT_SIZE;
    for (name, number) in entries {
        let (nid, file_type) = targets[*number];
        let nameoff = u16::try_from(name_at).expect("a block has 4096 bytes");
        block.extend_from_slice(&Dirent { nid, nameoff, file_type }.encode());
        name_at += name.len();
    }
    entries.iter().for_each(|(name, _)| block.extend_from_slice(name));
    block
}

/// Writes the directories' blocks, now that every inode has its place, and leaves the inline ones behind the inodes.
fn write_directories<W: Write>(nids: &[u64], drafts: &mut [Draft<'_>], blocks: &mut Blocks<'_, W>) -> io::Result<()> {
    let file_type = |draft: &Draft<'_>| layout::file_type(draft.header.mode).expect("the mode of a tree's kind");
    let targets: Vec<(u64, u8)> = nids.iter().copied().zip(drafts.iter().map(file_type)).collect();
    for draft in drafts {
        let Body::Directory(directory) = &draft.body else { continue };
        let (start, mut tail) = (blocks.next(), Vec::new());
        for range in &directory.blocks {
            let block = directory_block(&directory.entries[range.clone()], &targets);
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

/// Where inodes stand in the metadata area.
///
/// An inode of up to a block does not cross a block's end, so that what is inline never does; a larger one begins a
/// block. Only the last few blocks are filled up: neighbours in the tree stay neighbours on the disk.
struct Places {
    /// Blocks with room: number, and bytes used.
    open: VecDeque<(u64, u64)>,
    /// The first block that no inode is in.
    next: u64,
}

/// How many blocks with room are remembered.
const OPEN_BLOCKS: usize = 32;

impl Places {
    fn new() -> Places {
        // Slot 0 stays empty: readdir reports the nid as inode number, and C libraries skip entries with number 0.
        Places { open: VecDeque::from([(0, SLOT as u64)]), next: 1 }
    }

    /// The nid for an inode with these many bytes.
    fn place(&mut self, length: u64) -> u64 {
        let length = length.next_multiple_of(SLOT as u64);
        let fitting = self.open.iter_mut().filter(|(_, used)| used.saturating_add(length) <= BLOCK_U64);
        if let Some((block, used)) = fitting.max_by_key(|(block, used)| (*used, *block)) {
            let offset = *block * BLOCK_U64 + *used;
            *used += length;
            return offset / SLOT as u64;
        }
        let offset = self.next * BLOCK_U64;
        self.next += length.div_ceil(BLOCK_U64);
        if self.open.len() == OPEN_BLOCKS {
            self.open.pop_front();
        }
        self.open.push_back((self.next - 1, (length - 1) % BLOCK_U64 + 1));
        offset / SLOT as u64
    }
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

/// The image as a sequence of blocks.
pub(super) struct Blocks<'a, W: Write> {
    out: BufWriter<&'a mut W>,
    next: u32,
}

impl<'a, W: Write> Blocks<'a, W> {
    /// The address of the next block.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Writes bytes into as many blocks as they need, zeros behind them; the address of the first.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u32> {
        let start = self.next;
        let count = u32::try_from(bytes.len().div_ceil(BLOCK)).ok();
        let next = count.and_then(|count| start.checked_add(count));
        self.next = next.ok_or_else(|| io::Error::other("an EROFS image has less than 16 TiB"))?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; BLOCK][..bytes.len().next_multiple_of(BLOCK) - bytes.len()])?;
        Ok(start)
    }
}

impl<'a, W: Write + Seek> Blocks<'a, W> {
    /// Begins an image; block 0 stays empty until the end.
    fn new(out: &'a mut W) -> io::Result<Blocks<'a, W>> {
        out.seek(SeekFrom::Start(0))?;
        let mut blocks = Blocks { out: BufWriter::with_capacity(1 << 20, out), next: 0 };
        blocks.append(&[0; BLOCK])?;
        Ok(blocks)
    }

    fn finish(mut self, first: &[u8; BLOCK]) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(first)?;
        self.out.flush()
    }
}

//! EROFS on disk: the structures, with the kernel's field names, to bytes and back. No policy, no input or output.
//!
//! Little-endian throughout. Specification: <https://erofs.docs.kernel.org/en/latest/core_ondisk.html>; when in doubt
//! `fs/erofs/erofs_fs.h` of Linux is right. Blocks and logical clusters are 4 KiB, the page size of every kernel we
//! build for.

/// Bytes of a block, and of a logical cluster: the unit in which compressed files are indexed.
pub(super) const BLOCK: usize = 4096;
/// [`BLOCK`] in the type that lengths of extents have.
pub(super) const BLOCK_U32: u32 = 4096;
/// [`BLOCK`] in the type that sizes of files and addresses have.
pub(super) const BLOCK_U64: u64 = 4096;
/// Where the superblock stands in the image.
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;
pub(super) const SUPERBLOCK_SIZE: usize = 128;
/// An inode's number is its offset from the metadata area in units of this.
pub(super) const SLOT: usize = 32;
pub(super) const COMPACT_SIZE: usize = 32;
pub(super) const EXTENDED_SIZE: usize = 64;
pub(super) const DIRENT_SIZE: usize = 12;
pub(super) const XATTR_HEADER_SIZE: usize = 12;
pub(super) const XATTR_ENTRY_SIZE: usize = 4;
/// Map header (8 bytes) and 8 reserved ones between an inode and its full indexes.
pub(super) const MAP_HEADER_SIZE: usize = 16;
pub(super) const INDEX_SIZE: usize = 8;

const MAGIC: u32 = 0xe0f5_e1e2;
pub(super) const COMPAT_SB_CHKSUM: u32 = 1;
pub(super) const COMPAT_MTIME: u32 = 2;
/// Compressed data is aligned to the end of its blocks, zeros in front.
pub(super) const INCOMPAT_ZERO_PADDING: u32 = 1;
/// The superblock is followed by the codecs' configurations; physical clusters may have several blocks.
pub(super) const INCOMPAT_COMPR_CFGS: u32 = 2;
/// Bits of `available_compr_algs`; the numbers are also those of `h_algorithmtype`.
pub(super) const ALGORITHM_LZ4: u8 = 0;
pub(super) const ALGORITHM_ZSTD: u8 = 3;
/// `h_advise`: a physical cluster has as many blocks as its first non-head index says.
pub(super) const ADVISE_BIG_PCLUSTER_1: u16 = 2;
/// Flag in `delta[0]` of an extent's first non-head index: the rest is the extent's number of blocks.
pub(super) const CBLKCNT: u16 = 0x800;

pub(super) const S_IFMT: u16 = 0o170_000;
pub(super) const S_IFIFO: u16 = 0o010_000;
pub(super) const S_IFCHR: u16 = 0o020_000;
pub(super) const S_IFDIR: u16 = 0o040_000;
pub(super) const S_IFBLK: u16 = 0o060_000;
pub(super) const S_IFREG: u16 = 0o100_000;
pub(super) const S_IFLNK: u16 = 0o120_000;

/// `N` bytes of a structure; callers pass arrays at least as long as the structure.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes has N bytes")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

/// `erofs_super_block`, without the fields that are zero in the images we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) checksum: u32,
    pub(super) feature_compat: u32,
    pub(super) blkszbits: u8,
    pub(super) root_nid: u16,
    pub(super) inos: u64,
    /// The time of every compact inode.
    pub(super) epoch: u64,
    pub(super) blocks: u32,
    pub(super) meta_blkaddr: u32,
    pub(super) xattr_blkaddr: u32,
    pub(super) uuid: [u8; 16],
    pub(super) volume_name: [u8; 16],
    pub(super) feature_incompat: u32,
    pub(super) available_compr_algs: u16,
    pub(super) extra_devices: u16,
    pub(super) dirblkbits: u8,
}

impl Superblock {
    pub(super) fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC.to_le_bytes());
        put(4, &self.checksum.to_le_bytes());
        put(8, &self.feature_compat.to_le_bytes());
        put(12, &[self.blkszbits]);
        put(14, &self.root_nid.to_le_bytes());
        put(16, &self.inos.to_le_bytes());
        put(24, &self.epoch.to_le_bytes());
        put(36, &self.blocks.to_le_bytes());
        put(40, &self.meta_blkaddr.to_le_bytes());
        put(44, &self.xattr_blkaddr.to_le_bytes());
        put(48, &self.uuid);
        put(64, &self.volume_name);
        put(80, &self.feature_incompat.to_le_bytes());
        put(84, &self.available_compr_algs.to_le_bytes());
        put(86, &self.extra_devices.to_le_bytes());
        put(90, &[self.dirblkbits]);
        bytes
    }

    /// `None` if the magic number is another one.
    pub(super) fn decode(bytes: &[u8; SUPERBLOCK_SIZE]) -> Option<Superblock> {
        (u32_at(bytes, 0) == MAGIC).then(|| Superblock {
            checksum: u32_at(bytes, 4),
            feature_compat: u32_at(bytes, 8),
            blkszbits: bytes[12],
            root_nid: u16_at(bytes, 14),
            inos: u64_at(bytes, 16),
            epoch: u64_at(bytes, 24),
            blocks: u32_at(bytes, 36),
            meta_blkaddr: u32_at(bytes, 40),
            xattr_blkaddr: u32_at(bytes, 44),
            uuid: field(bytes, 48),
            volume_name: field(bytes, 64),
            feature_incompat: u32_at(bytes, 80),
            available_compr_algs: u16_at(bytes, 84),
            extra_devices: u16_at(bytes, 86),
            dirblkbits: bytes[90],
        })
    }
}

/// The checksum of a superblock: over the rest of its block, with the checksum's own field zero.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let mut bytes = *block;
    bytes[SUPERBLOCK_OFFSET + 4..SUPERBLOCK_OFFSET + 8].fill(0);
    // The kernel's crc32c does not invert the result, the usual one does.
    !crc32c::crc32c(&bytes[SUPERBLOCK_OFFSET..])
}

/// How an inode's data is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Consecutive blocks.
    FlatPlain,
    /// Extents with one 8-byte index per 4 KiB.
    CompressedFull,
    /// Consecutive blocks and a tail behind the inode, which must not cross a block.
    FlatInline,
    CompressedCompact,
    ChunkBased,
}

impl Layout {
    fn number(self) -> u16 {
        match self {
            Layout::FlatPlain => 0,
            Layout::CompressedFull => 1,
            Layout::FlatInline => 2,
            Layout::CompressedCompact => 3,
            Layout::ChunkBased => 4,
        }
    }

    fn from_number(number: u16) -> Option<Layout> {
        use Layout::{ChunkBased, CompressedCompact, CompressedFull, FlatInline, FlatPlain};
        [FlatPlain, CompressedFull, FlatInline, CompressedCompact, ChunkBased]
            .into_iter()
            .find(|l| l.number() == number)
    }
}

/// `erofs_inode_compact` (no time of its own, 16-bit owners and links) or `erofs_inode_extended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InodeHeader {
    pub(super) extended: bool,
    pub(super) layout: Layout,
    /// Size of the xattrs behind the inode, in the unit of [`xattr_count`].
    pub(super) xattr_icount: u16,
    /// Kind and permissions, as `st_mode`.
    pub(super) mode: u16,
    pub(super) nlink: u32,
    pub(super) size: u64,
    /// `i_u`: first block of flat data, number of blocks of compressed data, or device number.
    pub(super) union: u32,
    /// Only for `stat` of 32-bit programs.
    pub(super) ino: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Extended inodes only; as the kernel, signed.
    pub(super) mtime: i64,
}

impl InodeHeader {
    /// Bytes of the structure itself.
    pub(super) fn length(extended: bool) -> usize {
        if extended { EXTENDED_SIZE } else { COMPACT_SIZE }
    }

    /// The caller has chosen `extended` so that every value fits.
    pub(super) fn encode(&self) -> Vec<u8> {
        let small =
            |value: u32| u16::try_from(value).expect("compact inodes are chosen for small values").to_le_bytes();
        let mut bytes = vec![0; InodeHeader::length(self.extended)];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &(u16::from(self.extended) | self.layout.number() << 1).to_le_bytes());
        put(2, &self.xattr_icount.to_le_bytes());
        put(4, &self.mode.to_le_bytes());
        put(16, &self.union.to_le_bytes());
        put(20, &self.ino.to_le_bytes());
        if self.extended {
            put(8, &self.size.to_le_bytes());
            put(24, &self.uid.to_le_bytes());
            put(28, &self.gid.to_le_bytes());
            put(32, &self.mtime.to_le_bytes());
            put(44, &self.nlink.to_le_bytes());
        } else {
            let size = u32::try_from(self.size).expect("compact inodes are chosen for small values");
            put(6, &small(self.nlink));
            put(8, &size.to_le_bytes());
            put(24, &small(self.uid));
            put(26, &small(self.gid));
        }
        bytes
    }

    /// Whether the inode that starts with these bytes is an extended one.
    pub(super) fn is_extended(bytes: &[u8; COMPACT_SIZE]) -> bool {
        bytes[0] & 1 != 0
    }

    /// Compact inodes come back with the time zero. An unknown layout or format bit is `None`.
    pub(super) fn decode(bytes: &[u8; EXTENDED_SIZE]) -> Option<InodeHeader> {
        let format = u16_at(bytes, 0);
        let extended = format & 1 != 0;
        let layout = Layout::from_number(format >> 1)?;
        let wide = |at_extended, at_compact: usize| {
            if extended { u32_at(bytes, at_extended) } else { u16_at(bytes, at_compact).into() }
        };
        Some(InodeHeader {
            extended,
            layout,
            xattr_icount: u16_at(bytes, 2),
            mode: u16_at(bytes, 4),
            nlink: wide(44, 6),
            size: if extended { u64_at(bytes, 8) } else { u32_at(bytes, 8).into() },
            union: u32_at(bytes, 16),
            ino: u32_at(bytes, 20),
            uid: wide(24, 24),
            gid: wide(28, 26),
            mtime: if extended { i64::from_le_bytes(field(bytes, 32)) } else { 0 },
        })
    }
}

/// Bytes of the xattrs behind an inode.
pub(super) fn xattr_length(icount: u16) -> usize {
    if icount == 0 { 0 } else { XATTR_HEADER_SIZE + 4 * (usize::from(icount) - 1) }
}

/// The inverse of [`xattr_length`]; `None` if there are too many.
pub(super) fn xattr_icount(length: usize) -> Option<u16> {
    if length == 0 { Some(0) } else { u16::try_from((length - XATTR_HEADER_SIZE) / 4 + 1).ok() }
}

/// Prefixes of xattr names and their numbers. The two POSIX ones are whole names.
pub(super) const XATTR_PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// `erofs_xattr_entry`: lengths of the rest of the name and of the value that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct XattrEntry {
    pub(super) name_len: u8,
    pub(super) name_index: u8,
    pub(super) value_size: u16,
}

impl XattrEntry {
    pub(super) fn encode(self) -> [u8; XATTR_ENTRY_SIZE] {
        let [low, high] = self.value_size.to_le_bytes();
        [self.name_len, self.name_index, low, high]
    }

    pub(super) fn decode(bytes: [u8; XATTR_ENTRY_SIZE]) -> XattrEntry {
        let [name_len, name_index, low, high] = bytes;
        XattrEntry { name_len, name_index, value_size: u16::from_le_bytes([low, high]) }
    }
}

/// `erofs_dirent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dirent {
    pub(super) nid: u64,
    pub(super) nameoff: u16,
    pub(super) file_type: u8,
}

impl Dirent {
    pub(super) fn encode(self) -> [u8; DIRENT_SIZE] {
        let mut bytes = [0; DIRENT_SIZE];
        bytes[..8].copy_from_slice(&self.nid.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.nameoff.to_le_bytes());
        bytes[10] = self.file_type;
        bytes
    }

    pub(super) fn decode(bytes: &[u8; DIRENT_SIZE]) -> Dirent {
        Dirent { nid: u64_at(bytes, 0), nameoff: u16_at(bytes, 8), file_type: bytes[10] }
    }
}

/// The directory entry's type of an inode with this `st_mode`.
pub(super) fn file_type(mode: u16) -> Option<u8> {
    Some(match mode & S_IFMT {
        S_IFREG => 1,
        S_IFDIR => 2,
        S_IFCHR => 3,
        S_IFBLK => 4,
        S_IFIFO => 5,
        S_IFLNK => 7,
        _ => return None,
    })
}

/// `new_encode_dev` of Linux: 12 bits of major, 20 of minor; `None` if a number is larger.
pub(super) fn encode_device(major: u32, minor: u32) -> Option<u32> {
    (major < 1 << 12 && minor < 1 << 20).then_some(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

pub(super) fn decode_device(device: u32) -> (u32, u32) {
    (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00)
}

/// `z_erofs_map_header` and the reserved bytes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapHeader {
    pub(super) advise: u16,
    pub(super) algorithmtype: u8,
    pub(super) clusterbits: u8,
}

impl MapHeader {
    pub(super) fn encode(self) -> [u8; MAP_HEADER_SIZE] {
        let mut bytes = [0; MAP_HEADER_SIZE];
        bytes[4..6].copy_from_slice(&self.advise.to_le_bytes());
        bytes[6] = self.algorithmtype;
        bytes[7] = self.clusterbits;
        bytes
    }

    pub(super) fn decode(bytes: &[u8; MAP_HEADER_SIZE]) -> MapHeader {
        MapHeader { advise: u16_at(bytes, 4), algorithmtype: bytes[6], clusterbits: bytes[7] }
    }
}

/// `z_erofs_lcluster_index`: what one 4 KiB of a compressed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// An uncompressed block; at `clusterofs` > 0 it only closes the extent before.
    Plain { clusterofs: u16, blkaddr: u32 },
    /// A compressed extent begins here.
    Head { clusterofs: u16, blkaddr: u32 },
    /// The extent goes on: distance to its head (or its number of blocks, see [`CBLKCNT`]) and to the next head.
    NonHead { delta: [u16; 2] },
}

impl Index {
    pub(super) fn encode(self) -> [u8; INDEX_SIZE] {
        let (advise, clusterofs, union) = match self {
            Index::Plain { clusterofs, blkaddr } => (0u16, clusterofs, blkaddr.to_le_bytes()),
            Index::Head { clusterofs, blkaddr } => (1, clusterofs, blkaddr.to_le_bytes()),
            Index::NonHead { delta: [first, second] } => {
                (2, 0, (u32::from(first) | u32::from(second) << 16).to_le_bytes())
            }
        };
        let mut bytes = [0; INDEX_SIZE];
        bytes[..2].copy_from_slice(&advise.to_le_bytes());
        bytes[2..4].copy_from_slice(&clusterofs.to_le_bytes());
        bytes[4..].copy_from_slice(&union);
        bytes
    }

    /// `None` for types and flags that we never write.
    pub(super) fn decode(bytes: &[u8; INDEX_SIZE]) -> Option<Index> {
        let (clusterofs, blkaddr) = (u16_at(bytes, 2), u32_at(bytes, 4));
        Some(match u16_at(bytes, 0) {
            0 => Index::Plain { clusterofs, blkaddr },
            1 => Index::Head { clusterofs, blkaddr },
            2 => Index::NonHead { delta: [u16_at(bytes, 4), u16_at(bytes, 6)] },
            _ => return None,
        })
    }
}

//! The reader: what the writer writes, from bytes that nobody vouches for.
//!
//! Every number is checked before it is used: hostile images give errors with the offset of what is wrong, never
//! panics, endless loops or allocations beyond a small multiple of the image. It reads layouts 0 (flat), 1 (full
//! indexes) and 2 (inline tail) as our writer lays them out; compact indexes, chunks and other features are
//! [`ReadError::Unsupported`].

mod extents;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

pub use extents::{Extent, FileReader, Packing};
pub use tree::tree;
pub(super) use tree::walk;

use super::layout::{
    self, BLOCK, BLOCK_U64, DIRENT_SIZE, Dirent, InodeHeader, Layout, SLOT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
    Superblock, XATTR_ENTRY_SIZE, XATTR_HEADER_SIZE, XATTR_PREFIXES, XattrEntry,
};
use crate::formats::device::ReadAt;
use crate::tree::{TreeError, path};

/// Why an image cannot be read. Offsets are bytes from the start of the image.
#[derive(Debug)]
pub enum ReadError {
    /// Reading the image failed, or what takes the contents did.
    Io {
        offset: u64,
        error: io::Error,
    },
    NotErofs,
    /// The superblock's checksum is wrong.
    Checksum {
        found: u32,
        expected: u32,
    },
    /// Something points outside of the image.
    OutOfBounds {
        offset: u64,
        length: u64,
    },
    /// EROFS, but not as our writer writes it.
    Unsupported {
        offset: u64,
        what: &'static str,
    },
    Corrupt {
        offset: u64,
        what: &'static str,
    },
    /// An inode that no [`Tree`](crate::tree::Tree) can hold.
    Tree {
        offset: u64,
        error: TreeError,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io { offset, error } => write!(f, "reading the EROFS image at {offset:#x}: {error}"),
            ReadError::NotErofs => f.write_str("not an EROFS image"),
            ReadError::Checksum { found, expected } => {
                write!(f, "the EROFS superblock's checksum is {found:#010x}, its bytes have {expected:#010x}")
            }
            ReadError::OutOfBounds { offset, length } => {
                write!(f, "{length} bytes at {offset:#x} lie outside of the EROFS image")
            }
            ReadError::Unsupported { offset, what } => write!(f, "unsupported in EROFS at {offset:#x}: {what}"),
            ReadError::Corrupt { offset, what } => write!(f, "corrupt EROFS at {offset:#x}: {what}"),
            ReadError::Tree { offset, error } => write!(f, "the EROFS inode at {offset:#x}: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io { error, .. } => Some(error),
            ReadError::Tree { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// An image whose superblock is good.
#[derive(Debug)]
pub struct Image<R> {
    source: R,
    /// Bytes that the superblock claims and that are there.
    size: u64,
    pub(super) superblock: Superblock,
}

/// An inode as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    pub nid: u64,
    /// Where it stands in the image.
    pub offset: u64,
    pub(super) header: InodeHeader,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub nid: u64,
    pub(super) file_type: u8,
}

impl<R: ReadAt> Image<R> {
    pub fn open(source: R) -> Result<Image<R>, ReadError> {
        let at_start = |error| ReadError::Io { offset: 0, error };
        let there = source.size().map_err(at_start)?;
        if there < BLOCK_U64 {
            return Err(ReadError::NotErofs);
        }
        let mut block = [0; BLOCK];
        source.read_exact_at(&mut block, 0).map_err(at_start)?;
        let bytes: &[u8; SUPERBLOCK_SIZE] =
            block[SUPERBLOCK_OFFSET..].first_chunk().expect("a block is longer than its superblock");
        let superblock = Superblock::decode(bytes).ok_or(ReadError::NotErofs)?;
        let expected = layout::checksum(&block);
        if superblock.feature_compat & layout::COMPAT_SB_CHKSUM != 0 && superblock.checksum != expected {
            return Err(ReadError::Checksum { found: superblock.checksum, expected });
        }
        let unsupported = |what| Err(ReadError::Unsupported { offset: SUPERBLOCK_OFFSET as u64, what });
        if superblock.blkszbits != 12 || superblock.dirblkbits != 0 {
            return unsupported("a block size other than 4096");
        }
        if superblock.feature_incompat & !(layout::INCOMPAT_ZERO_PADDING | layout::INCOMPAT_COMPR_CFGS) != 0 {
            return unsupported("chunks, fragments, several devices or another feature");
        }
        if superblock.extra_devices != 0 {
            return unsupported("several devices");
        }
        let size = u64::from(superblock.blocks) * BLOCK_U64;
        if size > there {
            return Err(ReadError::OutOfBounds { offset: there, length: size - there });
        }
        Ok(Image { source, size, superblock })
    }

    /// The root directory's number.
    pub fn root(&self) -> u64 {
        self.superblock.root_nid.into()
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn inode(&self, nid: u64) -> Result<Inode, ReadError> {
        let area = u64::from(self.superblock.meta_blkaddr) * BLOCK_U64;
        let place = nid.checked_mul(SLOT as u64).and_then(|at| at.checked_add(area));
        let offset = place.ok_or(ReadError::OutOfBounds { offset: area, length: u64::MAX })?;
        let mut bytes = [0; layout::EXTENDED_SIZE];
        let (compact, rest) = bytes.split_first_chunk_mut().expect("compact inodes are the shorter ones");
        self.fill(compact, offset)?;
        if InodeHeader::is_extended(compact) {
            self.fill(rest, offset + layout::COMPACT_SIZE as u64)?;
        }
        let header = InodeHeader::decode(&bytes);
        let mut header = header.ok_or(ReadError::Unsupported { offset, what: "an unknown inode format or layout" })?;
        if !header.extended {
            header.mtime = self.superblock.epoch.cast_signed();
        }
        Ok(Inode { nid, offset, header })
    }

    /// The entries of a directory, `.` and `..` too, in their order.
    pub fn directory(&self, inode: &Inode) -> Result<Vec<Entry>, ReadError> {
        let corrupt = |what| ReadError::Corrupt { offset: inode.offset, what };
        if inode.header.mode & layout::S_IFMT != layout::S_IFDIR {
            return Err(corrupt("not a directory"));
        }
        if inode.header.layout == Layout::CompressedFull {
            return Err(ReadError::Unsupported { offset: inode.offset, what: "a compressed directory" });
        }
        let mut data = Vec::new();
        for extent in self.extents(inode)? {
            data.extend_from_slice(&self.bytes(extent.address, extent.stored)?);
        }
        let mut entries: Vec<Entry> = Vec::new();
        for block in data.chunks(BLOCK) {
            directory_block(block, &mut entries).ok_or_else(|| corrupt("a damaged directory block"))?;
        }
        if !entries.is_sorted_by(|one, other| one.name < other.name) {
            return Err(corrupt("directory entries out of order"));
        }
        Ok(entries)
    }

    /// Full names and values.
    pub fn xattrs(&self, inode: &Inode) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
        let mut xattrs = BTreeMap::new();
        let length = layout::xattr_length(inode.header.xattr_icount);
        if length == 0 {
            return Ok(xattrs);
        }
        let start = inode.offset + InodeHeader::length(inode.header.extended) as u64;
        let corrupt = |what| ReadError::Corrupt { offset: start, what };
        let body = self.bytes(start, length as u64)?;
        let (header, rest) = body.split_at_checked(XATTR_HEADER_SIZE).ok_or(corrupt("too few bytes of xattrs"))?;
        let ids = rest.get(..4 * usize::from(header[4])).ok_or(corrupt("more shared xattrs than room"))?;
        let mut entries = Vec::new();
        let shared_area = u64::from(self.superblock.xattr_blkaddr) * BLOCK_U64;
        for id in ids.as_chunks().0 {
            let offset = shared_area + 4 * u64::from(u32::from_le_bytes(*id));
            let mut entry = [0; XATTR_ENTRY_SIZE];
            self.fill(&mut entry, offset)?;
            let entry = XattrEntry::decode(entry);
            let length = u64::from(entry.name_len) + u64::from(entry.value_size);
            entries.push((entry, self.bytes(offset + XATTR_ENTRY_SIZE as u64, length)?));
        }
        let mut inline = &rest[ids.len()..];
        while let Some((entry, after)) = inline.split_first_chunk() {
            let entry = XattrEntry::decode(*entry);
            let length = usize::from(entry.name_len) + usize::from(entry.value_size);
            let bytes = after.get(..length).ok_or(corrupt("an xattr beyond its inode's room"))?;
            entries.push((entry, bytes.to_vec()));
            inline = after.get(length.next_multiple_of(XATTR_ENTRY_SIZE)..).unwrap_or_default();
        }
        for (entry, bytes) in entries {
            let prefix = XATTR_PREFIXES.into_iter().find(|(number, _)| *number == entry.name_index);
            let (_, prefix) =
                prefix.ok_or(ReadError::Unsupported { offset: start, what: "an unknown prefix of an xattr's name" })?;
            let (name, value) = bytes.split_at(entry.name_len.into());
            if xattrs.insert([prefix, name].concat(), value.to_vec()).is_some() {
                return Err(corrupt("an xattr that occurs twice"));
            }
        }
        Ok(xattrs)
    }

    /// Bytes of the image, which must be inside of it.
    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        self.check_bounds(offset, length)?;
        let length = usize::try_from(length).map_err(|_| ReadError::OutOfBounds { offset, length })?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.check_bounds(offset, buffer.len() as u64)?;
        self.source.read_exact_at(buffer, offset).map_err(|error| ReadError::Io { offset, error })
    }

    fn check_bounds(&self, offset: u64, length: u64) -> Result<(), ReadError> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.size);
        if inside { Ok(()) } else { Err(ReadError::OutOfBounds { offset, length }) }
    }
}

/// Appends the entries of one block of a directory; `None` if it is damaged.
fn directory_block(block: &[u8], entries: &mut Vec<Entry>) -> Option<()> {
    let dirent = |number: usize| {
        let bytes = block.get(number.checked_mul(DIRENT_SIZE)?..)?;
        bytes.first_chunk().map(Dirent::decode)
    };
    let first_name = usize::from(dirent(0)?.nameoff);
    let count = first_name / DIRENT_SIZE;
    if count == 0 || !first_name.is_multiple_of(DIRENT_SIZE) {
        return None;
    }
    for number in 0..count {
        let Dirent { nid, nameoff, file_type } = dirent(number)?;
        let end = if number + 1 < count { dirent(number + 1)?.nameoff.into() } else { block.len() };
        let name = block.get(nameoff.into()..end)?;
        // Zeros fill up a block behind its last name.
        let name = if number + 1 < count { name } else { name.split(|byte| *byte == 0).next()? };
        if name.is_empty() || name.len() > path::NAME_MAX || name.contains(&0) || name.contains(&b'/') {
            return None;
        }
        entries.push(Entry { name: name.to_vec(), nid, file_type });
    }
    Some(())
}

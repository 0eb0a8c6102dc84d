//! Where a file's bytes are, and reading them.

use std::io;
use std::vec;

use super::{Image, Inode, ReadAt, ReadError};
use crate::formats::erofs::ExtentSize;
use crate::formats::erofs::compress;
use crate::formats::erofs::layout::{
    self, BLOCK_U64, CBLKCNT, INDEX_SIZE, Index, InodeHeader, Layout, MAP_HEADER_SIZE, MapHeader,
};

/// A range of a file and where it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset and length in the file, in bytes.
    pub offset: u64,
    pub length: u64,
    /// Offset and length in the image, in bytes.
    pub address: u64,
    pub stored: u64,
    pub packing: Packing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Raw,
    Lz4,
    Zstd,
}

impl Packing {
    fn algorithm(self) -> Option<u8> {
        match self {
            Packing::Raw => None,
            Packing::Lz4 => Some(layout::ALGORITHM_LZ4),
            Packing::Zstd => Some(layout::ALGORITHM_ZSTD),
        }
    }
}

/// Raw data is read in pieces of this size.
const PIECE: u64 = 128 << 10;

impl<R: ReadAt> Image<R> {
    /// The extents of an inode's data: without gaps, in order, all inside of the image.
    pub fn extents(&self, inode: &Inode) -> Result<Vec<Extent>, ReadError> {
        let extents = match inode.header.layout {
            Layout::FlatPlain | Layout::FlatInline => self.flat(inode)?,
            Layout::CompressedFull => self.compressed(inode)?,
            Layout::CompressedCompact => {
                return Err(ReadError::Unsupported { offset: inode.offset, what: "compact compression indexes" });
            }
            Layout::ChunkBased => {
                return Err(ReadError::Unsupported { offset: inode.offset, what: "a chunk-based file" });
            }
        };
        extents.iter().try_for_each(|extent| self.check_bounds(extent.address, extent.stored))?;
        Ok(extents)
    }

    /// The data of a file or symlink.
    pub fn contents(&self, inode: &Inode) -> Result<FileReader<'_, R>, ReadError> {
        let extents = self.extents(inode)?;
        Ok(FileReader { image: self, extents: extents.into_iter(), raw: None, piece: Vec::new(), used: 0 })
    }

    fn flat(&self, inode: &Inode) -> Result<Vec<Extent>, ReadError> {
        let InodeHeader { size, layout, extended, xattr_icount, union, .. } = inode.header;
        let whole = match layout {
            Layout::FlatInline => size.saturating_sub(1) / BLOCK_U64 * BLOCK_U64,
            _ => size,
        };
        let mut extents = Vec::new();
        let mut push = |offset, address, length| {
            extents.push(Extent { offset, length, address, stored: length, packing: Packing::Raw });
        };
        if whole > 0 {
            push(0, u64::from(union) * BLOCK_U64, whole);
        }
        if whole < size {
            let head = InodeHeader::length(extended) + layout::xattr_length(xattr_icount);
            let (address, length) = (inode.offset + head as u64, size - whole);
            if address % BLOCK_U64 + length > BLOCK_U64 {
                return Err(ReadError::Corrupt { offset: inode.offset, what: "an inline tail that crosses a block" });
            }
            push(whole, address, length);
        }
        Ok(extents)
    }

    fn compressed(&self, inode: &Inode) -> Result<Vec<Extent>, ReadError> {
        let InodeHeader { size, extended, xattr_icount, union, .. } = inode.header;
        let head = InodeHeader::length(extended) + layout::xattr_length(xattr_icount);
        let offset = (inode.offset + head as u64).next_multiple_of(8);
        let mut header = [0; MAP_HEADER_SIZE];
        self.fill(&mut header, offset)?;
        let packing = self.packing(MapHeader::decode(&header), offset)?;
        let length = size.div_ceil(BLOCK_U64).saturating_mul(INDEX_SIZE as u64);
        let bytes = self.bytes(offset + MAP_HEADER_SIZE as u64, length)?;
        let corrupt = |what| ReadError::Corrupt { offset, what };
        let extents = from_indexes(bytes.as_chunks().0, size, packing).map_err(corrupt)?;
        let blocks: u64 = extents.iter().map(|extent| extent.stored.div_ceil(BLOCK_U64)).sum();
        if blocks != u64::from(union) {
            return Err(corrupt("a count of compressed blocks that is not theirs"));
        }
        Ok(extents)
    }

    fn packing(&self, header: MapHeader, offset: u64) -> Result<Packing, ReadError> {
        let unsupported = |what| Err(ReadError::Unsupported { offset, what });
        if header.advise != layout::ADVISE_BIG_PCLUSTER_1 || header.clusterbits != 0 {
            return unsupported("compression indexes with other options");
        }
        let packing = [Packing::Lz4, Packing::Zstd].into_iter().find(|p| p.algorithm() == Some(header.algorithmtype));
        let announced = |number: u8| self.superblock.available_compr_algs >> number & 1 == 1;
        match packing {
            Some(packing) if packing.algorithm().is_some_and(announced) => Ok(packing),
            _ => unsupported("a compression algorithm"),
        }
    }

    /// A compressed extent as it was before.
    fn unpack(&self, extent: &Extent, algorithm: u8) -> Result<Vec<u8>, ReadError> {
        let blocks = self.bytes(extent.address, extent.stored)?;
        let length = usize::try_from(extent.length).ok();
        let unpacked = length.and_then(|length| compress::unpack(algorithm, &blocks, length));
        unpacked.ok_or(ReadError::Corrupt { offset: extent.address, what: "an extent that cannot be decompressed" })
    }
}

/// The extents that full indexes describe, if they do it as [`compress::indexes`] does.
fn from_indexes(indexes: &[[u8; INDEX_SIZE]], size: u64, packing: Packing) -> Result<Vec<Extent>, &'static str> {
    let decode = |number: usize| match indexes.get(number) {
        Some(bytes) => Index::decode(bytes).map(Some).ok_or("an unknown compression index"),
        None => Ok(None),
    };
    let mut extents: Vec<Extent> = Vec::new();
    let (mut number, mut offset) = (0, 0);
    while let Some(index) = decode(number)? {
        let next = match index {
            Index::Plain { clusterofs: 0, blkaddr } => {
                let length = BLOCK_U64.min(size - offset);
                let address = u64::from(blkaddr) * BLOCK_U64;
                number += 1;
                match extents.last_mut() {
                    Some(last) if last.packing == Packing::Raw && last.address + last.stored == address => {
                        last.length += length;
                        last.stored += length;
                        offset += length;
                        continue;
                    }
                    _ => Extent { offset, length, address, stored: length, packing: Packing::Raw },
                }
            }
            Index::Head { clusterofs: 0, blkaddr } => {
                let head = number;
                let mut blocks = 1;
                number += 1;
                while let Some(Index::NonHead { delta: [first, _] }) = decode(number)? {
                    if number == head + 1 && first & CBLKCNT != 0 {
                        blocks = u64::from(first & !CBLKCNT);
                    } else if usize::from(first) != number - head {
                        return Err("a compression index with a wrong distance");
                    }
                    number += 1;
                }
                let mut end = (number as u64 * BLOCK_U64).min(size);
                if let Some(Index::Plain { clusterofs: rest @ 1.., .. }) = decode(number)? {
                    end += u64::from(rest);
                    number += 1;
                    if end != size || number != indexes.len() {
                        return Err("the end of a file before its end");
                    }
                } else if !end.is_multiple_of(BLOCK_U64) {
                    return Err("a last extent that is not closed");
                }
                let length = end - offset;
                if blocks == 0 || blocks >= length.div_ceil(BLOCK_U64) || length > u64::from(ExtentSize::MAX.bytes()) {
                    return Err("an extent of impossible size");
                }
                let address = u64::from(blkaddr) * BLOCK_U64;
                Extent { offset, length, address, stored: blocks * BLOCK_U64, packing }
            }
            _ => return Err("a compression index that belongs to no extent"),
        };
        offset += next.length;
        extents.push(next);
    }
    Ok(extents)
}

/// Reads a file from its start to its end, one extent in memory.
#[derive(Debug)]
pub struct FileReader<'a, R> {
    image: &'a Image<R>,
    extents: vec::IntoIter<Extent>,
    /// What is left of a raw extent.
    raw: Option<Extent>,
    /// Bytes to hand out, and how many of them are.
    piece: Vec<u8>,
    used: usize,
}

impl<R: ReadAt> FileReader<'_, R> {
    fn next_piece(&mut self) -> Result<Vec<u8>, ReadError> {
        let Some(extent) = self.raw.take().or_else(|| self.extents.next()) else { return Ok(Vec::new()) };
        if let Some(algorithm) = extent.packing.algorithm() {
            return self.image.unpack(&extent, algorithm);
        }
        let length = extent.stored.min(PIECE);
        if length < extent.stored {
            self.raw = Some(Extent { address: extent.address + length, stored: extent.stored - length, ..extent });
        }
        self.image.bytes(extent.address, length)
    }
}

/// Errors are [`ReadError`]s inside of [`io::Error`]s.
impl<R: ReadAt> io::Read for FileReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() {
            self.piece = self.next_piece().map_err(io::Error::other)?;
            self.used = 0;
        }
        let rest = &self.piece[self.used..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.used += length;
        Ok(length)
    }
}

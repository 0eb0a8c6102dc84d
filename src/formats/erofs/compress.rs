//! One extent at a time: input to whole blocks and back, and how a file is divided into extents.

use std::io;

use super::layout::{self, BLOCK, BLOCK_U32, CBLKCNT, Index};
use super::{Codec, ExtentSize};

/// One extent of a file: `input` bytes of it in `blocks` blocks of the image, which follow the extent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) input: u32,
    pub(super) blocks: u32,
    /// Compressed extents have fewer blocks than raw ones of the same input.
    pub(super) compressed: bool,
}

/// What an extent became: `bytes` are whole blocks if compressed, the input itself if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) extent: Extent,
    pub(super) bytes: Vec<u8>,
}

impl Extent {
    pub(super) fn raw(input: u32) -> Extent {
        Extent { input, blocks: input.div_ceil(BLOCK_U32), compressed: false }
    }

    /// How many bytes [`Packed::bytes`] has.
    pub(super) fn stored(self) -> usize {
        let stored = if self.compressed { u64::from(self.blocks) * u64::from(BLOCK_U32) } else { self.input.into() };
        usize::try_from(stored).expect("extents have at most 1 MiB")
    }
}

/// Bytes of every extent but the last in a file with `size` bytes: as many extents as the extent size makes
/// necessary, all equal and whole blocks. A last extent of a few bytes would take a block for itself.
pub(super) fn extent_length(size: u64, extent: ExtentSize) -> u32 {
    let maximum = u64::from(extent.bytes());
    let count = size.div_ceil(maximum).max(1);
    let length = size.div_ceil(count).next_multiple_of(BLOCK_U32.into()).clamp(BLOCK_U32.into(), maximum);
    u32::try_from(length).expect("clamped to an extent size")
}

/// Lengths of all extents of such a file; an empty file has none.
pub(super) fn split(size: u64, extent: ExtentSize) -> impl Iterator<Item = u32> {
    let each = extent_length(size, extent);
    (0..size.div_ceil(each.into())).map(move |number| {
        let left = size - number * u64::from(each);
        u32::try_from(left).map_or(each, |left| left.min(each))
    })
}

/// Compresses extents with one codec; holds the codec's working memory, so one per thread.
pub(super) enum Compressor {
    Zstd(zstd::bulk::Compressor<'static>),
    Lz4hc(i32),
    None,
}

impl Compressor {
    pub(super) fn new(codec: Codec, extent: ExtentSize) -> io::Result<Compressor> {
        Ok(match codec {
            Codec::Zstd { level } => {
                let mut zstd = zstd::bulk::Compressor::new(level)?;
                // The image has its own integrity (dm-verity).
                zstd.include_checksum(false)?;
                // The window must cover the extent and not exceed what the superblock announces: beyond it
                // fsck.erofs 1.8 accepts what Linux 6.12 cannot read.
                zstd.window_log(window_log(extent).into())?;
                Compressor::Zstd(zstd)
            }
            Codec::Lz4hc { level } => Compressor::Lz4hc(level),
            Codec::None => Compressor::None,
        })
    }

    /// Packs one extent: compressed if that saves at least one block.
    pub(super) fn pack(&mut self, input: Vec<u8>) -> io::Result<Packed> {
        let extent = Extent::raw(u32::try_from(input.len()).map_err(io::Error::other)?);
        let compressed = match self {
            _ if extent.blocks < 2 => None,
            Compressor::None => None,
            Compressor::Zstd(zstd) => Some(zstd.compress(&input)?),
            Compressor::Lz4hc(level) => {
                let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(*level);
                Some(lz4::block::compress(&input, Some(mode), false)?)
            }
        };
        let Some(compressed) = compressed.filter(|bytes| bytes.len().div_ceil(BLOCK) < input.len().div_ceil(BLOCK))
        else {
            return Ok(Packed { extent, bytes: input });
        };
        let length = compressed.len().next_multiple_of(BLOCK);
        let mut bytes = vec![0; length - compressed.len()];
        bytes.extend_from_slice(&compressed);
        let blocks = u32::try_from(length / BLOCK).map_err(io::Error::other)?;
        Ok(Packed { extent: Extent { blocks, compressed: true, ..extent }, bytes })
    }
}

/// Base-two logarithm of the zstd window for this extent size; the format cannot say less than 10.
pub(super) fn window_log(extent: ExtentSize) -> u8 {
    u8::try_from(extent.bytes().ilog2()).expect("a logarithm of 32 bits").max(10)
}

/// The number of a codec in the superblock and in the map headers.
pub(super) fn algorithm(codec: Codec) -> Option<u8> {
    match codec {
        Codec::Zstd { .. } => Some(layout::ALGORITHM_ZSTD),
        Codec::Lz4hc { .. } => Some(layout::ALGORITHM_LZ4),
        Codec::None => None,
    }
}

/// The indexes of a compressed file whose extents begin at the block `start`.
///
/// A raw extent is one entry *per block*: one raw cluster of several blocks is EUCLEAN on Linux 6.1 and comes back
/// wrong from fsck.erofs 1.5.
pub(super) fn indexes(start: u32, extents: &[Extent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |index: Index| bytes.extend_from_slice(&index.encode());
    let narrow = |value: u32| u16::try_from(value).expect("an extent has at most 256 blocks");
    let mut blkaddr = start;
    for extent in extents {
        let whole = narrow(extent.input / BLOCK_U32);
        if extent.compressed {
            put(Index::Head { clusterofs: 0, blkaddr });
            for distance in 1..whole {
                let first = if distance == 1 { narrow(extent.blocks) | CBLKCNT } else { distance };
                put(Index::NonHead { delta: [first, whole - distance] });
            }
            if !extent.input.is_multiple_of(BLOCK_U32) {
                put(Index::Plain { clusterofs: narrow(extent.input % BLOCK_U32), blkaddr: 0 });
            }
        } else {
            (0..extent.blocks).for_each(|block| put(Index::Plain { clusterofs: 0, blkaddr: blkaddr + block }));
        }
        blkaddr += extent.blocks;
    }
    bytes
}

/// Undoes one compressed extent that holds `length` bytes; `None` if the bytes do not decompress to exactly that.
pub(super) fn unpack(algorithm: u8, blocks: &[u8], length: usize) -> Option<Vec<u8>> {
    let compressed = &blocks[blocks.iter().take(BLOCK).position(|byte| *byte != 0)?..];
    let mut output = vec![0; length];
    let written = match algorithm {
        layout::ALGORITHM_ZSTD => zstd::bulk::decompress_to_buffer(compressed, &mut output).ok()?,
        layout::ALGORITHM_LZ4 => {
            let size = i32::try_from(length).ok()?;
            lz4::block::decompress_to_buffer(compressed, Some(size), &mut output).ok()?
        }
        _ => return None,
    };
    (written == length).then_some(output)
}

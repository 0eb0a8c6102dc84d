//! Writes netdisks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use crate::formats::blocks;
use crate::formats::sparse::is_zero;
use crate::netdisk_index::{BLOCK_BYTES, EXTENT_MAX, Extent, Index, Partition};

const BLOCK: usize = 4096;

/// What a netdisk is made of.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Its first `bytes` bytes are the disk.
    pub raw: &'a File,
    /// A multiple of 4096.
    pub bytes: u64,
    pub partitions: Vec<Partition>,
    /// What comes first in the file, in this order, for readers that need no more.
    pub first: Vec<Range<u64>>,
    pub threads: usize,
}

/// Writes the netdisk into `out`, an empty file, and returns its index.
///
/// Behind what is to be first come all other extents by their place on the disk, the first and the last MiB, where a
/// partition table has its two halves, at the end: what is written in this order has a table once it has all else.
pub fn write(request: Request<'_>, out: &File) -> io::Result<Index> {
    let Request { raw, bytes, partitions, first, threads } = request;
    let mut extents = Vec::new();
    let take = |number: u64, found: Vec<Extent>| {
        let place = |extent: Extent| Extent { offset: number * EXTENT_MAX + extent.offset, ..extent };
        extents.extend(found.into_iter().map(place));
        Ok(())
    };
    let block = usize::try_from(EXTENT_MAX).map_err(io::Error::other)?;
    blocks::for_each((raw, bytes), block, threads, || Ok(()), |(), block| Ok(runs(block)), take)?;
    let end = bytes.saturating_sub(1) / EXTENT_MAX;
    let rank = |extent: &Extent| match first.iter().position(|range| range.contains(&extent.offset)) {
        Some(rank) => rank,
        None if extent.offset / EXTENT_MAX == end || extent.offset < EXTENT_MAX => first.len() + 1,
        None => first.len(),
    };
    extents.sort_by_key(|extent| (rank(extent), extent.offset));
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
    let index = Index::new(bytes, partitions, extents).map_err(invalid)?;
    out.write_all_at(&index.encode(), 0)?;
    let mut buffer = vec![0; block];
    for extent in &index.extents {
        let part = &mut buffer[..usize::try_from(extent.bytes).map_err(io::Error::other)?];
        raw.read_exact_at(part, extent.offset)?;
        out.write_all_at(part, extent.position)?;
    }
    Ok(index)
}

/// The runs of blocks that are not zero, by their place in `bytes`.
fn runs(bytes: &[u8]) -> Vec<Extent> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, block) in bytes.chunks(BLOCK).enumerate().filter(|(_, block)| !is_zero(block)) {
        let start = number * BLOCK;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end += block.len(),
            _ => runs.push(start..start + block.len()),
        }
    }
    let extent = |run: Range<usize>| Extent {
        offset: run.start as u64,
        bytes: (run.len() as u64).next_multiple_of(BLOCK_BYTES),
        position: 0,
        sha256: Sha256::digest(&bytes[run]).into(),
    };
    runs.into_iter().map(extent).collect()
}

//! A raw image → vhd.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::footer::{BLOCK, Footer, HEADER, Header, Kind, NO_BLOCK, SECTOR, SECTOR_BYTES};
use crate::formats::{blocks, content_id, sparse};
use crate::tree::Digest;

/// Largest disk of the format: 2040 GiB.
const SIZE_MAX: u64 = 2040 << 30;
/// Where the block allocation table is, behind the copy of the footer and the header.
const TABLE_AT: u64 = (SECTOR + HEADER) as u64;

/// Writes the first `size` bytes of `raw` as a vhd into `out`, which was just created; how many bytes that takes.
/// `content` names the content; the disk's identifier follows from it. Memory: two bytes a mebibyte for a dynamic disk.
///
/// # Errors
/// `InvalidInput` unless `size` is a positive multiple of 1 MiB, as Azure wants it, of at most 2040 GiB; and those of
/// reading and writing.
pub fn write(raw: &File, size: u64, out: &File, kind: Kind, content: &Digest) -> io::Result<u64> {
    if size == 0 || !size.is_multiple_of(1 << 20) || size > SIZE_MAX {
        let what = format!("a vhd needs whole mebibytes, at most 2040 GiB, not {size} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let footer = Footer::new(kind, size, content_id::uuid(content, "vhd").into_bytes());
    let end = match kind {
        Kind::Fixed => {
            sparse::copy(raw, size, out, 0)?;
            size
        }
        Kind::Dynamic => {
            out.write_all_at(&footer.encode(), 0)?;
            write_blocks(raw, size, out)?
        }
    };
    out.write_all_at(&footer.encode(), end)?;
    Ok(end + SECTOR_BYTES)
}

/// Header, table and blocks; where they end.
fn write_blocks(raw: &File, size: u64, out: &File) -> io::Result<u64> {
    let entries = size.div_ceil(BLOCK as u64);
    let mut table = vec![NO_BLOCK; usize::try_from(entries).map_err(io::Error::other)?];
    // Behind the last entry the table's last sector has entries that no block has.
    table.resize(table.len().next_multiple_of(SECTOR / 4), NO_BLOCK);
    let mut end = TABLE_AT + table.len() as u64 * 4;
    // One thread: nothing is computed, and the disk is what takes the time.
    blocks::for_each(
        (raw, size),
        BLOCK,
        1,
        || Ok(()),
        |(), block| Ok(block.to_vec()),
        |number, block| {
            let number = usize::try_from(number).map_err(io::Error::other)?;
            table[number] = u32::try_from(end / SECTOR_BYTES).map_err(io::Error::other)?;
            // The bitmap of a block that is there: all of its sectors are.
            out.write_all_at(&[0xff; SECTOR], end)?;
            sparse::write_at(out, end + SECTOR_BYTES, &block)?;
            end += SECTOR_BYTES + BLOCK as u64;
            Ok(())
        },
    )?;
    let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_be_bytes()).collect();
    out.write_all_at(&bytes, TABLE_AT)?;
    let block = u32::try_from(BLOCK).map_err(io::Error::other)?;
    let header = Header { table: TABLE_AT, entries: u32::try_from(entries).map_err(io::Error::other)?, block };
    out.write_all_at(&header.encode(), SECTOR_BYTES)?;
    Ok(end)
}

//! A raw image → vhd.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::footer::{BLOCK, Footer, HEADER, Header, Kind, NO_BLOCK, SECTOR, SECTOR_BYTES};
use crate::formats::raw_disk::RawDisk;
use crate::formats::{blocks, content_id, sparse};

/// Largest disk of the format: 2040 GiB.
const SIZE_MAX: u64 = 2040 << 30;
/// Where the block allocation table is, behind the copy of the footer and the header.
const TABLE_AT: u64 = (SECTOR + HEADER) as u64;

/// Writes a disk of at most 2040 GiB as a vhd into `out`, which was just created; how many bytes that takes. Memory: two
/// bytes a mebibyte for a dynamic one.
///
/// # Errors
/// `InvalidInput` for a size that Azure does not take; and those of reading and writing.
pub fn write(disk: &RawDisk<'_>, out: &File, kind: Kind) -> io::Result<u64> {
    disk.check("vhd", SIZE_MAX)?;
    let footer = Footer::new(kind, disk.capacity, content_id::uuid(disk.content, "vhd").into_bytes());
    let end = match kind {
        Kind::Fixed => {
            sparse::copy(disk.file, disk.size, out, 0)?;
            disk.capacity
        }
        Kind::Dynamic => {
            out.write_all_at(&footer.encode(), 0)?;
            write_blocks(disk, out)?
        }
    };
    out.write_all_at(&footer.encode(), end)?;
    Ok(end + SECTOR_BYTES)
}

/// Header, table and blocks; where they end.
fn write_blocks(disk: &RawDisk<'_>, out: &File) -> io::Result<u64> {
    let entries = disk.capacity.div_ceil(BLOCK as u64);
    let mut table = vec![NO_BLOCK; usize::try_from(entries).map_err(io::Error::other)?];
    // Behind the last entry the table's last sector has entries that no block has.
    table.resize(table.len().next_multiple_of(SECTOR / 4), NO_BLOCK);
    let mut end = TABLE_AT + table.len() as u64 * 4;
    // One thread: nothing is computed, and the disk is what takes the time.
    blocks::for_each(
        (disk.file, disk.size),
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

//! A raw image → dynamic vhdx.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use uuid::Uuid;

use super::structure::{
    BLOCK_PRESENT, BLOCK_ZERO, DISK_ID, DISK_SIZE, FILE_PARAMETERS, HEADER, HEADER_MAGIC, HEADERS_AT, LOGICAL_SECTOR,
    MAGIC, METADATA_MAGIC, METADATA_REGION, METADATA_TABLE, MIB, PHYSICAL_SECTOR, REGIONS, REGIONS_AT, REGIONS_MAGIC,
    TABLE_REGION, chunk_blocks, entry, seal,
};
use crate::formats::raw_disk::RawDisk;
use crate::formats::{blocks, content_id, sparse};

/// Bytes of a block: small ones, so that a file that is copied without its holes is small too.
const BLOCK: usize = 2 << 20;
const SECTOR: u32 = 512;
/// Largest disk of the format: 64 TiB.
const SIZE_MAX: u64 = 64 << 40;
const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const TABLE_AT: u64 = 3 * MIB;

/// Writes a disk of at most 64 TiB as a vhdx into `out`, which was just created; how many bytes that takes. Memory: eight
/// bytes for 2 MiB of disk.
///
/// # Errors
/// `InvalidInput` for a size that is not whole mebibytes; and those of reading and writing.
pub fn write(disk: &RawDisk<'_>, out: &File) -> io::Result<u64> {
    disk.check("vhdx", SIZE_MAX)?;
    let id = |what: &str| content_id::uuid(disk.content, what);
    let chunk = chunk_blocks(BLOCK as u64, SECTOR.into());
    let last = disk.capacity.div_ceil(BLOCK as u64) - 1;
    let mut table = vec![BLOCK_ZERO; usize::try_from(entry(last, chunk) + 1).map_err(io::Error::other)?];
    for bitmap in (chunk..table.len() as u64).step_by(usize::try_from(chunk + 1).map_err(io::Error::other)?) {
        // No bitmap.
        table[usize::try_from(bitmap).map_err(io::Error::other)?] = 0;
    }
    let table_bytes = (table.len() as u64 * 8).next_multiple_of(MIB);
    let mut end = TABLE_AT + table_bytes;
    // One thread: nothing is computed, and the disk is what takes the time.
    blocks::for_each(
        (disk.file, disk.size),
        BLOCK,
        1,
        || Ok(()),
        |(), block| Ok(block.to_vec()),
        |number, block| {
            table[usize::try_from(entry(number, chunk)).map_err(io::Error::other)?] = end | BLOCK_PRESENT;
            sparse::write_at(out, end, &block)?;
            end += BLOCK as u64;
            Ok(())
        },
    )?;
    let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    out.write_all_at(&bytes, TABLE_AT)?;

    out.write_all_at(&identifier(), 0)?;
    for (at, sequence) in HEADERS_AT.into_iter().zip(1..) {
        out.write_all_at(&header(sequence, id("vhdx file"), id("vhdx data")), at)?;
    }
    let regions = regions(u32::try_from(table_bytes).map_err(io::Error::other)?);
    for at in REGIONS_AT {
        out.write_all_at(&regions, at)?;
    }
    let (table, items) = metadata(disk.capacity, id("vhdx disk"))?;
    out.write_all_at(&table, METADATA_AT)?;
    out.write_all_at(&items, METADATA_AT + METADATA_TABLE as u64)?;
    // The last blocks may be holes.
    out.set_len(end)?;
    Ok(end)
}

/// Section 2.2.1: the signature, and who made the file.
fn identifier() -> Vec<u8> {
    let creator = "nodesmith".encode_utf16().flat_map(u16::to_le_bytes);
    MAGIC.into_iter().chain(creator).collect()
}

fn header(sequence: u64, file: Uuid, data: Uuid) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend(HEADER_MAGIC);
    header.extend([0; 4]); // checksum
    header.extend(sequence.to_le_bytes());
    header.extend(file.to_bytes_le());
    header.extend(data.to_bytes_le());
    header.extend([0; 16]); // no log that counts
    header.extend(0_u16.to_le_bytes()); // version of the log
    header.extend(1_u16.to_le_bytes()); // version of the format
    header.extend(1_048_576_u32.to_le_bytes()); // bytes of the log
    header.extend(LOG_AT.to_le_bytes());
    header.resize(HEADER, 0);
    seal(&mut header);
    header
}

fn regions(table_bytes: u32) -> Vec<u8> {
    let mut regions = Vec::with_capacity(REGIONS);
    regions.extend(REGIONS_MAGIC);
    regions.extend([0; 4]); // checksum
    regions.extend(2_u32.to_le_bytes());
    regions.extend([0; 4]);
    for (id, at, bytes) in [(TABLE_REGION, TABLE_AT, table_bytes), (METADATA_REGION, METADATA_AT, 1_048_576)] {
        regions.extend(id.to_bytes_le());
        regions.extend(at.to_le_bytes());
        regions.extend(bytes.to_le_bytes());
        regions.extend(1_u32.to_le_bytes()); // readers must know it
    }
    regions.resize(REGIONS, 0);
    seal(&mut regions);
    regions
}

/// The table of metadata, and the items, which lie behind it one after the other.
fn metadata(size: u64, disk: Uuid) -> io::Result<(Vec<u8>, Vec<u8>)> {
    /// The item is about the disk and not about the file.
    const OF_DISK: u32 = 2;
    const REQUIRED: u32 = 4;
    let block = u32::try_from(BLOCK).map_err(io::Error::other)?;
    // The block's size, and that blocks may come and go and that there is no parent.
    let parameters = [block.to_le_bytes(), [0; 4]].concat();
    let items: [(Uuid, u32, &[u8]); 5] = [
        (FILE_PARAMETERS, REQUIRED, &parameters),
        (DISK_SIZE, OF_DISK | REQUIRED, &size.to_le_bytes()),
        (DISK_ID, OF_DISK | REQUIRED, &disk.to_bytes_le()),
        (LOGICAL_SECTOR, OF_DISK | REQUIRED, &SECTOR.to_le_bytes()),
        (PHYSICAL_SECTOR, OF_DISK | REQUIRED, &4096_u32.to_le_bytes()),
    ];
    let (mut table, mut bytes) = (Vec::new(), Vec::new());
    table.extend(METADATA_MAGIC);
    table.extend([0; 2]);
    table.extend(u16::try_from(items.len()).map_err(io::Error::other)?.to_le_bytes());
    table.extend([0; 20]);
    for (id, flags, item) in items {
        table.extend(id.to_bytes_le());
        table.extend(u32::try_from(METADATA_TABLE + bytes.len()).map_err(io::Error::other)?.to_le_bytes());
        table.extend(u32::try_from(item.len()).map_err(io::Error::other)?.to_le_bytes());
        table.extend(flags.to_le_bytes());
        table.extend([0; 4]);
        bytes.extend(item);
    }
    Ok((table, bytes))
}

//! A vhdx as the disk in it: any of its bytes.
//!
//! Every number of the file is checked before it is used; offsets in errors are bytes from the start of the file.

use std::fs::File;
use std::io;

use uuid::Uuid;

use super::structure::{
    BLOCK_PRESENT, DISK_ID, DISK_SIZE, FILE_PARAMETERS, HEADER, HEADER_MAGIC, HEADERS_AT, LOGICAL_SECTOR, MAGIC,
    METADATA_MAGIC, METADATA_REGION, METADATA_TABLE, MIB, PHYSICAL_SECTOR, PLACE_MASK, REGIONS, REGIONS_AT,
    REGIONS_MAGIC, STATE_MASK, TABLE_REGION, chunk_blocks, damaged, entry, is_sealed, u32_at, u64_at, uuid_at,
};
use crate::formats::blocks;
use crate::formats::device::ReadAt;

/// State of a block of which only a differencing disk has a part.
const BLOCK_PARTIAL: u64 = 7;

/// An image that is read.
#[derive(Debug)]
pub struct Reader {
    file: File,
    /// Where the block allocation table is.
    table: u64,
    metadata: Metadata,
}

/// What the file says about the disk.
#[derive(Debug)]
struct Metadata {
    size: u64,
    block: u32,
    sector: u32,
    physical_sector: u32,
    id: Uuid,
}

impl Reader {
    /// # Errors
    /// `Unsupported` for a disk of which a part is in its parent or in its log, or that needs what is not known here;
    /// anything else for damage and for files that cannot be read.
    pub fn open(file: File) -> io::Result<Reader> {
        let (table, metadata) = open(&file)?;
        Ok(Reader { file, table, metadata })
    }

    /// Fills `part` from one block, from its byte `start` on.
    fn read_block(&self, block: u64, start: usize, part: &mut [u8]) -> io::Result<()> {
        let chunk = chunk_blocks(self.metadata.block.into(), self.metadata.sector.into());
        let at = self.table.saturating_add(entry(block, chunk) * 8);
        let mut entry = [0; 8];
        self.file.read_exact_at(&mut entry, at)?;
        let entry = u64::from_le_bytes(entry);
        match entry & STATE_MASK {
            BLOCK_PRESENT => self.file.read_exact_at(part, (entry & PLACE_MASK).saturating_add(start as u64))?,
            BLOCK_PARTIAL => return Err(damaged(at, "a part of a block in a disk without a parent")),
            // Not there, zero, or given up: nobody else has it.
            _ => part.fill(0),
        }
        Ok(())
    }
}

impl ReadAt for Reader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let block = usize::try_from(self.metadata.block).map_err(io::Error::other)?;
        let read = |number, start, part: &mut [u8]| self.read_block(number, start, part);
        blocks::read(buffer, offset, self.metadata.size, block, read)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata.size)
    }
}

/// What the metadata says, a property a line.
pub fn dump(device: &dyn ReadAt) -> io::Result<String> {
    let (table, metadata) = open(device)?;
    let Metadata { size, block, sector, physical_sector, id } = metadata;
    Ok(format!(
        "vhdx, {size} bytes in {} bytes\nblocks of {block} bytes, \
         sectors of {sector} bytes, {physical_sector} physical\n\
         table at {table}\nid {id}\n",
        device.size()?,
    ))
}

/// Where the block allocation table is, and the metadata.
fn open(device: &dyn ReadAt) -> io::Result<(u64, Metadata)> {
    let mut magic = [0; 8];
    device.read_exact_at(&mut magic, 0)?;
    if magic != MAGIC {
        return Err(damaged(0, "not a vhdx"));
    }
    let mut headers = Vec::new();
    for at in HEADERS_AT {
        headers.extend(sealed(device, at, HEADER, HEADER_MAGIC)?);
    }
    let header = headers.into_iter().max_by_key(|header| u64_at(header, 8));
    let header = header.ok_or_else(|| damaged(HEADERS_AT[0], "no header whose checksum is right"))?;
    if !uuid_at(&header, 48).is_nil() {
        return unsupported("its log has changes that were never applied".to_owned());
    }
    let mut regions = None;
    for at in REGIONS_AT {
        regions = regions.or(sealed(device, at, REGIONS, REGIONS_MAGIC)?);
    }
    let regions = regions.ok_or_else(|| damaged(REGIONS_AT[0], "no region table whose checksum is right"))?;
    let (mut table, mut metadata) = (None, None);
    for entry in entries(&regions, 16, u32_at(&regions, 8)) {
        let (id, at) = (uuid_at(entry, 0), u64_at(entry, 16));
        match id {
            TABLE_REGION => table = Some((at, u32_at(entry, 24))),
            METADATA_REGION => metadata = Some(at),
            _ if u32_at(entry, 28) & 1 != 0 => {
                return unsupported(format!("it needs a region that is not known, {id}"));
            }
            _ => {}
        }
    }
    let (Some((table, table_bytes)), Some(metadata_at)) = (table, metadata) else {
        return Err(damaged(REGIONS_AT[0], "no block allocation table or no metadata"));
    };
    let metadata = Metadata::read(device, metadata_at)?;
    let last = metadata.size.div_ceil(metadata.block.into()).saturating_sub(1);
    let entries = entry(last, chunk_blocks(metadata.block.into(), metadata.sector.into())) + 1;
    if entries * 8 > u64::from(table_bytes) {
        return Err(damaged(table, "too few blocks for the size of the disk"));
    }
    Ok((table, metadata))
}

impl Metadata {
    fn read(device: &dyn ReadAt, at: u64) -> io::Result<Metadata> {
        let mut table = vec![0; METADATA_TABLE];
        device.read_exact_at(&mut table, at)?;
        if table[..8] != METADATA_MAGIC {
            return Err(damaged(at, "no metadata"));
        }
        let item = |wanted: Uuid| {
            let count = u32::from(u16::from_le_bytes([table[10], table[11]]));
            let entry = entries(&table, 32, count).find(|entry| uuid_at(&entry[..], 0) == wanted);
            let entry = entry.ok_or_else(|| damaged(at, &format!("no item {wanted}")))?;
            let mut bytes = [0; 16];
            let length = usize::try_from(u32_at(entry, 20)).map_or(bytes.len(), |length| length.min(bytes.len()));
            device.read_exact_at(&mut bytes[..length], at.saturating_add(u32_at(entry, 16).into()))?;
            Ok::<_, io::Error>(bytes)
        };
        let parameters = item(FILE_PARAMETERS)?;
        if u32_at(&parameters, 4) & 2 != 0 {
            return unsupported("the rest of its content is in a parent disk".to_owned());
        }
        let metadata = Metadata {
            size: u64_at(&item(DISK_SIZE)?, 0),
            block: u32_at(&parameters, 0),
            sector: u32_at(&item(LOGICAL_SECTOR)?, 0),
            physical_sector: u32_at(&item(PHYSICAL_SECTOR)?, 0),
            id: uuid_at(&item(DISK_ID)?, 0),
        };
        let Metadata { block, sector, .. } = metadata;
        if !block.is_power_of_two() || !(MIB..=256 * MIB).contains(&block.into()) || ![512, 4096].contains(&sector) {
            return Err(damaged(at, &format!("blocks of {block} bytes, sectors of {sector}")));
        }
        Ok(metadata)
    }
}

/// The structure at `at`, if its checksum is right.
fn sealed(device: &dyn ReadAt, at: u64, length: usize, magic: [u8; 4]) -> io::Result<Option<Vec<u8>>> {
    let mut structure = vec![0; length];
    device.read_exact_at(&mut structure, at)?;
    Ok((structure[..4] == magic && is_sealed(&structure)).then_some(structure))
}

/// The entries of a table of regions or metadata, behind a head of so many bytes; no more than fit it.
fn entries(table: &[u8], head: usize, count: u32) -> impl Iterator<Item = &[u8; 32]> {
    table[head..].as_chunks::<32>().0.iter().take(usize::try_from(count).unwrap_or(usize::MAX))
}

fn unsupported<T>(what: String) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::super::write;
    use super::*;
    use crate::formats::raw_disk::RawDisk;
    use crate::tree::Digest;

    /// A block that is full, one of zeros that are no hole, holes, and one behind the first chunk of 4 GiB.
    fn sample() -> (u64, File) {
        let raw = tempfile::tempfile().unwrap();
        let size = (4 << 30) + 5 * MIB;
        raw.set_len(size).unwrap();
        raw.write_all_at(&vec![7; 2 << 20], 0).unwrap();
        raw.write_all_at(&vec![0; 2 << 20], 2 * MIB).unwrap();
        raw.write_all_at(b"behind", 4 << 30).unwrap();
        raw.write_all_at(b"end", size - 3).unwrap();
        (size, raw)
    }

    fn written() -> File {
        let (size, raw) = sample();
        let out = tempfile::tempfile().unwrap();
        let disk = RawDisk { file: &raw, size, capacity: size + MIB, content: &Digest::of("node") };
        let length = write(&disk, &out).unwrap();
        assert_eq!(length, out.metadata().unwrap().len());
        out
    }

    #[test]
    fn what_was_written_is_read_the_same_and_holes_stay_holes() {
        let (size, _) = sample();
        let out = written();
        assert_eq!(out.metadata().unwrap().len(), 4 * MIB + 3 * (2 << 20));
        assert!(out.metadata().unwrap().blocks() * 512 < 3 * MIB, "{}", out.metadata().unwrap().blocks());
        let reader = Reader::open(out).unwrap();
        let mut part = vec![9; 5 << 20];
        reader.read_exact_at(&mut part, 0).unwrap();
        assert!(part[..2 << 20].iter().all(|byte| *byte == 7) && part[2 << 20..].iter().all(|byte| *byte == 0));
        reader.read_exact_at(&mut part[..8], (4 << 30) - 1).unwrap();
        assert_eq!(&part[..8], b"\0behind\0");
        reader.read_exact_at(&mut part[..4], size - 4).unwrap();
        assert_eq!(&part[..4], b"\0end");
        reader.read_exact_at(&mut part[..4], size - 3).unwrap();
        assert_eq!(&part[..4], b"end\0");
        assert!(reader.read_exact_at(&mut part[..4], size + MIB - 3).is_err());
    }

    #[test]
    fn the_dump_says_what_it_is() {
        insta::assert_snapshot!(dump(&written()).unwrap(), @r#"
        vhdx, 4301258752 bytes in 10485760 bytes
        blocks of 2097152 bytes, sectors of 512 bytes, 4096 physical
        table at 3145728
        id 9bfd9d2d-01f8-8aba-a802-43bb97b5bb9f
        "#);
    }

    #[test]
    fn damage_is_an_error_with_its_place() {
        let broken = |places: &[u64]| {
            let file = written();
            places.iter().for_each(|at| file.write_all_at(&[0x57], *at).unwrap());
            let reader = Reader::open(file);
            reader.and_then(|reader| reader.read_exact_at(&mut [0; 512], 0)).map_err(|error| error.to_string())
        };
        let why = |places: &[u64]| broken(places).unwrap_err();
        assert_eq!(why(&[0]), "offset 0: not a vhdx");
        // One copy of each is enough.
        assert_eq!(broken(&[66_000, 200_000]), Ok(()));
        assert_eq!(why(&[66_000, 133_000]), "offset 65536: no header whose checksum is right");
        assert_eq!(why(&[200_000, 270_000]), "offset 196608: no region table whose checksum is right");
        assert_eq!(why(&[2 * MIB]), "offset 2097152: no metadata");
        assert!(why(&[2 * MIB + 32]).contains("no item caa16737-"));
        assert!(why(&[2 * MIB + (64 << 10)]).starts_with("offset 2097152: blocks of 2097239 bytes"));
        assert_eq!(why(&[2 * MIB + (64 << 10) + 4]), "the rest of its content is in a parent disk");
        assert!(why(&[3 * MIB]).contains("a part of a block"));
        assert!(why(&[2 * MIB + (64 << 10) + 13]).contains("too few blocks"));
    }
}

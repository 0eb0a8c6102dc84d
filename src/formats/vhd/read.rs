//! A vhd as the disk in it: any of its bytes.
//!
//! Every number of the file is checked before it is used; offsets in errors are bytes from the start of the file.

use std::fs::File;
use std::io;

use super::footer::{Footer, Header, Kind, NO_BLOCK, SECTOR_BYTES, damaged};
use crate::formats::blocks;
use crate::formats::device::ReadAt;

/// An image that is read.
#[derive(Debug)]
pub struct Reader {
    file: File,
    size: u64,
    /// Nothing for a fixed disk.
    header: Option<Header>,
}

impl Reader {
    /// # Errors
    /// `Unsupported` for a differencing disk; anything else for damage and for files that cannot be read.
    pub fn open(file: File) -> io::Result<Reader> {
        let footer = Footer::read(&file)?;
        let header = match footer.kind {
            Kind::Fixed if footer.size > file.size()? - SECTOR_BYTES => {
                return Err(damaged(footer.size, "the file ends before the disk does"));
            }
            Kind::Fixed => None,
            Kind::Dynamic => {
                let header = Header::read(&file, footer.header)?;
                if footer.size.div_ceil(u64::from(header.block)) > u64::from(header.entries) {
                    return Err(damaged(footer.header, "too few blocks for the size of the disk"));
                }
                Some(header)
            }
        };
        Ok(Reader { file, size: footer.size, header })
    }

    /// Fills `part` from one block, from its byte `start` on.
    fn read_block(&self, header: &Header, number: u64, start: usize, part: &mut [u8]) -> io::Result<()> {
        let mut entry = [0; 4];
        self.file.read_exact_at(&mut entry, header.table.saturating_add(number * 4))?;
        match u32::from_be_bytes(entry) {
            NO_BLOCK => part.fill(0),
            sector => {
                // The bitmap in front has a bit a sector and whole sectors. Of a disk without a parent it says nothing
                // that the content does not.
                let bitmap = u64::from(header.block).div_ceil(SECTOR_BYTES * 8).next_multiple_of(SECTOR_BYTES);
                let place = u64::from(sector) * SECTOR_BYTES + bitmap + start as u64;
                self.file.read_exact_at(part, place)?;
            }
        }
        Ok(())
    }
}

impl ReadAt for Reader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.header {
            None => {
                let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
                end.ok_or(io::ErrorKind::UnexpectedEof)?;
                self.file.read_exact_at(buffer, offset)
            }
            Some(header) => {
                let block = usize::try_from(header.block).map_err(io::Error::other)?;
                let read = |number, start, part: &mut [u8]| self.read_block(header, number, start, part);
                blocks::read(buffer, offset, self.size, block, read)
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::super::{dump, write};
    use super::*;
    use crate::formats::raw_disk::RawDisk;
    use crate::tree::Digest;

    const MIB: u64 = 1 << 20;

    /// Seven mebibytes: a block that is full, one of zeros that are no hole, one that is a hole, and a half one.
    fn sample() -> (Vec<u8>, File) {
        let mut bytes = vec![0; 7 << 20];
        bytes[..2 << 20].fill(7);
        bytes[(7 << 20) - 3..].copy_from_slice(b"end");
        let raw = tempfile::tempfile().unwrap();
        raw.write_all_at(&bytes[..4 << 20], 0).unwrap();
        raw.write_all_at(b"end", 7 * MIB - 3).unwrap();
        (bytes, raw)
    }

    fn written(kind: Kind) -> File {
        let (bytes, raw) = sample();
        let out = tempfile::tempfile().unwrap();
        let disk = RawDisk { file: &raw, size: bytes.len() as u64, capacity: 9 * MIB, content: &Digest::of("node") };
        let length = write(&disk, &out, kind).unwrap();
        assert_eq!(length, out.metadata().unwrap().len());
        out
    }

    #[test]
    fn what_was_written_is_read_the_same_and_holes_stay_holes() {
        let (bytes, _) = sample();
        for (kind, length) in [(Kind::Fixed, 9 * MIB + 512), (Kind::Dynamic, 512 * 5 + 2 * (512 + 2 * MIB))] {
            let out = written(kind);
            assert_eq!(out.metadata().unwrap().len(), length);
            assert!(out.metadata().unwrap().blocks() * 512 < 3 * MIB, "{}", out.metadata().unwrap().blocks());
            let reader = Reader::open(out).unwrap();
            let mut back = vec![9; bytes.len()];
            reader.read_exact_at(&mut back, 0).unwrap();
            assert!(back == bytes);
            let mut part = [9; 3];
            reader.read_exact_at(&mut part, 7 * MIB - 2).unwrap();
            assert_eq!(&part, b"nd\0");
            assert!(reader.read_exact_at(&mut part, 9 * MIB - 2).is_err());
        }
    }

    #[test]
    fn the_dump_says_what_it_is() {
        insta::assert_snapshot!(dump(&written(Kind::Fixed)).unwrap(), @r#"
        vhd fixed, 9437184 bytes in 9437696 bytes
        geometry 271/4/17
        id 13f0aff7-7091-8e67-b9d2-11639f8d30a5
        "#);
        insta::assert_snapshot!(dump(&written(Kind::Dynamic)).unwrap(), @r#"
        vhd dynamic, 9437184 bytes in 4197888 bytes
        geometry 271/4/17
        id 13f0aff7-7091-8e67-b9d2-11639f8d30a5
        blocks 5 of 2097152 bytes
        "#);
    }

    #[test]
    fn damage_is_an_error_with_its_place() {
        let broken = |kind: Kind, change: &dyn Fn(&File, u64)| {
            let file = written(kind);
            change(&file, file.metadata().unwrap().len());
            let reader = Reader::open(file);
            reader.and_then(|reader| reader.read_exact_at(&mut [0; 512], 0)).unwrap_err().to_string()
        };
        let flip = |file: &File, at: u64| file.write_all_at(&[0x55], at).unwrap();
        assert!(broken(Kind::Fixed, &|file, end| flip(file, end - 512)).contains("no footer of a vhd"));
        assert!(broken(Kind::Fixed, &|file, end| flip(file, end - 1)).contains("the checksum of the footer"));
        assert!(broken(Kind::Dynamic, &|file, _| flip(file, 512)).contains("offset 512: no header"));
        assert!(broken(Kind::Dynamic, &|file, _| flip(file, 600)).contains("offset 548: the checksum of the header"));
        assert!(broken(Kind::Dynamic, &|file, _| flip(file, 1536)).contains("fill"));
        assert!(broken(Kind::Fixed, &|file, _| file.set_len(100).unwrap()).contains("unexpected end of file"));
    }
}

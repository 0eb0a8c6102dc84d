//! A sparse vmdk as the disk in it: any of its bytes, found through the tables and unpacked as needed.
//!
//! Every number of the file is checked before it is used; offsets in errors are bytes from the start of the file.

use std::cell::RefCell;
use std::fs::File;
use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::header::{COMPRESSED, Header, SECTOR_BYTES, TABLE_ENTRIES, damaged};
use crate::formats::blocks;
use crate::formats::device::ReadAt;

/// Bytes of unpacked grains that are kept: readers of file systems come back to the same few.
const KEPT_BYTES: u64 = 8 << 20;
/// Grain table entries: the grain is zero. Where this value is not agreed on (flag bit 2), no grain lies in sector 1.
const ZERO: u32 = 1;

/// An image that is read. Not for several threads at once.
#[derive(Debug)]
pub struct Reader {
    file: File,
    file_bytes: u64,
    header: Header,
    grain: usize,
    directory: Vec<u32>,
    /// Each in the place that its number's remainder gives it.
    kept: RefCell<Vec<Option<Unpacked>>>,
}

#[derive(Debug, Clone)]
struct Unpacked {
    grain: u64,
    bytes: Vec<u8>,
}

impl Reader {
    /// # Errors
    /// `Unsupported` for a disk of which a part is in its parent, or of a kind that is not read; anything else for
    /// damage and for files that cannot be read.
    pub fn open(file: File) -> io::Result<Reader> {
        let header = Header::of_file(&file)?;
        let descriptor = header.read_descriptor(&file)?;
        let parent = descriptor.lines().find_map(|line| line.trim().strip_prefix("parentCID="));
        // QEMU goes by the name alone.
        let named = descriptor.contains("parentFileNameHint");
        if named || parent.is_some_and(|parent| !parent.eq_ignore_ascii_case("ffffffff")) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the rest of its content is in a parent disk"));
        }
        let file_bytes = file.size()?;
        let tables = header.tables();
        if tables * 4 > file_bytes {
            return Err(damaged(12, &format!("{tables} grain tables do not fit the file")));
        }
        let mut directory = vec![0; usize::try_from(tables * 4).map_err(io::Error::other)?];
        file.read_exact_at(&mut directory, header.directory.saturating_mul(SECTOR_BYTES))?;
        let directory = directory.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry)).collect();
        let grain_bytes = header.grain * SECTOR_BYTES;
        let kept = usize::try_from(KEPT_BYTES / grain_bytes).map_err(io::Error::other)?;
        let grain = usize::try_from(grain_bytes).map_err(io::Error::other)?;
        Ok(Reader { file, file_bytes, header, grain, directory, kept: RefCell::new(vec![None; kept]) })
    }

    /// Where in the file a grain starts, in bytes; nothing for one that is zero.
    fn place(&self, grain: u64) -> io::Result<Option<u64>> {
        let table = usize::try_from(grain / TABLE_ENTRIES).map_err(io::Error::other)?;
        let table = self.directory.get(table).copied().unwrap_or_default();
        if table == 0 {
            return Ok(None);
        }
        let mut entry = [0; 4];
        self.file.read_exact_at(&mut entry, u64::from(table) * SECTOR_BYTES + grain % TABLE_ENTRIES * 4)?;
        let entry = u32::from_le_bytes(entry);
        Ok((entry > ZERO).then_some(u64::from(entry) * SECTOR_BYTES))
    }

    /// Fills `part` from one grain, from its byte `start` on.
    fn read_grain(&self, grain: u64, start: usize, part: &mut [u8]) -> io::Result<()> {
        let Some(place) = self.place(grain)? else {
            part.fill(0);
            return Ok(());
        };
        if self.header.flags & COMPRESSED == 0 {
            return self.file.read_exact_at(part, place + start as u64);
        }
        let mut kept = self.kept.borrow_mut();
        let number = usize::try_from(grain).map_err(io::Error::other)?;
        let slots = kept.len();
        let slot = &mut kept[number % slots];
        let unpacked = match slot {
            Some(unpacked) if unpacked.grain == grain => unpacked,
            slot => slot.insert(Unpacked { grain, bytes: self.unpack(grain, place)? }),
        };
        part.copy_from_slice(&unpacked.bytes[start..start + part.len()]);
        Ok(())
    }

    /// A whole grain, which follows its marker.
    fn unpack(&self, grain: u64, place: u64) -> io::Result<Vec<u8>> {
        let mut marker = [0; 12];
        self.file.read_exact_at(&mut marker, place)?;
        let sector = u64::from_le_bytes(std::array::from_fn(|index| marker[index]));
        let length = u64::from(u32::from_le_bytes(std::array::from_fn(|index| marker[8 + index])));
        if sector != grain * self.header.grain {
            return Err(damaged(place, "the marker of another grain"));
        }
        // Deflate never makes more of its input than this, and a file has no more than it has.
        if length > 2 * self.grain as u64 || place.saturating_add(12 + length) > self.file_bytes {
            return Err(damaged(place + 8, &format!("a grain of {length} bytes")));
        }
        let mut packed = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut packed, place + 12)?;
        let mut bytes = vec![0; self.grain];
        let mut decoder = Decompress::new(true);
        let status = decoder.decompress(&packed, &mut bytes, FlushDecompress::Finish);
        // The last grain of a disk may end with it; what is missing is zero.
        if !matches!(status, Ok(Status::StreamEnd)) {
            return Err(damaged(place, "a grain does not unpack"));
        }
        Ok(bytes)
    }
}

impl ReadAt for Reader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        blocks::read(buffer, offset, self.size()?, self.grain, |grain, start, part| self.read_grain(grain, start, part))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.header.capacity * SECTOR_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Image, dump, write};
    use super::*;
    use crate::formats::raw_disk::RawDisk;
    use crate::tree::Digest;

    const MIB: usize = 1 << 20;

    fn noise(length: usize) -> Vec<u8> {
        (0..length.div_ceil(32) as u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).take(length).collect()
    }

    fn sample() -> (Vec<u8>, File) {
        let mut bytes = vec![0; 70 * MIB];
        bytes[..200_000].fill(7);
        bytes[MIB..MIB + 300_000].copy_from_slice(&noise(300_000));
        // Behind a grain table that is left out: each maps 32 MiB.
        bytes[70 * MIB - 3..].copy_from_slice(b"end");
        let raw = tempfile::tempfile().unwrap();
        crate::formats::sparse::write_at(&raw, 0, &bytes).unwrap();
        raw.set_len(bytes.len() as u64).unwrap();
        (bytes, raw)
    }

    const IMAGE: Image<'_> = Image { file_name: "node.vmdk", hardware_version: 15 };

    fn written(threads: usize) -> Vec<u8> {
        let (bytes, raw) = sample();
        let mut out = Vec::new();
        let size = bytes.len() as u64;
        let disk = RawDisk { file: &raw, size, capacity: size + (32 << 20), content: &Digest::of("node") };
        let length = write(&disk, &mut out, &IMAGE, threads).unwrap();
        assert_eq!(length, out.len() as u64);
        out
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn what_was_written_is_read_the_same_for_any_number_of_threads() {
        let out = written(1);
        assert!(out == written(3));
        assert!(out.len() < 600_000, "{}", out.len());
        let reader = Reader::open(file(&out)).unwrap();
        let (bytes, _) = sample();
        let mut back = vec![9; bytes.len()];
        reader.read_exact_at(&mut back, 0).unwrap();
        assert!(back == bytes);
        let mut part = [0; 3];
        reader.read_exact_at(&mut part, 70 * MIB as u64 - 2).unwrap();
        assert_eq!(&part, b"nd\0");
        assert_eq!(reader.size().unwrap(), 102 << 20);
        assert!(reader.read_exact_at(&mut part, (102 << 20) - 2).is_err());
    }

    #[test]
    fn the_descriptor_says_what_importers_ask_for() {
        let out = written(2);
        insta::assert_snapshot!(dump(&out.as_slice()).unwrap(), @r#"
        vmdk version 3, 106954752 bytes in 406016 bytes
        flags 0x30001, grains 128 sectors, tables 4

        # Disk DescriptorFile
        version=1
        encoding="UTF-8"
        CID=255891fa
        parentCID=ffffffff
        createType="streamOptimized"

        # Extent description
        RDONLY 208896 SPARSE "node.vmdk"

        # The Disk Data Base
        #DDB

        ddb.adapterType = "lsilogic"
        ddb.geometry.cylinders = "102"
        ddb.geometry.heads = "64"
        ddb.geometry.sectors = "32"
        ddb.longContentID = "cf7fa137a23e8bc2bac33abf255891fa"
        ddb.toolsInstallType = "4"
        ddb.toolsVersion = "2147483647"
        ddb.virtualHWVersion = "15"
        "#);
    }

    #[test]
    fn names_that_the_descriptor_cannot_hold_are_refused() {
        let (_, raw) = sample();
        let disk = RawDisk { file: &raw, size: 1 << 20, capacity: 1 << 20, content: &Digest::of("node") };
        for file_name in ["a\"b", "a\nb", &"a".repeat(11_000)] {
            let error = write(&disk, io::sink(), &Image { file_name, ..IMAGE }, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn damage_is_an_error_with_its_place() {
        let out = written(1);
        let broken = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = out.clone();
            change(&mut bytes);
            let reader = Reader::open(file(&bytes));
            reader.and_then(|reader| reader.read_exact_at(&mut [0; 512], 0)).unwrap_err().to_string()
        };
        assert!(broken(&|bytes| bytes[0] = 0).starts_with("offset 0: not the header"));
        assert!(broken(&|bytes| bytes[4] = 9).contains("version 9"));
        assert!(broken(&|bytes| bytes[75] = b'\n').starts_with("offset 73: line ends"));
        assert!(broken(&|bytes| bytes[20] = 3).starts_with("offset 20: grains of 3 sectors"));
        assert!(broken(&|bytes| bytes[16] = 1).contains("the footer contradicts the header"));
        assert!(broken(&|bytes| bytes[128 * 512] = 1).contains("offset 65536: the marker of another grain"));
        assert!(broken(&|bytes| bytes[128 * 512 + 11] = 1).contains("offset 65544: a grain of "));
        assert!(broken(&|bytes| bytes[128 * 512 + 14] = 0xff).contains("offset 65536: a grain does not unpack"));
        assert!(broken(&|bytes| bytes.truncate(512)).contains("unexpected end of file"));
    }
}

//! A qcow2 image as the disk in it: any of its bytes, found through the tables and unpacked as needed.
//!
//! Reads what the writer writes and what `qemu-img convert` makes of an image. Content that is not all in the file, or
//! not in the clear, is refused. Every number of the file is checked before it is used; offsets in errors are bytes
//! from the start of the file.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::header::{
    CLUSTER, CLUSTER_BITS, CLUSTER_BYTES, COMPRESSED, COMPRESSION_TYPE_BIT, Header, L2_ENTRIES, OFFSET_BITS,
    OFFSET_MASK,
};
use crate::formats::device::ReadAt;

/// Incompatible feature bit 0: the refcounts may be wrong, which nobody who only reads asks about.
const DIRTY_BIT: u64 = 1;
/// L2 entries: the cluster reads as zeros, whatever its offset says.
const ZERO: u64 = 1;
/// Bits of a compressed cluster's L2 entry that hold the number of further sectors, once they are shifted down.
const FURTHER_SECTORS_MASK: u64 = (1 << (CLUSTER_BITS - 8)) - 1;
/// Unpacked clusters that are kept, 8 MiB: readers of file systems come back to the same few.
const KEPT: usize = 128;

/// An image that is read. Not for several threads at once.
#[derive(Debug)]
pub struct Reader {
    file: File,
    file_bytes: u64,
    size: u64,
    l1: Vec<u64>,
    zstd: bool,
    /// Each in the place that its number's remainder gives it.
    kept: RefCell<Vec<Option<Unpacked>>>,
}

#[derive(Debug, Clone)]
struct Unpacked {
    cluster: u64,
    bytes: Vec<u8>,
}

/// Where a cluster of the disk is.
enum Place {
    Zero,
    Stored { offset: u64 },
    Compressed { offset: u64, length: u64 },
}

impl Reader {
    /// # Errors
    /// `Unsupported` for an image whose content is elsewhere or encrypted, or that uses a later feature; anything else
    /// for damage and for files that cannot be read.
    pub fn open(mut file: File) -> io::Result<Reader> {
        let header = Header::read(&mut file)?;
        let unsupported = |what: String| Err(io::Error::new(io::ErrorKind::Unsupported, what));
        if header.backing_file_offset != 0 {
            return unsupported("the rest of its content is in a backing file".to_owned());
        }
        if header.crypt_method != 0 {
            return unsupported("its content is encrypted".to_owned());
        }
        let unknown = header.incompatible_features & !(DIRTY_BIT | COMPRESSION_TYPE_BIT);
        if unknown != 0 || header.compression > 1 {
            let compression = header.compression;
            return unsupported(format!("it has incompatible features {unknown:#x}, compression type {compression}"));
        }
        let l1 = header.read_l1(&mut file)?;
        if header.size.div_ceil(CLUSTER_BYTES).div_ceil(L2_ENTRIES as u64) > l1.len() as u64 {
            return Err(damaged(36, "too few tables for its size"));
        }
        let file_bytes = file.size()?;
        let kept = RefCell::new(vec![None; KEPT]);
        Ok(Reader { file, file_bytes, size: header.size, l1, zstd: header.compression == 1, kept })
    }

    fn place(&self, cluster: u64) -> io::Result<Place> {
        let number = usize::try_from(cluster).map_err(io::Error::other)?;
        let table = self.l1.get(number / L2_ENTRIES).copied().unwrap_or_default() & OFFSET_MASK;
        if table == 0 {
            return Ok(Place::Zero);
        }
        let mut entry = [0; 8];
        // At most 56 bits and a cluster: no overflow.
        let at = table + (number % L2_ENTRIES * 8) as u64;
        self.file.read_exact_at(&mut entry, at)?;
        let entry = u64::from_be_bytes(entry);
        if entry & COMPRESSED != 0 {
            let offset = entry & ((1 << OFFSET_BITS) - 1);
            let sectors = 1 + (entry >> OFFSET_BITS & FURTHER_SECTORS_MASK);
            // The file may end within the last sector.
            let end = (offset / 512 + sectors).saturating_mul(512).min(self.file_bytes);
            let length = end.checked_sub(offset).ok_or_else(|| damaged(at, "a cluster behind the end of the file"))?;
            return Ok(Place::Compressed { offset, length });
        }
        match entry & OFFSET_MASK {
            0 => Ok(Place::Zero),
            _ if entry & ZERO != 0 => Ok(Place::Zero),
            offset => Ok(Place::Stored { offset }),
        }
    }

    /// Fills `part` from one cluster, from its byte `start` on.
    fn read_cluster(&self, cluster: u64, start: usize, part: &mut [u8]) -> io::Result<()> {
        match self.place(cluster)? {
            Place::Zero => part.fill(0),
            Place::Stored { offset } => self.file.read_exact_at(part, offset + start as u64)?,
            Place::Compressed { offset, length } => {
                let mut kept = self.kept.borrow_mut();
                let slot = &mut kept[usize::try_from(cluster).map_err(io::Error::other)? % KEPT];
                let unpacked = match slot {
                    Some(unpacked) if unpacked.cluster == cluster => unpacked,
                    slot => slot.insert(Unpacked { cluster, bytes: self.unpack(offset, length)? }),
                };
                part.copy_from_slice(&unpacked.bytes[start..start + part.len()]);
            }
        }
        Ok(())
    }

    /// A whole cluster. What follows the compressed stream in its last sector belongs to others.
    fn unpack(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut packed = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut packed, offset)?;
        let mut bytes = vec![0; CLUSTER];
        if self.zstd {
            let unpacked = zstd::stream::Decoder::new(packed.as_slice())?.single_frame().read_exact(&mut bytes);
            unpacked.map_err(|error| damaged(offset, &format!("a cluster does not unpack: {error}")))?;
        } else {
            let mut decoder = Decompress::new_with_window_bits(false, 12);
            let status = decoder.decompress(&packed, &mut bytes, FlushDecompress::Finish);
            if !matches!(status, Ok(Status::StreamEnd)) || decoder.total_out() != CLUSTER_BYTES {
                return Err(damaged(offset, "a cluster does not unpack"));
            }
        }
        Ok(bytes)
    }
}

impl ReadAt for Reader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut rest, mut at) = (buffer, offset);
        while !rest.is_empty() {
            let start = usize::try_from(at % CLUSTER_BYTES).map_err(io::Error::other)?;
            let (part, after) = rest.split_at_mut(rest.len().min(CLUSTER - start));
            self.read_cluster(at / CLUSTER_BYTES, start, part)?;
            at += part.len() as u64;
            rest = after;
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

fn damaged(offset: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("offset {offset}: {what}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::write::{Codec, write};
    use super::*;
    use crate::tree::Digest;

    /// Two clusters that compress, one that does not, a hole, and a last one that ends early.
    fn sample(codec: Codec) -> (Vec<u8>, File) {
        let noise: Vec<u8> = (0..2048_u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).collect();
        let bytes = [vec![7; 70_000], vec![8; 61_072], noise, vec![0; 3 * CLUSTER], b"the end.".repeat(64)].concat();
        let (raw, mut image) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        raw.write_all_at(&bytes, 0).unwrap();
        let summary = write(&raw, bytes.len() as u64, &mut image, codec, 1).unwrap();
        assert_eq!((summary.compressed, summary.stored, summary.zero), (3, 1, 3));
        (bytes, image)
    }

    #[test]
    fn any_range_reads_as_in_the_raw_image() {
        for codec in [Codec::Zlib { level: 6 }, Codec::Zstd { level: 3 }] {
            let (bytes, image) = sample(codec);
            let reader = Reader::open(image).unwrap();
            assert_eq!(reader.size().unwrap(), bytes.len() as u64);
            let ranges = [(0, 10), (65_530, 20), (69_999, 2), (131_000, 70_000), (200_000, 300_000), (0, bytes.len())];
            for (start, length) in ranges {
                let length = length.min(bytes.len() - start);
                let mut read = vec![9; length];
                reader.read_exact_at(&mut read, start as u64).unwrap();
                assert!(read == bytes[start..start + length], "{codec:?}: {length} bytes at {start}");
            }
            let mut two = [0; 2];
            assert!(reader.read_exact_at(&mut two, bytes.len() as u64 - 1).is_err());
            assert!(reader.read_exact_at(&mut two, u64::MAX).is_err());
        }
    }

    #[test]
    fn content_that_is_elsewhere_or_encrypted_is_refused_by_name() {
        // Backing file, encryption, external data file, extended L2 entries.
        for (offset, byte, why) in
            [(15, 200, "backing file"), (35, 1, "encrypted"), (79, 4, "features 0x4"), (79, 16, "features 0x10")]
        {
            let (_, image) = sample(Codec::default());
            image.write_all_at(&[byte], offset).unwrap();
            let error = Reader::open(image).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_or_other_bytes_and_never_a_panic() {
        for codec in [Codec::Zlib { level: 6 }, Codec::Zstd { level: 3 }] {
            let (bytes, image) = sample(codec);
            let length = image.metadata().unwrap().len();
            // Every byte of the header, and a fixed sequence (Knuth's multiplicative hash) of those behind it.
            let later = (1..400_u64).map(|number| 112 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (length - 112));
            for at in (0..112).chain(later) {
                let mut byte = [0];
                FileExt::read_exact_at(&image, &mut byte, at).unwrap();
                image.write_all_at(&[byte[0] ^ 0xff], at).unwrap();
                if let Ok(reader) = Reader::open(image.try_clone().unwrap()) {
                    // Either is right, as long as it ends.
                    let _ = reader.read_exact_at(&mut vec![0; bytes.len()], 0);
                }
                image.write_all_at(&byte, at).unwrap();
            }
            let mut read = vec![0; bytes.len()];
            Reader::open(image).unwrap().read_exact_at(&mut read, 0).unwrap();
            assert!(read == bytes);
        }
    }
}

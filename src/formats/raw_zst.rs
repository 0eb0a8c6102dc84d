//! Raw images compressed with zstd, each mebibyte a frame of its own, and behind them a table of the frames: the
//! seekable format of zstd's `contrib/seekable_format`, which every decoder of zstd reads as one file.
//!
//! Takes a raw file, gives the same bytes for any number of threads, in one pass. A hole costs some 60 bytes a
//! mebibyte and no time. Oracle: `zstd -t` and `zstd -dc`.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::formats::blocks;

/// Bytes of the image in a frame.
const FRAME: usize = 1 << 20;
/// First bytes of the frame with the table, which decoders skip, and its last bytes.
const TABLE_MAGIC: u32 = 0x184d_2a5e;
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;

/// Writes the first `size` bytes of `raw` compressed at a level from 1 to 22; how many bytes that takes.
///
/// # Errors
/// `InvalidInput` unless `size` is a positive multiple of 1 MiB of at most 64 TiB; and those of reading and writing.
pub fn write(raw: &File, size: u64, out: impl Write, level: i32, threads: usize) -> io::Result<u64> {
    if size == 0 || !size.is_multiple_of(FRAME as u64) || size > 64 << 40 {
        let what = format!("an image is compressed in whole mebibytes, at most 64 TiB, not {size} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let zeros = compressor(level)?.compress(&vec![0; FRAME])?;
    let mut frames = Frames { out: BufWriter::with_capacity(1 << 20, out), bytes: 0, lengths: Vec::new() };
    blocks::for_each(
        (raw, size),
        FRAME,
        threads,
        || compressor(level),
        Compressor::compress,
        |number, frame| {
            frames.fill(number, &zeros)?;
            frames.put(&frame)
        },
    )?;
    frames.fill(size / FRAME as u64, &zeros)?;
    frames.finish()
}

fn compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// The file as far as it is written.
struct Frames<W: Write> {
    out: BufWriter<W>,
    bytes: u64,
    /// Compressed bytes of each frame.
    lengths: Vec<u32>,
}

impl<W: Write> Frames<W> {
    fn put(&mut self, frame: &[u8]) -> io::Result<()> {
        self.lengths.push(u32::try_from(frame.len()).map_err(io::Error::other)?);
        self.bytes += frame.len() as u64;
        self.out.write_all(frame)
    }

    /// Frames of zeros up to the one of this number.
    fn fill(&mut self, number: u64, zeros: &[u8]) -> io::Result<()> {
        while (self.lengths.len() as u64) < number {
            self.put(zeros)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        let frames = u32::try_from(self.lengths.len()).map_err(io::Error::other)?;
        let frame = u32::try_from(FRAME).map_err(io::Error::other)?;
        self.out.write_all(&TABLE_MAGIC.to_le_bytes())?;
        let length = u32::try_from(self.lengths.len() * 8 + 9).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        for compressed in &self.lengths {
            self.out.write_all(&compressed.to_le_bytes())?;
            self.out.write_all(&frame.to_le_bytes())?;
        }
        self.out.write_all(&frames.to_le_bytes())?;
        // No checksums here: each frame has its own.
        self.out.write_all(&[0])?;
        self.out.write_all(&SEEKABLE_MAGIC.to_le_bytes())?;
        self.out.flush()?;
        Ok(self.bytes + 8 + u64::from(length))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn frames_unpack_one_by_one_and_together_for_any_number_of_threads() {
        let mut bytes = vec![0; 5 << 20];
        bytes[1 << 20..(1 << 20) + 9].copy_from_slice(b"something");
        bytes[(4 << 20) - 1] = 1;
        let raw = tempfile::tempfile().unwrap();
        raw.write_all_at(&bytes, 0).unwrap();
        let mut out = Vec::new();
        let length = write(&raw, bytes.len() as u64, &mut out, 3, 1).unwrap();
        assert_eq!(length, out.len() as u64);
        for threads in [2, 3] {
            let mut again = Vec::new();
            write(&raw, bytes.len() as u64, &mut again, 3, threads).unwrap();
            assert!(again == out);
        }
        assert!(zstd::decode_all(out.as_slice()).unwrap() == bytes);
        // By the table: five entries of eight bytes before the nine of the end.
        let table = out.len() - 9 - 5 * 8;
        let number = |at: usize| usize::try_from(u32::from_le_bytes(out[at..at + 4].try_into().unwrap())).unwrap();
        assert_eq!((number(table - 8), number(table - 4), number(out.len() - 9)), (0x184d_2a5e, 49, 5));
        let mut start = 0;
        for frame in 0..5 {
            let end = start + number(table + frame * 8);
            assert_eq!(number(table + frame * 8 + 4), FRAME);
            let unpacked = zstd::bulk::decompress(&out[start..end], FRAME).unwrap();
            assert!(unpacked == bytes[frame << 20..(frame + 1) << 20]);
            start = end;
        }
        assert_eq!(start, table - 8);
        // What is zero costs next to nothing.
        assert!(number(table) < 100, "{}", number(table));
    }

    #[test]
    fn parts_of_a_mebibyte_are_refused() {
        let raw = tempfile::tempfile().unwrap();
        raw.set_len(2 << 20).unwrap();
        for size in [0, 512, (1 << 20) + 512] {
            let error = write(&raw, size, io::sink(), 3, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}

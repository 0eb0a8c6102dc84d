//! Raw images with holes: writing only what is not zero, copying only what is not a hole.
//!
//! Every writer here expects a file that was just created, so that what is never written reads as zeros. Where the
//! file system cannot tell holes (`SEEK_DATA`, lseek(2)), everything counts as data: the same bytes, only slower.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Unit in which zeros become holes: the block size of the file systems that hold images.
const BLOCK: usize = 4096;
/// Bytes that a copy holds in memory.
const COPY_BUFFER: usize = 1 << 20;

/// Bytes that go into an image: small ones are in memory, large ones in a file.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    Bytes(&'a [u8]),
    /// The first `length` bytes of `file`.
    File {
        file: &'a File,
        length: u64,
    },
}

impl Source<'_> {
    pub fn length(&self) -> u64 {
        match self {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File { length, .. } => *length,
        }
    }

    /// Copies all of these bytes into `buffer`, which has their length.
    pub fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Source::Bytes(bytes) if bytes.len() == buffer.len() => buffer.copy_from_slice(bytes),
            Source::File { file, length } if *length == buffer.len() as u64 => file.read_exact_at(buffer, 0)?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// Writes these bytes into `out` from `offset` on, leaving holes where they are zero.
    pub fn write_to(&self, out: &File, offset: u64) -> io::Result<()> {
        match self {
            Source::Bytes(bytes) => write_at(out, offset, bytes),
            Source::File { file, length } => copy(file, *length, out, offset),
        }
    }
}

/// Whether all of `bytes` are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    // `u128` chunks let the compiler compare sixteen bytes at once without unsafe code.
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().all(|chunk| u128::from_ne_bytes(*chunk) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Writes `bytes` at `offset`, except its blocks that are zero.
pub fn write_at(out: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut position = offset;
    for run in runs(bytes) {
        if !is_zero(run) {
            out.write_all_at(run, position)?;
        }
        position += run.len() as u64;
    }
    Ok(())
}

/// Copies the first `length` bytes of `from` to `offset` in `out`, skipping holes and zeros.
pub fn copy(from: &File, length: u64, out: &File, offset: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BUFFER];
    for data in data_ranges(from, length)? {
        let mut position = data.start;
        while position < data.end {
            let part = usize::try_from(data.end - position).map_or(COPY_BUFFER, |left| left.min(COPY_BUFFER));
            from.read_exact_at(&mut buffer[..part], position)?;
            write_at(out, offset + position, &buffer[..part])?;
            position += part as u64;
        }
    }
    Ok(())
}

/// The ranges of the first `length` bytes of `file` that may hold something other than zeros, in order and apart.
/// A file shorter than `length` is an error.
pub fn data_ranges(file: &File, length: u64) -> io::Result<Vec<Range<u64>>> {
    let size = file.metadata()?.len();
    if size < length {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the file has {size} bytes instead of {length}"),
        ));
    }
    let mut ranges = Vec::new();
    let mut position = 0;
    while position < length {
        let start = match seek(file, SeekFrom::Data(position)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => position,
            Err(error) => return Err(error.into()),
        };
        let end = match seek(file, SeekFrom::Hole(start)) {
            Ok(end) => end.min(length),
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => length,
            Err(error) => return Err(error.into()),
        };
        if start >= length || end <= start {
            break;
        }
        ranges.push(start..end);
        position = end;
    }
    Ok(ranges)
}

/// Cuts bytes into runs of blocks that are alike: all zero, or all with something in them.
fn runs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let mut blocks = rest.chunks(BLOCK);
        let first = blocks.next()?;
        let zero = is_zero(first);
        let more: usize = blocks.take_while(|block| is_zero(block) == zero).map(<[u8]>::len).sum();
        let (run, after) = rest.split_at(first.len() + more);
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zero_blocks_stay_holes_and_everything_else_arrives() {
        let mut bytes = vec![0; 3 << 20];
        bytes[5000] = 1;
        bytes[(2 << 20) + 7] = 2;
        let last = bytes.len() - 1;
        bytes[last] = 3;
        let from = tempfile::tempfile().unwrap();
        write_at(&from, 0, &bytes).unwrap();
        let out = tempfile::tempfile().unwrap();
        out.set_len(4 << 20).unwrap();
        copy(&from, bytes.len() as u64, &out, 512).unwrap();
        let mut back = vec![9; bytes.len()];
        out.read_exact_at(&mut back, 512).unwrap();
        assert_eq!(back, bytes);
        assert!(out.metadata().unwrap().blocks() * 512 <= 64 << 10, "{}", out.metadata().unwrap().blocks());
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        assert!(data_ranges(&file, 10).unwrap().iter().all(|range| range.end <= 10));
        assert!(data_ranges(&file, 11).unwrap_err().to_string().contains("10 bytes instead of 11"));
    }

    #[test]
    fn is_zero_sees_a_byte_at_any_place() {
        for length in 0..70 {
            let mut bytes = vec![0; length];
            assert!(is_zero(&bytes));
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_zero(&bytes));
                bytes[at] = 0;
            }
        }
    }
}

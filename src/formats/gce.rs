//! Images as Google's Compute Engine imports them: a gzip-compressed tar archive in GNU's old format, with the disk
//! as its only file, `disk.raw`, in whole gibibytes ("Import boot disks manually", requirements of the image file).
//!
//! Takes a raw file, gives the same bytes for any number of threads, in one pass: one gzip member, whose parts are
//! deflated in parallel. The disk grows to whole gibibytes by zeros, so the backup of a GPT is no longer at its end.
//! A hole costs one kibibyte a mebibyte and no time. Oracle: `gzip -t` and `tar --compare`.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use flate2::Crc;

use crate::formats::blocks;
use crate::formats::deflate::{Deflater, LAST_BLOCK};

/// Bytes of the image that are deflated together.
const PART: usize = 1 << 20;
/// Level of deflate; what does not get smaller is stored.
const LEVEL: u32 = 6;
/// A gzip header (RFC 1952) without name and time, made on Unix.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Bytes that the disk of an image of `size` bytes has there: whole gibibytes.
pub fn disk_bytes(size: u64) -> u64 {
    size.next_multiple_of(1 << 30)
}

/// Writes the first `size` bytes of `raw` as `disk.raw` in a compressed archive; how many bytes that takes. `epoch`
/// is the time of the file in seconds since 1970.
///
/// # Errors
/// `InvalidInput` unless `size` is a positive multiple of 1 MiB of at most 64 TiB; and those of reading and writing.
pub fn write(raw: &File, size: u64, out: impl Write, epoch: u64, threads: usize) -> io::Result<u64> {
    if size == 0 || !size.is_multiple_of(PART as u64) || size > 64 << 40 {
        let what = format!("an image for Compute Engine needs whole mebibytes, at most 64 TiB, not {size} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut header = tar::Header::new_gnu();
    header.set_path("disk.raw")?;
    header.set_size(disk_bytes(size));
    header.set_mode(0o644);
    header.set_mtime(epoch);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();

    let deflater = || Ok(Deflater::new(LEVEL, false));
    let zeros = part(&mut deflater()?, &vec![0; PART])?;
    let mut member = Member { out: BufWriter::with_capacity(1 << 20, out), bytes: 0, sum: Crc::new() };
    member.out.write_all(&GZIP_HEADER)?;
    member.put(&part(&mut deflater()?, header.as_bytes())?)?;
    let mut next = 0;
    blocks::for_each((raw, size), PART, threads, deflater, part, |number, part| {
        member.repeat(number - next, &zeros)?;
        next = number + 1;
        member.put(&part)
    })?;
    member.repeat(disk_bytes(size) / PART as u64 - next, &zeros)?;
    // Two blocks of zeros end an archive.
    member.put(&part(&mut deflater()?, &[0; 1024])?)?;
    member.finish()
}

/// A part of the member, deflated, and the checksum of what is in it.
type Part = (Vec<u8>, Crc);

fn part(deflater: &mut Deflater, bytes: &[u8]) -> io::Result<Part> {
    let mut sum = Crc::new();
    sum.update(bytes);
    Ok((deflater.blocks(bytes)?, sum))
}

/// The gzip member as far as it is written.
struct Member<W: Write> {
    out: BufWriter<W>,
    /// Without the header.
    bytes: u64,
    sum: Crc,
}

impl<W: Write> Member<W> {
    fn put(&mut self, (deflated, sum): &Part) -> io::Result<()> {
        self.sum.combine(sum);
        self.bytes += deflated.len() as u64;
        self.out.write_all(deflated)
    }

    fn repeat(&mut self, times: u64, part: &Part) -> io::Result<()> {
        (0..times).try_for_each(|_| self.put(part))
    }

    fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(&LAST_BLOCK)?;
        self.out.write_all(&self.sum.sum().to_le_bytes())?;
        self.out.write_all(&self.sum.amount().to_le_bytes())?;
        self.out.flush()?;
        Ok(GZIP_HEADER.len() as u64 + self.bytes + LAST_BLOCK.len() as u64 + 8)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_archive_has_the_disk_in_whole_gibibytes_for_any_number_of_threads() {
        let raw = tempfile::tempfile().unwrap();
        raw.set_len(3 << 20).unwrap();
        raw.write_all_at(b"start", 0).unwrap();
        raw.write_all_at(b"end", (3 << 20) - 3).unwrap();
        let mut out = Vec::new();
        let length = write(&raw, 3 << 20, &mut out, 1_700_000_000, 1).unwrap();
        assert_eq!(length, out.len() as u64);
        assert!(length < 1_100_000, "{length}");
        let mut again = Vec::new();
        write(&raw, 3 << 20, &mut again, 1_700_000_000, 3).unwrap();
        assert!(again == out);

        let mut archive = tar::Archive::new(GzDecoder::new(out.as_slice()));
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        let header = entry.header();
        assert_eq!((header.size().unwrap(), header.mtime().unwrap()), (1 << 30, 1_700_000_000));
        // The magic of GNU's old format.
        assert_eq!((entry.path_bytes().as_ref(), &header.as_bytes()[257..265]), (&b"disk.raw"[..], &b"ustar  \0"[..]));
        let mut bytes = vec![0; 3 << 20];
        entry.read_exact(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"start\0") && bytes.ends_with(b"\0end"));
        // To its end, where the checksum is.
        assert!(entries.next().is_none());
    }
}

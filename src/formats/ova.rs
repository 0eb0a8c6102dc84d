//! Virtual machines as one file: an OVA, which is a tar archive (ustar) of an OVF envelope, a manifest with the
//! SHA-256 of the others, and the disk (DMTF's DSP0243, sections 5.1 and 5.3), in the order in which importers read
//! them as a stream.
//!
//! Oracle: `tar -t`, `sha256sum -c`, and those of the envelope and the vmdk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};

use super::device::Window;
use super::ovf::{self, Appliance};
use crate::tree::Digest;

const BLOCK: u64 = 512;
/// Bytes of an archive are a multiple of this.
const RECORD: u64 = 10_240;
/// Bytes that the copy of the disk holds in memory.
const COPY_BUFFER: usize = 1 << 20;

/// Writes an appliance with its disk, of which `vmdk` is the file and `digest` the SHA-256 of that file's bytes; how
/// many bytes that takes. Envelope and manifest are called like the disk's file. `epoch` is the time of the files in
/// seconds since 1970.
///
/// # Errors
/// Those of [`ovf::envelope`], `InvalidInput` for a name that is not one of a `.vmdk` file of at most 100 bytes without
/// folders, `UnexpectedEof` for a file that is shorter than the appliance says, and those of reading and writing.
pub fn write(appliance: &Appliance<'_>, vmdk: &File, digest: &Digest, epoch: u64, out: impl Write) -> io::Result<u64> {
    let disk = appliance.disk;
    let stem = disk.file_name.strip_suffix(".vmdk").filter(|stem| !stem.is_empty() && !stem.contains(['/', '\n']));
    let stem = stem.filter(|stem| stem.len() <= 95).ok_or_else(|| {
        let name = disk.file_name.escape_default();
        io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no name for the disk in an OVA"))
    })?;
    let envelope = ovf::envelope(appliance)?;
    let name = format!("{stem}.ovf");
    let manifest = format!("SHA256({name})= {}\nSHA256({})= {digest}\n", Digest::of(&envelope), disk.file_name);
    let mut archive = Archive { out: BufWriter::with_capacity(COPY_BUFFER, out), bytes: 0, epoch };
    archive.add(&name, envelope.len() as u64, envelope.as_bytes())?;
    archive.add(&format!("{stem}.mf"), manifest.len() as u64, manifest.as_bytes())?;
    let content = BufReader::with_capacity(COPY_BUFFER, Window::new(vmdk, 0, disk.file_bytes));
    archive.add(disk.file_name, disk.file_bytes, content)?;
    archive.finish()
}

struct Archive<W: Write> {
    out: BufWriter<W>,
    bytes: u64,
    epoch: u64,
}

impl<W: Write> Archive<W> {
    fn add(&mut self, name: &str, length: u64, mut content: impl io::Read) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(length);
        header.set_mode(0o644);
        header.set_mtime(self.epoch);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        if io::copy(&mut content, &mut self.out)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes += BLOCK + length;
        self.pad(BLOCK)
    }

    /// Zeros up to the next multiple of `unit` bytes, of at most ten kibibytes.
    fn pad(&mut self, unit: u64) -> io::Result<()> {
        let padding = self.bytes.next_multiple_of(unit) - self.bytes;
        io::copy(&mut io::Read::take(io::repeat(0), padding), &mut self.out)?;
        self.bytes += padding;
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        // At least two blocks of zeros end an archive.
        self.out.write_all(&[0; 1024])?;
        self.bytes += 1024;
        self.pad(RECORD)?;
        self.out.flush()?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::ovf::Disk;
    use super::super::ovf::tests::sample;
    use super::*;

    fn vmdk() -> (Vec<u8>, File) {
        let bytes = b"not really a disk".repeat(100);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (bytes, file)
    }

    #[test]
    fn the_envelope_comes_first_and_the_manifest_knows_the_others() {
        let (bytes, file) = vmdk();
        let disk = Disk { file_name: "worker.vmdk", file_bytes: bytes.len() as u64, capacity: 1 << 30 };
        let appliance = Appliance { disk, ..sample() };
        let mut out = Vec::new();
        let length = write(&appliance, &file, &Digest::of(&bytes), 1_700_000_000, &mut out).unwrap();
        assert_eq!(length, out.len() as u64);
        assert_eq!(out.len() % 10_240, 0);
        let mut files = Vec::new();
        for entry in tar::Archive::new(out.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(&entry.header().as_bytes()[257..265], b"ustar\x0000");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((String::from_utf8(entry.path_bytes().into_owned()).unwrap(), content));
        }
        assert_eq!(
            files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["worker.ovf", "worker.mf", "worker.vmdk"]
        );
        let manifest =
            format!("SHA256(worker.ovf)= {}\nSHA256(worker.vmdk)= {}\n", Digest::of(&files[0].1), Digest::of(&bytes));
        assert_eq!(files[1].1, manifest.as_bytes());
        assert!(files[2].1 == bytes);
    }

    #[test]
    fn names_that_do_not_fit_and_files_that_are_too_short_are_errors() {
        let (bytes, file) = vmdk();
        let long = format!("{}.vmdk", "a".repeat(96));
        for file_name in ["worker.raw", ".vmdk", "a/b.vmdk", "a\nb.vmdk", &long] {
            let appliance = Appliance { disk: Disk { file_name, file_bytes: 1, capacity: 1 }, ..sample() };
            let error = write(&appliance, &file, &Digest::of(""), 0, io::sink()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        let disk = Disk { file_name: "a.vmdk", file_bytes: bytes.len() as u64 + 1, capacity: 1 };
        let error = write(&Appliance { disk, ..sample() }, &file, &Digest::of(""), 0, io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

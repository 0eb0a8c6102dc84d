//! A compressed file of a repository → its text, hashed and counted as it is read.
//!
//! The compression is told by the first bytes, not by the name. `repomd.xml` says how much the text is; more is never
//! read, so that a small file cannot fill memory or time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use sha2::{Digest as _, Sha256};

use super::repomd::Listed;
use crate::decompressed::Decompressed;
use crate::tree::Digest;
use crate::trust::Refused;

/// Memory that xz may use; `xz -9` takes 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// The text of a file of the repository.
pub(super) struct Unpacked {
    stream: Box<dyn Read>,
    hasher: Sha256,
    count: u64,
    limit: u64,
    size: Option<u64>,
    digest: Option<Digest>,
}

/// Opens the file at `path`, whose text has at most `most` bytes.
pub(super) fn open(path: &Path, listed: &Listed, most: u64) -> Result<Unpacked> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    unpack(BufReader::with_capacity(1 << 16, file), listed, most)
}

fn unpack<R: BufRead + 'static>(mut file: R, listed: &Listed, most: u64) -> Result<Unpacked> {
    let said = listed.open_size.unwrap_or(0);
    ensure!(said <= most, Refused::new("too-large", format!("it has {said} bytes unpacked, more than {most}")));
    let magic = file.fill_buf().context("reading its first bytes")?;
    let (form, stream): (&'static str, Box<dyn Read>) = if magic.starts_with(&[0x1f, 0x8b]) {
        ("gzip", Box::new(MultiGzDecoder::new(file)))
    } else if magic.starts_with(b"\xfd7zXZ\0") {
        ("xz", Box::new(XzDecoder::new_stream(file, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?)))
    } else if magic.starts_with(b"BZh") {
        ("bzip2", Box::new(MultiBzDecoder::new(file)))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        ("zstd", Box::new(zstd::stream::read::Decoder::with_buffer(file)?))
    } else if magic.starts_with(b"\0ZCK1") || magic.starts_with(b"\0ZHR1") {
        let text = "it is in zchunk, and the repository has it in no other form: only gz, xz, bz2, zst are known";
        return Err(Refused::new("zchunk-only", text).into());
    } else if magic.contains(&0) {
        return Err(Refused::new("unknown-compression", "it is neither text nor gz, xz, bz2 or zst").into());
    } else {
        ("text", Box::new(file))
    };
    let stream = Box::new(Decompressed { stream, form });
    let limit = listed.open_size.unwrap_or(most);
    Ok(Unpacked { stream, hasher: Sha256::new(), count: 0, limit, size: listed.open_size, digest: listed.open_digest })
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.count = self.count.saturating_add(count as u64);
        if self.count > self.limit {
            let text = format!("unpacked, it has more than the {} bytes that it may have", self.limit);
            return Err(io::Error::other(Refused::new("open-size", text)));
        }
        Ok(count)
    }
}

impl Unpacked {
    /// Reads what is left; the whole has to be what `repomd.xml` says.
    pub(super) fn finish(mut self) -> Result<()> {
        io::copy(&mut self, &mut io::sink())?;
        if let Some(said) = self.size.filter(|said| *said != self.count) {
            let text = format!("unpacked, it has {} bytes, and repomd.xml says {said}", self.count);
            return Err(Refused::new("open-size", text).into());
        }
        let found = Digest(self.hasher.finalize().into());
        if let Some(said) = self.digest.filter(|said| *said != found) {
            let text = format!("unpacked, its digest is {found}, and repomd.xml says {said}");
            return Err(Refused::new("open-digest", text).into());
        }
        Ok(())
    }
}

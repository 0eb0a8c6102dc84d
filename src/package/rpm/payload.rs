//! An RPM's payload: a compressed cpio stream → contents in the store.
//!
//! `newc` archives (magic 070701, 070702), and rpm's own form for large files (07070X), whose entries have an index
//! into the header's list instead of a name. Nothing here believes a name: it must be in the list, once, and what it
//! brings must have the kind, the size and the digest that the list says. Of hard links only the last has the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use anyhow::{Context, Result, bail, ensure};
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use pgp::crypto::hash::HashAlgorithm;
use sha2::digest::DynDigest;

use super::files::{Kind, Listed, Said};
use crate::decompressed::Decompressed;
use crate::hex;
use crate::store::Store;
use crate::tree::Digest;
use crate::tree::path::escape;
use crate::trust::Refused;

/// `xz -9` needs 65 MiB; more is not a package's.
const XZ_MEMORY: u64 = 256 << 20;
/// Longest name: `PATH_MAX` and the dot in front.
const NAME_MAX: u64 = 4097;
const SYMLINK_MAX: u64 = 4096;

/// The payload's bytes as `PAYLOADCOMPRESSOR` says they are compressed. Without it they may be gzip or plain: rpm reads
/// them with zlib, which takes both.
pub(super) fn decompress<'a>(mut payload: Box<dyn Read + 'a>, compressor: &str) -> Result<Box<dyn Read + 'a>> {
    if compressor.is_empty() {
        let mut first = Vec::new();
        Read::take(&mut payload, 2).read_to_end(&mut first)?;
        let form = if first == [0x1f, 0x8b] { "gzip" } else { "none" };
        let whole: Box<dyn Read + 'a> = Box::new(io::Cursor::new(first).chain(payload));
        return decompress(whole, form);
    }
    let (form, stream): (&'static str, Box<dyn Read + 'a>) = match compressor {
        "none" => return Ok(payload),
        "gzip" => ("gzip", Box::new(MultiGzDecoder::new(payload))),
        "bzip2" => ("bzip2", Box::new(MultiBzDecoder::new(payload))),
        "xz" => ("xz", Box::new(XzDecoder::new_stream(payload, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?))),
        // The format before xz, without a checksum.
        "lzma" => ("lzma", Box::new(XzDecoder::new_stream(payload, Stream::new_lzma_decoder(XZ_MEMORY)?))),
        "zstd" => ("zstd", Box::new(zstd::stream::read::Decoder::new(payload)?)),
        other => {
            let known = "only gzip, bzip2, xz, lzma, zstd and none";
            let text = format!("the compression `{}` is not known, {known}", other.escape_debug());
            bail!(Refused::new("unknown-payload", text))
        }
    };
    Ok(Box::new(Decompressed { stream, form }))
}

/// What identifies the contents of a file: hard links share what one of them brings, and have its size in the list.
pub(super) type Key = ((u64, u64), Said, u64);

pub(super) fn key(file: &Listed, said: &Said) -> Key {
    (file.inode, said.clone(), file.size)
}

/// Reads the whole stream and puts every content into the store; the digests there of all that are in the list. Offsets
/// in errors are those of the unpacked stream.
pub(super) fn read(stream: impl Read, files: &[Listed], limit: u64, store: &Store) -> Result<BTreeMap<Key, Digest>> {
    unpack(stream, files, limit, store).map_err(Refused::kind("payload-mismatch"))
}

fn unpack(stream: impl Read, files: &[Listed], limit: u64, store: &Store) -> Result<BTreeMap<Key, Digest>> {
    let mut archive = Archive { stream, offset: 0, limit };
    // Of hard links the last in the list has the bytes.
    let mut last: BTreeMap<((u64, u64), &Said), usize> = BTreeMap::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| !file.ghost) {
        if let Kind::File(Some(said)) = &file.kind {
            last.insert((file.inode, said), index);
        }
    }
    let has_bytes = |index: usize| match &files[index].kind {
        Kind::File(Some(said)) => last.get(&(files[index].inode, said)) == Some(&index),
        Kind::Symlink(_) => true,
        _ => false,
    };
    let indexes: BTreeMap<&[u8], usize> =
        files.iter().enumerate().map(|(index, file)| (file.path.as_bytes(), index)).collect();
    let mut seen = BTreeSet::new();
    let mut complete: BTreeMap<Key, Digest> = BTreeMap::new();
    while let Some(entry) = archive.next(files, &indexes, &has_bytes)? {
        let file = &files[entry.index];
        let at = || format!("at byte {} of the payload: `{}`", entry.offset, file.path);
        ensure!(!file.ghost, "{} is a %ghost, which has no contents", at());
        ensure!(seen.insert(entry.index), "{} is there twice", at());
        match &file.kind {
            Kind::File(said) => {
                let said = said.as_ref().with_context(|| format!("{} has no digest in the header", at()))?;
                // The other names of a hard link come first, and empty.
                if entry.size == 0 && file.size > 0 {
                    continue;
                }
                ensure!(entry.size == file.size, "{}: {} bytes, the header says {}", at(), entry.size, file.size);
                let found = content(&mut archive, entry.size, said, store).with_context(at)?;
                complete.insert(key(file, said), found);
            }
            Kind::Symlink(target) => {
                ensure!(entry.size <= SYMLINK_MAX, "{}: a link of {} bytes", at(), entry.size);
                let found = archive.exactly(entry.size).with_context(at)?;
                ensure!(found == *target, "{} leads to `{}` here and elsewhere in the header", at(), escape(&found));
            }
            _ => ensure!(entry.size == 0, "{} has {} bytes, and is no file", at(), entry.size),
        }
        archive.align().with_context(at)?;
    }
    let absent = files.iter().enumerate().find(|(index, file)| {
        let content = match &file.kind {
            Kind::File(said) => said.as_ref().is_some_and(|said| complete.contains_key(&key(file, said))),
            _ => true,
        };
        !file.ghost && (!seen.contains(index) || !content)
    });
    if let Some((_, file)) = absent {
        bail!("at byte {}: the payload ends without the contents of `{}`", archive.offset, file.path);
    }
    // Whatever pads the archive, and the checks at a compressed stream's end.
    io::copy(&mut archive, &mut io::sink()).context("reading what follows the payload's last entry")?;
    Ok(complete)
}

/// Puts the next `size` bytes into the store, if they have the digest that is said.
fn content(archive: &mut dyn Read, size: u64, said: &Said, store: &Store) -> Result<Digest> {
    match said {
        Said::Sha256(said) => {
            let found = store.put_reader(archive, size)?;
            ensure!(found == *said, "its digest is {found}, the header says {said}");
            Ok(found)
        }
        Said::Other { algorithm, digest } => {
            let hasher = HashAlgorithm::from(*algorithm).new_hasher()?;
            let mut hashed = Hashed { archive, hasher };
            let stored = store.put_reader(&mut hashed, size)?;
            let found = hashed.hasher.finalize();
            let (found, said) = (hex::encode(&found), hex::encode(digest));
            ensure!(found == said, "its digest is {found}, the header says {said}");
            Ok(stored)
        }
    }
}

/// A reader that hashes what it reads.
struct Hashed<'a> {
    archive: &'a mut dyn Read,
    hasher: Box<dyn DynDigest + Send>,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.archive.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

struct Entry {
    index: usize,
    size: u64,
    offset: u64,
}

struct Archive<R> {
    stream: R,
    offset: u64,
    limit: u64,
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.offset += count as u64;
        if self.offset > self.limit {
            let text = format!("it unpacks to more than {} bytes", self.limit);
            return Err(io::Error::other(Refused::new("too-large", text)));
        }
        Ok(count)
    }
}

impl<R: Read> Archive<R> {
    fn exactly(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Read::take(&mut *self, length).read_to_end(&mut bytes)?;
        let text = || format!("the payload ends at byte {} in the middle of an entry", self.offset);
        ensure!(bytes.len() as u64 == length, Refused::new("payload-cut-off", text()));
        Ok(bytes)
    }

    /// Headers and contents start at multiples of four.
    fn align(&mut self) -> Result<()> {
        self.exactly(self.offset.next_multiple_of(4) - self.offset).map(drop)
    }

    /// The next entry, its contents not read yet; nothing after the trailer. `has_bytes` is whether a file of the list
    /// is one whose contents stand in the archive.
    fn next(
        &mut self,
        files: &[Listed],
        indexes: &BTreeMap<&[u8], usize>,
        has_bytes: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Entry>> {
        let offset = self.offset;
        let at = || format!("at byte {offset} of the payload");
        let magic = self.exactly(6).with_context(at)?;
        if magic == *b"07070X" {
            let index = hexadecimal(&self.exactly(8).with_context(at)?).with_context(at)?;
            self.align().with_context(at)?;
            let index = usize::try_from(index).ok().filter(|index| *index < files.len());
            let index = index.with_context(|| format!("{}: the header has no such file", at()))?;
            // Such an entry has no size of its own.
            let size = if has_bytes(index) { files[index].size } else { 0 };
            return Ok(Some(Entry { index, size, offset }));
        }
        ensure!(magic == *b"070701" || magic == *b"070702", "{}: this is no entry of a cpio archive", at());
        let numbers = self.exactly(13 * 8).with_context(at)?;
        let number = |index: usize| hexadecimal(&numbers[index * 8..index * 8 + 8]).with_context(at);
        let (mode, size, name_size) = (number(1)?, number(6)?, number(11)?);
        ensure!((1..=NAME_MAX).contains(&name_size), "{}: a name of {name_size} bytes", at());
        let name = self.exactly(name_size).with_context(at)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        self.align().with_context(at)?;
        if name == b"TRAILER!!!" {
            return Ok(None);
        }
        let absolute = name.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(name);
        // The root directory, which `filesystem` brings, has no name in the list's form.
        let absolute = if [&b"."[..], b"/"].contains(&absolute) { b"" } else { absolute };
        // Before `PayloadFilesHavePrefix` there was nothing in front.
        let bare = !absolute.is_empty() && !absolute.starts_with(b"/");
        let absolute = [if bare { &b"/"[..] } else { b"" }, absolute].concat();
        let index = indexes.get(absolute.as_slice()).copied();
        let index = index.with_context(|| format!("{}: `{}` is not in the header's list", at(), escape(name)))?;
        let bits = match &files[index].kind {
            Kind::Fifo => 0o01,
            Kind::Directory => 0o04,
            Kind::File(_) => 0o10,
            Kind::Symlink(_) => 0o12,
            Kind::Device => bail!(Refused::new("device", format!("{}: `{}` is a device", at(), escape(name)))),
        };
        ensure!(mode >> 12 & 0o17 == bits, "{}: `{}` is of another kind in the header", at(), escape(name));
        Ok(Some(Entry { index, size, offset }))
    }
}

fn hexadecimal(digits: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let text = text.with_context(|| format!("`{}` is no hexadecimal number", escape(digits)))?;
    Ok(u64::from_str_radix(text, 16)?)
}

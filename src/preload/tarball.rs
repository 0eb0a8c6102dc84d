//! A tar of an image as a table of its files: where each lies, how long it is, its SHA-256.
//!
//! One pass hashes everything; documents are then read at their places. Formats: tar(5) of libarchive; GNU long names
//! and PAX paths are taken, sparse files are not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::fault::{Fault, damaged};
use crate::tree::Digest;

/// More files than any image archive has: three for each layer, and a few.
const ENTRIES_MAX: usize = 100_000;
/// Longest chain of links: Linux follows no longer one.
const LINKS_MAX: usize = 40;
/// Longest manifest or configuration.
const DOCUMENT_MAX: u64 = 8 << 20;
/// Longest extension header.
const EXTENSION_MAX: u64 = 1 << 16;
/// Largest layer after decompression.
const LAYER_MAX: u64 = 64 << 30;

#[derive(Debug)]
pub(super) struct Tarball<'a> {
    file: &'a File,
    entries: BTreeMap<String, Entry>,
    /// Symbolic and hard links: path → target. `docker save` writes layers that two images share only once.
    links: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    offset: u64,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl<'a> Tarball<'a> {
    /// Reads the whole archive once.
    pub(super) fn read(file: &'a mut File) -> Result<Tarball<'a>, Fault> {
        let mut magic = [0; 4];
        if file.read_exact_at(&mut magic, 0).is_ok() && compressed(&magic) {
            return Err(Fault {
                slug: "image-compressed",
                title: "the archive is compressed as a whole".to_owned(),
                help: "decompress it: the root file system compresses it, and layers may be compressed in it",
            });
        }
        let (mut entries, mut links) = (BTreeMap::new(), BTreeMap::new());
        let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 17, &*file));
        let (mut long_name, mut long_link) = (None, None);
        let iterator = archive.entries().map_err(unreadable)?.raw(true);
        for (index, entry) in iterator.enumerate() {
            let mut entry = entry.map_err(unreadable)?;
            if index >= ENTRIES_MAX {
                return Err(damaged(format!("more than {ENTRIES_MAX} files")));
            }
            let size = entry.header().entry_size().map_err(unreadable)?;
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader) {
                let extension = extension(&mut entry, size)?;
                match kind {
                    EntryType::GNULongName => long_name = Some(until_nul(&extension)),
                    EntryType::GNULongLink => long_link = Some(until_nul(&extension)),
                    _ => {
                        long_name = pax(&extension, "path").or(long_name);
                        long_link = pax(&extension, "linkpath").or(long_link);
                    }
                }
                continue;
            }
            let path = long_name.take().unwrap_or_else(|| lossy(&entry.header().path_bytes()));
            let link = long_link.take().or_else(|| Some(lossy(&entry.header().link_name_bytes()?)));
            let path = normal("", &path);
            match kind {
                EntryType::Regular | EntryType::Continuous => {
                    let offset = entry.raw_file_position();
                    let mut hasher = Sha256::new();
                    let read = io::copy(&mut entry, &mut hasher).map_err(unreadable)?;
                    if read != size {
                        return Err(damaged(format!("it ends in the middle of `{path}`")));
                    }
                    entries.insert(path, Entry { offset, size, digest: Digest(hasher.finalize().into()) });
                }
                // A hard link's target counts from the root of the archive, a symbolic one's from the link.
                EntryType::Link => drop(links.insert(path, normal("", &link.unwrap_or_default()))),
                EntryType::Symlink => {
                    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                    let target = normal(directory, &link.unwrap_or_default());
                    links.insert(path, target);
                }
                EntryType::Directory | EntryType::XGlobalHeader => {}
                _ => return Err(damaged(format!("`{path}` is neither file, directory nor link"))),
            }
        }
        drop(archive);
        Ok(Tarball { file, entries, links })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.entry(path).is_some()
    }

    /// The file at `path`, links followed.
    pub(super) fn entry(&self, path: &str) -> Option<Entry> {
        let mut path = path.strip_prefix("./").unwrap_or(path);
        for _ in 0..=LINKS_MAX {
            match self.links.get(path) {
                Some(target) => path = target,
                None => return self.entries.get(path).copied(),
            }
        }
        None
    }

    /// A JSON document.
    pub(super) fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let entry = self.entry(path).ok_or_else(|| damaged(format!("`{path}` is missing")))?;
        if entry.size > DOCUMENT_MAX {
            return Err(damaged(format!("`{path}` is too long for a document")));
        }
        let mut bytes = Vec::new();
        self.reader(entry).read_to_end(&mut bytes).map_err(unreadable)?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(format!("`{path}` cannot be understood: {error}")))
    }

    /// SHA-256 of a layer without its compression.
    pub(super) fn unpacked_digest(&self, path: &str, entry: Entry) -> Result<Digest, Fault> {
        let mut magic = [0; 4];
        if entry.size < 4 || self.file.read_exact_at(&mut magic, entry.offset).is_err() || !compressed(&magic) {
            return Ok(entry.digest);
        }
        let packed = BufReader::new(self.reader(entry));
        let unpacked: Box<dyn Read + '_> = match magic {
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            _ => Box::new(zstd::Decoder::with_buffer(packed).map_err(unreadable)?),
        };
        let mut hasher = Sha256::new();
        let length = io::copy(&mut unpacked.take(LAYER_MAX + 1), &mut hasher)
            .map_err(|error| damaged(format!("the layer `{path}` cannot be decompressed: {error}")))?;
        if length > LAYER_MAX {
            return Err(damaged(format!("the layer `{path}` is larger than {} GiB", LAYER_MAX >> 30)));
        }
        Ok(Digest(hasher.finalize().into()))
    }

    fn reader(&self, entry: Entry) -> Part<'_> {
        Part { file: self.file, offset: entry.offset, left: entry.size }
    }
}

/// A part of a file, read at its own position.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..want], self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// gzip or zstd, by the first bytes.
fn compressed(magic: &[u8; 4]) -> bool {
    magic.starts_with(&[0x1f, 0x8b]) || *magic == [0x28, 0xb5, 0x2f, 0xfd]
}

fn unreadable(error: io::Error) -> Fault {
    damaged(format!("it cannot be read as a tar: {error}"))
}

fn extension(entry: &mut impl Read, size: u64) -> Result<Vec<u8>, Fault> {
    if size > EXTENSION_MAX {
        return Err(damaged(format!("an extension header of {size} bytes")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn until_nul(bytes: &[u8]) -> String {
    lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of a key in PAX records: `LENGTH key=value\n`.
fn pax(mut records: &[u8], key: &str) -> Option<String> {
    while let Some(space) = records.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?;
        records = &records[length..];
        if let Some(value) = record.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            return Some(lossy(value.strip_suffix(b"\n").unwrap_or(value)));
        }
    }
    None
}

/// `path`, seen from `directory`, without `.` and `..`; it cannot leave the archive.
fn normal(directory: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { directory };
    let mut names: Vec<&str> = Vec::new();
    for name in start.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_archive() {
        assert_eq!(normal("a/b", "../c/layer.tar"), "a/c/layer.tar");
        assert_eq!(normal("a", "../../../x"), "x");
        assert_eq!(normal("a", "/x/./y"), "x/y");
    }

    #[test]
    fn pax_records_are_read_by_their_lengths() {
        let records = b"13 size=12345\n17 path=a/b c\nd=e\n";
        assert_eq!(pax(&records[..14], "path"), None);
        assert_eq!(pax(b"12 path=a b\n", "path").as_deref(), Some("a b"));
        assert_eq!(pax(b"99 path=a b\n", "path"), None);
        assert_eq!(pax(b"x path=a b\n", "path"), None);
        assert_eq!(pax(b"1 p", "p"), None);
    }
}

//! A tar stream → [`FileEntry`]s, contents going to a sink as they pass.
//!
//! Takes what dpkg writes (GNU long names) and PAX records (xattrs); refuses what no package has (sparse files).
//! The `tar` crate is asked for raw headers only: its own handling of extension headers reads them without a limit, and
//! splits PAX records at every newline, although a value (a file capability) may hold one. Formats: tar(5) of
//! libarchive, pax(1p) of POSIX.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use anyhow::{Context, Result, bail, ensure};
use tar::{EntryType, Header};

use super::{FileEntry, FileKind, Owner};
use crate::tree::{Digest, TreePath, path::escape};

/// Longest extension header (long names, PAX records of one file): xattrs are at most 64 KiB each.
const EXTENSION_MAX: u64 = 1 << 20;
/// All of them in one stream: they are kept in memory, and compress to nearly nothing.
const EXTENSIONS_MAX: u64 = 256 << 20;

/// What a tar stream may grow to before it counts as an attack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) entries: usize,
}

/// Where contents go: path, the bytes, how many they are; gives their digest.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&TreePath, &mut dyn Read, u64) -> Result<Digest>;

/// Reads the whole stream to its end, so that a decompressor's closing checks are made too. The root directory's own
/// entry is left out. Errors say at which byte of the unpacked stream they were met.
pub(super) fn read(stream: impl Read, limits: Limits, sink: Sink) -> Result<Vec<FileEntry>> {
    let mut archive = tar::Archive::new(Bounded { stream, left: limits.bytes, limit: limits.bytes });
    let mut files = Vec::new();
    let mut names = BTreeSet::new();
    let mut extensions = Extensions::default();
    let mut extension_bytes = 0;
    for (index, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry.with_context(|| format!("reading entry {}", index + 1))?;
        let offset = entry.raw_header_position();
        let at = || format!("at byte {offset}");
        ensure!(index < limits.entries, "{}: more than {} entries", at(), limits.entries);
        let header = entry.header().clone();
        if extensions.take(&header, &mut entry).with_context(at)? {
            extension_bytes += header.entry_size().with_context(at)?;
            ensure!(extension_bytes <= EXTENSIONS_MAX, "{}: more than 256 MiB of extension headers", at());
            continue;
        }
        let extensions = std::mem::take(&mut extensions);
        let name = extensions.path.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let file = file_entry(&name, &header, extensions, &names, &mut entry, sink);
        let file = file.with_context(|| format!("at byte {offset}: `{}`", escape(&name)))?;
        if file.path.is_root() {
            continue;
        }
        if file.kind != FileKind::Directory && !names.insert(file.path.clone()) {
            bail!("at byte {offset}: `{}` is there twice", file.path);
        }
        files.push(file);
    }
    ensure!(extensions == Extensions::default(), "the last entry is only an extension of one that is missing");
    io::copy(&mut archive.into_inner(), &mut io::sink()).context("reading what follows the last entry")?;
    Ok(files)
}

/// `names` are the paths before this one that are not directories.
fn file_entry(
    name: &[u8],
    header: &Header,
    extensions: Extensions,
    names: &BTreeSet<TreePath>,
    contents: &mut dyn Read,
    sink: Sink,
) -> Result<FileEntry> {
    let path = TreePath::parse(name)?;
    let size = header.entry_size().context("reading its size")?;
    ensure!(extensions.size.is_none_or(|pax| pax == size), "the header and the PAX record differ in size");
    let link = extensions.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
    let link = || link.filter(|link| !link.is_empty()).context("a link without a target");
    let device = || -> Result<(u32, u32)> {
        let (major, minor) = (header.device_major()?, header.device_minor()?);
        Ok((major.context("a device without a number")?, minor.context("a device without a number")?))
    };
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            ensure!(!path.is_root(), "a file in the place of the root directory");
            FileKind::File { digest: sink(&path, contents, size)?, size }
        }
        EntryType::Directory => FileKind::Directory,
        EntryType::Symlink => FileKind::Symlink { target: link()? },
        EntryType::Link => {
            let link = link()?;
            let to = TreePath::parse(&link).with_context(|| format!("the link target `{}`", escape(&link)))?;
            ensure!(names.contains(&to), "a hard link to `{to}`, which is no file before it");
            FileKind::Hardlink { to }
        }
        EntryType::Char => device().map(|(major, minor)| FileKind::CharDevice { major, minor })?,
        EntryType::Block => device().map(|(major, minor)| FileKind::BlockDevice { major, minor })?,
        EntryType::Fifo => FileKind::Fifo,
        other => bail!("entries of type `{}` are not known", escape(&[other.as_byte()])),
    };
    let mode = u16::try_from(header.mode().context("reading its mode")? & 0o7777).expect("twelve bits fit");
    let owner = |name: Option<Vec<u8>>, field: Option<&[u8]>, pax: Option<u64>, id: io::Result<u64>| -> Result<Owner> {
        let name = name.unwrap_or_else(|| field.unwrap_or_default().to_vec());
        let name = String::from_utf8(name).context("reading its owner's name")?;
        let id = pax.map_or(id, Ok).context("reading its owner's number")?;
        Ok(Owner { name, id: u32::try_from(id).context("reading its owner's number")? })
    };
    let user = owner(extensions.user, header.username_bytes(), extensions.uid, header.uid())?;
    let group = owner(extensions.group, header.groupname_bytes(), extensions.gid, header.gid())?;
    let mtime = match extensions.mtime {
        Some(mtime) => mtime,
        None => i64::try_from(header.mtime().context("reading its time")?).context("reading its time")?,
    };
    Ok(FileEntry { path, kind, mode, user, group, mtime, xattrs: extensions.xattrs })
}

/// What the headers before an entry say about it.
#[derive(Debug, Default, PartialEq)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    mtime: Option<i64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Extensions {
    /// Whether `entry` is an extension header; if so, what it says is noted.
    fn take(&mut self, header: &Header, entry: &mut dyn Read) -> Result<bool> {
        let mut data = || -> Result<Vec<u8>> {
            let size = header.entry_size()?;
            ensure!(size <= EXTENSION_MAX, "an extension header of {size} bytes");
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            Ok(data)
        };
        let until_nul = |data: Vec<u8>| data.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        match header.entry_type() {
            EntryType::GNULongName => self.path = Some(until_nul(data()?)),
            EntryType::GNULongLink => self.link = Some(until_nul(data()?)),
            EntryType::XHeader => self.take_pax(&data()?)?,
            // Archive-wide remarks (`git archive` leaves its commit there).
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// PAX records: `LENGTH KEY=VALUE\n`, where the length counts the whole record in decimal.
    fn take_pax(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (length, key, value) = pax_record(data).context("a PAX record that is not `LENGTH KEY=VALUE`")?;
            data = &data[length..];
            let text = || std::str::from_utf8(value).with_context(|| format!("PAX record `{}`", escape(key)));
            let number = || text().and_then(|text| Ok(text.parse()?));
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number()?),
                b"uid" => self.uid = Some(number()?),
                b"gid" => self.gid = Some(number()?),
                b"uname" => self.user = Some(value.to_vec()),
                b"gname" => self.group = Some(value.to_vec()),
                // Fractions of seconds are dropped, as in the other headers.
                b"mtime" => self.mtime = Some(text()?.split('.').next().unwrap_or_default().parse()?),
                _ => match key.strip_prefix(b"SCHILY.xattr.") {
                    Some(name) => drop(self.xattrs.insert(name.to_vec(), value.to_vec())),
                    None => ensure!(!key.starts_with(b"GNU.sparse."), "sparse files are not known"),
                },
            }
        }
        Ok(())
    }
}

fn pax_record(data: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let space = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((length, &record[..equals], &record[equals + 1..]))
}

/// A reader that fails past a number of bytes, so that a small package cannot fill the disk.
struct Bounded<R> {
    stream: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.limit))),
        }
        Ok(count)
    }
}

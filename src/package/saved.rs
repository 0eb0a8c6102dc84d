//! A [`Package`] as bytes, for the store: reading it back is a fraction of the time that unpacking takes.
//!
//! Numbers are little-endian, byte strings have their length in front. The store checks the bytes' digest and names
//! the version of this form; what does not decode is an error all the same, never a panic.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::{Family, FileEntry, FileKind, Owner, Package, PackageId, Script};
use crate::store::Store;
use crate::tree::{Digest, TreePath};

/// What the store keeps under `kind` of a package that was unpacked before, if all its files are still there.
pub(super) fn kept(store: &Store, kind: &str, digest: &Digest) -> Result<Option<Package>> {
    let Some(bytes) = store.derived(kind, digest)? else { return Ok(None) };
    let package = decode(&bytes).with_context(|| format!("reading the unpacked package {digest}"))?;
    let complete = package.files.iter().all(|file| match &file.kind {
        FileKind::File { digest, size } => store.has(digest, *size),
        _ => true,
    });
    Ok(complete.then_some(package))
}

pub(super) fn encode(package: &Package) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(&package.id.name);
    out.bytes(&package.id.version);
    out.bytes(&package.id.arch);
    out.0.push(if package.family == Family::Rpm { b'r' } else { b'd' });
    out.list(&package.control, |out, (name, value)| {
        out.bytes(name);
        out.bytes(value);
    });
    out.list(&package.files, encode_file);
    out.list(&package.scripts, |out, script| {
        out.bytes(&script.name);
        out.bytes(&script.text);
    });
    encode_map(&mut out, &package.members);
    out.0
}

fn encode_file(out: &mut Writer, file: &FileEntry) {
    out.bytes(file.path.as_bytes());
    out.0.extend_from_slice(&file.mode.to_le_bytes());
    for owner in [&file.user, &file.group] {
        out.bytes(&owner.name);
        out.0.extend_from_slice(&owner.id.to_le_bytes());
    }
    out.0.extend_from_slice(&file.mtime.to_le_bytes());
    encode_map(out, &file.xattrs);
    match &file.kind {
        FileKind::Directory => out.0.push(b'd'),
        FileKind::File { digest, size } => {
            out.0.push(b'-');
            out.0.extend_from_slice(&digest.0);
            out.0.extend_from_slice(&size.to_le_bytes());
        }
        FileKind::Symlink { target } => {
            out.0.push(b'l');
            out.bytes(target);
        }
        FileKind::Hardlink { to } => {
            out.0.push(b'h');
            out.bytes(to.as_bytes());
        }
        FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            out.0.push(if matches!(file.kind, FileKind::CharDevice { .. }) { b'c' } else { b'b' });
            out.0.extend_from_slice(&major.to_le_bytes());
            out.0.extend_from_slice(&minor.to_le_bytes());
        }
        FileKind::Fifo => out.0.push(b'p'),
    }
}

fn encode_map<K: AsRef<[u8]>>(out: &mut Writer, map: &BTreeMap<K, Vec<u8>>) {
    out.number(map.len());
    for (name, value) in map {
        out.bytes(name);
        out.bytes(value);
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Package> {
    let mut input = Reader(bytes);
    let id = PackageId { name: input.text()?, version: input.text()?, arch: input.text()? };
    let family = match input.array()? {
        [b'd'] => Family::Deb,
        [b'r'] => Family::Rpm,
        [other] => bail!("no family of packages is `{other}`"),
    };
    let control = input.list(|input| Ok((input.text()?, input.text()?)))?;
    let files = input.list(decode_file)?;
    let scripts = input.list(|input| Ok(Script { name: input.text()?, text: input.bytes()?.to_vec() }))?;
    let members = input.list(|input| Ok((input.text()?, input.bytes()?.to_vec())))?.into_iter().collect();
    ensure!(input.0.is_empty(), "{} bytes too many", input.0.len());
    Ok(Package { id, family, control, files, scripts, members })
}

fn decode_file(input: &mut Reader) -> Result<FileEntry> {
    let path = TreePath::parse(input.bytes()?)?;
    let mode = u16::from_le_bytes(input.array()?);
    let mut owner = || -> Result<Owner> { Ok(Owner { name: input.text()?, id: input.u32()? }) };
    let (user, group) = (owner()?, owner()?);
    let mtime = i64::from_le_bytes(input.array()?);
    let xattr = |input: &mut Reader| Ok((input.bytes()?.to_vec(), input.bytes()?.to_vec()));
    let xattrs = input.list(xattr)?.into_iter().collect();
    let kind = match input.array()? {
        [b'd'] => FileKind::Directory,
        [b'-'] => FileKind::File { digest: Digest(input.array()?), size: u64::from_le_bytes(input.array()?) },
        [b'l'] => FileKind::Symlink { target: input.bytes()?.to_vec() },
        [b'h'] => FileKind::Hardlink { to: TreePath::parse(input.bytes()?)? },
        [b'c'] => FileKind::CharDevice { major: input.u32()?, minor: input.u32()? },
        [b'b'] => FileKind::BlockDevice { major: input.u32()?, minor: input.u32()? },
        [b'p'] => FileKind::Fifo,
        [other] => bail!("no kind of file is `{other}`"),
    };
    Ok(FileEntry { path, kind, mode, user, group, mtime, xattrs })
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.number(bytes.as_ref().len());
        self.0.extend_from_slice(bytes.as_ref());
    }

    fn list<T>(&mut self, list: &[T], mut each: impl FnMut(&mut Writer, &T)) {
        self.number(list.len());
        list.iter().for_each(|item| each(self, item));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().context("the bytes end too early")?;
        self.0 = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn number(&mut self) -> Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?))?)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.0.split_at_checked(length).context("the bytes end too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String> {
        Ok(std::str::from_utf8(self.bytes()?)?.to_owned())
    }

    /// Grows as items are read, so that a wrong count cannot ask for memory.
    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| each(self)).collect()
    }
}

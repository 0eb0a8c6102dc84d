//! The list of files in an RPM's header: what may be in the payload, and everything but the contents.
//!
//! The header is signed and the names in the payload are not, so this list decides about paths, kinds, modes and
//! owners; the payload only brings bytes, and they must have the digests that stand here. Those are SHA-256 since rpm
//! 4.6; older and other writers have MD5 and others. Tags: rpm's docs/manual/tags.md.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use pgp::crypto::hash::HashAlgorithm;

use super::header::Header;
use crate::package::Owner;
use crate::tree::path::escape;
use crate::tree::{Digest, TreePath};
use crate::trust::Refused;
use crate::{file_capabilities, hex};

const OLD_FILE_NAMES: u32 = 1027;
const SIZES: u32 = 1028;
const MODES: u32 = 1030;
const TIMES: u32 = 1034;
const DIGESTS: u32 = 1035;
const LINKS: u32 = 1036;
const FLAGS: u32 = 1037;
const USERS: u32 = 1039;
const GROUPS: u32 = 1040;
const DEVICES: u32 = 1095;
const INODES: u32 = 1096;
const DIRECTORY_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIRECTORY_NAMES: u32 = 1118;
const LONG_SIZES: u32 = 5008;
const CAPABILITIES: u32 = 5010;
const DIGEST_ALGORITHM: u32 = 5011;

/// `PATH_MAX` of Linux: names may share their directory's letters, so that a small header could hold very much.
const PATH_MAX: usize = 4096;
/// The same for all paths together, as much as a header may have.
const PATHS_MAX: usize = 256 << 20;

const FLAG_CONFIG: u64 = 1 << 0;
const FLAG_GHOST: u64 = 1 << 6;

/// The digest of a file's contents, as the header has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Sha256(Digest),
    /// Any other algorithm, as OpenPGP numbers them.
    Other {
        algorithm: u8,
        digest: Vec<u8>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// The digest is missing only if the file is in no payload.
    File(Option<Said>),
    Symlink(Vec<u8>),
    Fifo,
    /// What no package may bring into an image; only of a ghost.
    Device,
}

#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) path: TreePath,
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// Permission bits with setuid, setgid, sticky.
    pub(super) mode: u16,
    pub(super) user: Owner,
    pub(super) group: Owner,
    pub(super) mtime: i64,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `%ghost`: the package claims the path and does not bring it.
    pub(super) ghost: bool,
    pub(super) config: bool,
    /// Regular files with the same number are hard links of each other.
    pub(super) inode: (u64, u64),
}

/// The files in the header's order. `believed` is whether a digest of this algorithm says enough about a file.
pub(super) fn list(header: &Header, believed: &dyn Fn(HashAlgorithm) -> bool) -> Result<Vec<Listed>> {
    parse(header, believed).map_err(Refused::kind("bad-file-list"))
}

fn parse(header: &Header, believed: &dyn Fn(HashAlgorithm) -> bool) -> Result<Vec<Listed>> {
    let paths = paths(header)?;
    let count = paths.len();
    let numbers = |tag: u32| -> Result<Vec<u64>> {
        let values = header.numbers(tag)?;
        ensure!(values.len() == count, "{count} files, but tag {tag} of the header has {} values", values.len());
        Ok(values)
    };
    let texts = |tag: u32| -> Result<Vec<&[u8]>> {
        let values = header.strings(tag)?;
        ensure!(values.len() == count, "{count} files, but tag {tag} of the header has {} values", values.len());
        Ok(values)
    };
    let optional = |tag: u32| -> Result<Vec<&[u8]>> { if header.has(tag) { texts(tag) } else { Ok(Vec::new()) } };
    if count == 0 {
        return Ok(Vec::new());
    }
    let sizes = numbers(if header.has(LONG_SIZES) { LONG_SIZES } else { SIZES })?;
    let (modes, times, flags) = (numbers(MODES)?, numbers(TIMES)?, numbers(FLAGS)?);
    let (users, groups) = (texts(USERS)?, texts(GROUPS)?);
    let (digests, links) = (texts(DIGESTS)?, texts(LINKS)?);
    // Writers that know no hard links leave out both.
    let given = |tag: u32| if header.has(tag) { numbers(tag).map(Some) } else { Ok(None) };
    let (devices, inodes) = (given(DEVICES)?, given(INODES)?);
    let capabilities = optional(CAPABILITIES)?;
    // Without the tag it is MD5, as before rpm 4.6.
    let algorithm = u8::try_from(header.number(DIGEST_ALGORITHM)?.unwrap_or(1)).unwrap_or(0);
    let said = |hex: &[u8]| said(hex, algorithm, believed);
    let mut seen = BTreeMap::new();
    let mut files = Vec::new();
    for (index, path) in paths.into_iter().enumerate() {
        let what = || format!("file `{}`", escape(&path));
        ensure!(path.starts_with(b"/"), "{}: the path is not absolute", what());
        let ghost = flags[index] & FLAG_GHOST != 0;
        let mode = u16::try_from(modes[index] & 0xffff).expect("sixteen bits fit");
        let tree_path = TreePath::parse(&path).with_context(what)?;
        ensure!(seen.insert(tree_path.clone(), index).is_none(), "{} is listed twice", what());
        let kind = match mode >> 12 {
            0o04 => Kind::Directory,
            0o10 if ghost => Kind::File(None),
            0o10 => Kind::File(Some(said(digests[index]).with_context(what)?)),
            0o12 => Kind::Symlink(links[index].to_vec()),
            0o01 => Kind::Fifo,
            0o02 | 0o06 if ghost => Kind::Device,
            0o02 | 0o06 => {
                let text = format!("`{}` is a device: nodes have a /dev of their own", escape(&path));
                bail!(Refused::new("device", text))
            }
            other => bail!("{}: no kind of file has the bits {other:o}", what()),
        };
        let owner = |name: &[u8]| -> Result<Owner> {
            let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
            Ok(Owner { name: name.with_context(|| format!("{}: no owner", what()))?.to_owned(), id: 0 })
        };
        let mut xattrs = BTreeMap::new();
        let granted = capabilities.get(index).copied().unwrap_or_default();
        let granted = String::from_utf8_lossy(granted);
        let sets = file_capabilities::Sets::parse(&granted);
        let sets = sets.map_err(|text| Refused::new("bad-capability", text)).with_context(what)?;
        if !sets.is_empty() {
            let part = || Refused::new("bad-capability", format!("`{granted}` makes only a part effective"));
            let value = sets.encode().ok_or_else(part).with_context(what)?;
            xattrs.insert(file_capabilities::ATTRIBUTE.to_vec(), value);
        }
        files.push(Listed {
            path: tree_path,
            kind,
            size: sizes[index],
            mode: mode & 0o7777,
            user: owner(users[index])?,
            group: owner(groups[index])?,
            // The tag is unsigned to some writers and signed to others; no package is from before 1970.
            mtime: i64::try_from(times[index]).context("reading a time")?,
            xattrs,
            ghost,
            config: flags[index] & FLAG_CONFIG != 0,
            inode: (
                devices.as_ref().map_or(0, |devices| devices[index]),
                inodes.as_ref().map_or(index as u64, |inodes| inodes[index]),
            ),
        });
    }
    Ok(files)
}

fn said(digits: &[u8], number: u8, believed: &dyn Fn(HashAlgorithm) -> bool) -> Result<Said> {
    let refused = |text: String| Refused::new("file-digest", text);
    let algorithm = HashAlgorithm::from(number);
    let size = algorithm.digest_size().filter(|_| algorithm.new_hasher().is_ok());
    let size = size.ok_or_else(|| refused(format!("its digest is of the unknown algorithm {number}")))?;
    let weak = || format!("nothing says what it is but a digest of the weak algorithm {algorithm}");
    ensure!(believed(algorithm), refused(weak()));
    let bytes = (digits.len() == size * 2).then(|| digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()).flatten();
    let digest = bytes.ok_or_else(|| refused(format!("`{}` is no digest of {algorithm}", escape(digits))))?;
    Ok(match <[u8; 32]>::try_from(digest.as_slice()) {
        Ok(digest) if algorithm == HashAlgorithm::Sha256 => Said::Sha256(Digest(digest)),
        _ => Said::Other { algorithm: number, digest },
    })
}

fn byte(digits: &[u8]) -> Option<u8> {
    let [byte] = hex::decode(std::str::from_utf8(digits).ok()?)?;
    Some(byte)
}

/// Only the paths.
pub(super) fn paths(header: &Header) -> Result<Vec<Vec<u8>>> {
    parse_paths(header).map_err(Refused::kind("bad-file-list"))
}

fn parse_paths(header: &Header) -> Result<Vec<Vec<u8>>> {
    if header.has(OLD_FILE_NAMES) {
        return Ok(header.strings(OLD_FILE_NAMES)?.into_iter().map(<[u8]>::to_vec).collect());
    }
    let names = header.strings(BASE_NAMES)?;
    let directories = header.strings(DIRECTORY_NAMES)?;
    let indexes = header.numbers(DIRECTORY_INDEXES)?;
    ensure!(indexes.len() == names.len(), "{} file names, but {} directories of them", names.len(), indexes.len());
    let mut total = 0;
    let mut paths = Vec::new();
    for (name, index) in names.into_iter().zip(indexes) {
        let directory = usize::try_from(index).ok().and_then(|index| directories.get(index));
        let directory = directory.with_context(|| format!("file `{}` is in no directory", escape(name)))?;
        let length = directory.len() + name.len();
        ensure!(length < PATH_MAX, Refused::new("too-large", format!("a path of more than {PATH_MAX} bytes")));
        total += length;
        ensure!(total <= PATHS_MAX, Refused::new("too-large", format!("paths of more than {PATHS_MAX} bytes")));
        paths.push((directory, name));
    }
    Ok(paths.into_iter().map(|(directory, name)| [*directory, name].concat()).collect())
}

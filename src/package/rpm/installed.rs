//! A package's header as rpm keeps it once the package is installed, and the words by which it is found there.
//!
//! rpm's database holds the signed header unchanged, and behind it what came with the signature and what the
//! installation added: time, transaction, the state of every file (rpm's docs/manual/format.md; which tags, and which
//! requirements are not indexed, was read off databases that rpm 4.18 made, and a test compares them row by row).

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::header::{self, Header};
use crate::package::Package;
use crate::tree::TreePath;

/// [`Package::members`] with the main header and with the one that has the signatures, as they stand in the file.
pub(super) const HEADER: &str = "header";
pub(super) const SIGNATURE_HEADER: &str = "signature-header";

/// What the database holds of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The header as it is stored: no magic, the signed region first.
    pub header: Vec<u8>,
    /// The rows of every index by its name, each with its place in the package's own list.
    pub indexes: BTreeMap<&'static str, Vec<(Key, u32)>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

/// Indexes of the database and the tags that they are of, in the order in which rpm makes them.
pub const INDEXES: [(&str, u32); 18] = [
    ("Name", 1000),
    ("Basenames", 1117),
    ("Group", GROUP),
    ("Requirename", REQUIRE_NAME),
    ("Providename", 1047),
    ("Conflictname", 1054),
    ("Obsoletename", 1090),
    ("Triggername", 1066),
    ("Dirnames", 1118),
    ("Installtid", INSTALL_TRANSACTION),
    ("Sigmd5", SIGNATURE_MD5),
    ("Sha1header", SHA1_HEADER),
    ("Filetriggername", FILE_TRIGGER_NAME),
    ("Transfiletriggername", TRANSACTION_TRIGGER_NAME),
    ("Recommendname", 5046),
    ("Suggestname", 5049),
    ("Supplementname", 5052),
    ("Enhancename", 5055),
];

const GROUP: u32 = 1016;
const REQUIRE_NAME: u32 = 1049;
const REQUIRE_FLAGS: u32 = 1048;
const INSTALL_TRANSACTION: u32 = 1128;
const SIGNATURE_MD5: u32 = 261;
const SHA1_HEADER: u32 = 269;
/// The tags of the numbers of their scripts follow.
const FILE_TRIGGER_NAME: u32 = 5069;
const TRANSACTION_TRIGGER_NAME: u32 = 5079;
/// Tag of the region that is signed.
const IMMUTABLE: u32 = 63;

/// Tags of the signature header and the ones that they have in the database.
const SIGNATURES: [(u32, u32); 14] = [
    (1000, 257),
    (1002, 259),
    (1004, SIGNATURE_MD5),
    (1005, 262),
    (267, 267),
    (268, 268),
    (SHA1_HEADER, SHA1_HEADER),
    (270, 270),
    (271, 271),
    (273, 273),
    (274, 274),
    (275, 275),
    (278, 278),
    (1007, 1046),
];

/// Requirements of scriptlets that run at installation, and of rpm's own features: nobody asks for them later.
const ONLY_AT_INSTALLATION: u64 = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 24 | 1 << 26;
const AT_REMOVAL: u64 = 1 << 11 | 1 << 12;

/// `package` as rpm would have it in its database after an installation at `time` (seconds since 1970), which stands
/// for the transaction, too. `present` says whether a path of the package is in the root: what was left out is marked
/// as rpm marks documentation that it was told to leave out.
///
/// # Errors
/// A package that is no RPM, or whose header cannot be read.
pub fn installed(package: &Package, time: u32, present: &dyn Fn(&TreePath) -> bool) -> Result<Installed> {
    let read = |member: &str| -> Result<Header> {
        let bytes = package.members.get(member).with_context(|| format!("its {member} was not kept"))?;
        header::read_header(&mut bytes.as_slice(), 0, member, header::STORE_MAX)
    };
    let (main, signature) = (read(HEADER)?, read(SIGNATURE_HEADER)?);
    let mut values = added(&main, &signature, time)?;
    values.extend(states(&main, present)?);
    let header = stored(&main, &values)?;
    let mut indexes = BTreeMap::new();
    for (name, tag) in INDEXES {
        indexes.insert(name, keys(&main, &values, tag)?);
    }
    Ok(Installed { header, indexes })
}

/// A value that is added to the signed region.
struct Value {
    kind: u32,
    count: u32,
    bytes: Vec<u8>,
}

const FILE_FLAGS: u32 = 1037;
const GHOST: u64 = 1 << 6;
const NORMAL: u8 = 0;
const NOT_INSTALLED: u8 = 2;

const INT32: u32 = 4;
const CHAR: u32 = 1;

fn added(main: &Header, signature: &Header, time: u32) -> Result<BTreeMap<u32, Value>> {
    let mut values = BTreeMap::new();
    for (tag, stored) in SIGNATURES {
        if let Some((kind, count, bytes)) = signature.raw(tag)?
            && !main.has(stored)
        {
            values.insert(stored, Value { kind, count: u32::try_from(count)?, bytes: bytes.to_vec() });
        }
    }
    let number = |number: u32| Value { kind: INT32, count: 1, bytes: number.to_be_bytes().to_vec() };
    values.insert(1008, number(time));
    values.insert(INSTALL_TRANSACTION, number(time));
    // The colours of the files that count: on a 64-bit machine none is preferred to another.
    values.insert(1127, number(0));
    Ok(values)
}

/// The state of every file, where there are any.
fn states(main: &Header, present: &dyn Fn(&TreePath) -> bool) -> Result<Option<(u32, Value)>> {
    let (paths, flags) = (super::files::paths(main)?, main.numbers(FILE_FLAGS)?);
    let mut states = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let ghost = flags.get(index).is_some_and(|flags| flags & GHOST != 0);
        states.push(if ghost || present(&TreePath::parse(path)?) { NORMAL } else { NOT_INSTALLED });
    }
    let value = Value { kind: CHAR, count: u32::try_from(states.len())?, bytes: states };
    Ok((value.count > 0).then_some((1029, value)))
}

/// The header's entries and bytes with the values behind them, each aligned as its kind wants it.
fn stored(main: &Header, values: &BTreeMap<u32, Value>) -> Result<Vec<u8>> {
    let (mut index, mut data) = main.parts();
    ensure!(index.first_chunk() == Some(&IMMUTABLE.to_be_bytes()), "its header has no region that is signed");
    for (tag, value) in values {
        let alignment = match value.kind {
            3 => 2,
            INT32 => 4,
            5 => 8,
            _ => 1,
        };
        data.resize(data.len().next_multiple_of(alignment), 0);
        for word in [*tag, value.kind, u32::try_from(data.len())?, value.count] {
            index.extend(word.to_be_bytes());
        }
        data.extend(&value.bytes);
    }
    let count = u32::try_from(index.len() / 16)?;
    let size = u32::try_from(data.len())?;
    Ok([&count.to_be_bytes()[..], &size.to_be_bytes(), &index, &data].concat())
}

fn keys(main: &Header, values: &BTreeMap<u32, Value>, tag: u32) -> Result<Vec<(Key, u32)>> {
    if let Some(value) = values.get(&tag) {
        let key = match value.kind {
            // rpm's own number, as its machine has it.
            INT32 => Key::Binary(value.bytes.iter().rev().copied().collect()),
            6 => Key::Text(value.bytes.strip_suffix(b"\0").unwrap_or(&value.bytes).to_vec()),
            _ => Key::Binary(value.bytes.clone()),
        };
        return Ok(vec![(key, 0)]);
    }
    let strings = main.strings(tag)?;
    if tag == GROUP {
        let group = strings.first().copied().unwrap_or(b"Unknown");
        return Ok(vec![(Key::Text(group.to_vec()), 0)]);
    }
    let flags = if tag == REQUIRE_NAME { main.numbers(REQUIRE_FLAGS)? } else { Vec::new() };
    // Of what sets off a trigger by a path, the place is that of the script.
    let places = match tag {
        FILE_TRIGGER_NAME | TRANSACTION_TRIGGER_NAME => main.numbers(tag + 1)?,
        _ => Vec::new(),
    };
    let mut keys = Vec::new();
    for (index, text) in strings.iter().enumerate() {
        let flags = flags.get(index).copied().unwrap_or(0);
        if flags & ONLY_AT_INSTALLATION != 0 && flags & AT_REMOVAL == 0 {
            continue;
        }
        let place = places.get(index).copied().map_or_else(|| u32::try_from(index), u32::try_from)?;
        keys.push((Key::Text(text.to_vec()), place));
    }
    Ok(keys)
}

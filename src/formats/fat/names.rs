//! Directories: labels, short names of eight and three characters, and the long names in front of them.

use std::collections::BTreeSet;

use super::error::FatError;
use super::geometry::ENTRY;
use super::time::Stamp;

pub(super) const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
pub(super) const VOLUME: u8 = 0x08;
pub(super) const LONG_NAME: u8 = 0x0f;
/// Marks the last part of a long name, which comes first.
pub(super) const LAST_PART: u8 = 0x40;
/// Characters of a long name in one entry, and where they stand in it.
const PART: usize = 13;
pub(super) const PART_PLACES: [usize; PART] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Eleven bytes, padded with blanks.
pub(super) fn label(text: &str) -> Result<[u8; 11], FatError> {
    let good = |character: char| character.is_ascii_alphanumeric() || matches!(character, ' ' | '-' | '_');
    if text.is_empty() || text.len() > 11 || text.starts_with(' ') || !text.chars().all(good) {
        return Err(FatError::BadLabel(text.to_owned()));
    }
    let mut label = [b' '; 11];
    label[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
    Ok(label)
}

/// Whether a name can stand in a directory. Stricter than FAT, which would allow Unicode: nothing here needs it.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 255 {
        return Err("every name in it needs 1 to 255 bytes");
    }
    if name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err("a name cannot end in a dot, nor start or end in a blank");
    }
    let bad = |character: char| {
        !(character.is_ascii_graphic() || character == ' ')
            || matches!(character, '"' | '*' | ':' | '<' | '>' | '?' | '\\' | '|')
    };
    if name.contains(bad) { Err("only ASCII characters without `\"*:<>?\\|` are used here") } else { Ok(()) }
}

/// Entries that a name takes in its directory.
pub(super) fn entries(name: &str) -> usize {
    if plain_short_name(name).is_some() { 1 } else { 1 + name.len().div_ceil(PART) }
}

/// A directory that is being filled; names are checked ([`check`]) and differ.
pub(super) struct DirectoryBuilder {
    bytes: Vec<u8>,
    stamp: Stamp,
    short_names: BTreeSet<[u8; 11]>,
}

impl DirectoryBuilder {
    /// A directory that will hold these names: a number must not take a short name that another file is called by.
    pub(super) fn new<'a>(stamp: Stamp, names: impl Iterator<Item = &'a str>) -> DirectoryBuilder {
        DirectoryBuilder { bytes: Vec::new(), stamp, short_names: names.filter_map(plain_short_name).collect() }
    }

    /// The volume's label, in the root directory.
    pub(super) fn label(&mut self, label: &[u8; 11]) {
        self.entry(label, VOLUME, 0, 0);
    }

    /// The directory itself and its parent (0 if that is the root), in every other directory.
    pub(super) fn dots(&mut self, own_cluster: u32, parent_cluster: u32) {
        self.entry(b".          ", DIRECTORY, own_cluster, 0);
        self.entry(b"..         ", DIRECTORY, parent_cluster, 0);
    }

    /// A file with its length, or a directory, which has none.
    pub(super) fn add(&mut self, name: &str, cluster: u32, length: Option<u32>) {
        let short = match plain_short_name(name) {
            Some(short) => short,
            None => {
                let short = self.free_short_name(name);
                self.short_names.insert(short);
                self.long_name(name, &short);
                short
            }
        };
        self.entry(&short, if length.is_some() { ARCHIVE } else { DIRECTORY }, cluster, length.unwrap_or(0));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn entry(&mut self, name: &[u8; 11], attributes: u8, cluster: u32, length: u32) {
        let Stamp { date, time, hundredths } = self.stamp;
        let [cluster_0, cluster_1, cluster_2, cluster_3] = cluster.to_le_bytes();
        let mut entry = Vec::with_capacity(ENTRY);
        entry.extend(name);
        entry.extend([attributes, 0, hundredths]);
        entry.extend(time.to_le_bytes());
        entry.extend(date.to_le_bytes());
        entry.extend(date.to_le_bytes()); // last access
        entry.extend([cluster_2, cluster_3]);
        entry.extend(time.to_le_bytes());
        entry.extend(date.to_le_bytes());
        entry.extend([cluster_0, cluster_1]);
        entry.extend(length.to_le_bytes());
        self.bytes.extend(entry);
    }

    fn long_name(&mut self, name: &str, short: &[u8; 11]) {
        let checksum = checksum(short);
        let parts: Vec<&[u8]> = name.as_bytes().chunks(PART).collect();
        // The last part comes first. At most 255 / 13 parts.
        for (index, part) in parts.iter().enumerate().rev() {
            let number = u8::try_from(index + 1).expect("a name has at most 20 parts");
            let last = index + 1 == parts.len();
            let mut entry = [0; ENTRY];
            entry[0] = if last { number | LAST_PART } else { number };
            entry[11] = LONG_NAME;
            entry[13] = checksum;
            for (index, place) in PART_PLACES.into_iter().enumerate() {
                // A NUL after the name, then FFFF.
                let unit = match index.cmp(&part.len()) {
                    std::cmp::Ordering::Less => u16::from(part[index]),
                    std::cmp::Ordering::Equal => 0,
                    std::cmp::Ordering::Greater => 0xffff,
                };
                entry[place..place + 2].copy_from_slice(&unit.to_le_bytes());
            }
            self.bytes.extend(entry);
        }
    }

    /// `WORKER~1EFI`: what is left of the name, and the first number that makes it differ.
    fn free_short_name(&self, name: &str) -> [u8; 11] {
        let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let keep = |text: &str| -> Vec<u8> {
            let text = text.bytes().filter(|byte| !matches!(byte, b'.' | b' '));
            text.map(|byte| if is_short(byte) { byte.to_ascii_uppercase() } else { b'_' }).collect()
        };
        let (base, extension) = (keep(base), keep(extension));
        let numbered = (1u32..).map(|number| {
            let tail = format!("~{number}");
            let mut short = [b' '; 11];
            let length = base.len().min(8 - tail.len().min(8));
            short[..length].copy_from_slice(&base[..length]);
            short[length..length + tail.len().min(8)].copy_from_slice(&tail.as_bytes()[..tail.len().min(8)]);
            let length = extension.len().min(3);
            short[8..8 + length].copy_from_slice(&extension[..length]);
            short
        });
        let mut free = numbered.filter(|short| !self.short_names.contains(short));
        free.next().expect("a directory has fewer entries than there are numbers")
    }
}

/// The short name of a name that needs no long one: upper case, eight characters and three at most.
fn plain_short_name(name: &str) -> Option<[u8; 11]> {
    let (base, extension) = match name.split_once('.') {
        Some((base, extension)) if !extension.is_empty() => (base, extension),
        Some(_) => return None,
        None => (name, ""),
    };
    let good = |text: &str| text.bytes().all(|byte| is_short(byte) && !byte.is_ascii_lowercase());
    if base.is_empty() || base.len() > 8 || extension.len() > 3 || !good(base) || !good(extension) {
        return None;
    }
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Some(short)
}

/// What the parts of a long name know of the short name that they belong to.
pub(super) fn checksum(short: &[u8]) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// Whether a short name may hold this character, in upper case.
fn is_short(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

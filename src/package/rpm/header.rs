//! The three heads of an RPM: lead, signature header, main header → typed values by tag.
//!
//! A header is an index of sixteen-byte entries and a store that they point into (rpm's docs/manual/format.md). Every
//! count and offset is checked against the bytes that are there before anything is read or allocated; the `rpm` crate,
//! which the tests make packages with, panics on an entry that points outside. Errors name the byte of the file.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use crate::trust::Refused;

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Magic and version of a header; four reserved bytes follow.
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// rpm's own bounds (`HEADER_TAGS_MAX`, `HEADER_DATA_MAX`).
const ENTRIES_MAX: u32 = 65_535;
pub(super) const STORE_MAX: u32 = 256 << 20;
const SIGNATURE_STORE_MAX: u32 = 64 << 20;
/// Most values of a tag: each of them takes many times its byte in memory. The largest packages have 200,000 files.
const VALUES_MAX: usize = 1 << 20;

/// Slug of what is an RPM and cannot be installed.
pub const SOURCE_PACKAGE: &str = "source-package";

/// Kinds of values.
const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// Everything before the payload.
#[derive(Debug)]
pub(super) struct Heads {
    pub(super) signature: Header,
    pub(super) main: Header,
    /// Where the payload begins in the file.
    pub(super) payload: u64,
}

#[derive(Debug)]
pub(super) struct Header {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// The header as it stands in the file, magic included: what digests and signatures cover.
    pub(super) bytes: Vec<u8>,
    entries: BTreeMap<u32, Entry>,
    store: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

/// Reads up to the payload.
pub(super) fn read(rpm: &mut dyn Read) -> Result<Heads> {
    let lead = take(rpm, LEAD, 0, "the lead")?;
    let other = |text: String| Refused::new("not-an-rpm", text);
    let start = || "at byte 0: this is not an RPM, which starts with ed ab ee db".to_owned();
    ensure!(lead.starts_with(&LEAD_MAGIC), other(start()));
    let format = || format!("at byte 4: format {} is not known, only 3 and 4", lead[4]);
    ensure!(lead[4] == 3 || lead[4] == 4, other(format()));
    ensure!(lead[6..8] == [0, 0], Refused::new(SOURCE_PACKAGE, "at byte 6: this is a source package"));
    let signature = read_header(rpm, LEAD as u64, "the signature header", SIGNATURE_STORE_MAX)?;
    let after = signature.offset + signature.bytes.len() as u64;
    // The main header starts at a multiple of eight.
    let padding = usize::try_from(after.next_multiple_of(8) - after).expect("seven at most");
    take(rpm, padding, after, "the signature header")?;
    let main = read_header(rpm, after.next_multiple_of(8), "the header", STORE_MAX)?;
    let payload = main.offset + main.bytes.len() as u64;
    Ok(Heads { signature, main, payload })
}

fn take(rpm: &mut dyn Read, length: usize, offset: u64, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rpm.take(length as u64).read_to_end(&mut bytes).with_context(|| format!("at byte {offset}: reading {what}"))?;
    let end = offset + bytes.len() as u64;
    let missing = || format!("the file ends at byte {end}, {} bytes before {what} does", length - bytes.len());
    ensure!(bytes.len() == length, Refused::new("rpm-cut-off", missing()));
    Ok(bytes)
}

/// Reads one header, whose values have at most `most` bytes.
pub(super) fn read_header(rpm: &mut dyn Read, offset: u64, what: &str, most: u32) -> Result<Header> {
    parse_header(rpm, offset, what, most).map_err(Refused::kind("bad-header"))
}

fn parse_header(rpm: &mut dyn Read, offset: u64, what: &str, most: u32) -> Result<Header> {
    let mut bytes = take(rpm, 16, offset, what)?;
    ensure!(bytes.starts_with(&HEADER_MAGIC), "at byte {offset}: {what} does not start with 8e ad e8 01");
    let (count, size) = (number(&bytes, 8), number(&bytes, 12));
    let entries = || format!("at byte {offset}: {what} has {count} entries, more than {ENTRIES_MAX}");
    ensure!(count <= ENTRIES_MAX, Refused::new("too-large", entries()));
    let data = || format!("at byte {offset}: {what} has {size} bytes of data, more than {most}");
    ensure!(size <= most, Refused::new("too-large", data()));
    let (count, size) = (count as usize, size as usize);
    bytes.extend(take(rpm, count * 16 + size, offset + 16, what)?);
    let store = 16 + count * 16;
    let mut entries = BTreeMap::new();
    for index in 0..count {
        let at = 16 + index * 16;
        let word = |step: usize| number(&bytes, at + step);
        let (tag, kind) = (word(0), word(4));
        let place = || format!("at byte {}: tag {tag} of {what}", offset + at as u64);
        let (from, count) = (word(8) as usize, word(12) as usize);
        let width = match kind {
            CHAR | INT8 | BINARY | STRING | STRING_ARRAY | I18N_STRING => 1,
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            // No values; rpm skips them as well.
            0 => continue,
            _ => bail!("{} is of the unknown kind {kind}", place()),
        };
        // Both are below 2^32, so this cannot overflow. A string has at least one byte.
        ensure!(from + count * width <= size, "{} points outside of it", place());
        let many = || format!("{} has {count} values, more than {VALUES_MAX}", place());
        ensure!(kind == BINARY || count <= VALUES_MAX, Refused::new("too-large", many()));
        ensure!(entries.insert(tag, Entry { kind, offset: from, count }).is_none(), "{} is there twice", place());
    }
    Ok(Header { offset, bytes, entries, store })
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("the caller has seen the length"))
}

impl Header {
    pub(super) fn has(&self, tag: u32) -> bool {
        self.entries.contains_key(&tag)
    }

    fn wrong(&self, tag: u32, problem: &str) -> anyhow::Error {
        Refused::new("bad-header", format!("at byte {}: tag {tag} of the header {problem}", self.offset)).into()
    }

    /// The strings of a tag; none if it is not there.
    pub(super) fn strings(&self, tag: u32) -> Result<Vec<&[u8]>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(Vec::new()) };
        let count = match entry.kind {
            STRING => 1,
            STRING_ARRAY | I18N_STRING => entry.count,
            _ => return Err(self.wrong(tag, "is no text")),
        };
        let mut rest = &self.bytes[self.store + entry.offset..];
        let mut strings = Vec::new();
        for _ in 0..count {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.wrong(tag, "does not end"))?;
            strings.push(&rest[..end]);
            rest = &rest[end + 1..];
        }
        Ok(strings)
    }

    pub(super) fn texts(&self, tag: u32) -> Result<Vec<&str>> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| self.wrong(tag, "is not UTF-8"));
        self.strings(tag)?.into_iter().map(text).collect()
    }

    /// The first string of a tag.
    pub(super) fn text(&self, tag: u32) -> Result<Option<&str>> {
        Ok(self.texts(tag)?.first().copied())
    }

    pub(super) fn need(&self, tag: u32) -> Result<&str> {
        self.text(tag)?.filter(|text| !text.is_empty()).ok_or_else(|| self.wrong(tag, "is missing"))
    }

    pub(super) fn numbers(&self, tag: u32) -> Result<Vec<u64>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(Vec::new()) };
        let width = match entry.kind {
            CHAR | INT8 => 1,
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => return Err(self.wrong(tag, "is no number")),
        };
        let start = self.store + entry.offset;
        let values = self.bytes[start..start + entry.count * width].chunks_exact(width);
        Ok(values.map(|value| value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).collect())
    }

    pub(super) fn number(&self, tag: u32) -> Result<Option<u64>> {
        Ok(self.numbers(tag)?.first().copied())
    }

    /// Kind, number of values, and the bytes of a tag as they stand in the header.
    pub(super) fn raw(&self, tag: u32) -> Result<Option<(u32, usize, &[u8])>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        let length = match entry.kind {
            STRING | STRING_ARRAY | I18N_STRING => self.strings(tag)?.iter().map(|text| text.len() + 1).sum(),
            INT16 => entry.count * 2,
            INT32 => entry.count * 4,
            INT64 => entry.count * 8,
            _ => entry.count,
        };
        let start = self.store + entry.offset;
        Ok(Some((entry.kind, entry.count, &self.bytes[start..start + length])))
    }

    /// The index and the store, without magic and counts.
    pub(super) fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        (self.bytes[16..self.store].to_vec(), self.bytes[self.store..].to_vec())
    }

    pub(super) fn binary(&self, tag: u32) -> Result<Option<&[u8]>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        if entry.kind != BINARY {
            return Err(self.wrong(tag, "is no binary value"));
        }
        let start = self.store + entry.offset;
        Ok(Some(&self.bytes[start..start + entry.count]))
    }
}

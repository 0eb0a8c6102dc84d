//! depmod's index files (`modules.*.bin`), which libkmod reads instead of the text files.
//!
//! A radix tree over 7-bit keys, big-endian. Header: magic, version, offset of the root. The top bits of an offset say
//! what its node has, in this order: a NUL-terminated prefix; the first and last byte of its children with an offset
//! for each byte between; a count of values, each a priority and a NUL-terminated text. Reference: kmod's
//! `libkmod/libkmod-index.c`; the oracle is `modprobe`.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
const OFFSET_MASK: u32 = 0x0FFF_FFFF;

/// Texts with their priorities.
type Values = [(u32, String)];

/// Keys with their values; of several values of a key the lowest priority comes first.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Vec<u8>, Vec<(u32, String)>>,
}

impl Index {
    /// Adds a value, once. Keys with bytes that the format has no room for are left out, as depmod does.
    pub(crate) fn insert(&mut self, key: &str, value: impl Into<String>, priority: u32) {
        if !key.is_ascii() || key.contains('\0') {
            return;
        }
        let values = self.keys.entry(key.as_bytes().to_vec()).or_default();
        let entry = (priority, value.into());
        if !values.iter().any(|(_, value)| *value == entry.1) {
            values.push(entry);
            // Stable: equal priorities stay in the order they came in.
            values.sort_by_key(|(priority, _)| *priority);
        }
    }

    pub(crate) fn write(&self) -> anyhow::Result<Vec<u8>> {
        let entries: Vec<(&[u8], &Values)> =
            self.keys.iter().map(|(key, values)| (key.as_slice(), values.as_slice())).collect();
        let mut bytes: Vec<u8> = [MAGIC, VERSION, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
        let root = node(&entries, 0, &mut bytes)?;
        bytes[8..12].copy_from_slice(&root.to_be_bytes());
        Ok(bytes)
    }
}

/// Writes the node for `entries`, sorted and alike in their first `depth` bytes, after its children; where it is.
fn node(entries: &[(&[u8], &Values)], depth: usize, bytes: &mut Vec<u8>) -> anyhow::Result<u32> {
    let (first, last) = match entries {
        [] => (&[][..], &[][..]),
        [first, ..] => (first.0, entries[entries.len() - 1].0),
    };
    // Sorted, so what the first and the last have in common, all have.
    let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
    let prefix = &first[depth.min(common)..common];
    let (values, rest) = match entries {
        [(key, values), rest @ ..] if key.len() == common => (*values, rest),
        _ => (&[][..], entries),
    };
    let mut children: Vec<(u8, u32)> = Vec::new();
    for group in rest.chunk_by(|one, other| one.0[common] == other.0[common]) {
        children.push((group[0].0[common], node(group, common + 1, bytes)?));
    }

    let offset = u32::try_from(bytes.len()).context("writing a module index")?;
    ensure!(offset <= OFFSET_MASK, "a module index of more than 256 MiB");
    let mut flags = 0;
    if !prefix.is_empty() {
        flags |= HAS_PREFIX;
        bytes.extend(prefix);
        bytes.push(0);
    }
    if let (Some((low, _)), Some((high, _))) = (children.first().copied(), children.last().copied()) {
        flags |= HAS_CHILDREN;
        bytes.extend([low, high]);
        let mut next = children.iter().peekable();
        for byte in low..=high {
            let child = next.next_if(|(first, _)| *first == byte).map_or(0, |(_, offset)| *offset);
            bytes.extend(child.to_be_bytes());
        }
    }
    if !values.is_empty() {
        flags |= HAS_VALUES;
        bytes.extend(u32::try_from(values.len()).context("writing a module index")?.to_be_bytes());
        for (priority, value) in values {
            bytes.extend(priority.to_be_bytes());
            bytes.extend(value.as_bytes());
            bytes.push(0);
        }
    }
    Ok(offset | flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a key in a written index, read as libkmod reads it.
    fn lookup(bytes: &[u8], key: &str) -> Vec<String> {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let text = |at: usize| bytes[at..].split(|byte| *byte == 0).next().unwrap();
        let mut offset = word(8);
        let mut rest = key.as_bytes();
        loop {
            let mut at = (offset & OFFSET_MASK) as usize;
            if offset & HAS_PREFIX != 0 {
                let prefix = text(at);
                let Some(after) = rest.strip_prefix(prefix) else { return vec![] };
                rest = after;
                at += prefix.len() + 1;
            }
            let mut child = 0;
            if offset & HAS_CHILDREN != 0 {
                let (low, high) = (bytes[at], bytes[at + 1]);
                if let Some(byte) = rest.first().filter(|byte| (low..=high).contains(byte)) {
                    child = word(at + 2 + 4 * usize::from(byte - low));
                }
                at += 2 + 4 * usize::from(high - low + 1);
            }
            let Some((_, after)) = rest.split_first() else {
                let count = if offset & HAS_VALUES != 0 { word(at) } else { 0 };
                at += 4;
                let mut values = Vec::new();
                for _ in 0..count {
                    let value = text(at + 4);
                    at += 4 + value.len() + 1;
                    values.push(String::from_utf8(value.to_vec()).unwrap());
                }
                return values;
            };
            if child == 0 {
                return vec![];
            }
            (offset, rest) = (child, after);
        }
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        let mut index = Index::default();
        for (priority, key) in ["dm_mod", "dm_verity", "dm", "erofs", "erofs_x"].iter().enumerate() {
            index.insert(key, format!("{key}.ko"), u32::try_from(priority).unwrap());
        }
        index.insert("dm", "earlier.ko", 0);
        index.insert("dm", "earlier.ko", 5);
        index.insert("größe", "x", 0);
        let bytes = index.write().unwrap();
        assert_eq!(lookup(&bytes, "dm_verity"), ["dm_verity.ko"]);
        assert_eq!(lookup(&bytes, "dm"), ["earlier.ko", "dm.ko"]);
        assert_eq!(lookup(&bytes, "erofs_x"), ["erofs_x.ko"]);
        for absent in ["", "d", "dm_", "dm_modx", "zz"] {
            assert!(lookup(&bytes, absent).is_empty(), "{absent}");
        }
    }

    #[test]
    fn an_empty_index_has_an_empty_root() {
        let bytes = Index::default().write().unwrap();
        assert_eq!(bytes, [0xB0, 0x07, 0xF4, 0x57, 0, 2, 0, 1, 0, 0, 0, 12]);
    }
}

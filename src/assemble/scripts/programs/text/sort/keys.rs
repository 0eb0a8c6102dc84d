//! Keys of lines: which part of a line, compared how.

use std::cmp::Ordering;

use super::super::streams;
use super::compare;
use crate::assemble::scripts::programs::options::Options;
use crate::assemble::scripts::programs::version_order::versions;
use crate::shell::Bytes;

/// How two texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Numbers,
    General,
    Human,
    Months,
    Versions,
}

#[derive(Debug, Clone, Copy)]
struct Manner {
    kind: Kind,
    reverse: bool,
    fold: bool,
    dictionary: bool,
    printable: bool,
    /// Whether blanks before the start, and before the end, are passed over.
    blanks: [bool; 2],
}

impl Manner {
    const PLAIN: Manner = Manner {
        kind: Kind::Bytes,
        reverse: false,
        fold: false,
        dictionary: false,
        printable: false,
        blanks: [false; 2],
    };

    /// Adds what a letter says; `end` if it stands behind the end of a key.
    fn add(&mut self, letter: u8, end: bool) -> bool {
        match letter {
            b'b' => self.blanks[usize::from(end)] = true,
            b'd' => self.dictionary = true,
            b'f' => self.fold = true,
            b'i' => self.printable = true,
            b'r' => self.reverse = true,
            b'n' => self.kind = Kind::Numbers,
            b'g' => self.kind = Kind::General,
            b'h' => self.kind = Kind::Human,
            b'M' => self.kind = Kind::Months,
            b'V' => self.kind = Kind::Versions,
            _ => return false,
        }
        true
    }

    fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        let compared = match self.kind {
            Kind::Numbers => compare::numbers(one, other),
            Kind::General => compare::general(one, other),
            Kind::Human => compare::human(one, other),
            Kind::Months => compare::months(one, other),
            Kind::Versions => versions(&self.seen(one), &self.seen(other)),
            Kind::Bytes => self.seen(one).cmp(&self.seen(other)),
        };
        if self.reverse { compared.reverse() } else { compared }
    }

    /// What of a text counts.
    fn seen(&self, text: &[u8]) -> Bytes {
        let counts = |byte: &u8| {
            (!self.dictionary || byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'\t'))
                && (!self.printable || (b' '..=b'~').contains(byte))
        };
        let fold = |byte: u8| if self.fold { byte.to_ascii_uppercase() } else { byte };
        text.iter().copied().filter(counts).map(fold).collect()
    }
}

#[derive(Debug)]
struct Key {
    /// Field and byte in it, both from 0.
    start: (usize, usize),
    /// The last field, from 0, and how many bytes of it; all if that is 0.
    end: Option<(usize, usize)>,
    manner: Manner,
}

#[derive(Debug)]
pub(super) struct Sorter {
    keys: Vec<Key>,
    separator: Option<u8>,
    reverse: bool,
    stable: bool,
    pub(super) unique: bool,
}

impl Sorter {
    pub(super) fn new(options: &Options, separator: Option<u8>) -> Result<Sorter, String> {
        let mut global = Manner::PLAIN;
        for (name, _) in &options.given {
            if let [letter] = name.as_bytes() {
                global.add(*letter, false);
            }
        }
        global.blanks[1] = global.blanks[0];
        let mut keys = Vec::new();
        for (_, text) in options.given.iter().filter(|(name, _)| *name == "k") {
            keys.push(
                key(text, global).ok_or_else(|| format!("invalid field specification '{}'", streams::shown(text)))?,
            );
        }
        if keys.is_empty()
            && (global.kind != Kind::Bytes || global.fold || global.dictionary || global.printable || global.blanks[0])
        {
            keys.push(Key { start: (0, 0), end: None, manner: global });
        }
        let (stable, unique) = (options.has("s"), options.has("u"));
        Ok(Sorter { keys, separator, reverse: global.reverse, stable, unique })
    }

    pub(super) fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        for key in &self.keys {
            let compared = key.manner.compare(self.part(key, one), self.part(key, other));
            if compared != Ordering::Equal {
                return compared;
            }
        }
        if !self.keys.is_empty() && (self.stable || self.unique) {
            return Ordering::Equal;
        }
        let compared = one.cmp(other);
        if self.reverse { compared.reverse() } else { compared }
    }

    fn part<'l>(&self, key: &Key, line: &'l [u8]) -> &'l [u8] {
        let (field, byte) = key.start;
        let mut start = self.field(line, field);
        if key.manner.blanks[0] {
            start = skip_blanks(line, start);
        }
        let start = (start + byte).min(line.len());
        let end = match key.end {
            None => line.len(),
            Some((field, 0)) => self.field_end(line, field),
            Some((field, bytes)) => {
                let mut end = self.field(line, field);
                if key.manner.blanks[1] {
                    end = skip_blanks(line, end);
                }
                (end + bytes).min(line.len())
            }
        };
        line.get(start..end).unwrap_or_default()
    }

    /// Where a field begins.
    fn field(&self, line: &[u8], field: usize) -> usize {
        let mut at = 0;
        for _ in 0..field.min(line.len() + 1) {
            at = self.end_of(line, at);
            if self.separator.is_some() && at < line.len() {
                at += 1;
            }
        }
        at
    }

    fn field_end(&self, line: &[u8], field: usize) -> usize {
        let at = self.field(line, field);
        self.end_of(line, at)
    }

    /// Where the field ends that begins at `at`. Without a separator, blanks belong to what follows them.
    fn end_of(&self, line: &[u8], at: usize) -> usize {
        let find = |from: usize, is: &dyn Fn(&u8) -> bool| {
            line.get(from..).unwrap_or_default().iter().position(is).map_or(line.len(), |length| from + length)
        };
        match self.separator {
            Some(separator) => find(at, &|byte| *byte == separator),
            None => find(skip_blanks(line, at), &|byte| is_blank(*byte)),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

fn skip_blanks(line: &[u8], at: usize) -> usize {
    let blanks = line.get(at..).unwrap_or_default().iter().take_while(|byte| is_blank(**byte));
    at + blanks.count()
}

/// `2`, `2,3`, `2.4b,3.5n`: with no letters of its own a key is compared as all are.
fn key(text: &[u8], global: Manner) -> Option<Key> {
    let mut parts = text.splitn(2, |byte| *byte == b',');
    let mut manner = Manner::PLAIN;
    let (field, byte, letters) = position(parts.next()?)?;
    let mut own = !letters.is_empty();
    if field == 0 || byte == Some(0) || !letters.iter().all(|letter| manner.add(*letter, false)) {
        return None;
    }
    let end = match parts.next() {
        None => None,
        Some(part) => {
            let (field, byte, letters) = position(part)?;
            own |= !letters.is_empty();
            if field == 0 || !letters.iter().all(|letter| manner.add(*letter, true)) {
                return None;
            }
            Some((field - 1, byte.unwrap_or(0)))
        }
    };
    let manner = if own { manner } else { global };
    Some(Key { start: (field - 1, byte.unwrap_or(1) - 1), end, manner })
}

/// A field, a byte and the letters behind them.
fn position(text: &[u8]) -> Option<(usize, Option<usize>, &[u8])> {
    let number = |text: &[u8]| {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let value = streams::number(&text[..digits])?;
        Some((usize::try_from(value).ok()?.min(1 << 40), digits))
    };
    let (field, used) = number(text)?;
    let rest = &text[used..];
    match rest.strip_prefix(b".") {
        None => Some((field, None, rest)),
        Some(rest) => {
            let (byte, used) = number(rest)?;
            Some((field, Some(byte), &rest[used..]))
        }
    }
}

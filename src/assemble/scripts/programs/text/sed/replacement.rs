//! The right side of a substitution: parsed, and put together for a match.

use super::script::{Case, Part};
use crate::assemble::scripts::regex::{Captures, escape_of_sed};
use crate::shell::Bytes;

/// The byte that an escape stands for, and how long the escape is behind its backslash.
pub(super) fn escape(behind: &[u8]) -> Option<(u8, usize)> {
    let (letter, rest) = behind.split_first()?;
    let (byte, used) = escape_of_sed(*letter, rest)?;
    Some((byte, used + 1))
}

pub(super) fn parse(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Bytes::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let part = match byte {
            b'&' => Part::Group(0),
            b'\\' => {
                if let Some((byte, used)) = escape(rest) {
                    literal.push(byte);
                    rest = rest.get(used..).unwrap_or_default();
                    continue;
                }
                let Some((letter, after)) = rest.split_first() else {
                    literal.push(b'\\');
                    continue;
                };
                rest = after;
                match letter {
                    b'0'..=b'9' => Part::Group(usize::from(letter - b'0')),
                    b'U' => Part::Case(Case::Upper),
                    b'L' => Part::Case(Case::Lower),
                    b'u' => Part::Case(Case::UpperOnce),
                    b'l' => Part::Case(Case::LowerOnce),
                    b'E' => Part::Case(Case::AsIs),
                    letter => {
                        literal.push(*letter);
                        continue;
                    }
                }
            }
            byte => {
                literal.push(*byte);
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(part);
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    parts
}

pub(super) fn last_group(parts: &[Part]) -> usize {
    let groups = parts.iter().map(|part| match part {
        Part::Group(group) => *group,
        _ => 0,
    });
    groups.max().unwrap_or(0)
}

/// A text of `y`: only a backslash before a backslash, `n` or a newline is none.
pub(super) fn plain(text: &[u8]) -> Bytes {
    let mut out = Bytes::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'\\' {
            if let Some((byte, used)) = escape(rest) {
                out.push(byte);
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
            if let Some((b'\\', after)) = rest.split_first() {
                out.push(b'\\');
                rest = after;
                continue;
            }
        }
        out.push(*byte);
    }
    out
}

/// Letters as they are to be written.
#[derive(Debug)]
struct Cases {
    /// For all, until it is changed.
    lasting: Case,
    /// For the next one.
    once: Case,
}

impl Cases {
    fn add(&mut self, out: &mut Bytes, text: &[u8]) {
        let Some((first, rest)) = text.split_first() else { return };
        let lasting = |byte: u8| match self.lasting {
            Case::Upper => byte.to_ascii_uppercase(),
            Case::Lower => byte.to_ascii_lowercase(),
            _ => byte,
        };
        out.push(match self.once {
            Case::UpperOnce => first.to_ascii_uppercase(),
            Case::LowerOnce => first.to_ascii_lowercase(),
            _ => lasting(*first),
        });
        out.extend(rest.iter().map(|byte| lasting(*byte)));
        self.once = Case::AsIs;
    }
}

/// Writes the replacement of a match in `text`.
pub(super) fn write(parts: &[Part], text: &[u8], captures: &Captures, out: &mut Bytes) {
    let mut cases = Cases { lasting: Case::AsIs, once: Case::AsIs };
    for part in parts {
        match part {
            Part::Text(literal) => cases.add(out, literal),
            Part::Group(group) => {
                let span = captures.get(*group).copied().flatten();
                cases.add(out, span.and_then(|(start, end)| text.get(start..end)).unwrap_or_default());
            }
            Part::Case(case @ (Case::UpperOnce | Case::LowerOnce)) => cases.once = *case,
            Part::Case(case) => cases = Cases { lasting: *case, once: Case::AsIs },
        }
    }
}

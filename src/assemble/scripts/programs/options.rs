//! Options as getopt_long reads them: short ones together, long ones shortened, `--` ends them.

use super::call::Call;
use crate::shell::{Bytes, Stop};

/// One option: its names, separated by bars, the first of which the program asks for; `=` at the end if it takes a value,
/// `?` if it may (only in the same word).
pub type Known = &'static str;

#[derive(Debug, Default)]
pub struct Options {
    /// By first name, in their order.
    pub given: Vec<(&'static str, Bytes)>,
    pub operands: Vec<Bytes>,
}

impl Options {
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The value of the last one of that name.
    pub fn value(&self, name: &str) -> Option<&Bytes> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    /// The last of several options that exclude each other.
    pub fn last_of(&self, names: &[&str]) -> Option<(&'static str, &Bytes)> {
        self.given.iter().rev().find(|(name, _)| names.contains(name)).map(|(name, value)| (*name, value))
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

fn parts(known: Known) -> (&'static str, char) {
    match known.as_bytes().last() {
        Some(b'=') => (&known[..known.len() - 1], '='),
        Some(b'?') => (&known[..known.len() - 1], '?'),
        _ => (known, ' '),
    }
}

/// Reads the words of a call. An option that is not known ends the run. `mixed`: operands may stand before options.
pub fn parse(call: &Call, known: &[Known], mixed: bool) -> Result<Options, Stop> {
    let mut options = Options::default();
    let mut words = call.words.iter();
    while let Some(word) = words.next() {
        if word == b"--" {
            options.operands.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix(b"--") {
            let (name, value) = match long.iter().position(|byte| *byte == b'=') {
                Some(at) => (&long[..at], Some(long[at + 1..].to_vec())),
                None => (long, None),
            };
            let Some((first, kind)) = find_long(known, &String::from_utf8_lossy(name)) else {
                return call.unsupported(format!("the option `{}`", String::from_utf8_lossy(word)));
            };
            let value = match (kind, value) {
                ('=', None) => match words.next() {
                    Some(value) => value.clone(),
                    None => {
                        return call
                            .unsupported(format!("the option `{}` without its value", String::from_utf8_lossy(word)));
                    }
                },
                (' ', Some(_)) => {
                    return call.unsupported(format!("the option `{}` with a value", String::from_utf8_lossy(word)));
                }
                (_, value) => value.unwrap_or_default(),
            };
            options.given.push((first, value));
        } else if word.len() > 1 && word[0] == b'-' {
            short(call, known, &word[1..], &mut words, &mut options)?;
        } else {
            options.operands.push(word.clone());
            if !mixed {
                options.operands.extend(words.cloned());
                break;
            }
        }
    }
    Ok(options)
}

fn short<'w>(
    call: &Call,
    known: &[Known],
    letters: &[u8],
    words: &mut impl Iterator<Item = &'w Bytes>,
    options: &mut Options,
) -> Result<(), Stop> {
    for (at, letter) in letters.iter().enumerate() {
        let letter = char::from(*letter);
        let found = known.iter().find_map(|known| {
            let (names, kind) = parts(known);
            let is_it = names.split('|').any(|name| name.len() == 1 && name.starts_with(letter));
            is_it.then(|| (names.split('|').next().unwrap_or(names), kind))
        });
        let Some((first, kind)) = found else { return call.unsupported(format!("the option `-{letter}`")) };
        let rest = letters[at + 1..].to_vec();
        match kind {
            ' ' => options.given.push((first, Vec::new())),
            '=' if rest.is_empty() => match words.next() {
                Some(value) => options.given.push((first, value.clone())),
                None => return call.unsupported(format!("the option `-{letter}` without its value")),
            },
            _ => options.given.push((first, rest)),
        }
        if kind != ' ' {
            break;
        }
    }
    Ok(())
}

/// A long option by its name or an unambiguous beginning of it.
fn find_long(known: &[Known], name: &str) -> Option<(&'static str, char)> {
    let all = known.iter().flat_map(|known| {
        let (names, kind) = parts(known);
        let first = names.split('|').next().unwrap_or(names);
        names.split('|').filter(|name| name.len() > 1).map(move |name| (name, first, kind))
    });
    let exact = all.clone().find(|(known, ..)| *known == name);
    let mut longer = all.filter(|(known, ..)| known.starts_with(name));
    let found = exact.or_else(|| longer.next().filter(|(_, first, _)| longer.all(|(_, other, _)| other == *first)));
    found.map(|(_, first, kind)| (first, kind))
}

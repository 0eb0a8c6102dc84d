//! Words of the shell language: how they are written, and what they are with the variables in them.
//!
//! What only running the script can tell is not known, and whether finding it out changes anything is (`$(…)` with
//! programs that only answer). Grammar: POSIX.1-2017, XCU 2.2 and 2.6, and bash's `{a,b}`.

use std::collections::{BTreeMap, BTreeSet};

use super::answers;

/// Bytes of a variable's value, and of all words of one command with the variables in them.
pub(super) const VALUE_BYTES: usize = 1024;
pub(super) const COMMAND_BYTES: usize = 64 * 1024;
/// How many variables are kept.
const VARIABLES: usize = 64;
/// How many words one word with braces may be.
const BRACES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
    /// What only running the script can tell. `harmless` if finding out changes nothing.
    Unknown {
        harmless: bool,
    },
    /// The word has letters that stand for other text: names of files that fit it.
    Pattern,
}

/// A word as written and as it is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) raw: String,
    parts: Vec<Part>,
}

impl Word {
    pub(super) fn plain(text: &str) -> Word {
        Word { raw: text.to_owned(), parts: vec![Part::Text(text.to_owned())] }
    }
}

/// A word with its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) text: String,
    /// Whether `text` is all of it.
    pub(super) certain: bool,
    /// Whether putting it together changes nothing.
    pub(super) harmless: bool,
    /// Whether it is only not certain because it stands for all files that fit `text`.
    pub(super) pattern: bool,
}

/// Variables with a known value.
#[derive(Debug, Default, Clone)]
pub(super) struct Variables(pub(super) BTreeMap<String, String>);

impl Variables {
    /// `value` of nothing: not known any more.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) {
        // A text with blanks would be more than one word where it stands without quotation marks.
        let plain = |text: &&str| {
            let letter = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=+@%".contains(letter);
            !text.is_empty() && text.len() <= VALUE_BYTES && text.chars().all(letter)
        };
        match value.filter(plain) {
            Some(value) if self.0.len() < VARIABLES => drop(self.0.insert(name.to_owned(), value.to_owned())),
            _ => drop(self.0.remove(name)),
        }
    }

    /// Names, but for those of the script's own arguments.
    pub(super) fn names(&self) -> Vec<String> {
        let argument = |name: &str| name.starts_with(|letter: char| letter.is_ascii_digit());
        self.0.keys().filter(|name| !argument(name)).cloned().collect()
    }

    /// The others.
    pub(super) fn without(mut self, names: &BTreeSet<String>) -> Variables {
        self.0.retain(|name, _| !names.contains(name));
        self
    }

    /// The words with the variables in them; nothing if they are too much.
    pub(super) fn expand<'w>(&self, words: impl IntoIterator<Item = &'w Word>) -> Option<Vec<Argument>> {
        let (mut arguments, mut size) = (Vec::new(), 0_usize);
        for word in words {
            let mut argument = Argument { text: String::new(), certain: true, harmless: true, pattern: false };
            let mut unknown = false;
            for part in &word.parts {
                let text = match part {
                    Part::Text(text) => text,
                    Part::Variable(name) => match self.0.get(name) {
                        Some(value) => value,
                        None => {
                            unknown = true;
                            continue;
                        }
                    },
                    Part::Unknown { harmless } => {
                        unknown = true;
                        argument.harmless &= harmless;
                        continue;
                    }
                    Part::Pattern => {
                        argument.pattern = true;
                        continue;
                    }
                };
                size += text.len();
                if size > COMMAND_BYTES {
                    return None;
                }
                argument.text.push_str(text);
            }
            argument.certain = !unknown && !argument.pattern;
            argument.pattern &= !unknown;
            arguments.push(argument);
        }
        Some(arguments)
    }
}

/// `NAME=VALUE`, or `NAME+=VALUE`, whose value is not known.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, raw) = word.raw.split_once('=')?;
    let (name, more) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
    let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let named = letters && name.starts_with(|letter: char| !letter.is_ascii_digit());
    let Some((Part::Text(first), rest)) = word.parts.split_first().filter(|_| named) else { return None };
    let sign = if more { "+=" } else { "=" };
    let first = Part::Text(first.strip_prefix(name)?.strip_prefix(sign)?.to_owned());
    let parts = std::iter::once(first).chain(rest.iter().cloned());
    let parts = parts.chain(more.then_some(Part::Unknown { harmless: true })).collect();
    Some((name.to_owned(), Word { raw: raw.to_owned(), parts }))
}

/// `a{b,c}d` → `abd acd`, as far as there is one pair of braces around plain words; otherwise the word as it is.
pub(super) fn braces(word: Word) -> Vec<Word> {
    let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-@:,".contains(letter));
    let single = |raw: &str| {
        let (before, rest) = raw.split_once('{')?;
        let (inner, after) = rest.split_once('}')?;
        let spread = inner.contains(',') && [before, inner, after].into_iter().all(plain);
        let one = |part: &str| Word::plain(&format!("{before}{part}{after}"));
        spread.then(|| inner.split(',').take(BRACES + 1).map(one).collect::<Vec<Word>>())
    };
    single(&word.raw).filter(|words| words.len() <= BRACES).unwrap_or_else(|| vec![word])
}

/// The word that `text` begins with; nothing if there is none, or if it does not end.
pub(super) fn word(text: &str) -> Option<(Word, &str)> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = text;
    let mut quoted = false;
    // Letters that stand for other text if the word has more than them.
    let mut pattern = false;
    let push = |parts: &mut Vec<Part>, letter: char| match parts.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        _ => parts.push(Part::Text(letter.to_string())),
    };
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        match letter {
            '"' => {
                quoted = !quoted;
                if quoted && after.starts_with('"') {
                    parts.push(Part::Text(String::new()));
                }
                rest = after;
            }
            '$' => {
                let (part, left) = dollar(after)?;
                if let Some(part) = part {
                    parts.push(part)
                } else {
                    push(&mut parts, '$')
                }
                rest = left;
            }
            '`' => {
                let (command, left) = after.split_once('`')?;
                parts.push(Part::Unknown { harmless: answers::only(command) });
                rest = left;
            }
            '\\' => {
                let next = after.chars().next()?;
                if quoted && !"\"\\$`".contains(next) {
                    push(&mut parts, '\\');
                }
                push(&mut parts, next);
                rest = &after[next.len_utf8()..];
            }
            _ if quoted => {
                push(&mut parts, letter);
                rest = after;
            }
            '\'' => {
                let (inner, left) = after.split_once('\'')?;
                parts.push(Part::Text(inner.to_owned()));
                rest = left;
            }
            ' ' | '\t' | '\n' | '&' | '|' | ';' | '<' | '>' | '(' | ')' => break,
            _ => {
                pattern |= "*?[{~".contains(letter);
                push(&mut parts, letter);
                rest = after;
            }
        }
    }
    let raw = &text[..text.len() - rest.len()];
    if quoted || raw.is_empty() {
        return None;
    }
    if pattern && !["[", "[[", "{"].contains(&raw) {
        parts.push(Part::Pattern);
    }
    // Its lines lost the blanks around them.
    if raw.contains('\n') {
        parts.push(Part::Unknown { harmless: true });
    }
    Some((Word { raw: raw.to_owned(), parts }, rest))
}

/// What follows a dollar sign; no part if it is just that sign.
fn dollar(text: &str) -> Option<(Option<Part>, &str)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (name, rest) = inner.split_once('}')?;
        let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let part = match letters && !name.is_empty() {
            true => Part::Variable(name.to_owned()),
            false => Part::Unknown { harmless: !name.contains(['`', '(', '=', '$']) },
        };
        return Some((Some(part), rest));
    }
    if let Some(inner) = text.strip_prefix('(') {
        let mut depth = 1_usize;
        for (at, letter) in inner.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let part = Part::Unknown { harmless: answers::only(&inner[..at]) };
                return Some((Some(part), &inner[at + 1..]));
            }
        }
        return None;
    }
    if text.starts_with(['?', '#', '@', '*', '$', '!', '-']) {
        return Some((Some(Part::Unknown { harmless: true }), &text[1..]));
    }
    let digit = text.starts_with(|letter: char| letter.is_ascii_digit());
    let length = match digit {
        true => 1,
        false => {
            text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_').len()
        }
    };
    let (name, rest) = text.split_at(length);
    Some(((!name.is_empty()).then(|| Part::Variable(name.to_owned())), rest))
}

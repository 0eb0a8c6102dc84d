//! Words that are assignments: `name=value`, and in bash `name+=value`, `name[index]=value`, `name=(…)`.

use super::lexer::is_name_byte;
use super::syntax::{Assignment, Part, Value, Word};
use super::{Bytes, lexer::is_name};

/// The word as an assignment, if its unquoted start says so.
pub(super) fn assignment(word: &Word, bash: bool) -> Option<Assignment> {
    let Some(Part::Literal(first)) = word.parts.first() else { return None };
    let length = first.iter().take_while(|byte| is_name_byte(**byte)).count();
    let (name, after) = first.split_at_checked(length)?;
    if !is_name(name) {
        return None;
    }
    let (index, append, value) = if let Some(rest) = after.strip_prefix(b"=") {
        (None, false, with_start(rest, word))
    } else if let Some(rest) = after.strip_prefix(b"+=").filter(|_| bash) {
        (None, true, with_start(rest, word))
    } else if let Some(rest) = after.strip_prefix(b"[").filter(|_| bash) {
        let (index, append, value) = indexed(with_start(rest, word))?;
        (Some(index), append, value)
    } else {
        return None;
    };
    let value = match value.parts.as_slice() {
        [Part::Array(elements)] => Value::Array(elements.to_vec()),
        _ => Value::Scalar(value),
    };
    Some(Assignment { name: name.to_vec(), index, append, value })
}

/// `[index]=value`, an element of an array.
pub(super) fn element(word: &Word) -> Option<(Word, Word)> {
    let Some(Part::Literal(first)) = word.parts.first() else { return None };
    let (index, append, value) = indexed(with_start(first.strip_prefix(b"[")?, word))?;
    (!append).then_some((index, value))
}

/// The word with another first literal.
fn with_start(start: &[u8], word: &Word) -> Word {
    let first = (!start.is_empty()).then(|| Part::Literal(start.to_vec()));
    Word { parts: first.into_iter().chain(word.parts.iter().skip(1).cloned()).collect() }
}

/// `index]=value` or `index]+=value`.
fn indexed(word: Word) -> Option<(Word, bool, Word)> {
    let mut index = Vec::new();
    let mut parts = word.parts.into_iter();
    while let Some(part) = parts.next() {
        let Part::Literal(text) = &part else {
            index.push(part);
            continue;
        };
        let Some(end) = text.iter().position(|byte| *byte == b']') else {
            index.push(part);
            continue;
        };
        let (before, after) = text.split_at(end);
        let (append, rest) = match after.strip_prefix(b"]=") {
            Some(rest) => (false, rest),
            None => (true, after.strip_prefix(b"]+=")?),
        };
        push_literal(&mut index, before.to_vec());
        let mut value = Vec::new();
        push_literal(&mut value, rest.to_vec());
        value.extend(parts);
        return Some((Word { parts: index }, append, Word { parts: value }));
    }
    None
}

fn push_literal(parts: &mut Vec<Part>, text: Bytes) {
    if !text.is_empty() {
        parts.push(Part::Literal(text));
    }
}

/// `name[number]`, as `unset` takes it.
pub(super) fn plain_index(text: &[u8]) -> Option<(&[u8], i64)> {
    let open = text.iter().position(|byte| *byte == b'[')?;
    let (name, index) = text.split_at_checked(open)?;
    let digits = index.strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some((name, std::str::from_utf8(digits).ok()?.parse().ok()?)).filter(|_| is_name(name))
}

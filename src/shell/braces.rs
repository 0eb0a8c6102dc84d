//! Bash's `{a,b}` and `{1..3}`: one word becomes several, before anything in it is expanded.

use super::syntax::{Part, Word};
use super::{Stop, limits};

/// An unquoted byte, or something that braces do not look into.
#[derive(Clone)]
enum Atom {
    Byte(u8),
    Other(Part),
}

/// The words that a word with braces stands for; most have none and come back alone.
pub(super) fn expand(word: Word) -> Result<Vec<Word>, Stop> {
    let has = |byte: u8| word.parts.iter().any(|part| matches!(part, Part::Literal(text) if text.contains(&byte)));
    if !has(b'{') || !has(b'}') {
        return Ok(vec![word]);
    }
    let mut atoms = Vec::new();
    for part in word.parts {
        match part {
            Part::Literal(text) => atoms.extend(text.into_iter().map(Atom::Byte)),
            part => atoms.push(Atom::Other(part)),
        }
    }
    let mut left = limits::BRACES;
    let words = alternatives(&atoms, 0, &mut left)?;
    Ok(words.into_iter().map(rebuild).collect())
}

fn rebuild(atoms: Vec<Atom>) -> Word {
    let mut parts = super::lexer::Parts::default();
    for atom in atoms {
        match atom {
            Atom::Byte(byte) => parts.byte(byte),
            Atom::Other(part) => parts.push(part),
        }
    }
    Word { parts: parts.finish() }
}

/// Index of the `}` for the `{` at `open`, and of the commas between that are not inside of further braces.
fn group(atoms: &[Atom], open: usize) -> Option<(usize, Vec<usize>)> {
    let mut depth = 0_usize;
    let mut commas = Vec::new();
    for (at, atom) in atoms.iter().enumerate().skip(open + 1) {
        match atom {
            Atom::Byte(b'{') => depth += 1,
            Atom::Byte(b'}') if depth == 0 => return Some((at, commas)),
            Atom::Byte(b'}') => depth -= 1,
            Atom::Byte(b',') if depth == 0 => commas.push(at),
            _ => {}
        }
    }
    None
}

fn alternatives(atoms: &[Atom], depth: usize, left: &mut usize) -> Result<Vec<Vec<Atom>>, Stop> {
    let too_many = || Stop::limit("words made by braces");
    if depth > limits::NESTING {
        return Err(too_many());
    }
    let mut results: Vec<Vec<Atom>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(atom) = atoms.get(at) {
        let mut middles = None;
        if matches!(atom, Atom::Byte(b'{'))
            && let Some((close, commas)) = group(atoms, at)
        {
            let inner = atoms.get(at + 1..close).unwrap_or_default();
            if commas.is_empty() {
                middles = sequence(inner)?.map(|words| (words, close));
            } else {
                let mut words = Vec::new();
                let mut start = at + 1;
                for end in commas.into_iter().chain([close]) {
                    words.extend(alternatives(atoms.get(start..end).unwrap_or_default(), depth + 1, left)?);
                    start = end + 1;
                }
                middles = Some((words, close));
            }
        }
        let Some((middles, close)) = middles else {
            results.iter_mut().for_each(|result| result.push(atom.clone()));
            at += 1;
            continue;
        };
        let count = results.len().saturating_mul(middles.len());
        *left = left.checked_sub(count).ok_or_else(too_many)?;
        results = results
            .iter()
            .flat_map(|before| middles.iter().map(move |middle| before.iter().chain(middle).cloned().collect()))
            .collect();
        at = close + 1;
    }
    Ok(results)
}

/// `1..5`, `a..e`, either with `..step`.
fn sequence(inner: &[Atom]) -> Result<Option<Vec<Vec<Atom>>>, Stop> {
    let bytes: Option<Vec<u8>> =
        inner.iter().map(|atom| if let Atom::Byte(byte) = atom { Some(*byte) } else { None }).collect();
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else { return Ok(None) };
    let fields: Vec<&str> = text.split("..").collect();
    let (first, last, step) = match fields.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => match step.parse::<i64>() {
            Ok(step) => (*first, *last, step.unsigned_abs().max(1)),
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let letter = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(i64::from(*byte)),
        _ => None,
    };
    let letters = letter(first).zip(letter(last));
    let Some((from, to)) = letters.or_else(|| first.parse().ok().zip(last.parse().ok())) else { return Ok(None) };
    if from.abs_diff(to) / step >= limits::BRACES as u64 {
        return Err(Stop::limit("words made by braces"));
    }
    let padded = |text: &str| text.trim_start_matches('-').starts_with('0') && text.trim_start_matches('-').len() > 1;
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let mut words = Vec::new();
    let mut offset = 0_u64;
    while offset <= from.abs_diff(to) {
        let number =
            if from <= to { from.saturating_add_unsigned(offset) } else { from.saturating_sub_unsigned(offset) };
        let text = match letters {
            Some(_) => vec![u8::try_from(number).unwrap_or_default()],
            None => format!("{number:0width$}").into_bytes(),
        };
        words.push(text.into_iter().map(Atom::Byte).collect());
        offset = offset.saturating_add(step);
    }
    Ok(Some(words))
}

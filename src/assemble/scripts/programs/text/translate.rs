//! `tr`: bytes for bytes.

use super::streams;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::assemble::scripts::regex::is_in_class;
use crate::shell::{Bytes, Stop};

/// What a set says, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Range(u8, u8),
    Class(Bytes),
    /// `[x*]`, `[x*5]`: so many times, or as often as is needed.
    Repeat(u8, usize),
}

pub(super) fn tr(call: &mut Call) -> Result<u8, Stop> {
    let known = ["c|C|complement", "d|delete", "s|squeeze-repeats", "t|truncate-set1"];
    let options = options::parse(call, &known, false)?;
    let mut sets = Vec::new();
    for operand in &options.operands {
        match parts(operand) {
            Ok(set) => sets.push(set),
            Err(message) => return call.fail(1, message),
        }
    }
    let (delete, squeeze) = (options.has("d"), options.has("s"));
    let second = sets.len() == 2;
    let fits = match (delete, squeeze, sets.len()) {
        (true, true, 2) | (true, false, 1) | (false, true, 1 | 2) | (false, false, 2) => true,
        _ => return call.fail(1, "missing or extra operand"),
    };
    let (Some(first), true) = (sets.first(), fits) else { return Ok(1) };
    let complement = options.has("c");
    let Some(mut from) = expand(first, 0) else { return call.fail(1, "misaligned construct in the first string") };
    if complement {
        from = (0..=255).filter(|byte| !from.contains(byte)).collect();
    }
    let member = |set: &[u8]| -> Box<[bool; 256]> {
        let mut member = Box::new([false; 256]);
        set.iter().for_each(|byte| member[usize::from(*byte)] = true);
        member
    };
    let text = call.input();
    let squeezed_set = if second { sets.get(1).and_then(|set| expand(set, from.len())) } else { Some(from.clone()) };
    let Some(to) = squeezed_set else { return call.fail(1, "when translating, the string has a misaligned construct") };
    if !delete && second && to.is_empty() && !options.has("t") {
        return call.fail(1, "when not truncating set1, string2 must be non-empty");
    }
    let from_set = member(&from);
    let mut out: Bytes = match (delete, second) {
        (true, _) => text.iter().copied().filter(|byte| !from_set[usize::from(*byte)]).collect(),
        (false, false) => text,
        (false, true) => {
            let table = table(call, first, sets.get(1), &from, &to, complement, options.has("t"))?;
            text.iter().map(|byte| table[usize::from(*byte)]).collect()
        }
    };
    if squeeze {
        let set = member(&to);
        out.dedup_by(|after, before| after == before && set[usize::from(*after)]);
    }
    call.out(&out)?;
    Ok(0)
}

fn table(
    call: &Call,
    first: &[Part],
    second: Option<&Vec<Part>>,
    from: &[u8],
    to: &[u8],
    complement: bool,
    truncate: bool,
) -> Result<Box<[u8; 256]>, Stop> {
    let second = second.map(Vec::as_slice).unwrap_or_default();
    let is_case = |part: &&Part| matches!(part, Part::Class(name) if name == b"lower" || name == b"upper");
    let other = |part: &&Part| matches!(part, Part::Class(_)) && !is_case(part);
    if second.iter().any(|part| other(&part)) && !complement {
        return call.unsupported("a class other than lower and upper in the second set");
    }
    if second.iter().any(|part| is_case(&part)) && !first.iter().any(|part| is_case(&part)) {
        return call.unsupported("a class in the second set that has none in the first");
    }
    let mut table: Box<[u8; 256]> = Box::new(std::array::from_fn(|byte| u8::try_from(byte).unwrap_or_default()));
    for (index, byte) in from.iter().enumerate() {
        // The second set goes on with its last byte.
        let last = if truncate { None } else { to.last() };
        if let Some(to) = to.get(index).or(last) {
            table[usize::from(*byte)] = *to;
        }
    }
    Ok(table)
}

/// All bytes of a set; `[x*]` fills it up to `wanted`. Classes of letters are in the order of the alphabet.
fn expand(parts: &[Part], wanted: usize) -> Option<Bytes> {
    let mut set = Bytes::new();
    let fixed: usize = parts
        .iter()
        .map(|part| match part {
            Part::Repeat(_, count) => *count,
            part => bytes_of(part).len(),
        })
        .sum();
    for part in parts {
        match part {
            Part::Repeat(byte, 0) => set.extend(std::iter::repeat_n(*byte, wanted.saturating_sub(fixed).min(256))),
            Part::Repeat(byte, count) => set.extend(std::iter::repeat_n(*byte, *count)),
            part => set.extend(bytes_of(part)),
        }
    }
    Some(set)
}

fn bytes_of(part: &Part) -> Bytes {
    match part {
        Part::Byte(byte) => vec![*byte],
        Part::Range(first, last) => (*first..=*last).collect(),
        Part::Class(name) => (0..=255).filter(|byte| is_in_class(name, *byte) == Some(true)).collect(),
        Part::Repeat(..) => Vec::new(),
    }
}

fn parts(text: &[u8]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((part, after)) = bracket(rest)? {
            parts.push(part);
            rest = after;
            continue;
        }
        let (first, after) = byte(rest);
        rest = after;
        match rest.strip_prefix(b"-").filter(|behind| !behind.is_empty()) {
            Some(behind) => {
                let (last, after) = byte(behind);
                if last < first {
                    return Err("range-endpoints are in reverse collating sequence order".to_owned());
                }
                parts.push(Part::Range(first, last));
                rest = after;
            }
            None => parts.push(Part::Byte(first)),
        }
    }
    Ok(parts)
}

/// `[:class:]`, `[=x=]`, `[x*n]`
fn bracket(text: &[u8]) -> Result<Option<(Part, &[u8])>, String> {
    let Some(inner) = text.strip_prefix(b"[") else { return Ok(None) };
    if let [kind @ (b':' | b'='), name @ ..] = inner
        && let Some(end) = name.windows(2).position(|two| two == [*kind, b']'])
    {
        let (name, after) = (&name[..end], &name[end + 2..]);
        return match (kind, name) {
            (b':', name) if is_in_class(name, 0).is_some() => Ok(Some((Part::Class(name.to_vec()), after))),
            (b'=', [byte]) => Ok(Some((Part::Byte(*byte), after))),
            (b':', name) => Err(format!("invalid character class '{}'", streams::shown(name))),
            _ => Err("equivalence class operand must be a single character".to_owned()),
        };
    }
    if inner.is_empty() {
        return Ok(None);
    }
    let (repeated, after) = byte(inner);
    let Some(count) = after.strip_prefix(b"*") else { return Ok(None) };
    let Some(end) = count.iter().position(|byte| *byte == b']') else { return Ok(None) };
    let (digits, after) = (&count[..end], &count[end + 1..]);
    let base = if digits.starts_with(b"0") { 8 } else { 10 };
    let number = std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, base).ok());
    match (digits, number) {
        (b"", _) => Ok(Some((Part::Repeat(repeated, 0), after))),
        // More than there are bytes makes no difference.
        (_, Some(number)) => Ok(Some((Part::Repeat(repeated, number.min(256)), after))),
        _ => Ok(None),
    }
}

/// The first byte of a text that is not empty, and what is behind it.
fn byte(text: &[u8]) -> (u8, &[u8]) {
    let Some((first, rest)) = text.split_first() else { return (0, text) };
    if *first != b'\\' {
        return (*first, rest);
    }
    let Some((letter, after)) = rest.split_first() else { return (b'\\', rest) };
    let simple = match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => return octal(rest),
        letter => *letter,
    };
    (simple, after)
}

/// Up to three digits that make a byte.
fn octal(text: &[u8]) -> (u8, &[u8]) {
    let mut value = 0_u32;
    let mut used = 0;
    for digit in text.iter().take(3).map_while(|byte| char::from(*byte).to_digit(8)) {
        if value * 8 + digit > 255 {
            break;
        }
        value = value * 8 + digit;
        used += 1;
    }
    (u8::try_from(value).unwrap_or_default(), &text[used..])
}

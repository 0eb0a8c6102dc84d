//! How sort compares numbers, months and versions.

use std::cmp::Ordering;

fn trim(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
    &text[blanks..]
}

/// A decimal number: its sign, digits without zeros that say nothing, and what is behind it.
struct Number<'t> {
    negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    rest: &'t [u8],
}

fn number(text: &[u8]) -> Number<'_> {
    let text = trim(text);
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(behind) => behind.split_at(digits(behind)),
        None => (&rest[..0], rest),
    };
    let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
    let kept = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1);
    let (whole, fraction) = (&whole[zeros..], &fraction[..kept]);
    let zero = whole.is_empty() && fraction.is_empty();
    Number { negative: negative && !zero, whole, fraction, rest }
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    let size = |number: &Number| number.whole.len();
    let magnitude = size(one).cmp(&size(other)).then(one.whole.cmp(other.whole)).then(one.fraction.cmp(other.fraction));
    match (one.negative, other.negative) {
        (false, false) => magnitude,
        (true, true) => magnitude.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

pub(super) fn numbers(one: &[u8], other: &[u8]) -> Ordering {
    compare_numbers(&number(one), &number(other))
}

/// Numbers with a unit behind them: first by the unit, then by the number.
pub(super) fn human(one: &[u8], other: &[u8]) -> Ordering {
    let unit = |number: &Number| -> i32 {
        let size = match number.rest.first() {
            Some(b'K' | b'k') => 1,
            Some(b'M') => 2,
            Some(b'G') => 3,
            Some(b'T') => 4,
            Some(b'P') => 5,
            Some(b'E') => 6,
            Some(b'Z') => 7,
            Some(b'Y') => 8,
            _ => 0,
        };
        let zero = number.whole.is_empty() && number.fraction.is_empty();
        match (zero, number.negative) {
            (true, _) => 0,
            (false, true) => -size,
            (false, false) => size,
        }
    };
    let (one, other) = (number(one), number(other));
    let sign = |number: &Number| number.negative;
    sign(&other).cmp(&sign(&one)).then(unit(&one).cmp(&unit(&other))).then_with(|| compare_numbers(&one, &other))
}

/// Floating numbers; what is none comes before all.
pub(super) fn general(one: &[u8], other: &[u8]) -> Ordering {
    let value = |text: &[u8]| -> Option<f64> {
        let text = trim(text);
        let longest = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        (1..=longest.min(64)).rev().find_map(|length| std::str::from_utf8(&text[..length]).ok()?.parse().ok())
    };
    match (value(one), value(other)) {
        (Some(one), Some(other)) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

pub(super) fn months(one: &[u8], other: &[u8]) -> Ordering {
    const MONTHS: [&[u8; 3]; 12] =
        [b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"];
    let month = |text: &[u8]| {
        let name = trim(text).get(..3).map(<[u8]>::to_ascii_uppercase);
        name.and_then(|name| MONTHS.iter().position(|month| month.as_slice() == name))
    };
    month(one).cmp(&month(other))
}

/// Versions of files: numbers in them by their value, endings like `.tar.gz` only if all else is equal.
pub(in crate::assemble::scripts::programs) fn versions(one: &[u8], other: &[u8]) -> Ordering {
    let early = |text: &[u8]| match text {
        b"" => 0,
        b"." => 1,
        b".." => 2,
        [b'.', ..] => 3,
        _ => 4,
    };
    let places = early(one).cmp(&early(other));
    if places != Ordering::Equal || early(one) < 3 {
        return places;
    }
    let by_name = runs(without_ending(one), without_ending(other));
    by_name.then_with(|| runs(one, other))
}

/// The name without what `(\.[A-Za-z~][A-Za-z0-9~]*)*` matches at its end.
fn without_ending(name: &[u8]) -> &[u8] {
    let mut end = name.len();
    loop {
        let before = &name[..end];
        let Some(dot) = before.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else { return before };
        let ending = &before[dot + 1..];
        let fits = ending.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'~')
            && ending.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'~');
        if !fits {
            return before;
        }
        end = dot;
    }
}

fn runs(mut one: &[u8], mut other: &[u8]) -> Ordering {
    let order = |byte: Option<&u8>| match byte {
        None => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -2,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    while !one.is_empty() || !other.is_empty() {
        while one.first().is_some_and(|byte| !byte.is_ascii_digit())
            || other.first().is_some_and(|byte| !byte.is_ascii_digit())
        {
            let compared = order(one.first()).cmp(&order(other.first()));
            if compared != Ordering::Equal {
                return compared;
            }
            one = one.get(1..).unwrap_or_default();
            other = other.get(1..).unwrap_or_default();
        }
        let digits = |text: &mut &[u8]| -> Vec<u8> {
            let count = text.iter().take_while(is_digit).count();
            let digits: Vec<u8> = text[..count].iter().copied().skip_while(|byte| *byte == b'0').collect();
            *text = &text[count..];
            digits
        };
        let (first, second) = (digits(&mut one), digits(&mut other));
        let compared = first.len().cmp(&second.len()).then(first.cmp(&second));
        if compared != Ordering::Equal {
            return compared;
        }
    }
    Ordering::Equal
}

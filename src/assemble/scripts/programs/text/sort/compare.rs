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

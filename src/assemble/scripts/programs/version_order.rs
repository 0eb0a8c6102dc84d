//! The order of names that have versions in them, as coreutils' `sort -V` and `ls -v` have it.

use std::cmp::Ordering;

/// Versions of files: numbers in them by their value, endings like `.tar.gz` only if all else is equal.
pub(super) fn versions(one: &[u8], other: &[u8]) -> Ordering {
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

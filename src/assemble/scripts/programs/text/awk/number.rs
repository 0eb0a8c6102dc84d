//! Numbers of awk: from texts, and whole ones of others.

/// The number at the start of a text, and how long it is; nothing is 0.
pub(super) fn prefix(text: &[u8]) -> (f64, usize) {
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = text.get(blanks..).unwrap_or_default();
    let digits = |from: usize| rest.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    if rest.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if end == sign {
        return (0.0, 0);
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse().ok());
    (value.unwrap_or(0.0), blanks + end)
}

/// The number that a text is, with blanks around it, if it is one.
pub(super) fn whole(text: &[u8]) -> Option<f64> {
    let (value, length) = prefix(text);
    let rest = text.get(length..).unwrap_or_default();
    (length > 0 && rest.iter().all(u8::is_ascii_whitespace)).then_some(value)
}

/// Without what is behind the point; what is too large is the largest.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn integer(value: f64) -> i64 {
    value as i64
}

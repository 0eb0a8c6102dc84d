//! Numbers of awk: from texts, and to them.

use super::super::format;
use crate::shell::Bytes;

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

/// A number as text: whole ones as such, others as `format` says.
pub(super) fn text(value: f64, format: &[u8]) -> Bytes {
    const EXACT: f64 = 18_446_744_073_709_551_616.0;
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { '-' } else { '+' };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" }).into_bytes();
    }
    if value.fract() == 0.0 && value.abs() < EXACT {
        return format!("{:.0}", if value == 0.0 { 0.0 } else { value }).into_bytes();
    }
    if format == b"%.6g" {
        return format::general(value, 6, false, false).into_bytes();
    }
    super::printf::one(format, value)
}

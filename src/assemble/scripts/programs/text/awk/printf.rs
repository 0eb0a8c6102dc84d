//! `printf` and `sprintf` of awk.

use super::super::format::Layout;
use super::dialect::Dialect;
use super::halt::{Halt, Ran};
use super::number::{self, integer};
use super::value::Value;
use crate::shell::{Bytes, Stop};

/// Columns that one value may take.
const WIDEST: usize = 1 << 16;

/// Formats values; `text` is how a number becomes text.
pub(super) fn format(format: &[u8], values: &[Value], dialect: Dialect, text: impl Fn(&Value) -> Bytes) -> Ran<Bytes> {
    let mut out = Bytes::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let Some((layout, letter, after)) = directive(rest, || values.next().map(|value| value.number()))? else {
            out.push(b'%');
            continue;
        };
        rest = after;
        if letter == b'%' {
            out.push(b'%');
            continue;
        }
        let Some(value) = values.next() else {
            return Err(Halt::Fatal("not enough arguments for the format".to_owned()));
        };
        match letter {
            b'd' | b'i' => out.extend(decimal(layout, value.number()).bytes()),
            b'o' | b'x' | b'X' | b'u' => out.extend(unsigned(layout, value.number(), letter, dialect).bytes()),
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => out.extend(layout.float(value.number(), letter).bytes()),
            b'c' => out.extend(layout.text(&character(value, dialect))),
            b's' => out.extend(layout.text(&text(value))),
            letter => {
                let what = format!("the format `%{}`", letter.escape_ascii());
                return Err(Stop::unsupported("awk", what).into());
            }
        }
    }
    Ok(out)
}

/// One number as a format of its own.
pub(super) fn one(text: &[u8], value: f64) -> Bytes {
    let whole = |value: &Value| format!("{}", value.number()).into_bytes();
    format(text, &[Value::Number(value)], Dialect::Gawk, whole).unwrap_or_default()
}

type Directive<'f> = Option<(Layout, u8, &'f [u8])>;

/// What stands behind a `%`.
fn directive(text: &[u8], mut next: impl FnMut() -> Option<f64>) -> Ran<Directive<'_>> {
    let mut layout = Layout::default();
    let mut rest = text;
    while let Some((flag, after)) = rest.split_first() {
        match flag {
            b'-' => layout.left = true,
            b'+' => layout.plus = true,
            b' ' => layout.space = true,
            b'#' => layout.alternate = true,
            b'0' => layout.zeros = true,
            _ => break,
        }
        rest = after;
    }
    let (width, after) = count(rest, &mut next);
    rest = after;
    if let Some(width) = width {
        layout.left |= width < 0;
        layout.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    }
    if let Some(after) = rest.strip_prefix(b".") {
        let (precision, after) = count(after, &mut next);
        layout.precision = usize::try_from(precision.unwrap_or(0)).ok();
        rest = after;
    }
    if layout.width.max(layout.precision.unwrap_or(0)) > WIDEST {
        return Err(Stop::limit(format!("a format of awk with more than {WIDEST} columns")).into());
    }
    let lengths = rest.iter().take_while(|byte| matches!(byte, b'h' | b'l' | b'L' | b'q')).count();
    rest = rest.get(lengths..).unwrap_or_default();
    Ok(rest.split_first().map(|(letter, after)| (layout, *letter, after)))
}

/// Digits, or an asterisk for a value.
fn count<'t>(text: &'t [u8], next: &mut impl FnMut() -> Option<f64>) -> (Option<i64>, &'t [u8]) {
    if let Some(rest) = text.strip_prefix(b"*") {
        return (Some(integer(next().unwrap_or(0.0))), rest);
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let number = std::str::from_utf8(number).ok().filter(|text| !text.is_empty());
    (number.map(|text| text.parse().unwrap_or(i64::MAX)), rest)
}

fn decimal(layout: Layout, value: f64) -> String {
    if !value.is_finite() {
        return Layout { precision: None, zeros: false, ..layout }.float(value, b'f');
    }
    let value = value.trunc();
    layout.integer(value < 0.0, "", &format!("{:.0}", value.abs()))
}

fn unsigned(layout: Layout, value: f64, letter: u8, dialect: Dialect) -> String {
    if value < 0.0 && dialect == Dialect::Gawk {
        // gawk writes what has no such form as a decimal number.
        return decimal(layout, value);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let number = if value < 0.0 { integer(value).cast_unsigned() } else { value as u64 };
    let plain = Layout { plus: false, space: false, ..layout };
    let alternate = layout.alternate && number != 0;
    match letter {
        b'o' if alternate => plain.integer(false, "", &format!("0{number:o}")),
        b'o' => plain.integer(false, "", &format!("{number:o}")),
        b'x' => plain.integer(false, if alternate { "0x" } else { "" }, &format!("{number:x}")),
        b'X' => plain.integer(false, if alternate { "0X" } else { "" }, &format!("{number:X}")),
        _ => plain.integer(false, "", &number.to_string()),
    }
}

/// A number is the byte of that value, a text its first byte.
fn character(value: &Value, dialect: Dialect) -> Bytes {
    match value {
        Value::Number(number) => vec![u8::try_from(integer(*number) & 255).unwrap_or_default()],
        Value::Input(text) if number::whole(text).is_some() => character(&Value::Number(value.number()), dialect),
        Value::Text(text) | Value::Input(text) => match text.first() {
            Some(byte) => vec![*byte],
            None if dialect == Dialect::Mawk => vec![0],
            None => Vec::new(),
        },
        Value::Unset => vec![0],
    }
}

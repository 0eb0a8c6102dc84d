//! Backslash escapes: of `$'…'`, `echo`, `printf` and its `%b`.

use super::Bytes;

/// Up to `most` digits of `base` at the start, and how many there were.
pub(super) fn digits(text: &[u8], base: u32, most: usize) -> (u32, usize) {
    let mut number = 0_u32;
    let mut count = 0;
    for byte in text.iter().take(most) {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        number = number.wrapping_mul(base).wrapping_add(digit);
        count += 1;
    }
    (number, count)
}

/// The escapes of one letter that everyone shares.
pub(super) fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        _ => return None,
    })
}

pub(super) fn low_byte(number: u32) -> u8 {
    u8::try_from(number & 0xff).unwrap_or_default()
}

fn push_character(text: &mut Bytes, number: u32) {
    let letter = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// `\x`, `\u` and `\U`: the character of which up to two, four or eight digits follow; how many there were. Without a digit
/// it is no escape.
pub(super) fn hexadecimal(out: &mut Bytes, kind: u8, after: &[u8]) -> usize {
    let most = match kind {
        b'x' => 2,
        b'u' => 4,
        _ => 8,
    };
    let (number, count) = digits(after, 16, most);
    match (kind, count) {
        (_, 0) => out.extend([b'\\', kind]),
        (b'x', _) => out.push(low_byte(number)),
        _ => push_character(out, number),
    }
    count
}

/// The text between `$'` and `'`.
pub(super) fn quotation(text: &[u8]) -> Bytes {
    let mut out = Bytes::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let Some((kind, after)) = rest.split_first().filter(|_| *byte == b'\\') else {
            out.push(*byte);
            continue;
        };
        let mut passed = 1;
        match kind {
            b'\'' | b'"' | b'?' => out.push(*kind),
            b'e' | b'E' => out.push(27),
            b'0'..=b'7' => {
                let (number, count) = digits(rest, 8, 3);
                out.push(low_byte(number));
                passed = count;
            }
            b'x' | b'u' | b'U' => passed += hexadecimal(&mut out, *kind, after),
            b'c' => {
                if let Some(control) = after.first() {
                    out.push(control.to_ascii_uppercase() & 0x1f);
                    passed += 1;
                }
            }
            kind => match letter(*kind) {
                Some(byte) => out.push(byte),
                None => out.extend([b'\\', *kind]),
            },
        }
        rest = rest.get(passed..).unwrap_or_default();
    }
    // A NUL ends it, as a C string's.
    let end = out.iter().position(|byte| *byte == 0).unwrap_or(out.len());
    out.truncate(end);
    out
}

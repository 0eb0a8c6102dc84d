//! Base64 as rpm writes it: lines of 64 letters, each with its newline. Alphabet: RFC 4648, §4.

use crate::shell::Bytes;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LINE: usize = 64;

/// `line`: letters in a line; 0 for one line without its newline, anything below for the usual length.
pub(super) fn encode(bytes: &[u8], line: i64) -> Bytes {
    let line = usize::try_from(line).unwrap_or(LINE) / 4 * 4;
    let mut text = Vec::new();
    let mut column = 0;
    for group in bytes.chunks(3) {
        let byte = |index: usize| group.get(index).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= group.len() { letter } else { b'=' });
        }
        column += 4;
        if column == line {
            text.push(b'\n');
            column = 0;
        }
    }
    if line > 0 && column > 0 {
        text.push(b'\n');
    }
    text
}

/// Nothing if it is none.
pub(super) fn decode(text: &[u8]) -> Option<Bytes> {
    let letters: Bytes = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !letters.len().is_multiple_of(4) {
        return None;
    }
    let end = letters.len() - letters.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let mut bytes = Vec::new();
    for group in letters[..end].chunks(4) {
        let mut bits = 0_u32;
        for index in 0..4 {
            let value = match group.get(index) {
                Some(letter) => u32::try_from(ALPHABET.iter().position(|other| other == letter)?).ok()?,
                None => 0,
            };
            bits = bits << 6 | value;
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(decoded.get(..group.len().saturating_sub(1))?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_rpm() {
        assert_eq!(encode(b"x", -1), b"eA==\n");
        assert_eq!(encode(b"", -1), b"");
        assert_eq!(encode(b"hello world", 0), b"aGVsbG8gd29ybGQ=");
        assert_eq!(encode(&[b'a'; 20], 21), b"YWFhYWFhYWFhYWFhYWFh\nYWFhYWE=\n");
        assert_eq!(decode(b"aGV sbG8="), Some(b"hello".to_vec()));
        for wrong in ["a*b=", "aGVsbG8", "a", "=aaa", "a==="] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
        for length in 0..200_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&bytes, -1)), Some(bytes));
        }
    }
}

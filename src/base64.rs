//! Base64 (RFC 4648, standard alphabet) → bytes. Blanks and line breaks between the digits are skipped.

/// # Errors
/// Which character or length is wrong.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut digits, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    for character in text.chars().filter(|character| !character.is_ascii_whitespace()) {
        let value = match character {
            'A'..='Z' => u32::from(character) - u32::from('A'),
            'a'..='z' => u32::from(character) - u32::from('a') + 26,
            '0'..='9' => u32::from(character) - u32::from('0') + 52,
            '+' => 62,
            '/' => 63,
            '=' => {
                padding += 1;
                continue;
            }
            other => return Err(format!("it has `{}`", other.escape_default())),
        };
        if padding > 0 {
            return Err("there is something after the padding `=`".to_owned());
        }
        digits += 1;
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
            bits &= (1 << count) - 1;
        }
    }
    match (digits % 4, padding) {
        (0, 0) | (2, 2) | (3, 1) => {}
        _ => return Err("its length is not a multiple of four digits".to_owned()),
    }
    if bits != 0 { Err("the last digit has bits too many".to_owned()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_are_decoded() {
        for (text, expected) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\n YmFy", "foobar")] {
            assert_eq!(decode(text).unwrap(), expected.as_bytes());
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["Zg", "Zg=", "Zg==Zg==", "Zm9v!", "Zh==", "=", "===="] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}

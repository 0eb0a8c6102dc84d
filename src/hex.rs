//! Bytes as hexadecimal digits, and back.

/// Two lower-case digits a byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `N` bytes from exactly twice as many digits, of either case.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_bytes_only_if_there_are_as_many_as_wanted() {
        assert_eq!(decode("00fFa5"), Some([0, 0xff, 0xa5]));
        assert_eq!(encode(&[0, 0xff, 0xa5]), "00ffa5");
        for text in ["", "00ff", "00ffa", "00ffa5b", "00ffa5b6", "00ff+5", "00ffé"] {
            assert_eq!(decode::<3>(text), None, "{text}");
        }
    }
}

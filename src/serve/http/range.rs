//! Ranges of bytes (RFC 9110, 14.1.2 and 14.2).

use std::ops::Range;

/// What a `Range` header asks of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing, or something that is not done: another unit, several ranges, what is no range.
    Whole,
    /// Bytes of the body, at least one.
    Part(Range<u64>),
    /// Nothing that the body has.
    Nothing,
}

/// The part of a body of `length` bytes that the header's value means.
pub fn parse(value: &str, length: u64) -> Asked {
    asked(value, length).unwrap_or(Asked::Whole)
}

fn asked(value: &str, length: u64) -> Option<Asked> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let part = match (first, last) {
        ("", count) => {
            let count = number(count)?;
            length.saturating_sub(count)..length
        }
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if part.start < part.end { Asked::Part(part) } else { Asked::Nothing })
}

/// Digits alone; more than fit are as good as the greatest number.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_rfc_9110_mean_what_it_says() {
        for (value, part) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1000),
            ("bytes=-500", 9500..10000),
            ("bytes=9500-", 9500..10000),
            ("bytes=0-0", 0..1),
            ("bytes=-1", 9999..10000),
            ("bytes=9999-99999999999999999999999", 9999..10000),
            ("bytes=-99999999999999999999999", 0..10000),
            ("Bytes=0-", 0..10000),
        ] {
            assert_eq!(parse(value, 10000), Asked::Part(part), "{value}");
        }
        for value in ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(parse(value, 10000), Asked::Nothing, "{value}");
        }
        for value in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-0,-1", "lines=0-4", "bytes=+1-2", "bytes=a-b"]
        {
            assert_eq!(parse(value, 10000), Asked::Whole, "{value}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Nothing);
        assert_eq!(parse("bytes=-5", 0), Asked::Nothing);
    }

    proptest! {
        #[test]
        fn a_part_lies_in_the_body(value in "bytes=[0-9]{0,21}-[0-9]{0,21}|.{0,30}", length: u64) {
            if let Asked::Part(part) = parse(&value, length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}

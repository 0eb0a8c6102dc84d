//! Patterns of names, fnmatch(3) without escapes: `*` is any text, `?` any byte, `[…]` one of those, slashes and dots
//! are like other bytes.
//!
//! The shell has its own (`shell/pattern`): there single bytes may be quoted, and sets have classes.

/// Whether all of `text` fits `pattern`.
///
/// Only the last `*` is ever made longer: what lies before it has found its first place, and a later one would leave
/// less of the text to the rest. So the time is at most the product of both lengths.
pub fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // What follows the last `*`, and the text from where that was tried.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            (last, pattern) = (Some((rest, text)), rest);
            continue;
        }
        let Some((byte, after)) = text.split_first() else { return pattern.is_empty() };
        if let Some(rest) = after_byte(pattern, *byte) {
            (pattern, text) = (rest, after);
            continue;
        }
        let Some((rest, [_, from @ ..])) = last else { return false };
        (last, pattern, text) = (Some((rest, from)), rest, from);
    }
}

/// What is left of a pattern whose first part, which is no `*`, fits `byte`.
fn after_byte(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some(rest),
        b'[' => match bracket(rest, byte) {
            Some((fits, rest)) => fits.then_some(rest),
            // Without its end it is a letter like others.
            None => (byte == b'[').then_some(rest),
        },
        _ => (*first == byte).then_some(rest),
    }
}

/// Whether `byte` is one of the set that `pattern` begins with, and what follows the set.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (inverted, set) = match pattern {
        [b'!' | b'^', set @ ..] => (true, set),
        set => (false, set),
    };
    // A `]` at the beginning is a member.
    let end = 1 + set.get(1..)?.iter().position(|byte| *byte == b']')?;
    let (mut members, mut fits) = (&set[..end], false);
    while let [first, rest @ ..] = members {
        (fits, members) = match rest {
            [b'-', last, rest @ ..] => (fits || (*first..=*last).contains(&byte), rest),
            _ => (fits || *first == byte, rest),
        };
    }
    Some((fits != inverted, &set[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_sets() {
        for (pattern, text, fits) in [
            ("tty[0-9]", "tty7", true),
            ("tty[!0-9]", "tty7", false),
            ("x[]a]", "x]", true),
            ("x[ab", "x[ab", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("*.[st]*", "a.socket", true),
            ("*.[st]*", "a.path", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn any_text_may_stand_in_many_places_and_costs_no_more() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "", false),
            ("*ab", "aab", true),
            ("a*b*c", "abxbyc", true),
            ("a*b*c", "abxbycd", false),
            ("*a*b*", "xaxbx", true),
            ("*ab", "abc", false),
            ("kernel", "kernel", true),
            ("kernel", "kernel-core", false),
            ("kernel*", "kernel", true),
            ("kernel*", "kernel-core", true),
            ("*-devel", "zlib-devel", true),
            ("*-devel", "devel", false),
            ("python3.?", "python3.9", true),
            ("python3.?", "python3.11", false),
            ("?", "", false),
            ("", "a", false),
            ("**", "", true),
            ("**?", "x", true),
            ("*[b]?", "aabc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
        // Tried in every way, this would never end.
        assert!(!matches("*a".repeat(60).as_bytes(), format!("{}b", "a".repeat(120)).as_bytes()));
        assert!(!matches("*a".repeat(200).as_bytes(), "a".repeat(199).as_bytes()));
    }
}

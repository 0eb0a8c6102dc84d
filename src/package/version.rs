//! Debian's order of versions, as `dpkg --compare-versions` has it (deb-version(7)).
//!
//! Versions stay text: they are compared far less often than they are carried around.

use std::cmp::Ordering;

/// Why a text is no Debian version; `None` if it is one.
pub fn version_problem(version: &str) -> Option<&'static str> {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch, rest),
        None => ("0", version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let upstream_characters = |c: char| c.is_ascii_alphanumeric() || ".+-~:".contains(c);
    let revision_characters = |c: char| c.is_ascii_alphanumeric() || ".+~".contains(c);
    if epoch.is_empty() || epoch.len() > 10 || !epoch.chars().all(|c| c.is_ascii_digit()) {
        return Some("the epoch is not a number");
    }
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("the version does not start with a digit");
    }
    if !upstream.chars().all(upstream_characters) {
        return Some("the version may only have letters, digits and `.+-~:`");
    }
    if revision.is_empty() || !revision.chars().all(revision_characters) {
        return Some("the revision is empty or has characters other than letters, digits and `.+~`");
    }
    None
}

/// Which of two versions is newer: total for any texts, meaningful for versions.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let split = |version| -> (&str, &str, &str) {
        let (epoch, rest) = str::split_once(version, ':').unwrap_or(("", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    };
    let (a, b) = (split(a), split(b));
    compare_part(a.0, b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Compares by turns what is not digits, byte by byte, and what is, as numbers of any length.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (a_text, b_text) = (split_where(&mut a, u8::is_ascii_digit), split_where(&mut b, u8::is_ascii_digit));
        for index in 0..a_text.len().max(b_text.len()) {
            match weight(a_text.get(index)).cmp(&weight(b_text.get(index))) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        let no_digit = |byte: &u8| !byte.is_ascii_digit();
        let (a_number, b_number) = (split_where(&mut a, no_digit), split_where(&mut b, no_digit));
        let (a_number, b_number) = (without_zeros(a_number), without_zeros(b_number));
        match a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// A tilde sorts before the end, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(letter) if letter.is_ascii_alphabetic() => 2 + u16::from(*letter),
        Some(other) => 258 + u16::from(*other),
    }
}

fn split_where<'a>(rest: &mut &'a [u8], ends: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    let (part, after) = rest.split_at(end);
    *rest = after;
    part
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().position(|digit| *digit != b'0').unwrap_or(number.len())..]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_that_of_the_manual() {
        // deb-version(7), and pairs of Debian's archive that other orders get wrong.
        let rising = [
            "1~~",
            "1~~a",
            "1~",
            "1",
            "1.0~rc1-1",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb13u1",
            "1.0-10",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.2.3",
            "1.10",
            "2018a",
            "20180101",
            "99999999999999999999999",
            "1:0.1",
        ];
        for (index, low) in rising.iter().enumerate() {
            for high in &rising[index + 1..] {
                assert_eq!(compare_versions(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare_versions(high, low), Ordering::Greater, "{high} {low}");
            }
        }
        for (a, b) in [("1.0", "1.0-0"), ("0:1", "1"), ("1.", "1.0"), ("1.00", "1.0"), ("1.a", "1.a0")] {
            assert_eq!(compare_versions(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_version_is_told_why() {
        for good in ["1", "1:2.3-4", "1.0-1-2", "2:1:3-1", "1.0~rc1+x"] {
            assert_eq!(version_problem(good), None, "{good}");
        }
        for bad in ["", "a1", ":1", "x:1", "1-", "1_2", "1 2", "1:", "1-2:3"] {
            assert!(version_problem(bad).is_some(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn dpkg_agrees(a in "([0-2]:)?[0-9][0-9a~+.]{0,5}(-[0-9a~+.]{1,4})?", b in "([0-2]:)?[0-9][0-9a~+.]{0,5}(-[0-9a~+.]{1,4})?") {
            let relation = match compare_versions(&a, &b) {
                Ordering::Less => "lt-nl",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt-nl",
            };
            match Command::new("dpkg").args(["--compare-versions", &a, relation, &b]).status() {
                Ok(status) => prop_assert!(status.success(), "{a} {relation} {b}"),
                Err(error) => crate::oracle::skip(&error.to_string()),
            }
        }

        #[test]
        fn the_order_is_total(a in "[0-9a~+.:-]{0,8}", b in "[0-9a~+.:-]{0,8}", c in "[0-9a~+.:-]{0,8}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
        }
    }
}

//! RPM's order of versions: `[epoch:]version[-release]`, as `rpmdev-vercmp` has it, `~` and `^` included.
//!
//! The `rpm-version` crate compares; here is what a missing part means. Rules: rpm-dependencies(7), and `rpmdsCompare`
//! of rpm, which is right in doubt.

use std::cmp::Ordering;

use rpm_version::Evr;

/// Which of two whole EVRs is newer. No epoch is epoch 0.
pub fn compare_evr(a: &str, b: &str) -> Ordering {
    Evr::parse(a).cmp(&Evr::parse(b))
}

/// How what a package has compares with what another asks for: where one of the two says no release, releases do not
/// count.
pub fn compare_to_wanted(have: &str, wanted: &str) -> Ordering {
    let (have, wanted) = (Evr::parse(have), Evr::parse(wanted));
    let blank = have.release().is_empty() || wanted.release().is_empty();
    let part = |evr: &Evr<'_>| {
        let release = if blank { "" } else { evr.release() };
        Evr::new(evr.epoch().to_owned(), evr.version().to_owned(), release.to_owned())
    };
    part(&have).cmp(&part(&wanted))
}

/// `1:2.0-3`; an epoch of 0 is left out.
pub fn print_evr(epoch: u64, version: &str, release: &str) -> String {
    let epoch = if epoch == 0 { String::new() } else { format!("{epoch}:") };
    let release = if release.is_empty() { String::new() } else { format!("-{release}") };
    format!("{epoch}{version}{release}")
}

/// Why a text cannot be the version or the release of a package; `None` if it can.
pub fn part_problem(part: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+~^".contains(c);
    if part.is_empty() {
        return Some("it is empty");
    }
    (!part.chars().all(allowed)).then_some("it may only have letters, digits and `._+~^`")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_that_of_rpm() {
        // rpm's own table (tests/rpmvercmp.at) in short, and versions of packages that nodes have.
        let rising = [
            "1.0~rc1",
            "1.0~rc1^git1",
            "1.0",
            "1.0^",
            "1.0^git1~pre",
            "1.0^git1",
            "1.0^git2",
            "1.0.1",
            "1.1",
            "1.2",
            "1.10",
            "1.10.0",
            "1.36.1-150500.1.1",
            "1.36.2-150500.2.1",
            "1.36.2-150500.10.1",
            "2.0-1",
            "2.0-1.el9",
            "2.0-1.1.el9",
            "1:0.1",
        ];
        for (index, low) in rising.iter().enumerate() {
            for high in &rising[index + 1..] {
                assert_eq!(compare_evr(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare_evr(high, low), Ordering::Greater, "{high} {low}");
            }
        }
        // A segment of digits is newer than one of letters; separators and leading zeros do not count.
        for (low, high) in [("1.a", "1.1"), ("1a", "1.1"), ("a", "1"), ("0.99", "1")] {
            assert_eq!(compare_evr(low, high), Ordering::Less, "{low} {high}");
        }
        for (a, b) in [("1.0", "1_0"), ("1.01", "1.1"), ("0:1-1", "1-1"), ("1..0", "1.0")] {
            assert_eq!(compare_evr(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn a_missing_release_says_nothing_and_a_missing_epoch_is_zero() {
        assert_eq!(compare_to_wanted("1.20.2-150500.1.1", "1.20.2"), Ordering::Equal);
        assert_eq!(compare_to_wanted("1.20.2", "1.20.2-7"), Ordering::Equal);
        assert_eq!(compare_to_wanted("1.20.2-1", "1.20.2-2"), Ordering::Less);
        assert_eq!(compare_to_wanted("1:1.0-1", "2.0"), Ordering::Greater);
        assert_eq!(compare_to_wanted("1.0-1", "1:0.5"), Ordering::Less);
        assert_eq!(compare_to_wanted("0:1.0-1", "1.0"), Ordering::Equal);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        // Every package has a release; what one without would be to rpm is nobody's question.
        #[test]
        fn rpm_agrees(a in "([0-2]:)?[0-9a-c~^._]{1,7}-[0-9a~^.]{1,4}", b in "([0-2]:)?[0-9a-c~^._]{1,7}-[0-9a~^.]{1,4}") {
            let expression = format!("%{{lua:print(rpm.vercmp('{a}', '{b}'))}}");
            match Command::new("rpm").args(["--eval", &expression]).output() {
                Ok(output) => {
                    let theirs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                    let ours = match compare_evr(&a, &b) {
                        Ordering::Less => "-1",
                        Ordering::Equal => "0",
                        Ordering::Greater => "1",
                    };
                    prop_assert_eq!(ours, theirs, "{} {}", a, b);
                }
                Err(error) => crate::oracle::skip(&error.to_string()),
            }
        }
    }
}

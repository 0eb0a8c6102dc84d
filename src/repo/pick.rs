//! Which packages of a repository count: its recipe may take only some of them, and leave others out.
//!
//! Patterns are shell's without brackets: `*` stands for anything, `?` for one character; they are compared with names.

use super::Offer;

/// Leaves the offers whose names one of `only` fits, if there are any of those, and none of `exclude`.
pub fn pick<P: AsRef<str>>(offers: &mut Vec<Offer>, only: &[P], exclude: &[P]) {
    let fits = |patterns: &[P], name: &str| patterns.iter().any(|pattern| fits(pattern.as_ref(), name));
    if only.is_empty() && exclude.is_empty() {
        return;
    }
    offers.retain(|offer| (only.is_empty() || fits(only, &offer.id.name)) && !fits(exclude, &offer.id.name));
}

fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    // The last star, and how much of the name it takes.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, in_name) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, name) in [
            ("kernel", "kernel"),
            ("kernel*", "kernel"),
            ("kernel*", "kernel-core"),
            ("*-devel", "zlib-devel"),
            ("python3.?", "python3.9"),
            ("*a*b*", "xaxbx"),
            ("*ab", "aab"),
            ("**", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("kernel", "kernel-core"),
            ("?", ""),
            ("*-devel", "devel"),
            ("python3.?", "python3.11"),
            ("*ab", "abc"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        // No pattern takes forever.
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)));
    }
}

//! systemd's presets: whether a unit that a package asks about is to be enabled.
//!
//! Format and order: systemd.preset(5). Files of all directories are read in the order of their names, the first line
//! that matches decides, and a unit that none matches is enabled. Oracle: `systemctl --root=… preset`.

use super::root::Root;

const SYSTEM: [&str; 3] =
    ["/etc/systemd/system-preset", "/usr/local/lib/systemd/system-preset", "/usr/lib/systemd/system-preset"];
const USER: [&str; 3] =
    ["/etc/systemd/user-preset", "/usr/local/lib/systemd/user-preset", "/usr/lib/systemd/user-preset"];

/// The lines of all preset files, in their order.
#[derive(Debug, Default)]
pub(super) struct Presets {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    enable: bool,
    pattern: String,
    /// Of a template: the ones to enable.
    instances: Vec<String>,
}

/// Those of the system's manager, or of the users' own.
pub(super) fn read(root: &Root, users: bool) -> anyhow::Result<Presets> {
    let files = root.drop_ins(if users { &USER } else { &SYSTEM }, ".preset")?;
    let texts: Vec<String> = files.values().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    Ok(parse(texts.iter().map(String::as_str)))
}

fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Presets {
    let lines = texts.flat_map(str::lines).map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let rule = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let enable = match words.next()?.as_str() {
            "enable" => true,
            "disable" | "ignore" => false,
            _ => return None,
        };
        Some(Rule { enable, pattern: words.next()?, instances: words.collect() })
    };
    Presets { rules: lines.filter_map(rule).collect() }
}

impl Presets {
    /// The units to enable where somebody asks about `unit`: itself, the instances of a template, or none.
    pub(super) fn enabled(&self, unit: &str) -> Vec<String> {
        for rule in &self.rules {
            let named = instances(rule, unit);
            if named.is_none() && !matches(rule.pattern.as_bytes(), unit.as_bytes()) {
                continue;
            }
            return if rule.enable { named.unwrap_or_else(|| vec![unit.to_owned()]) } else { Vec::new() };
        }
        vec![unit.to_owned()]
    }
}

/// What a rule with instances says about `unit`: about its template all of them, about one of them just it.
fn instances(rule: &Rule, unit: &str) -> Option<Vec<String>> {
    let (prefix, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    let template = format!("{prefix}@.{suffix}");
    if rule.instances.is_empty() || !matches(rule.pattern.as_bytes(), template.as_bytes()) {
        return None;
    }
    match instance {
        "" => Some(rule.instances.iter().map(|instance| format!("{prefix}@{instance}.{suffix}")).collect()),
        _ => rule.instances.iter().any(|known| known == instance).then(|| vec![unit.to_owned()]),
    }
}

/// Patterns of fnmatch(3) without escapes: `*` is any text, `?` any byte, `[…]` one of those.
///
/// Only the last `*` is ever made longer: what lies before it has found its first place, and a later one would leave
/// less of the text to the rest. So the time is at most the product of both lengths.
pub(super) fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
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
    fn the_first_line_that_matches_decides() {
        let enterprise =
            ["# x\nenable sshd.*\n", "disable sshd.service\nenable getty@.service tty1 tty2\n", "disable *"];
        let presets = parse(enterprise.into_iter());
        let enabled = |unit: &str| presets.enabled(unit).join(" ");
        assert_eq!(enabled("sshd.service"), "sshd.service");
        assert_eq!(enabled("kubelet.service"), "");
        assert_eq!(enabled("getty@.service"), "getty@tty1.service getty@tty2.service");
        assert_eq!(enabled("getty@tty2.service"), "getty@tty2.service");
        assert_eq!(enabled("getty@tty3.service"), "");
        assert_eq!(parse(["enable remote-fs.target"].into_iter()).enabled("kubelet.service").len(), 1);
        assert!(parse(["ignore k?belet.*"].into_iter()).enabled("kubelet.service").is_empty());
    }

    #[test]
    fn patterns_have_sets() {
        for (pattern, text, fits) in [
            ("tty[0-9]", "tty7", true),
            ("tty[!0-9]", "tty7", false),
            ("x[]a]", "x]", true),
            ("x[ab", "x[ab", true),
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
            ("**?", "x", true),
            ("*[b]?", "aabc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
        // Tried in every way, this would never end.
        assert!(!matches("*a".repeat(60).as_bytes(), format!("{}b", "a".repeat(120)).as_bytes()));
    }
}

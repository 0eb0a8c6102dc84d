//! systemd's presets: whether a unit that a package asks about is to be enabled.
//!
//! Format and order: systemd.preset(5). Files of all directories are read in the order of their names, the first line
//! that matches decides, and a unit that none matches is enabled. Oracle: `systemctl --root=… preset`.

use super::name::template;
use crate::assemble::root::Root;
use crate::glob;

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
            if named.is_none() && !glob::matches(rule.pattern.as_bytes(), unit.as_bytes()) {
                continue;
            }
            return if rule.enable { named.unwrap_or_else(|| vec![unit.to_owned()]) } else { Vec::new() };
        }
        vec![unit.to_owned()]
    }
}

/// What a rule with instances says about `unit`: about its template all of them, about one of them just it.
fn instances(rule: &Rule, unit: &str) -> Option<Vec<String>> {
    let (template, instance) = template(unit)?;
    if rule.instances.is_empty() || !glob::matches(rule.pattern.as_bytes(), template.as_bytes()) {
        return None;
    }
    match instance {
        "" => Some(rule.instances.iter().map(|instance| template.replacen('@', &format!("@{instance}"), 1)).collect()),
        _ => rule.instances.iter().any(|known| known == instance).then(|| vec![unit.to_owned()]),
    }
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
}

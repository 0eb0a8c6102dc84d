//! systemd's presets: whether a unit that a package asks about is to be enabled.
//!
//! Format and order: systemd.preset(5). Files of all directories are read in the order of their names, the first line
//! that matches decides, and a unit that none matches is enabled.

use super::root::Root;

const SYSTEM: [&str; 2] = ["/etc/systemd/system-preset", "/usr/lib/systemd/system-preset"];
const USER: [&str; 2] = ["/etc/systemd/user-preset", "/usr/lib/systemd/user-preset"];

/// `unit` begins with `user/` if it is one of the users' own service managers.
pub(super) fn enables(root: &Root, unit: &str) -> anyhow::Result<bool> {
    let (directories, unit) = match unit.strip_prefix("user/") {
        Some(unit) => (USER, unit),
        None => (SYSTEM, unit),
    };
    let files = root.drop_ins(&directories, ".preset")?;
    let texts: Vec<String> = files.values().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    Ok(decide(texts.iter().map(String::as_str), unit))
}

fn decide<'a>(texts: impl Iterator<Item = &'a str>, unit: &str) -> bool {
    let lines = texts.flat_map(str::lines).map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    for line in lines {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(pattern)) = (words.next(), words.next()) else { continue };
        if matches(pattern.as_bytes(), unit.as_bytes()) {
            match verb {
                "enable" => return true,
                "disable" | "ignore" => return false,
                _ => {}
            }
        }
    }
    true
}

/// `*` is any text, `?` any byte, `[…]` is not used by anybody.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text) || text.split_first().is_some_and(|(_, after)| matches(pattern, after))
        }
        (Some((b'?', rest)), Some((_, after))) => matches(rest, after),
        (Some((one, rest)), Some((other, after))) => one == other && matches(rest, after),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_line_that_matches_decides() {
        let enterprise = ["# x\nenable sshd.*\n", "disable sshd.service\nenable getty@.service tty1\n", "disable *"];
        let decide = |unit: &str| super::decide(enterprise.into_iter(), unit);
        assert!(decide("sshd.service"));
        assert!(!decide("kubelet.service"));
        assert!(super::decide(["enable remote-fs.target"].into_iter(), "kubelet.service"));
        assert!(!super::decide(["ignore k?belet.*"].into_iter(), "kubelet.service"));
    }
}

//! The blocks that debhelper adds to maintainer scripts, understood line by line.
//!
//! A block is known if every line of it is known; the kinds were read off the blocks of Debian 12 and 13
//! (debhelper's `autoscripts/`). Conditions around them hold on a fresh install: `$1` is `configure` or `install`, `$2`
//! is empty, nothing was enabled or disabled before, and no systemd runs.

use super::residue::{Block, Line};
use super::{Alternative, Effect, Slave};

/// What `block` does on a fresh root; else the number and text of the first line that is not known.
pub(super) fn effects(block: &Block) -> Result<Vec<Effect>, (usize, String)> {
    let mut effects = Vec::new();
    let lines = joined(&block.lines);
    for (index, line) in lines.iter().enumerate() {
        let text = line.text.as_str();
        let Some(found) = line_effects(text, &lines[..index]) else {
            return Err((line.number, line.text.clone()));
        };
        effects.extend(found);
    }
    Ok(effects)
}

/// Lines with their continuations in one.
fn joined(lines: &[Line]) -> Vec<Line> {
    let mut joined: Vec<Line> = Vec::new();
    let mut open = false;
    for line in lines {
        let text = line.text.strip_suffix('\\').unwrap_or(&line.text);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match joined.last_mut().filter(|_| open) {
            Some(last) => last.text = format!("{} {text}", last.text),
            None => joined.push(Line { number: line.number, text }),
        }
        open = line.text.ends_with('\\');
    }
    joined
}

/// Beginnings of lines that change nothing on a root that no systemd runs in and that had nothing before.
const WITHOUT_EFFECT: &[&str] = &[
    "if [",
    "if deb-systemd-helper",
    "elif [",
    "else",
    "fi",
    "case \"$1\" in",
    "esac",
    "_dh_action=",
    "true",
    "exit 0",
    // Only upgrades have something to rename or remove.
    "dpkg-maintscript-helper ",
    // A mask that a removal left behind.
    "deb-systemd-helper unmask ",
    "deb-systemd-helper update-state ",
    "deb-systemd-helper --user unmask ",
    "deb-systemd-helper --user update-state ",
    // A running system only.
    "systemctl --system daemon-reload",
    "systemctl daemon-reload",
    "deb-systemd-invoke ",
    "invoke-rc.d ",
    // systemd reads no rc?.d; every init script here has a unit.
    "update-rc.d ",
    "chmod +x \"/etc/init.d/",
    "update-menus",
    "udevadm ",
    "rm -f /etc/init/",
    // AppArmor profiles are loaded at boot; the file they include is made below.
    "APP_PROFILE=",
    "test -e \"$LOCAL_APP_PROFILE\"",
    "mkdir -p `dirname \"$LOCAL_APP_PROFILE\"`",
    "install --mode 644 /dev/null \"$LOCAL_APP_PROFILE\"",
    "}",
    "if aa-enabled ",
    "apparmor_parser ",
    // Runs under runit only.
    "NAME=",
    "echo \"",
];

fn line_effects(line: &str, before: &[Line]) -> Option<Vec<Effect>> {
    if let Some(rest) = line.strip_prefix("deb-systemd-helper enable ") {
        // `debian-installed` is true only where a former version was.
        let installed = |line: &Line| line.text.contains("debian-installed");
        let units = quoted(rest);
        return Some(if before.iter().any(installed) {
            vec![]
        } else {
            units.into_iter().map(Effect::Enable).collect()
        });
    }
    // Units of the users' own service managers: their links lie in /etc/systemd/user.
    if let Some(rest) = line.strip_prefix("deb-systemd-helper --user enable ") {
        return Some(quoted(rest).into_iter().map(|unit| Effect::Enable(format!("user/{unit}"))).collect());
    }
    if let Some((_, files)) = line.split_once("systemd-sysusers ").filter(|_| line.starts_with("systemd-sysusers")) {
        return Some(configuration_files(files).map(Effect::Sysusers).collect());
    }
    if let Some((_, files)) = line.split_once("--create ").filter(|_| line.starts_with("systemd-tmpfiles ")) {
        return Some(configuration_files(files).map(Effect::Tmpfiles).collect());
    }
    if let Some(path) = line.strip_prefix("LOCAL_APP_PROFILE=\"") {
        let path = path.trim_end_matches('"').to_owned();
        return Some(vec![Effect::File { path, text: String::new() }]);
    }
    if line.starts_with("update-alternatives ") {
        return alternatives(line);
    }
    let harmless = WITHOUT_EFFECT.iter().any(|known| {
        let word = known.ends_with(|last: char| last.is_ascii_lowercase());
        line.strip_prefix(known).is_some_and(|rest| !word || !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    harmless.then(Vec::new)
}

fn quoted(text: &str) -> Vec<String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

fn configuration_files(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().filter(|word| word.ends_with(".conf")).map(str::to_owned)
}

/// `update-alternatives --install LINK NAME TARGET PRIORITY [--slave LINK NAME TARGET]…`; nothing if it is another
/// call.
fn alternatives(line: &str) -> Option<Vec<Effect>> {
    let mut words = line.split_whitespace().skip(1).peekable();
    if words.next()? != "--install" {
        return None;
    }
    let mut word = || words.next().map(str::to_owned);
    let (link, name, target) = (word()?, word()?, word()?);
    let priority = word()?.parse().ok()?;
    let mut alternative = Alternative { link, name, target, priority, slaves: Vec::new() };
    while let Some(option) = word() {
        match option.as_str() {
            "--slave" => alternative.slaves.push(Slave { link: word()?, name: word()?, target: word()? }),
            "||" | "true" => {}
            _ => return None,
        }
    }
    Some(vec![Effect::Alternative(alternative)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        let lines = text.lines().enumerate().map(|(index, line)| Line { number: index + 1, text: line.trim().into() });
        Block { tool: "dh_x".into(), lines: lines.collect() }
    }

    #[test]
    fn an_enable_block_enables() {
        let text = "if [ \"$1\" = \"configure\" ] ; then\n\
                    deb-systemd-helper unmask 'a.service' >/dev/null || true\n\
                    if deb-systemd-helper --quiet was-enabled 'a.service'; then\n\
                    deb-systemd-helper enable 'a.service' >/dev/null || true\nelse\n\
                    deb-systemd-helper update-state 'a.service' >/dev/null || true\nfi\nfi\n";
        assert_eq!(effects(&block(text)), Ok(vec![Effect::Enable("a.service".into())]));
        let not_enabled = text.replace("--quiet was-enabled", "debian-installed");
        assert_eq!(effects(&block(&not_enabled)), Ok(vec![]));
    }

    #[test]
    fn alternatives_are_read_over_several_lines() {
        let text = "if [ x ]; then\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n\
                    --slave /usr/bin/nawk nawk /usr/bin/mawk\nfi";
        let slave = Slave { link: "/usr/bin/nawk".into(), name: "nawk".into(), target: "/usr/bin/mawk".into() };
        let awk = Alternative {
            link: "/usr/bin/awk".into(),
            name: "awk".into(),
            target: "/usr/bin/mawk".into(),
            priority: 5,
            slaves: vec![slave],
        };
        assert_eq!(effects(&block(text)), Ok(vec![Effect::Alternative(awk)]));
    }

    #[test]
    fn a_line_that_is_not_known_is_named() {
        assert_eq!(effects(&block("if [ x ]; then\nifconfig eth0\nfi")), Err((2, "ifconfig eth0".into())));
        let sysusers = "systemd-sysusers ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} a.conf b.conf";
        let names = ["a.conf", "b.conf"].map(|name| Effect::Sysusers(name.into()));
        assert_eq!(effects(&block(sysusers)), Ok(names.to_vec()));
    }
}

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
    // `debian-installed` is true only where a former version was.
    let mut upgrades = false;
    for line in &lines {
        let Some(found) = line_effects(&line.text, upgrades) else {
            return Err((line.number, line.text.clone()));
        };
        effects.extend(found);
        upgrades |= line.text.contains("debian-installed");
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
            Some(last) => last.text.extend([" ", &text]),
            None => joined.push(Line { number: line.number, text }),
        }
        open = line.text.ends_with('\\');
    }
    joined
}

/// Whole lines that change nothing on a root that no systemd runs in and that had nothing before.
const WITHOUT_EFFECT: &[&str] = &[
    "else",
    "fi",
    "case \"$1\" in",
    "esac",
    "}",
    "true",
    "exit 0",
    "update-menus",
    // AppArmor profiles are loaded at boot; the file they include is made below.
    "test -e \"$LOCAL_APP_PROFILE\" || {",
    "mkdir -p `dirname \"$LOCAL_APP_PROFILE\"`",
    "install --mode 644 /dev/null \"$LOCAL_APP_PROFILE\"",
];

/// Beginnings of single commands that change nothing there, whatever their words are.
const COMMANDS_WITHOUT_EFFECT: &[&str] = &[
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
    "udevadm ",
    "apparmor_parser ",
    // systemd reads no rc?.d; every init script here has a unit.
    "update-rc.d ",
    "echo \"",
];

/// Variables of debhelper's own.
const ASSIGNMENTS: &[&str] = &["_dh_action=", "APP_PROFILE=\""];
/// Runs under runit only; its options are variables before it.
const RUNIT_HELPER: &str = " /usr/lib/runit-helper/runit-helper postinst";

/// As those, with a single file after them.
const FILES_WITHOUT_EFFECT: &[&str] = &["chmod +x \"/etc/init.d/", "rm -f /etc/init/"];

/// Programs whose answers debhelper's conditions ask for; what they answer is a matter of upgrades.
const QUESTIONS: &[&str] = &["deb-systemd-helper ", "aa-enabled "];

/// A single command less what becomes of its output and its failure; `None` if it is more than that.
fn command(line: &str) -> Option<&str> {
    const ENDS: &[&str] =
        &[" || true", " || :", " || exit 1", " >/dev/null", " > /dev/null", " 2>/dev/null", " 2>&1", " >&2"];
    let mut rest = line;
    while let Some(shorter) = ENDS.iter().find_map(|end| rest.strip_suffix(end)) {
        rest = shorter;
    }
    (!rest.contains([';', '&', '|', '<', '>', '`']) && !rest.contains("$(")).then_some(rest)
}

/// Whether a line is `if …; then` with nothing but tests in it.
fn is_condition(line: &str) -> bool {
    let head = ["if ", "elif "].iter().find_map(|word| line.strip_prefix(word));
    let Some(head) = head.and_then(|head| head.strip_suffix("then")?.trim_end().strip_suffix(';')) else {
        return false;
    };
    let head = without_lookups(head);
    head.split(" && ").flat_map(|part| part.split(" || ")).all(|part| {
        let part = part.trim().trim_start_matches("! ");
        let test = part.starts_with("[ ") && part.ends_with(" ]");
        let asks = test || QUESTIONS.iter().any(|question| part.starts_with(question));
        asks && command(part).is_some()
    })
}

/// `[ -x "`which update-menus 2>/dev/null`" ]` → `[ -x "update-menus" ]`: looking for a program changes nothing.
fn without_lookups(text: &str) -> String {
    let mut plain = text.to_owned();
    for (open, close) in [("`", "`"), ("$(", ")")] {
        for verb in ["which ", "command -v "] {
            let start = format!("{open}{verb}");
            while let Some(at) = plain.find(&start) {
                let rest = &plain[at + start.len()..];
                let Some((name, _)) = rest.split_once(close) else { return plain };
                let program = name.strip_suffix(" 2>/dev/null").unwrap_or(name);
                if !program.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
                    return plain;
                }
                let end = at + start.len() + name.len() + close.len();
                plain = format!("{}{program}{}", &plain[..at], &plain[end..]);
            }
        }
    }
    plain
}

/// `upgrades`: a line before asks whether a former version was there.
fn line_effects(line: &str, upgrades: bool) -> Option<Vec<Effect>> {
    if WITHOUT_EFFECT.contains(&line) || is_condition(line) {
        return Some(Vec::new());
    }
    // Comments can claim anything: a known beginning must not carry a second command.
    let line = command(line)?;
    if let Some(rest) = line.strip_prefix("deb-systemd-helper enable ") {
        return Some(if upgrades { vec![] } else { quoted(rest).into_iter().map(Effect::Enable).collect() });
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
        return (!path.contains([' ', '"'])).then(|| vec![Effect::File { path, text: String::new() }]);
    }
    if line.starts_with("update-alternatives ") {
        return alternatives(line);
    }
    let after = |known: &[&str]| known.iter().find_map(|known| line.strip_prefix(known));
    let runit = line
        .split_once(RUNIT_HELPER)
        .is_some_and(|(options, _)| options.split(' ').all(|option| option.contains("='") && option.ends_with('\'')));
    let harmless = after(COMMANDS_WITHOUT_EFFECT).is_some()
        || after(FILES_WITHOUT_EFFECT).is_some_and(|name| !name.contains([' ', '/']))
        || after(ASSIGNMENTS).is_some_and(|value| !value.contains(' '))
        || runit;
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
    let mut alternative = Alternative { link, name, target, priority, slaves: Vec::new(), family: None };
    while let Some(option) = word() {
        match option.as_str() {
            "--slave" => alternative.slaves.push(Slave { link: word()?, name: word()?, target: word()? }),
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
            family: None,
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

    #[test]
    fn a_known_beginning_carries_no_second_command() {
        for line in [
            "if [ -x /bin/a ]; then rm -rf /etc/x; fi",
            "if [ -x /bin/a ] && rm -rf /etc/x; then",
            "if [ -x \"`rm -rf /etc/x`\" ]; then",
            "if [ -x \"$(command -v a; rm -rf /etc/x)\" ]; then",
            "if deb-systemd-helper debian-installed 'a.service' && useradd z; then",
            "true; useradd z",
            "fi; useradd z",
            "else useradd z",
            "esac && useradd z",
            "exit 0; useradd z",
            "case \"$1\" in configure) useradd z;; esac",
            "echo \"x\" > /etc/y",
            "echo \"$(useradd z)\"",
            "NAME=$(useradd z)",
            "NAME=x useradd z",
            "_dh_action=`useradd z`",
            "_dh_action=x useradd z",
            "systemctl daemon-reload; useradd z",
            "systemctl daemon-reload || useradd z",
            "deb-systemd-helper enable 'a.service' && useradd z",
            "systemd-sysusers a.conf; useradd z",
            "systemd-tmpfiles --create a.conf | sh",
            "LOCAL_APP_PROFILE=\"/etc/x\"; useradd z",
            "update-alternatives --install /a a /b 5 || useradd z",
            "rm -f /etc/init/x /etc/shadow",
            "rm -f /etc/init/../shadow",
        ] {
            assert_eq!(effects(&block(line)), Err((1, line.to_owned())), "{line}");
        }
    }

    #[test]
    fn the_conditions_of_debhelper_are_known() {
        for line in [
            "if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ] ; then",
            "if [ -z \"${DPKG_ROOT:-}\" ] && [ -d /run/systemd/system ]; then",
            "if [ \"$1\" = \"configure\" ] && [ -x \"`which update-menus 2>/dev/null`\" ]; then",
            "if [ -x \"$(command -v systemd-tmpfiles)\" ]; then",
            "if aa-enabled --quiet 2>/dev/null; then",
            "NAME='ssh' ENABLE='yes' ONUPGRADE='restart' /usr/lib/runit-helper/runit-helper postinst \"$@\"",
            "elif [ -n \"$2\" ]; then",
            "invoke-rc.d --skip-systemd-native ssh $_dh_action || exit 1",
            "chmod +x \"/etc/init.d/dbus\" >/dev/null || true",
            "test -e \"$LOCAL_APP_PROFILE\" || {",
        ] {
            assert_eq!(effects(&block(line)), Ok(vec![]), "{line}");
        }
    }
}

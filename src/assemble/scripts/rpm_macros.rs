//! What rpm's macros write into scriptlets, understood line by line.
//!
//! Unlike debhelper's blocks these have no marks around them, so a line counts only where it always runs on a first
//! installation: outside of every condition, or in one that says just that (`$1` is 1). Known are the macros of systemd
//! (old form: `systemctl preset`, new form: `systemd-update-helper`), of sysusers and tmpfiles, accounts
//! ([`rpm_accounts`]), `alternatives --install`, and what only caches and running systems need.

use std::collections::BTreeMap;

use super::residue::Line;
use super::{Alternative, Effect, Slave, rpm_accounts, shell};

/// Conditions that hold on a first installation, without blanks and quotation marks.
const FIRST_INSTALLATION: [&str; 4] = [
    "if[$1-eq1];then",
    "if[$1=1];then",
    "if[$1==1];then",
    "if[$1-eq1]&&[-x/usr/lib/systemd/systemd-update-helper];then",
];

/// Conditions that hold only when a package takes the place of another version of it, without blanks and quotation marks.
const UPGRADE: [&str; 8] = [
    "if[$1-gt1];then",
    "if[$1-ge2];then",
    "if[$1-eq2];then",
    "if[$1=2];then",
    "if[$1==2];then",
    "if[$1-ne1];then",
    "if[$1!=1];then",
    "if[1-lt$1];then",
];

/// Beginnings of commands that change nothing here: they act on a running system, or a step of the assembly does for
/// the whole image what they do for a package, or what they make is a cache that nodes do without.
const WITHOUT_EFFECT: &[&[&str]] = &[
    &[":"],
    &["true"],
    &["exit", "0"],
    // The step `loader cache`.
    &["ldconfig"],
    &["systemctl", "daemon-reload"],
    &["systemctl", "--system", "daemon-reload"],
    &["systemctl", "daemon-reexec"],
    &["systemctl", "try-restart"],
    &["systemd-update-helper", "system-reload"],
    &["systemd-update-helper", "system-reload-restart"],
    &["systemd-update-helper", "system-restart"],
    &["systemd-update-helper", "user-reload"],
    &["systemd-update-helper", "user-reexec"],
    &["systemd-update-helper", "mark-restart-system-units"],
    &["udevadm", "control"],
    &["udevadm", "trigger"],
    &["systemd-binfmt"],
    &["systemd-sysctl"],
    // The steps `accounts` and the boot.
    &["systemd-sysusers"],
    &["systemd-tmpfiles", "--create"],
    // Neither is compiled; see `prune`.
    &["systemd-hwdb", "update"],
    &["udevadm", "hwdb"],
    &["journalctl", "--update-catalog"],
    // Indexes of documentation, of types of files, of conversions that libc knows by itself.
    &["install-info"],
    &["update-mime-database"],
    &["update-desktop-database"],
    &["gtk-update-icon-cache"],
    &["glib-compile-schemas"],
    &["gio-querymodules"],
    &["gio-querymodules-64"],
    &["fc-cache"],
    &["iconvconfig"],
    // The steps `trust store` and `crypto policies`.
    &["ca-legacy", "install"],
    &["update-ca-trust"],
    &["update-crypto-policies", "--no-reload"],
    // No image is labelled.
    &["restorecon"],
    // The step `depmod`, and the initrd of the image itself.
    &["depmod"],
    &["dracut"],
    &["kernel-install"],
];
/// Of those, the ones that are only these words: with more they do something else.
const EXACTLY: [&str; 4] = [":", "true", "exit", "ldconfig"];

/// The effects of the lines that are known, and the other lines.
pub(super) fn split(lines: &[Line]) -> (Vec<Effect>, Vec<Line>) {
    let lines = shell::joined(lines);
    let (mut effects, mut rest, mut assignments) = (Vec::new(), Vec::new(), Vec::new());
    let mut variables = BTreeMap::new();
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        let known = if depth == 0 { statement(&lines[index..], &variables) } else { None };
        if let Some((found, length)) = known {
            effects.extend(found);
            index += length;
            continue;
        }
        index += 1;
        if let Some((name, value)) = shell::assignment(&line.text).filter(|_| depth == 0) {
            variables.insert(name.to_owned(), value.to_owned());
            assignments.push(line.clone());
            continue;
        }
        let first = line.text.split([' ', ';', '\t']).next().unwrap_or_default();
        let opens = matches!(first, "if" | "case" | "for" | "while" | "until") || line.text.ends_with('{');
        let closes = |word: &str| line.text.split([' ', ';', '\t', ')']).any(|it| it == word);
        depth += usize::from(opens);
        if ["fi", "esac", "done", "}"].iter().any(|word| closes(word)) {
            depth = depth.saturating_sub(1);
        }
        rest.push(line.clone());
    }
    // Variables do nothing by themselves, and mean something to what is left.
    if !rest.is_empty() {
        rest.extend(assignments);
        rest.sort_by_key(|line| line.number);
    }
    (effects, rest)
}

/// The effects of what `lines` begin with, if it is known, and how many lines it has.
fn statement(lines: &[Line], variables: &BTreeMap<String, String>) -> Option<(Vec<Effect>, usize)> {
    let text = lines.first()?.text.as_str();
    if FIRST_INSTALLATION.contains(&condensed(text).as_str()) {
        let length = lines.iter().position(|line| line.text == "fi")?;
        let known: Option<Vec<Vec<Effect>>> =
            lines[1..length].iter().map(|line| command(&shell::expanded(&line.text, variables))).collect();
        return Some((known?.into_iter().flatten().collect(), length + 1));
    }
    if UPGRADE.contains(&condensed(text).as_str()) {
        return Some((Vec::new(), block(lines)?));
    }
    // Around what changes nothing, a test of something does not either.
    let tests = text.strip_prefix("if [").and_then(|text| text.strip_suffix("then"));
    if tests.is_some_and(|tests| !tests.contains(['`', '(', '&', '|', '>', '<'])) {
        let length = block(lines)?;
        let known: Option<Vec<Vec<Effect>>> = lines[1..length - 1].iter().map(|line| command(&line.text)).collect();
        return known.filter(|known| known.iter().all(Vec::is_empty)).map(|_| (Vec::new(), length));
    }
    if let Some(length) = removal_of_files(lines) {
        return Some((Vec::new(), length));
    }
    if let Some(known) = rpm_accounts::statement(lines) {
        return Some(known);
    }
    Some((command(&shell::expanded(text, variables))?, 1))
}

/// How many lines the `if` has that `lines` begin with; nothing if it does not end or has another branch.
fn block(lines: &[Line]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        let word = line.text.split([' ', ';', '\t']).next().unwrap_or_default();
        match word {
            "if" if !line.text.trim_end().ends_with(" fi") && !line.text.trim_end().ends_with(";fi") => depth += 1,
            "else" | "elif" if depth == 1 => return None,
            "fi" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(index + 1);
        }
    }
    None
}

/// Before an alternative is registered, iptables removes programs that an old version left in the place of the link.
fn removal_of_files(lines: &[Line]) -> Option<usize> {
    let text = |index: usize| lines.get(index).map(|line| line.text.as_str()).unwrap_or_default();
    let asks = |text: &str| text.starts_with("if [ \"$(readlink -e $") && text.ends_with(" ]; then");
    let removes = |text: &str| text.strip_prefix("rm -f $").is_some_and(|rest| !rest.contains([' ', ';', '&', '|']));
    let single = |at: usize| asks(text(at)) && removes(text(at + 1)) && text(at + 2) == "fi";
    if single(0) {
        return Some(3);
    }
    (text(0).starts_with("for sfx in ") && text(0).ends_with("; do") && single(1) && text(4) == "done").then_some(5)
}

fn condensed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect()
}

/// Whether steps that look at the whole image do this anyway, so that it does not matter when and how often it is asked.
pub(super) fn done_by_steps(effect: &Effect) -> bool {
    matches!(effect, Effect::Sysusers(_) | Effect::Tmpfiles(_))
}

/// What a command does on a first installation; nothing if it is not known.
pub(super) fn command(text: &str) -> Option<Vec<Effect>> {
    let text = text.strip_prefix("[ -x /usr/bin/systemd-tmpfiles ] && ").unwrap_or(text);
    let words = shell::words(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, arguments) = words.split_first()?;
    let program = shell::program(program);
    let units = |from: usize, prefix: &str| -> Vec<Effect> {
        arguments[from..].iter().map(|unit| Effect::Preset(format!("{prefix}{unit}"))).collect()
    };
    let files = || arguments.iter().filter(|word| word.ends_with(".conf")).map(|word| (*word).to_owned());
    match (program, arguments) {
        ("systemctl", ["preset-all"] | ["--no-reload", "preset-all"]) => Some(vec![Effect::PresetAll("system".into())]),
        ("systemctl", ["--global", "preset-all"] | ["preset-all", "--global"]) => {
            Some(vec![Effect::PresetAll("user".into())])
        }
        (
            "systemctl",
            ["preset", "--global" | "--user", ..] | ["--no-reload" | "--global", "preset", "--global", ..],
        ) => Some(units(arguments.iter().rposition(|word| word.starts_with("--"))? + 1, "user/")),
        ("systemctl", ["--no-reload", "--global", "preset", ..] | ["--global", "--no-reload", "preset", ..]) => {
            Some(units(3, "user/"))
        }
        ("systemctl", ["--global", "preset", ..]) => Some(units(2, "user/")),
        ("systemctl", ["--no-reload", "preset", ..]) => Some(units(2, "")),
        ("systemctl", ["preset", ..]) => Some(units(1, "")),
        ("systemd-update-helper", ["install-system-units", ..]) => Some(units(1, "")),
        ("systemd-update-helper", ["install-user-units", ..]) => Some(units(1, "user/")),
        ("systemd-sysusers", [_, ..]) => Some(files().map(Effect::Sysusers).collect()),
        ("systemd-tmpfiles", ["--create", ..]) => Some(files().map(Effect::Tmpfiles).collect()),
        ("update-alternatives" | "alternatives", ["--install", rest @ ..]) => {
            Some(vec![Effect::Alternative(alternative(rest)?)])
        }
        _ => {
            let known = |known: &&[&str]| {
                let same = known[0] == program && arguments.starts_with(&known[1..]);
                same && (!EXACTLY.contains(&program) || arguments.len() + 1 == known.len())
            };
            WITHOUT_EFFECT.iter().any(known).then(Vec::new)
        }
    }
}

/// `LINK NAME TARGET PRIORITY`, then followers and what chkconfig knows besides (alternatives(8)).
fn alternative(words: &[&str]) -> Option<Alternative> {
    let [link, name, target, priority, options @ ..] = words else { return None };
    let text = |word: &&str| (*word).to_owned();
    let mut alternative = Alternative {
        link: text(link),
        name: text(name),
        target: text(target),
        priority: priority.parse().ok()?,
        slaves: Vec::new(),
        family: None,
    };
    let mut rest = options;
    while !rest.is_empty() {
        rest = match rest {
            ["--slave" | "--follower", link, name, target, rest @ ..] => {
                alternative.slaves.push(Slave { link: text(link), name: text(name), target: text(target) });
                rest
            }
            ["--family", family, rest @ ..] => {
                alternative.family = Some(text(family));
                rest
            }
            // Scripts of the init before systemd.
            ["--initscript", _, rest @ ..] => rest,
            _ => return None,
        };
    }
    Some(alternative)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<Effect>, Vec<String>) {
        let lines: Vec<Line> = text
            .lines()
            .enumerate()
            .map(|(index, line)| Line { number: index + 1, text: line.trim().to_owned() })
            .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
            .collect();
        let (effects, rest) = split(&lines);
        (effects, rest.into_iter().map(|line| line.text).collect())
    }

    #[test]
    fn the_forms_of_systemd_post_preset_their_units() {
        let forms = [
            // el7
            "\nif [ $1 -eq 1 ] ; then \n        # Initial installation \n        systemctl preset kubelet.service >/dev/null 2>&1 || : \nfi \n",
            // el8
            "if [ $1 -eq 1 ] ; then\n # Initial installation\n systemctl --no-reload preset kubelet.service &>/dev/null || :\nfi",
            // el9
            "if [ $1 -eq 1 ] ; then\n systemctl --no-reload preset kubelet.service || :\nfi",
            // el10, Fedora
            "if [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    # Initial installation\n    \
             /usr/lib/systemd/systemd-update-helper install-system-units kubelet.service || :\nfi",
        ];
        for form in forms {
            let (effects, rest) = of(form);
            assert_eq!(effects, [Effect::Preset("kubelet.service".into())], "{form}");
            assert!(rest.is_empty(), "{rest:?}");
        }
        let (effects, _) = of("systemctl --no-reload preset --global a.socket b.service || :");
        assert_eq!(effects, [Effect::Preset("user/a.socket".into()), Effect::Preset("user/b.service".into())]);
    }

    #[test]
    fn lines_in_other_conditions_and_other_commands_are_left() {
        let (effects, rest) = of("if [ -e /x ]; then\nsystemctl preset a.service\nfi\n/sbin/ldconfig\n");
        assert_eq!((effects.len(), rest.len()), (0, 3));
        let (effects, rest) = of("if [ $1 -eq 2 ]; then\nrm -rf /x\nelse\nrm -rf /y\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 5));
        let (effects, rest) = of("if [ $1 -eq 1 ]; then\nsystemctl preset a.service\nuseradd x\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 4));
        for text in ["ldconfig -r /", "systemctl preset $UNIT", "true && rm -rf /", "systemctl start x", "x; true"] {
            assert_eq!(of(text), (vec![], vec![text.to_owned()]));
        }
    }

    #[test]
    fn upgrades_and_conditions_around_nothing_are_no_effect() {
        for text in [
            "if [ $1 -gt 1 ] ; then\nif ! test -e /x; then\nmv -f /a /b\nfi\nfi\n",
            "if [ -x /usr/bin/ln ]; then\n/usr/bin/ca-legacy install\n/usr/bin/update-ca-trust\nfi\n",
            "restorecon /boot 2>dev/null >/dev/null || :\n",
        ] {
            assert_eq!(of(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn alternatives_are_read_with_their_variables_and_followers() {
        let text = "pfx=/usr/sbin/iptables\npfx6=/usr/sbin/ip6tables\nupdate-alternatives --install \\\n  $pfx iptables $pfx-nft 10 \\\n\
                    --slave $pfx6 ip6tables $pfx6-nft --family nft\n\
                    for sfx in \"\" \"-restore\" \"-save\"; do\nif [ \"$(readlink -e $pfx$sfx)\" == $pfx$sfx ]; then\nrm -f $pfx$sfx\nfi\ndone\n";
        let (effects, rest) = of(text);
        assert!(rest.is_empty(), "{rest:?}");
        let slave = Slave {
            link: "/usr/sbin/ip6tables".into(),
            name: "ip6tables".into(),
            target: "/usr/sbin/ip6tables-nft".into(),
        };
        let iptables = Alternative {
            link: "/usr/sbin/iptables".into(),
            name: "iptables".into(),
            target: "/usr/sbin/iptables-nft".into(),
            priority: 10,
            slaves: vec![slave],
            family: Some("nft".into()),
        };
        assert_eq!(effects, [Effect::Alternative(iptables)]);
        // What is left keeps the variables it is about.
        let (_, rest) = of("pfx=/usr/sbin/x\nrm -rf $pfx\n");
        assert_eq!(rest, ["pfx=/usr/sbin/x", "rm -rf $pfx"]);
    }

    #[test]
    fn sysusers_and_tmpfiles_are_named() {
        let text = "systemd-sysusers etcd.conf >/dev/null 2>&1 || :\n\
                    [ -x /usr/bin/systemd-tmpfiles ] && /usr/bin/systemd-tmpfiles --create etcd.conf || :\n";
        let (effects, rest) = of(text);
        assert_eq!(effects, [Effect::Sysusers("etcd.conf".into()), Effect::Tmpfiles("etcd.conf".into())]);
        assert!(rest.is_empty());
    }
}

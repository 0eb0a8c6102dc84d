//! What rpm's macros write into scriptlets, understood line by line.
//!
//! Unlike debhelper's blocks these have no marks around them, so a line counts only where it always runs on a first
//! installation: outside of every condition, or in one that says just that (`$1` is 1). Known are the macros of systemd
//! (old form: `systemctl preset`, new form: `systemd-update-helper`), of sysusers and tmpfiles, and `ldconfig`.

use super::Effect;
use super::residue::Line;

/// Conditions that hold on a first installation, without blanks and quotation marks.
const FIRST_INSTALLATION: [&str; 4] = [
    "if[$1-eq1];then",
    "if[$1=1];then",
    "if[$1==1];then",
    "if[$1-eq1]&&[-x/usr/lib/systemd/systemd-update-helper];then",
];

/// Words of commands that change nothing in a root that no systemd runs in; the loader's cache is not needed.
const WITHOUT_EFFECT: &[&[&str]] = &[
    &[":"],
    &["true"],
    &["exit", "0"],
    &["ldconfig"],
    &["systemctl", "daemon-reload"],
    &["systemctl", "--system", "daemon-reload"],
    &["udevadm", "control", "--reload"],
    &["udevadm", "control", "--reload-rules"],
    &["udevadm", "trigger"],
];

/// The effects of the lines that are known, and the other lines.
pub(super) fn split(lines: &[Line]) -> (Vec<Effect>, Vec<Line>) {
    let (mut effects, mut rest) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        index += 1;
        if depth == 0 && FIRST_INSTALLATION.contains(&condensed(&line.text).as_str()) {
            let length = lines[index..].iter().position(|line| line.text == "fi");
            let inside = length.map(|length| &lines[index..index + length]).unwrap_or_default();
            let known: Option<Vec<Vec<Effect>>> = inside.iter().map(|line| command(&line.text)).collect();
            if let (Some(length), Some(known)) = (length, known) {
                effects.extend(known.into_iter().flatten());
                index += length + 1;
                continue;
            }
        }
        if depth == 0
            && let Some(known) = command(&line.text)
        {
            effects.extend(known);
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
    (effects, rest)
}

fn condensed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect()
}

/// What a command does on a first installation; nothing if it is not known.
fn command(text: &str) -> Option<Vec<Effect>> {
    let text = text.strip_prefix("[ -x /usr/bin/systemd-tmpfiles ] && ").unwrap_or(text);
    let text = ["|| :", "||:", "|| true"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    // Anything else of the shell than words and redirections is not known.
    let quiet = [">/dev/null", "> /dev/null", "2>&1", "2>/dev/null", "&>/dev/null", "&> /dev/null"];
    let text = quiet.iter().rev().fold(text.to_owned(), |text, quiet| text.replace(quiet, ""));
    if text.contains(['|', '&', ';', '<', '>', '$', '`', '(', '\\', '*']) {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let (program, arguments) = words.split_first()?;
    let program = ["/usr/lib/systemd/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"]
        .iter()
        .find_map(|directory| program.strip_prefix(directory))
        .unwrap_or(program);
    let units = |from: usize, prefix: &str| -> Vec<Effect> {
        arguments[from..].iter().map(|unit| Effect::Preset(format!("{prefix}{unit}"))).collect()
    };
    let files = || arguments.iter().filter(|word| word.ends_with(".conf")).map(|word| (*word).to_owned());
    match (program, arguments) {
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
        _ => {
            let known = |known: &&[&str]| known[0] == program && known[1..] == *arguments;
            WITHOUT_EFFECT.iter().any(known).then(Vec::new)
        }
    }
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
        let (effects, rest) = of("if [ $1 -eq 2 ]; then\nsystemctl preset a.service\nfi\n/sbin/ldconfig\n");
        assert_eq!((effects.len(), rest.len()), (0, 3));
        let (effects, rest) = of("if [ $1 -eq 1 ]; then\nsystemctl preset a.service\nuseradd x\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 4));
        for text in ["ldconfig -r /", "systemctl preset $UNIT", "true && rm -rf /", "systemctl start x", "x; true"] {
            assert_eq!(of(text), (vec![], vec![text.to_owned()]));
        }
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

//! What rpm's macros write into scriptlets, understood line by line.
//!
//! Unlike debhelper's blocks these have no marks around them, so a line counts only where it always runs on a first
//! installation: outside of every condition, or in one that says just that (`$1` is 1). Known are the macros of systemd
//! (old form: `systemctl preset`, new form: `systemd-update-helper`), of sysusers and tmpfiles, accounts
//! ([`rpm_accounts`]), `alternatives --install`, and what only caches and running systems need.

use std::collections::BTreeMap;

use super::residue::Line;
use super::rpm_commands::command;
use super::{Effect, rpm_accounts, shell};

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

/// The effects of the lines that are known, and the other lines.
pub(super) fn split(lines: &[Line]) -> (Vec<Effect>, Vec<Line>) {
    let lines = shell::joined(lines);
    let (mut effects, mut rest, mut assignments) = (Vec::new(), Vec::new(), Vec::new());
    let mut variables = BTreeMap::new();
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        // Nothing after it runs.
        if depth == 0 && line.text == "exit 0" {
            break;
        }
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
    if text.starts_with("if ") && text.contains("selinuxenabled") && !text.contains("||") && !text.contains('!') {
        return Some((Vec::new(), block(lines)?));
    }
    if is_test(text)
        && let Some(length) = block(lines)
        && changes_nothing(&lines[1..length - 1], variables)
    {
        return Some((Vec::new(), length));
    }
    if let Some(length) = removal_of_files(lines) {
        return Some((Vec::new(), length));
    }
    if let Some(known) = rpm_accounts::statement(lines) {
        return Some(known);
    }
    Some((command(&shell::expanded(text, variables))?, 1))
}

/// `if [ … ]; then` or `if command -v … ; then`, without anything that could run.
fn is_test(text: &str) -> bool {
    let Some(test) = text.strip_prefix("if ").and_then(|text| text.strip_suffix("then")) else { return false };
    let test = shell::plain(test.trim());
    let asks = test.starts_with("[ ") || test.starts_with("[[ ") || test.starts_with("command -v ");
    asks && !test.contains(['`', '(', '&', '|', '>', '<', ';'])
}

/// Whether every one of the lines is known and changes nothing.
fn changes_nothing(lines: &[Line], variables: &BTreeMap<String, String>) -> bool {
    let mut rest = lines;
    while let Some(line) = rest.first() {
        let length = match statement(rest, variables) {
            // What follows would depend on the condition.
            _ if line.text.starts_with("exit") => return false,
            Some((effects, length)) if effects.is_empty() => length,
            None if shell::assignment(&line.text).is_some() => 1,
            _ => return false,
        };
        rest = &rest[length..];
    }
    true
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

#[cfg(test)]
mod tests {
    use super::super::{Alternative, Slave};
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
            "if [ -x /usr/sbin/weak-modules ]\nthen\n    /usr/sbin/weak-modules --add-kernel 6.1 || exit $?\nfi\n",
            "if [[ ! -e \"/boot/symvers-6.1.gz\" ]]; then\ncp \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"\n\
             if command -v restorecon &>/dev/null; then\nrestorecon \"/boot/symvers-6.1.gz\"\nfi\nfi\n",
            "if [ -e /etc/selinux/config ]; then\n. /etc/selinux/config\nfi\n_policytype=targeted\n\
             if [ -z \"${_policytype}\" ]; then\n_policytype=\"targeted\"\nfi\n\
             if [ \"${SELINUXTYPE}\" = \"${_policytype}\" ]; then\n\
             /usr/sbin/semodule -n -s ${_policytype} -X 200 -i /usr/share/x.pp.bz2 || :\n\
             /usr/sbin/selinuxenabled && /usr/sbin/load_policy || :\nfi\n",
            "if [ -x /usr/sbin/selinuxenabled ] && /usr/sbin/selinuxenabled; then\nSECXT=$( matchpathcon -n /x )\nfi\n",
            "restorecon /boot 2>dev/null >/dev/null || :\n",
        ] {
            assert_eq!(of(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn nothing_runs_after_an_exit_and_a_condition_that_exits_is_left() {
        assert_eq!(of("exit 0\nsystemctl preset a.service\n"), (vec![], vec![]));
        let (effects, rest) = of("if [ ! -e /x ]; then\nexit 0\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 3));
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

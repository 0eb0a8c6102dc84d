//! Accounts that RPMs make in `%pre`, in the forms of Fedora's packaging guidelines and of its generators.
//!
//! Every account becomes a line of sysusers.d(5), which makes it unless it is there: that is what the questions around
//! the commands are for (`getent group X >/dev/null || groupadd -r X`; see `rpm_macros`).

use super::Effect;

/// What a command does to the accounts; nothing if it is none that is known.
pub(super) fn command(program: &str, arguments: &[&str]) -> Option<Vec<Effect>> {
    let lines = match program {
        "groupadd" => vec![group(arguments)?],
        "useradd" => user(arguments)?,
        "usermod" => members(arguments)?,
        "gpasswd" => match arguments {
            ["-a", user, group] => vec![format!("m {user} {group}")],
            _ => return None,
        },
        _ => return None,
    };
    Some(lines.into_iter().map(Effect::Account).collect())
}

/// Options that say nothing we need, options with a value by their short letter, and the one word that is left.
struct Options<'a> {
    values: Vec<(char, &'a str)>,
    name: &'a str,
}

/// `long` gives the letter of an option's long name. Letters of `flags` have no value.
fn options<'a>(arguments: &[&'a str], flags: &str, valued: &str, long: &[(&str, char)]) -> Option<Options<'a>> {
    let (mut values, mut name) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if let Some(option) = argument.strip_prefix("--") {
            let (option, value) =
                option.split_once('=').map_or((option, None), |(option, value)| (option, Some(value)));
            let letter = long.iter().find(|(known, _)| *known == option)?.1;
            if valued.contains(letter) {
                values.push((letter, value.or_else(|| rest.next().copied())?));
            } else if value.is_none() {
                values.push((letter, ""));
            } else {
                return None;
            }
        } else if let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (index, letter) in letters.char_indices() {
                if valued.contains(letter) {
                    let glued = &letters[index + letter.len_utf8()..];
                    values.push((letter, if glued.is_empty() { rest.next().copied()? } else { glued }));
                    break;
                }
                if !flags.contains(letter) {
                    return None;
                }
                values.push((letter, ""));
            }
        } else if name.replace(*argument).is_some() {
            return None;
        }
    }
    Some(Options { values, name: name? })
}

impl<'a> Options<'a> {
    fn value(&self, letter: char) -> Option<&'a str> {
        self.values.iter().rev().find(|(known, _)| *known == letter).map(|(_, value)| *value)
    }
}

fn number(text: Option<&str>) -> Option<&str> {
    match text {
        None => Some("-"),
        Some(text) => text.parse::<u32>().is_ok().then_some(text),
    }
}

fn group(arguments: &[&str]) -> Option<String> {
    let long = [("system", 'r'), ("force", 'f'), ("gid", 'g'), ("non-unique", 'o')];
    let options = options(arguments, "rfo", "g", &long)?;
    Some(format!("g {} {}", options.name, number(options.value('g'))?))
}

fn user(arguments: &[&str]) -> Option<Vec<String>> {
    let long = [
        ("system", 'r'),
        ("no-create-home", 'M'),
        ("no-user-group", 'N'),
        ("no-log-init", 'l'),
        ("non-unique", 'o'),
        ("uid", 'u'),
        ("gid", 'g'),
        ("groups", 'G'),
        ("home", 'd'),
        ("home-dir", 'd'),
        ("shell", 's'),
        ("comment", 'c'),
    ];
    let options = options(arguments, "rMNlo", "ugGdsc", &long)?;
    let name = options.name;
    let group = match options.value('g') {
        Some(group) if group == name => String::new(),
        Some(group) => format!(":{group}"),
        None => String::new(),
    };
    let comment = options.value('c').unwrap_or_default().replace('"', "'");
    let home = options.value('d').map_or(format!("/home/{name}"), str::to_owned);
    // useradd's own default, where sysusers has none that lets anybody in.
    let shell = options.value('s').unwrap_or("/bin/bash");
    let uid = number(options.value('u'))?;
    let mut lines = vec![format!("u {name} {uid}{group} \"{comment}\" {home} {shell}")];
    let groups = options.value('G').into_iter().flat_map(|groups| groups.split(','));
    lines.extend(groups.map(|group| format!("m {name} {group}")));
    Some(lines)
}

fn members(arguments: &[&str]) -> Option<Vec<String>> {
    let options = options(arguments, "a", "G", &[("append", 'a'), ("groups", 'G')])?;
    options.value('a')?;
    Some(options.value('G')?.split(',').map(|group| format!("m {} {group}", options.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::residue::Line;
    use super::super::rpm_macros;
    use super::*;

    fn of(text: &str) -> Option<Vec<String>> {
        let lines = text.lines().enumerate().map(|(index, line)| Line { number: index + 1, text: line.trim().into() });
        let lines: Vec<Line> = lines.collect();
        let (effects, rest) = rpm_macros::split(&lines, super::super::image::View::unknown());
        if !rest.is_empty() {
            return None;
        }
        let line = |effect: Effect| if let Effect::Account(line) = effect { line } else { panic!("{effect:?}") };
        Some(effects.into_iter().map(line).collect())
    }

    #[test]
    fn the_forms_of_the_guidelines_are_accounts() {
        let forms = [
            ("getent group tcpdump >/dev/null || groupadd -f -g '72' -r 'tcpdump'", vec!["g tcpdump 72"]),
            ("getent group 'x' >/dev/null 2>&1 || /usr/sbin/groupadd -r x >/dev/null 2>&1 || :", vec!["g x -"]),
            (
                "getent passwd chrony >/dev/null || /usr/sbin/useradd -r -g chrony \\\n  -d /var/lib/chrony -s /sbin/nologin chrony",
                vec!["u chrony - \"\" /var/lib/chrony /sbin/nologin"],
            ),
            (
                "getent passwd sshd >/dev/null || \\\nuseradd -c \"Privilege-separated SSH\" -u 74 -g sshd -s /sbin/nologin -r -d /usr/share/empty.sshd sshd 2> /dev/null || :",
                vec!["u sshd 74 \"Privilege-separated SSH\" /usr/share/empty.sshd /sbin/nologin"],
            ),
            (
                "if ! getent passwd 'tcpdump' >/dev/null; then\n if ! getent passwd '72' >/dev/null; then\n\
                 useradd -r -u '72' -g 'tcpdump' -d '/' -s '/sbin/nologin' -c 'tcpdump' 'tcpdump'\nelse\n\
                 useradd -r -g 'tcpdump' -d '/' -s '/sbin/nologin' -c 'tcpdump' 'tcpdump'\nfi\nfi",
                vec!["u tcpdump 72 \"tcpdump\" / /sbin/nologin"],
            ),
            ("id -u etcd &>/dev/null || useradd -rM -g daemon -G a,b --shell=/bin/false etcd", {
                vec!["u etcd -:daemon \"\" /home/etcd /bin/false", "m etcd a", "m etcd b"]
            }),
            ("usermod -a -G wheel etcd || :", vec!["m etcd wheel"]),
            ("if [ $1 -eq 1 ]; then\n getent group wheel >/dev/null || groupadd wheel\nfi", vec!["g wheel -"]),
            ("if getent group 'wheel' >/dev/null; then\n  usermod -a -G 'wheel' 'tss' || :\nfi", vec!["m tss wheel"]),
            ("{\n    groupadd -g 22 -r -f utmp || :\n}", vec!["g utmp 22"]),
            ("[ $1 -eq 1 ] || exit 0\ngroupadd x", vec!["g x -"]),
            ("gpasswd -a etcd wheel", vec!["m etcd wheel"]),
        ];
        for (text, lines) in forms {
            assert_eq!(
                of(text).as_deref(),
                Some(&lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn what_does_more_is_left() {
        for text in [
            "getent group x >/dev/null && groupadd x",
            "getent group x || rm -rf /",
            "test -e /x || useradd x",
            "useradd -m x",
            "useradd x; rm y",
            "getent group x >/dev/null || exit 0\nuseradd x",
            "if ! getent passwd x >/dev/null; then\nuseradd x\nelse\nsystemctl enable x.service\nfi",
            "if getent passwd x >/dev/null; then\nrm -rf /\nfi",
            "useradd -u $UID x",
            "useradd -u x y",
            "groupadd -p secret x",
            "usermod -G wheel x",
            "usermod -L x",
            "if ! getent passwd x >/dev/null; then\nuseradd x\nrm -rf /\nfi",
            "if getent passwd x >/dev/null; then\nuseradd x\nfi",
            "if ! getent passwd x >/dev/null; then\nuseradd x\n",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

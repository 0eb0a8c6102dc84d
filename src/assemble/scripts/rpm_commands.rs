//! Single commands of RPMs' scripts: what each does on a fresh image.
//!
//! Only commands of plain words, read by [`shell`]; what is not here is not known. A command without effect is one that
//! acts on a running system, or that a step of the assembly does for the whole image, or that makes what no node reads.

use super::shell::Argument;
use super::{Alternative, DirectoryEffect, Effect, OwnerEffect, Slave};
use crate::assemble::sysusers;

/// Beginnings of commands that change nothing.
const WITHOUT_EFFECT: &[&[&str]] = &[
    // The step `loader cache`.
    &["ldconfig"],
    &["ldconfig", "-X"],
    &["systemctl", "daemon-reload"],
    &["systemctl", "--system", "daemon-reload"],
    &["systemctl", "daemon-reexec"],
    &["systemctl", "try-restart"],
    &["systemctl", "reload-or-restart"],
    &["systemctl", "try-reload-or-restart"],
    &["systemctl", "start"],
    &["systemctl", "restart"],
    &["systemctl", "reload"],
    &["systemctl", "stop"],
    &["systemctl", "kill"],
    &["systemctl", "set-property"],
    // Nothing is enabled that no effect enables.
    &["systemctl", "disable"],
    &["systemctl", "--no-reload", "disable"],
    &["systemctl", "--user", "daemon-reload"],
    &["systemd-update-helper", "system-reload"],
    &["systemd-update-helper", "system-reload-restart"],
    &["systemd-update-helper", "system-restart"],
    &["systemd-update-helper", "user-reload"],
    &["systemd-update-helper", "user-reload-restart"],
    &["systemd-update-helper", "user-restart"],
    &["systemd-update-helper", "user-reexec"],
    &["systemd-update-helper", "mark-restart-system-units"],
    &["systemd-update-helper", "mark-restart-user-units"],
    &["systemd-update-helper", "mark-reload-system-units"],
    &["systemd-update-helper", "mark-reload-user-units"],
    &["udevadm", "control"],
    &["udevadm", "trigger"],
    &["systemd-binfmt"],
    &["systemd-sysctl"],
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
    &["update-crypto-policies", "--no-check"],
    // No image is labelled.
    &["restorecon"],
    &["semodule"],
    &["load_policy"],
    &["setsebool"],
    &["semanage"],
    &["fixfiles"],
    &[".", "/etc/selinux/config"],
    // The step `etc` leaves the file empty.
    &["systemd-machine-id-setup"],
    // The step `depmod`, and the initrd of the image itself.
    &["depmod"],
    &["dracut"],
    &["kernel-install"],
    &["new-kernel-pkg"],
    &["weak-modules"],
    &["echo"],
];
/// Places of which nothing is in the image, or which nothing on a node reads.
const SCRATCH: [&str; 5] =
    ["/lib/rpm-state/", "/var/lib/rpm-state/", "/boot/", "/etc/sysconfig/kernel", "/etc/default/grub"];

/// Of those, the ones that are only these words: with more they do something else.
const EXACTLY: [&str; 2] = ["ldconfig", "."];

/// Whether steps that look at the whole image do this anyway, so that it does not matter when and how often it is asked.
pub(super) fn done_by_steps(effect: &Effect) -> bool {
    matches!(effect, Effect::Sysusers(_) | Effect::Tmpfiles(_))
}

/// What a command does on a first installation; nothing if it is not known.
pub(super) fn command(program: &str, arguments: &[Argument]) -> Option<Vec<Effect>> {
    let words: Vec<Option<&str>> =
        arguments.iter().map(|argument| argument.certain.then_some(argument.text.as_str())).collect();
    let without_effect = |known: &&[&str]| {
        let same = known[0] == program
            && known.len() <= words.len() + 1
            && known[1..].iter().zip(&words).all(|(known, word)| *word == Some(*known));
        same && (!EXACTLY.contains(&program) || words.len() + 1 == known.len())
    };
    if WITHOUT_EFFECT.iter().any(without_effect) {
        return Some(Vec::new());
    }
    let words: Option<Vec<&str>> = words.into_iter().collect();
    let words = words?;
    let arguments = words.as_slice();
    let units = |from: usize, prefix: &str| -> Vec<Effect> {
        arguments[from..].iter().map(|unit| Effect::Preset(format!("{prefix}{unit}"))).collect()
    };
    let enabled = |units: &[&str], prefix: &str| -> Option<Vec<Effect>> {
        let plain = !units.is_empty() && units.iter().all(|unit| !unit.starts_with('-'));
        plain.then(|| units.iter().map(|unit| Effect::Enable(format!("{prefix}{unit}"))).collect())
    };
    match (program, arguments) {
        // Notes of a transaction to itself, and what only boot loaders of installed systems read.
        ("mkdir" | "touch" | "rm" | "cp" | "ln" | "sed", _) if only_scratch(program, arguments) => Some(Vec::new()),
        ("systemctl", ["enable" | "reenable", units @ ..]) => match units {
            ["--now", units @ ..] | ["--no-reload", units @ ..] => enabled(units, ""),
            ["--global", units @ ..] => enabled(units, "user/"),
            units => enabled(units, ""),
        },
        ("systemctl", ["--no-reload", "enable", units @ ..]) => enabled(units, ""),
        ("systemctl", ["--global", "enable", units @ ..]) => enabled(units, "user/"),
        ("mkdir", ["-p", path] | [path]) if path.starts_with('/') => Some(vec![Effect::Directory(DirectoryEffect {
            path: (*path).to_owned(),
            group: "root".to_owned(),
            mode: "0755".to_owned(),
        })]),
        ("touch", [path]) if path.starts_with('/') => {
            Some(vec![Effect::File { path: (*path).to_owned(), text: String::new() }])
        }
        ("chmod", [mode, path]) if path.starts_with('/') && u16::from_str_radix(mode, 8).is_ok() => {
            let mode = Some((*mode).to_owned());
            Some(vec![Effect::Owner(OwnerEffect { path: (*path).to_owned(), user: None, group: None, mode })])
        }
        ("chown", [owner, path]) if path.starts_with('/') && !owner.starts_with('-') => {
            let (user, group) = owner.split_once(':').map_or((*owner, None), |(user, group)| (user, Some(group)));
            let text = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
            let (user, group) = (text(user), group.and_then(text));
            Some(vec![Effect::Owner(OwnerEffect { path: (*path).to_owned(), user, group, mode: None })])
        }
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
        // The steps `accounts` and the boot.
        ("systemd-sysusers", ["--inline", lines @ ..]) => {
            let known = |line: &&str| sysusers::parse(line).is_ok_and(|found| found.len() == 1);
            let account = |line: &&str| Effect::Account((*line).to_owned());
            (!lines.is_empty() && lines.iter().all(known)).then(|| lines.iter().map(account).collect())
        }
        ("systemd-sysusers", names) => Some(files(names)?.map(Effect::Sysusers).collect()),
        ("systemd-tmpfiles", ["--create", names @ ..]) => {
            let names: Vec<&str> = names.iter().filter(|name| !name.starts_with("--prefix=")).copied().collect();
            Some(files(&names)?.map(Effect::Tmpfiles).collect())
        }
        ("update-alternatives" | "alternatives", ["--install", rest @ ..]) => {
            Some(vec![Effect::Alternative(alternative(rest)?)])
        }
        _ => None,
    }
}

/// Names of configuration files, if there is nothing else.
fn files<'a>(names: &'a [&'a str]) -> Option<impl Iterator<Item = String> + use<'a>> {
    let plain = names.iter().all(|name| name.ends_with(".conf") && !name.starts_with('-'));
    plain.then(|| names.iter().map(|name| (*name).to_owned()))
}

/// Whether a command changes nothing but what lies in [`SCRATCH`].
fn only_scratch(program: &str, arguments: &[&str]) -> bool {
    let scratch = |path: &&str| {
        let within = |place: &&str| if place.ends_with('/') { path.starts_with(*place) } else { path == place };
        SCRATCH.iter().any(within) && !path.split('/').any(|name| name == "..")
    };
    let (options, paths): (Vec<&str>, Vec<&str>) = arguments.iter().copied().partition(|word| word.starts_with('-'));
    let letters = |known: &str| {
        options.iter().all(|option| option.len() > 1 && option[1..].chars().all(|letter| known.contains(letter)))
    };
    match (program, paths.as_slice()) {
        ("mkdir", paths) => !paths.is_empty() && letters("pv") && paths.iter().all(scratch),
        ("touch", paths) => !paths.is_empty() && letters("acm") && paths.iter().all(scratch),
        ("rm", paths) => !paths.is_empty() && letters("frRv") && paths.iter().all(scratch),
        ("cp" | "ln", [_, target]) => letters("afpsv") && scratch(target),
        // Options, one `s` command, one file.
        ("sed", [command, file]) => letters("rEie") && substitutes(command) && scratch(file),
        _ => false,
    }
}

/// `s/a/b/`: other commands of sed and other flags can write files and run programs.
fn substitutes(command: &str) -> bool {
    let Some(rest) = command.strip_prefix('s') else { return false };
    let Some(mark) = rest.chars().next().filter(|mark| "/|,#".contains(*mark)) else { return false };
    let parts: Vec<&str> = rest.split(mark).collect();
    matches!(parts.as_slice(), ["", _, _, "" | "g"]) && !command.contains(['\n', ';'])
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
    use super::super::residue::Line;
    use super::super::rpm_macros;
    use super::*;

    fn of(text: &str) -> Option<Vec<String>> {
        let (effects, rest) = rpm_macros::split(&[Line { number: 1, text: text.into() }]);
        rest.is_empty().then(|| effects.iter().map(Effect::to_string).collect())
    }

    #[test]
    fn files_owners_and_units_are_effects_and_scratch_is_none() {
        for (text, effect) in [
            ("mkdir -p /var/log/journal >/dev/null 2>&1 || :", "directory /var/log/journal"),
            ("/bin/touch /var/log/lastlog", "file /var/log/lastlog"),
            ("chown root:utmp /var/log/lastlog", "/var/log/lastlog root:utmp"),
            ("chmod 0664 /var/log/lastlog", "/var/log/lastlog 0664"),
            ("systemctl enable x.service >/dev/null 2>&1 || :", "enable x.service"),
            ("systemctl --global enable x.socket", "enable user/x.socket"),
            ("systemd-sysusers --inline \"u foo 5\"", "account u foo 5"),
        ] {
            assert_eq!(of(text), Some(vec![effect.to_owned()]), "{text}");
        }
        for nothing in [
            "/bin/kernel-install add 6.1 /lib/modules/6.1/vmlinuz || exit $?",
            "cp \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"",
            "ln -s \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"",
            "touch /lib/rpm-state/kernel/installing_core_6.1",
            "/bin/sed -r -i -e 's/^DEFAULTKERNEL=x$/DEFAULTKERNEL=y/' /etc/sysconfig/kernel || exit $?",
            "rm -f /boot/a /boot/b",
            "/usr/sbin/selinuxenabled && /usr/sbin/load_policy || :",
            "[ -x /usr/bin/systemd-tmpfiles ] && systemd-tmpfiles --create || :",
            "systemctl start x.service",
            "systemctl stop x.service",
            "systemctl reload-or-restart --marked || :",
            "update-crypto-policies --no-check >/dev/null",
            "/sbin/new-kernel-pkg --package kernel --update 3.10.0 || exit $?",
            ". /etc/selinux/config",
        ] {
            assert_eq!(of(nothing), Some(vec![]), "{nothing}");
        }
    }

    #[test]
    fn commands_that_reach_further_are_unknown() {
        for unknown in [
            "[ -x /x ] && touch /etc/x",
            "true && rm -rf /",
            "rm -f /etc/x",
            "rm -rf /etc/ssh /boot/x",
            "rm -f /boot/../etc/shadow",
            "rm -f /etc/default/grub.d",
            "mkdir -p /opt/x /boot/x",
            "cp -t /etc /x /boot/x",
            "cp /boot/x /etc/x",
            "ln -s /etc /boot/x /boot/y",
            "sed -i s/a/b/ /etc/ssh/sshd_config /etc/default/grub",
            "sed -i 's/a/b/w /etc/shadow' /etc/default/grub",
            "sed -i s/a/b/e /etc/default/grub",
            "sed -i 1d /etc/default/grub",
            "chmod u+x /x",
            "chown -R a /x",
            ". /etc/profile",
            "mkdir x",
            "systemd-sysusers --inline \"x foo 5\"",
            "systemd-sysusers --replace=/usr/lib/sysusers.d/x.conf -",
            "systemd-tmpfiles --create --root=/x a.conf",
            "systemctl enable --root=/x x.service",
        ] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}

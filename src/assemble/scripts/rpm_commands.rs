//! Single commands of RPMs' scripts: what each does on a fresh image.
//!
//! Only commands of plain words, read by [`shell`]; what is not here is not known. A command without effect is one that
//! acts on a running system, or that a step of the assembly does for the whole image, or that makes what no node reads.

use super::image::View;
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
    &["systemctl", "--system", "try-restart"],
    &["systemctl", "--no-block", "try-restart"],
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
    &["fix-info-dir"],
    &["gdk-pixbuf-query-loaders-64"],
    &["mandb"],
    // Of a running system only.
    &["firewall-cmd", "--reload"],
    &["systemd-run"],
    &["dbus-send"],
    &["kill"],
    &["killall"],
    &["pkill"],
    &["logger"],
    &["modprobe"],
    &["setenforce"],
    &["sync"],
    &["sysctl", "-p"],
    &["sysctl", "--system"],
    &["sysctl", "-q"],
    &["udevadm", "settle"],
    &["systemd-random-seed", "save"],
    &["journalctl", "--flush"],
    // Of another boot loader's menu.
    &["grub2-mkconfig"],
    &["kdumpctl", "_reset-crashkernel-after-update"],
    // The steps `account files` and `authselect`.
    &["pwconv"],
    &["grpconv"],
    &["authselect", "apply-changes"],
    &["authselect", "check"],
    &["authselect", "select", "local", "--force", "--nobackup"],
    // Nobody reads /etc/aliases with a database.
    &["newaliases"],
    // The steps `trust store` and `crypto policies`.
    &["ca-legacy", "install"],
    &["update-ca-trust"],
    &["update-crypto-policies", "--no-reload"],
    &["update-crypto-policies", "--no-check"],
    &["update-crypto-policies"],
    // The step `selinux` answers for the policy, the step `labels` for files.
    &["restorecon"],
    &["semodule"],
    &["load_policy"],
    &["setsebool"],
    &["semanage"],
    &["fixfiles"],
    &["selinux/varrun-convert.sh"],
    &["selinux/binsbin-convert.sh"],
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
const SCRATCH: [&str; 11] = [
    "/lib/rpm-state/",
    "/var/lib/rpm-state/",
    "/boot/",
    "/dev/kmsg",
    "/run/",
    "/var/run/",
    "/var/lock/",
    "/etc/sysconfig/kernel",
    "/etc/default/grub",
    // The step `selinux` writes it.
    "/etc/selinux/config",
    "/etc/sysconfig/selinux",
];

/// Of those, the ones that are only these words: with more they do something else.
const EXACTLY: [&str; 5] = ["ldconfig", "newaliases", "pwconv", "grpconv", "authselect"];

/// Whether steps that look at the whole image do this anyway, so that it does not matter when and how often it is asked.
pub(super) fn done_by_steps(effect: &Effect) -> bool {
    matches!(effect, Effect::Sysusers(_) | Effect::Tmpfiles(_) | Effect::LoginShell(_))
}

/// What a command does on a first installation; nothing if it is not known.
pub(super) fn command(program: &str, arguments: &[Argument], view: View) -> Option<Vec<Effect>> {
    let words: Vec<Option<&str>> =
        arguments.iter().map(|argument| argument.certain.then_some(argument.text.as_str())).collect();
    let without_effect = |known: &&[&str]| {
        let same = known[0] == program
            && known.len() <= words.len() + 1
            && known[1..].iter().zip(&words).all(|(known, word)| *word == Some(*known));
        let alone = EXACTLY.contains(&program) || known == &["update-crypto-policies"];
        same && (!alone || words.len() + 1 == known.len())
    };
    if WITHOUT_EFFECT.iter().any(without_effect) {
        return Some(Vec::new());
    }
    if program == "rm" && gone(arguments, view) {
        return Some(Vec::new());
    }
    if program == "sed" && edits_selinux(arguments) {
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
        ("mkdir" | "rmdir" | "touch" | "rm" | "cp" | "mv" | "ln" | "sed" | "chmod" | "chown" | "chgrp", _)
            if only_scratch(program, arguments) =>
        {
            Some(Vec::new())
        }
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
        ("add-shell", [path]) if path.starts_with('/') => Some(vec![Effect::LoginShell((*path).to_owned())]),
        // It makes nothing.
        ("touch", ["-c" | "--no-create", ..]) => Some(Vec::new()),
        // What nobody brings is not there to be moved.
        ("mv", [options @ .., from, _]) if absent(from, view) && options.iter().all(|word| word.starts_with('-')) => {
            Some(Vec::new())
        }
        ("ln", ["-s" | "-sf" | "-fs" | "-snf" | "-sfn", target, path]) if absent(path, view) => {
            Some(vec![Effect::Symlink { path: (*path).to_owned(), target: (*target).to_owned() }])
        }
        ("cp", [options @ .., from, to])
            if absent(to, view) && !to.ends_with('/') && from.starts_with('/') && letters(options, "afnp") =>
        {
            Some(vec![Effect::Copy { from: (*from).to_owned(), to: (*to).to_owned() }])
        }
        ("touch", [path]) if path.starts_with('/') => {
            Some(vec![Effect::File { path: (*path).to_owned(), text: String::new() }])
        }
        ("chmod", ["-v" | "-f" | "-c", mode, path] | [mode, path])
            if path.starts_with('/') && u16::from_str_radix(mode, 8).is_ok() =>
        {
            let mode = Some((*mode).to_owned());
            Some(vec![Effect::Owner(OwnerEffect {
                path: (*path).to_owned(),
                user: None,
                group: None,
                mode,
                recursive: false,
            })])
        }
        ("chgrp", [group, path]) if path.starts_with('/') && !group.starts_with('-') => {
            let group = Some((*group).to_owned());
            Some(vec![Effect::Owner(OwnerEffect {
                path: (*path).to_owned(),
                user: None,
                group,
                mode: None,
                recursive: false,
            })])
        }
        ("install", ["-m", _, "/dev/null", path]) if scratch(path) => Some(Vec::new()),
        ("chown", [options @ .., owner, path])
            if path.starts_with('/') && !owner.starts_with('-') && letters(options, "vfchR") =>
        {
            let (user, group) = owner.split_once(':').map_or((*owner, None), |(user, group)| (user, Some(group)));
            let text = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
            let (user, group) = (text(user), group.and_then(text));
            let recursive = options.iter().any(|option| option.contains('R'));
            Some(vec![Effect::Owner(OwnerEffect { path: (*path).to_owned(), user, group, mode: None, recursive })])
        }
        ("vim", words) => {
            let index = |word: &&str| ["-c", ":q"].contains(word) || word.starts_with(":helptags /usr/share/");
            words.iter().all(index).then(Vec::new)
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

/// Whether a path lies in [`SCRATCH`].
pub(super) fn scratch(path: &str) -> bool {
    let within = |place: &&str| if place.ends_with('/') { path.starts_with(*place) } else { path == *place };
    let plain = !path.contains("..") && !path.contains(['$', '`', '\n']);
    // Marks for the next time the policy is made.
    let mark =
        path.starts_with("/etc/selinux/") && [".rebuild", ".pre", "_backup"].iter().any(|end| path.ends_with(end));
    plain && (mark || SCRATCH.iter().any(within))
}

fn absent(path: &str, view: View) -> bool {
    view.at(path) == Some(None)
}

fn letters(options: &[&str], known: &str) -> bool {
    options.iter().all(|option| {
        let letters = option.strip_prefix('-').filter(|letters| !letters.is_empty());
        letters.is_some_and(|letters| letters.chars().all(|letter| known.contains(letter)))
    })
}

/// `sed -i s/…/…/ /etc/selinux/config`, which the step `selinux` writes; policies put the name of the old one in.
fn edits_selinux(arguments: &[Argument]) -> bool {
    let [option, command, file] = arguments else { return false };
    let plain = option.certain && option.text == "-i" && file.certain && file.text == "/etc/selinux/config";
    plain && command.text.starts_with("s/^SELINUX") && command.text.ends_with("/g")
}

/// Whether `rm` with these words removes only what is not there, or what nobody misses.
fn gone(arguments: &[Argument], view: View) -> bool {
    let (options, paths): (Vec<&Argument>, Vec<&Argument>) =
        arguments.iter().partition(|argument| argument.text.starts_with('-'));
    let options: Vec<&str> = options.into_iter().map(|option| option.text.as_str()).collect();
    let known = |path: &Argument| {
        let cache = path.text.starts_with("/var/cache/") && !path.text.contains("..");
        let missed = !(cache || scratch(&path.text));
        path.certain && absent(&path.text, view)
            || path.pattern && view.none_fits(&path.text)
            || (path.certain || path.pattern) && !missed
    };
    !paths.is_empty() && letters(&options, "frRvd") && paths.into_iter().all(known)
}

/// Whether a command changes nothing but what lies in [`SCRATCH`].
fn only_scratch(program: &str, arguments: &[&str]) -> bool {
    let scratch = |path: &&str| scratch(path);
    let (options, paths): (Vec<&str>, Vec<&str>) = arguments.iter().copied().partition(|word| word.starts_with('-'));
    let letters = |known: &str| {
        options.iter().all(|option| option.len() > 1 && option[1..].chars().all(|letter| known.contains(letter)))
    };
    match (program, paths.as_slice()) {
        ("rmdir", paths) => !paths.is_empty() && letters("pv") && paths.iter().all(scratch),
        ("chmod" | "chown" | "chgrp", [_, paths @ ..]) => {
            !paths.is_empty() && letters("R") && paths.iter().all(scratch)
        }
        ("mv", [from, target]) => letters("fv") && scratch(from) && scratch(target),
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
pub(super) fn substitutes(command: &str) -> bool {
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
        let (effects, rest) = rpm_macros::split(&[Line { number: 1, text: text.into() }], View::unknown());
        rest.is_empty().then(|| effects.iter().map(Effect::to_string).collect())
    }

    #[test]
    fn files_owners_and_units_are_effects_and_scratch_is_none() {
        for (text, effect) in [
            ("mkdir -p /var/log/journal >/dev/null 2>&1 || :", "directory /var/log/journal"),
            ("/bin/touch /var/log/lastlog", "file /var/log/lastlog"),
            ("chown root:utmp /var/log/lastlog", "/var/log/lastlog root:utmp"),
            ("chown -R kube:kube /var/lib/kubelet", "/var/lib/kubelet and below kube:kube"),
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
            "rm -rf /var/cache/man/* >/dev/null 2>&1 || :",
            "update-crypto-policies &> /dev/null || :",
            "test -f /usr/bin/firewall-cmd && firewall-cmd --reload --quiet || :",
            "[ -d /run/blkid ] || mkdir -p /run/blkid",
            "/bin/touch --no-create /usr/share/mime/packages &>/dev/null ||:",
            "/usr/lib/systemd/systemd-random-seed save 2>&1 | grep -v 'Failed to open' || :",
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
            "rm -rf /var/cache/../lib",
            "rm -rf /var/cache/$X",
            "mv /etc/x /boot/x",
            "mv /boot/x /etc/x",
            "update-crypto-policies --set LEGACY",
            "firewall-cmd --permanent --add-port=1/tcp",
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
            "chown -RP a /x",
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

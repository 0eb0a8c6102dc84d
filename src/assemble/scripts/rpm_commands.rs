//! Single commands of RPMs' scripts: what each does on a fresh image.
//!
//! Only commands of plain words, read by [`shell`]; what is not here is not known. A command without effect is one that
//! acts on a running system, or that a step of the assembly does for the whole image, or that makes what no node reads.

use super::shell;
use super::{Alternative, DirectoryEffect, Effect, OwnerEffect, Slave};

/// Beginnings of commands that change nothing.
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
    &["semodule"],
    &["load_policy"],
    &["setsebool"],
    &["semanage"],
    &["fixfiles"],
    &["selinuxenabled"],
    &[".", "/etc/selinux/config"],
    // The step `etc` leaves the file empty.
    &["systemd-machine-id-setup"],
    // The step `depmod`, and the initrd of the image itself.
    &["depmod"],
    &["dracut"],
    &["kernel-install"],
    &["weak-modules"],
    &["echo"],
];
/// Places of which nothing is in the image, or which nothing on a node reads.
const SCRATCH: [&str; 5] =
    ["/lib/rpm-state/", "/var/lib/rpm-state/", "/boot/", "/etc/sysconfig/kernel", "/etc/default/grub"];

/// Of those, the ones that are only these words: with more they do something else.
const EXACTLY: [&str; 5] = [":", "true", "exit", "ldconfig", "."];

/// Whether steps that look at the whole image do this anyway, so that it does not matter when and how often it is asked.
pub(super) fn done_by_steps(effect: &Effect) -> bool {
    matches!(effect, Effect::Sysusers(_) | Effect::Tmpfiles(_))
}

/// What a command does on a first installation; nothing if it is not known.
pub(super) fn command(text: &str) -> Option<Vec<Effect>> {
    // `[ -x PROGRAM ] && COMMAND`: on a fresh image there is what the command wants, or it changes nothing.
    if let Some((test, command_of)) = text.split_once(" && ") {
        let test = test.trim();
        let asks = (test.starts_with("[ -") && test.ends_with(" ]") && !test.contains(['`', '(', ';', '|']))
            || shell::words(test)
                .is_some_and(|words| words.len() == 1 && shell::program(&words[0]) == "selinuxenabled");
        let effects = command(command_of).filter(|_| asks)?;
        return effects.iter().all(done_by_steps).then_some(effects);
    }
    let words = shell::words(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, arguments) = words.split_first()?;
    let program = shell::program(program);
    let units = |from: usize, prefix: &str| -> Vec<Effect> {
        arguments[from..].iter().map(|unit| Effect::Preset(format!("{prefix}{unit}"))).collect()
    };
    let files = || arguments.iter().filter(|word| word.ends_with(".conf")).map(|word| (*word).to_owned());
    match (program, arguments) {
        // Notes of a transaction to itself, and what only boot loaders of installed systems read.
        ("mkdir" | "touch" | "rm" | "cp" | "sed", [.., last])
            if SCRATCH.iter().any(|place| last.starts_with(place)) =>
        {
            Some(Vec::new())
        }
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

    #[test]
    fn files_and_owners_are_effects_and_scratch_is_none() {
        let of = |text: &str| command(text).map(|effects| effects.iter().map(Effect::to_string).collect::<Vec<_>>());
        assert_eq!(
            of("mkdir -p /var/log/journal >/dev/null 2>&1 || :"),
            Some(vec!["directory /var/log/journal".into()])
        );
        assert_eq!(of("/bin/touch /var/log/lastlog"), Some(vec!["file /var/log/lastlog".into()]));
        assert_eq!(of("chown root:utmp /var/log/lastlog"), Some(vec!["/var/log/lastlog root:utmp".into()]));
        assert_eq!(of("chmod 0664 /var/log/lastlog"), Some(vec!["/var/log/lastlog 0664".into()]));
        for nothing in [
            "/bin/kernel-install add 6.1 /lib/modules/6.1/vmlinuz || exit $?",
            "cp \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"",
            "touch /lib/rpm-state/kernel/installing_core_6.1",
            "/usr/sbin/selinuxenabled && /usr/sbin/load_policy || :",
            "[ -x /usr/bin/systemd-tmpfiles ] && systemd-tmpfiles --create || :",
            ". /etc/selinux/config",
        ] {
            assert_eq!(of(nothing), Some(vec![]), "{nothing}");
        }
        for unknown in [
            "[ -x /x ] && touch /etc/x",
            "true && rm -rf /",
            "rm -f /etc/x",
            "chmod u+x /x",
            "chown -R a /x",
            ". /etc/profile",
            "mkdir x",
            "cp /boot/x /etc/x",
        ] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}

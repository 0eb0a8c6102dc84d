//! The small files of `/etc` that no package ships and every node needs.
//!
//! The list was measured on a trial that booted. `machine-id` is empty and not the word `uninitialized`: that word
//! makes PID 1 run its presets, and Debian's are "enable everything".

pub(super) mod configuration;
pub(super) mod network;

use crate::assemble::root::Root;
use crate::diag::Diagnostic;
use crate::package::Family;
use crate::yaml::Located;

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let recipe = root.inputs.recipe;
    root.symlink("/etc/mtab", "../proc/self/mounts")?;
    if root.package("systemd-resolved").is_some() {
        root.symlink("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")?;
    }
    root.file("/etc/locale.conf", 0o644, format!("LANG={}\n", recipe.locale))?;
    // Until the metadata gives the node its own name.
    root.file("/etc/hostname", 0o644, "localhost\n")?;
    root.file("/etc/hosts", 0o644, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")?;
    // The initrd mounts the root, /etc and /var; there is no swap, and nothing else to mount.
    root.file("/etc/fstab", 0o644, "")?;
    root.file("/etc/motd", 0o644, format!("{} {}\n", recipe.name, recipe.version))?;
    root.file("/etc/machine-id", 0o444, "")?;
    name_service(root)?;
    os_release(root)?;
    timezone(root)
}

/// libc's default, with the sources that a node does not have taken out. Red Hat's is made by `authselect`, which is
/// not run: there it is the same in short, with systemd's source for services that bring their own user.
fn name_service(root: &mut Root) -> anyhow::Result<()> {
    if root.base == Family::Rpm {
        let systemd = root.exists("/usr/lib64/libnss_systemd.so.2") || root.exists("/usr/lib/libnss_systemd.so.2");
        let people = if systemd { "files systemd" } else { "files" };
        let mut text = String::new();
        for database in ["passwd", "group", "shadow", "gshadow"] {
            let sources = if database.ends_with("shadow") { "files" } else { people };
            text.push_str(&format!("{database}: {sources}\n"));
        }
        text.push_str("hosts: files dns\n");
        for database in ["networks", "protocols", "services", "ethers", "rpc", "netgroup"] {
            text.push_str(&format!("{database}: files\n"));
        }
        return root.file("/etc/nsswitch.conf", 0o644, text);
    }
    let Some(default) = root.read_text("/usr/share/libc-bin/nsswitch.conf")? else { return Ok(()) };
    let mut text = String::new();
    for line in default.lines() {
        let line = match line.split(':').next() {
            // systemd-resolved answers on the stub address in resolv.conf.
            Some("hosts") => "hosts:          files dns",
            Some("netgroup") => "netgroup:       files",
            _ => line,
        };
        text.push_str(line);
        text.push('\n');
    }
    root.file("/etc/nsswitch.conf", 0o644, text)
}

/// os-release(5): the fields that name an image; both names of the file lead to one.
fn os_release(root: &mut Root) -> anyhow::Result<()> {
    let recipe = root.inputs.recipe;
    let mut text = root.read_text("/usr/lib/os-release")?.unwrap_or("ID=linux\nNAME=Linux\n".to_owned());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("IMAGE_ID={}\nIMAGE_VERSION={}\n", recipe.name, quoted(&recipe.version)));
    root.file("/usr/lib/os-release", 0o644, text)?;
    root.symlink("/etc/os-release", "../usr/lib/os-release")
}

/// A value as the shell would read it.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace(['"', '\\', '$', '`'], "_"))
    }
}

fn timezone(root: &mut Root) -> anyhow::Result<()> {
    let asked = root.inputs.recipe.timezone.as_ref();
    let zone = asked.map_or("UTC", |zone| &zone.value);
    if root.exists(&format!("/usr/share/zoneinfo/{zone}")) {
        root.symlink("/etc/localtime", &format!("../usr/share/zoneinfo/{zone}"))?;
        return root.file("/etc/timezone", 0o644, format!("{zone}\n"));
    }
    if !matches!(zone, "UTC" | "Etc/UTC") {
        let (what, help) = if root.exists("/usr/share/zoneinfo/UTC") {
            ("is not in tzdata", "zones are named as below /usr/share/zoneinfo, such as `Europe/Berlin`")
        } else {
            ("needs tzdata", "add the package `tzdata`, or leave the time zone at `UTC`")
        };
        let mistake = Diagnostic::new("unknown-timezone", format!("time zone `{zone}` {what}"));
        let mistake = match asked {
            Some(Located { location, .. }) => mistake.at(location, "not in this image"),
            None => mistake,
        };
        root.mistakes.push(mistake.help(help));
    }
    // Without /etc/localtime the time is UTC.
    Ok(())
}

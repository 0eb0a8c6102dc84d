//! Which systemd units start: `systemctl enable`, `disable` and `mask` without a systemd.
//!
//! What packages' scripts enable, what every node needs, and what the recipe says, in this order. `[Install]` is read
//! as systemd.unit(5) says it. The links go to `/etc/systemd/system` as `systemctl enable` makes them, not to `/usr`:
//! `systemctl is-enabled`, which kubeadm asks about the kubelet, calls only those enabled, and an administrator can
//! disable them on a node.

mod name;
mod presets;

use std::collections::{BTreeMap, BTreeSet};

use self::name::{full_name, is_unit, template};
use crate::assemble::root::Root;
use crate::assemble::scripts::UnitRequest;
use crate::diag::{Diagnostic, Diagnostics};
use crate::spelling;
use crate::tree::{Inode, Kind, TreePath};
use crate::yaml::Located;

const ETC: &str = "/etc/systemd/system";
const USR: &str = "/usr/lib/systemd/system";
const USER_ETC: &str = "/etc/systemd/user";
const USER_USR: &str = "/usr/lib/systemd/user";
/// Enabled if a package brings them: nobody else decides about the network of a Debian system.
const DEFAULTS: [&str; 1] = ["systemd-networkd.service"];

/// Not started although packages want them: what they maintain is fixed in the image, or not there.
const USELESS: &[&str] = &[
    "ldconfig.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-sysusers.service",
    "systemd-update-done.service",
    "systemd-firstboot.service",
    "systemd-hibernate-clear.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-tpm2-setup-early.service",
    "systemd-tpm2-setup.service",
    "systemd-pcrmachine.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    // No package database that changes, no LVM.
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "man-db.timer",
    // Without a time server the boot would never be complete; what needs the right time can still ask for the target.
    "systemd-time-wait-sync.service",
];

/// Makes and removes the links.
pub(crate) fn enable(root: &mut Root) -> anyhow::Result<()> {
    root.symlink(&format!("{ETC}/default.target"), &format!("{USR}/multi-user.target"))?;
    let mut wanted = presets_and_enabled(root)?;
    wanted.extend(DEFAULTS.map(str::to_owned));
    wanted.extend(root.inputs.agent.enabled());
    for unit in wanted.iter().filter(|unit| !USELESS.contains(&unit.as_str())) {
        enable_unit(root, unit, &mut BTreeSet::new())?;
    }
    USELESS.iter().try_for_each(|unit| disable_unit(root, unit))?;
    for request in root.units.clone() {
        if let UnitRequest::Mask(unit) = &request
            && !unit.starts_with("user/")
        {
            disable_unit(root, unit)?;
            root.symlink(&format!("{ETC}/{unit}"), "/dev/null")?;
        }
    }
    let services = &root.inputs.recipe.services;
    let mut mistakes = Diagnostics::default();
    for located in &services.enable {
        let unit = full_name(&located.value);
        if !enable_unit(root, &unit, &mut BTreeSet::new())? {
            mistakes.push(unknown_unit(root, located, "enabled"));
        }
    }
    for located in &services.disable {
        let unit = full_name(&located.value);
        if unit_file(root, &unit).is_none() {
            mistakes.push(unknown_unit(root, located, "disabled"));
        }
        disable_unit(root, &unit)?;
    }
    for located in &services.mask {
        // Masking what is not there yet is legitimate: it keeps it from ever starting.
        let unit = full_name(&located.value);
        disable_unit(root, &unit)?;
        root.symlink(&format!("{ETC}/{unit}"), "/dev/null")?;
    }
    root.mistakes.0.extend(mistakes.0);
    Ok(())
}

/// What packages' scripts enable, and what they ask the presets about, in the order of the packages.
fn presets_and_enabled(root: &Root) -> anyhow::Result<Vec<String>> {
    let (system, user) = (presets::read(root, false)?, presets::read(root, true)?);
    let decide = |unit: &str| match unit.strip_prefix("user/") {
        Some(unit) => user.enabled(unit).into_iter().map(|unit| format!("user/{unit}")).collect(),
        None => system.enabled(unit),
    };
    let mut wanted: Vec<String> = Vec::new();
    for request in &root.units {
        match request {
            UnitRequest::Enable(unit) => wanted.push(unit.clone()),
            UnitRequest::Disable(unit) | UnitRequest::Mask(unit) => wanted.retain(|other| other != unit),
            UnitRequest::Preset(unit) => wanted.extend(decide(unit)),
            UnitRequest::PresetAll(scope) => {
                let (directories, prefix) = match scope.as_str() {
                    "user" => ([USER_ETC, USER_USR], "user/"),
                    _ => ([ETC, USR], ""),
                };
                for unit in unit_files(root, &directories) {
                    wanted.extend(decide(&format!("{prefix}{unit}")));
                }
            }
        }
    }
    Ok(wanted)
}

/// Names of the files in these directories that define units; links are other names of them.
fn unit_files(root: &Root, directories: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in directories {
        let Some((directory, _)) = root.lookup(directory) else { continue };
        let files = root.tree.children(&directory).filter(|(_, _, inode)| matches!(inode.kind, Kind::File(_)));
        let files = files.map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned());
        names.extend(files.filter(|name| is_unit(name)));
    }
    names
}

/// Path of the file that defines `unit`, its template's if it is an instance.
fn unit_file(root: &Root, unit: &str) -> Option<String> {
    let names = [Some(unit.to_owned()), template(unit).map(|(template, _)| template)];
    let paths = names.into_iter().flatten().flat_map(|name| [format!("{ETC}/{name}"), format!("{USR}/{name}")]);
    paths.into_iter().find(|path| matches!(root.lookup(path), Some((_, Inode { kind: Kind::File(_), .. }))))
}

/// Enables one unit and what it says `Also=` to; whether there is such a unit.
fn enable_unit(root: &mut Root, unit: &str, seen: &mut BTreeSet<String>) -> anyhow::Result<bool> {
    // Users' own service managers read another directory.
    let (directory, unit) = match unit.strip_prefix("user/") {
        Some(unit) => (USER_ETC, unit),
        None => (ETC, unit),
    };
    let file = if directory == ETC {
        unit_file(root, unit)
    } else {
        Some(format!("{USER_USR}/{unit}")).filter(|path| root.exists(path))
    };
    let Some(file) = file else { return Ok(false) };
    if !seen.insert(unit.to_owned()) {
        return Ok(true);
    }
    let install = install_section(&root.read_text(&file)?.unwrap_or_default());
    let empty = Vec::new();
    let list = |key: &str| install.get(key).unwrap_or(&empty);
    let mut name = unit.to_owned();
    if let (Some((_, "")), Some(instance)) = (template(unit), list("DefaultInstance").first()) {
        name = unit.replacen('@', &format!("@{instance}"), 1);
    }
    let instance = template(&name).map(|(_, instance)| instance.to_owned()).unwrap_or_default();
    for (key, kind) in [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")] {
        for target in list(key) {
            let target = target.replace("%i", &instance);
            // Nothing can start a template, but instances of another one those of its own.
            let is_template = |unit: &str| template(unit).is_some_and(|(_, instance)| instance.is_empty());
            if is_template(&name) && !is_template(&target) {
                continue;
            }
            root.symlink(&format!("{directory}/{target}.{kind}/{name}"), &file)?;
        }
    }
    for alias in list("Alias").iter().filter(|alias| **alias != name) {
        root.symlink(&format!("{directory}/{}", alias.replace("%i", &instance)), &file)?;
    }
    for also in list("Also").clone() {
        enable_unit(root, &also, seen)?;
    }
    Ok(true)
}

/// Words of every key of `[Install]`; an empty assignment takes back what was before it.
pub fn install_section(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            inside = line == "[Install]";
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            let words = keys.entry(key.trim().to_owned()).or_default();
            if value.trim().is_empty() {
                words.clear();
            }
            words.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    keys
}

/// Removes every link that starts `unit` or is another name of it, the ones that packages ship included.
fn disable_unit(root: &mut Root, unit: &str) -> anyhow::Result<()> {
    for directory in [ETC, USR] {
        let Some((directory, _)) = root.lookup(directory) else { continue };
        let links: Vec<TreePath> = root
            .tree
            .below(&directory)
            .filter(|(path, _, inode)| {
                let Kind::Symlink(target) = &inode.kind else { return false };
                let by_dependency = path.name() == unit.as_bytes()
                    && path.parent().is_some_and(|parent| {
                        [b".wants".as_slice(), b".requires", b".upholds"].iter().any(|end| parent.name().ends_with(end))
                    });
                let alias = directory.as_bytes().starts_with(b"/etc")
                    && path.parent().as_ref() == Some(&directory)
                    && target.rsplit(|byte| *byte == b'/').next() == Some(unit.as_bytes());
                by_dependency || alias
            })
            .map(|(path, _, _)| path.clone())
            .collect();
        for link in links {
            root.tree.remove_all(&link);
        }
    }
    Ok(())
}

fn unknown_unit(root: &Root, unit: &Located<String>, verb: &str) -> Diagnostic {
    let mut names = BTreeSet::new();
    for directory in [ETC, USR] {
        let Some((directory, _)) = root.lookup(directory) else { continue };
        let units =
            root.tree.children(&directory).map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned());
        names.extend(units.filter(|name| is_unit(name)));
    }
    Diagnostic::new("unknown-unit", format!("no package or overlay brings the unit `{}`", full_name(&unit.value)))
        .at(&unit.location, format!("cannot be {verb}"))
        .help(spelling::nearest_of("units of this image", &full_name(&unit.value), names.iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_sections_are_lists() {
        let text = "[Unit]\nAlso=x\n[Install]\n# Also=y\nWantedBy=a.target b.target\nWantedBy=c.target\nAlias=\n";
        let keys = install_section(text);
        assert_eq!(keys["WantedBy"], ["a.target", "b.target", "c.target"]);
        assert!(!keys.contains_key("Also"));
        assert!(keys["Alias"].is_empty());
    }
}

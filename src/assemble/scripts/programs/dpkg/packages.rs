//! The packages as dpkg's database has them while an image is built.

use std::collections::BTreeSet;

use crate::assemble::scripts::machine::{Machine, Status};
use crate::package::{FileEntry, Package};
use crate::shell::matches;

/// A package that dpkg knows. One that only other packages mention has no more than a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub name: &'a str,
    pub package: Option<&'a Package>,
    /// `installed`, `unpacked`, …
    pub state: &'static str,
}

impl<'a> Known<'a> {
    /// The value of a field of the control stanza, by its name in any case.
    pub(super) fn field(&self, name: &str) -> Option<&'a str> {
        let control = &self.package?.control;
        control.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn arch(&self) -> &'a str {
        self.package.map_or("", |package| package.id.arch.as_str())
    }

    /// The name, with the architecture where several of them can be installed together.
    pub(super) fn full_name(&self) -> String {
        match self.field("Multi-Arch") {
            Some("same") => format!("{}:{}", self.name, self.arch()),
            _ => self.name.to_owned(),
        }
    }

    /// `install ok installed`
    pub(super) fn status(&self) -> String {
        let (want, error) = match self.state {
            "not-installed" => ("unknown", "ok"),
            "half-installed" => ("install", "reinstreq"),
            _ => ("install", "ok"),
        };
        format!("{want} {error} {}", self.state)
    }

    /// Its files, once they are unpacked.
    pub(super) fn files(&self) -> &'a [FileEntry] {
        match self.package {
            Some(package) if self.state != "half-installed" => &package.files,
            _ => &[],
        }
    }
}

/// What the database says of a package now, if it knows it.
fn state(machine: &Machine, name: &str, status: Status) -> Option<&'static str> {
    let runs = |script: &str| machine.running.package == name && machine.running.script == script;
    match status {
        Status::NotInstalled if runs("preinst") => Some("half-installed"),
        Status::NotInstalled => None,
        Status::Unpacked if runs("postinst") => Some("half-configured"),
        Status::Unpacked => Some("unpacked"),
        Status::HalfConfigured => Some("half-configured"),
        Status::Installed => Some("installed"),
    }
}

/// Every package of the database, in the order of their names.
pub(super) fn known<'a>(machine: &Machine<'a>) -> Vec<Known<'a>> {
    let found = machine.packages.iter().filter_map(|installed| {
        let package = installed.package;
        let name = package.id.name.as_str();
        Some(Known { name, package: Some(package), state: state(machine, name, installed.status)? })
    });
    let mut found: Vec<Known> = found.collect();
    found.sort_by_key(|known| (known.name, known.arch()));
    found
}

const RELATIONS: [&str; 9] =
    ["Replaces", "Provides", "Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances"];

/// The same, and the names that only stand in other packages' relations: dpkg's lists have them as not installed.
pub(super) fn known_or_mentioned<'a>(machine: &Machine<'a>) -> Vec<Known<'a>> {
    let mut all = known(machine);
    let known: BTreeSet<&str> = all.iter().map(|known| known.name).collect();
    let mut mentioned = BTreeSet::new();
    for package in &all {
        for relation in RELATIONS.iter().filter_map(|relation| package.field(relation)) {
            mentioned.extend(relation.split([',', '|']).filter_map(relation_name).filter(|name| !known.contains(name)));
        }
    }
    let only_named = |name| Known { name, package: None, state: "not-installed" };
    all.extend(mentioned.into_iter().map(only_named));
    all.sort_by_key(|known| (known.name, known.arch()));
    all
}

/// `name:any (>= 1) [arch]` → `name`
fn relation_name(relation: &str) -> Option<&str> {
    let name = relation.trim_start();
    let end =
        name.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-._".contains(letter))).unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

/// Whether a text is a pattern for dpkg.
pub(super) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*[?\\".contains(byte))
}

/// Whether `NAME`, `NAME:ARCH` or a pattern of either means the package.
pub(super) fn is_meant(specifier: &str, package: &Known) -> bool {
    let (name, arch) = specifier.split_once(':').map_or((specifier, None), |(name, arch)| (name, Some(arch)));
    let part = |pattern: &str, text: &str| {
        if is_pattern(pattern.as_bytes()) { matches(pattern.as_bytes(), text.as_bytes()) } else { pattern == text }
    };
    part(name, package.name) && arch.is_none_or(|arch| part(arch, package.arch()))
}

/// The one package that `NAME` or `NAME:ARCH` means.
pub(super) fn find<'a>(machine: &Machine<'a>, specifier: &str) -> Option<Known<'a>> {
    known(machine).into_iter().find(|known| !is_pattern(specifier.as_bytes()) && is_meant(specifier, known))
}

/// A member of a package's control part by its path in dpkg's database.
pub(crate) fn control_member<'m>(machine: &Machine<'m>, path: &[u8]) -> Option<&'m [u8]> {
    let name = std::str::from_utf8(path.strip_prefix(b"/var/lib/dpkg/info/")?).ok()?;
    let (package, member) = name.rsplit_once('.')?;
    let package = package.split(':').next().unwrap_or(package);
    machine.package(package)?.package.members.get(member).map(Vec::as_slice)
}

//! dpkg's own programs, over the packages of the image and the state that scripts make.

mod divert;
mod format;
mod helper;
mod own;
mod packages;
mod query;
mod realpath;
mod statoverride;
#[cfg(test)]
pub(super) mod testing;
mod trigger;
mod ucf;
mod vendor;
mod versions;

use std::collections::BTreeSet;

use md5::{Digest, Md5};

use super::{Call, Row, options};
use crate::assemble::scripts::machine::Machine;
use crate::shell::{Bytes, Stop};
use crate::tree::TreePath;

/// What records of configuration files have of their contents.
fn md5sum(bytes: &[u8]) -> String {
    crate::hex::encode(&Md5::digest(bytes))
}

const APT: &str = "packages are chosen by the recipe and its lock, not by scripts";

pub const ROWS: &[Row] = &[
    Row::native("dpkg", own::program, "answers about versions, architecture and packages of the image"),
    Row::native("dpkg-query", query::program, "answers about the packages of the image as far as they are installed"),
    Row::native("dpkg-divert", divert::program, "diversions are kept, and later packages are unpacked by them"),
    Row::native("dpkg-statoverride", statoverride::program, "owners and modes are set, and kept for later packages"),
    Row::native("dpkg-trigger", trigger::program, "the trigger is processed when all packages are configured"),
    Row::native("dpkg-maintscript-helper", helper::program, "nothing to change: there was no earlier version"),
    Row::native("dpkg-realpath", realpath::program, "a path of the image without links"),
    Row::native("dpkg-vendor", vendor::vendor, "the distribution as /etc/dpkg/origins says it"),
    Row::native("dpkg-architecture", vendor::architecture, "the image's own architecture"),
    // Shell scripts, but recipes drop the package that brings them.
    Row::native("ucf", ucf::program, "configuration files are put in place and recorded as ucf does it unasked"),
    Row::native("ucfr", ucf::register, "ucf's registry of whose configuration files are whose"),
    Row::native("ucfq", ucf::query, "answers from ucf's registry"),
    Row::nothing("debsums", "files are as their packages bring them"),
    Row::refuse("dpkg-deb", "no package files are there while an image is built"),
    Row::refuse("apt-get", APT),
    Row::refuse("apt", APT),
    Row::refuse("apt-cache", APT),
    Row::refuse("apt-config", APT),
    Row::refuse("apt-mark", APT),
    Row::refuse("aptitude", APT),
];

#[derive(Debug, Default)]
pub struct Dpkg {
    diversions: divert::Diversions,
    overrides: statoverride::Overrides,
    /// Names of triggers that scripts have activated.
    pub activated: BTreeSet<String>,
}

impl Dpkg {
    /// Where a package's file of this path is unpacked instead; nothing if it stays where it is.
    pub fn diverted(&self, path: &TreePath, package: &str) -> Option<TreePath> {
        let (to, by) = self.diversions.to(path.as_bytes())?;
        if by == Some(package) { None } else { TreePath::parse(to).ok() }
    }

    /// User, group and mode that a path gets when a package brings it.
    pub fn stat_override(&self, path: &TreePath) -> Option<(u32, u32, u16)> {
        let found = self.overrides.0.get(path.as_bytes())?;
        Some((found.uid, found.gid, found.mode))
    }

    /// The file `/var/lib/dpkg/diversions`.
    pub fn diversions_file(&self) -> Bytes {
        self.diversions.file()
    }
}

/// The file `/var/lib/dpkg/statoverride`.
pub fn overrides_file(machine: &Machine) -> Bytes {
    machine.dpkg.overrides.lines(machine).flat_map(|(_, line)| line).collect()
}

/// A member of a package's control part by its path in dpkg's database.
pub fn control_member<'m>(machine: &Machine<'m>, path: &[u8]) -> Option<&'m [u8]> {
    let name = std::str::from_utf8(path.strip_prefix(b"/var/lib/dpkg/info/")?).ok()?;
    let (package, member) = name.rsplit_once('.')?;
    let package = package.split(':').next().unwrap_or(package);
    machine.package(package)?.package.members.get(member).map(Vec::as_slice)
}

/// Another root or database than the image's own is nothing that scripts have.
fn only_the_root(call: &Call, given: &options::Options) -> Result<(), Stop> {
    let own = |name: &str, value: &[u8]| match name {
        "root" | "instdir" => [b"".as_slice(), b"/"].contains(&value),
        "admindir" => value == b"/var/lib/dpkg",
        _ => true,
    };
    match given.given.iter().find(|(name, value)| !own(name, value)) {
        Some((name, value)) => call.unsupported(format!("`--{name}` {}", String::from_utf8_lossy(value))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! dpkg's own programs, over the packages of the image and the state that scripts make.

mod divert;
mod format;
mod helper;
mod md5sum;
mod own;
pub(super) mod packages;
mod query;
mod realpath;
mod root;
pub mod state;
mod statoverride;
#[cfg(test)]
pub(super) mod testing;
mod trigger;
mod ucf;
mod vendor;
mod versions;

use super::row::Row;
pub use state::Dpkg;

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

#[cfg(test)]
mod tests;

//! The programs that scripts use: one table that says of each what is done, and why.
//!
//! A program that is not in it, and no shell script of the tree, ends the build. An option, a command of sed, a question
//! that a program here does not know ends it too ([`unsupported`](call::Call::unsupported)): nothing unknown becomes an
//! exit status.

pub mod accounts;
pub mod alternatives;
pub mod apache;
pub mod call;
pub mod debconf;
pub mod dpkg;
pub mod files;
pub mod first_boot;
pub mod options;
mod row;
pub mod rpm;
pub mod services;
pub mod shells;
pub mod systemd;
pub mod text;
mod version_order;

use super::machine::{Machine, Programs};
use crate::package::Family;
use crate::shell::{Bytes, Shell, Stop};
pub use row::{Row, Treatment};

/// All rows, by subject.
const TABLES: &[&[Row]] = &[
    accounts::ROWS,
    alternatives::ROWS,
    apache::ROWS,
    debconf::ROWS,
    dpkg::ROWS,
    files::ROWS,
    first_boot::ROWS,
    rpm::ROWS,
    services::ROWS,
    shells::ROWS,
    systemd::ROWS,
    text::ROWS,
];

pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|table| table.iter())
}

pub fn lookup(name: &str, family: Family) -> Option<&'static Row> {
    let mut found = rows().filter(|row| row.name == name && row.family.is_none_or(|of| of == family));
    found.next()
}

/// The table as the machine asks it.
#[derive(Debug)]
pub struct Table;

impl Programs for Table {
    fn run(
        &self,
        machine: &mut Machine,
        shell: &mut Shell,
        name: &str,
        arguments: &[Bytes],
    ) -> Option<Result<u8, Stop>> {
        Some(lookup(name, machine.family)?.run(machine, shell, arguments))
    }

    fn is_special(&self, name: &[u8]) -> bool {
        debconf::is_special(name)
    }

    fn sourced(&self, path: &[u8]) -> Option<&'static str> {
        debconf::sourced(path)
    }
}

/// Programs that scripts look for before they use them, by the package that has them: a recipe that drops the package
/// leaves them out of the image, not out of the scripts' sight.
pub fn ghosts(package: &str) -> &'static [&'static str] {
    match package {
        "adduser" => &["/usr/sbin/adduser", "/usr/sbin/addgroup", "/usr/sbin/deluser", "/usr/sbin/delgroup"],
        "debconf" => &["/usr/share/debconf/confmodule", "/usr/bin/debconf-set-selections", "/usr/bin/debconf-escape"],
        "dpkg" => &[
            "/usr/bin/dpkg",
            "/usr/bin/dpkg-divert",
            "/usr/bin/dpkg-maintscript-helper",
            "/usr/bin/dpkg-query",
            "/usr/bin/dpkg-statoverride",
            "/usr/bin/dpkg-trigger",
            "/usr/bin/update-alternatives",
        ],
        "init-system-helpers" => &[
            "/usr/bin/deb-systemd-helper",
            "/usr/bin/deb-systemd-invoke",
            "/usr/sbin/invoke-rc.d",
            "/usr/sbin/update-rc.d",
            "/usr/sbin/service",
        ],
        "ucf" => &["/usr/bin/ucf", "/usr/bin/ucfq", "/usr/bin/ucfr"],
        _ => &[],
    }
}

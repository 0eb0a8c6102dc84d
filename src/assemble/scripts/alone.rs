//! A package's scripts on a small root that has nothing else, with few steps: for tests and fuzzing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use super::files::Files;
use super::machine::{Installed, Machine, Status};
use super::{programs, run};
use crate::arch;
use crate::assemble::accounts::book::Accounts;
use crate::package::Package;
use crate::shell::Stop;
use crate::tree::{Contents, Digest, Origin, Tree};

/// A store that has nothing.
#[derive(Debug)]
struct Empty;

impl Contents for Empty {
    fn open(&self, _: &Digest) -> io::Result<File> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The exit status of each script in its order, or what stopped it, within `steps` steps each.
pub fn alone(package: &Package, steps: u64) -> Vec<Result<u8, Stop>> {
    let origin = Origin::from("alone");
    let mut files = Files::new(Tree::new(0, &origin), &Empty, 0, origin);
    for directory in ["/etc", "/usr/bin", "/usr/share", "/var/lib", "/run", "/tmp", "/dev"] {
        // Nothing is there that could be in the way.
        let _ = files.make_directories(directory.as_bytes(), 0o755);
    }
    let mut accounts = Accounts::default();
    accounts.read_back("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\nnogroup:x:65534:\n");
    let mut machine = Machine::new(files, accounts, package.family, &arch::X86_64, &programs::Table);
    machine.limit = steps;
    machine.packages = vec![Installed { package, status: Status::HalfConfigured }];
    if let Some(templates) = package.members.get("templates") {
        // What cannot be read is a mistake of the package, which `install` tells.
        let _ = machine.debconf.load_templates(&package.id.name, templates);
    }
    let mut results = Vec::new();
    for script in &package.scripts {
        let ran = run::run(&mut machine, package, script, &["configure", ""], b"", BTreeMap::new());
        results.push(ran.map(|ran| ran.status));
    }
    results
}

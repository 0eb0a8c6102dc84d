//! The kernel modules of the initrd.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::agent::report::console;
use crate::contract;

/// What became of the initrd's modules.
#[derive(Debug, Default, Serialize)]
pub struct Modules {
    loaded: Vec<String>,
    /// With the reason. Not fatal by itself: what is needed and missing shows later.
    failed: Vec<String>,
}

impl Modules {
    /// A disk that does not appear is often a driver that was not loaded.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match self.failed.is_empty() {
            true => error,
            false => error.context(format!("modules that could not be loaded: {}", self.failed.join(", "))),
        }
    }
}

/// Loads the modules in the order that the builder wrote down: dependencies first.
pub fn load(directory: &Path) -> Result<Modules> {
    let mut modules = Modules::default();
    let order = match fs::read_to_string(contract::INITRD_MODULE_ORDER) {
        // A kernel with everything built in needs none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(modules),
        text => text.with_context(|| format!("reading {}", contract::INITRD_MODULE_ORDER))?,
    };
    for name in order.lines().map(str::trim).filter(|name| !name.is_empty()) {
        let path = directory.join(name);
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        match rustix::system::finit_module(&file, c"", 0) {
            Ok(()) => modules.loaded.push(name.to_owned()),
            // Built in or loaded already; or a driver whose hardware this machine does not have.
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NODEV) => {}
            Err(error) => {
                console::complain(&format!("loading the module {name}: {error}"));
                modules.failed.push(format!("{name} ({error})"));
            }
        }
    }
    Ok(modules)
}

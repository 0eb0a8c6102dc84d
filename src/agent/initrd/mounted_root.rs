//! A root as the system will see it: verified, mounted, with the kernel's file systems and its `/var`.

use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::mount::MountFlags;

use super::cmdline::BootOptions;
use super::root::Root;
use super::var::{self, Var};
use super::verity_mapping::{self, Mapping};
use super::{kernel_mounts, writable};
use crate::agent::report::console;
use crate::agent::sysroot::SYSROOT;

#[derive(Debug)]
pub struct MountedRoot {
    pub mapping: Mapping,
    pub var: Var,
    /// `/var` was filled at this boot.
    pub populated: bool,
}

/// Mounts it at [`SYSROOT`].
pub fn mount(root: &Root, options: &BootOptions) -> Result<MountedRoot> {
    let mapping = verity_mapping::open(&root.data, &root.hash, &options.root_hash)?;
    rustix::mount::mount(&mapping.device, SYSROOT, "erofs", MountFlags::RDONLY, None)
        .with_context(|| format!("mounting the root {}", mapping.device.display()))?;
    console::say(&format!("root {} on {}, verified", options.root_hash, root.data.path.display()));
    kernel_mounts::bind()?;
    let var = var::mount(root, options)?;
    let populated = writable::populate(Path::new(SYSROOT))?;
    Ok(MountedRoot { mapping, var, populated })
}

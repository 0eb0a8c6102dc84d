//! The initrd of a node: the agent, and the modules that it needs to reach the root.

pub mod archive;
mod modules;

use anyhow::Context;

use self::archive::{Compression, Initrd, Module};
use super::parts::Parts;
use crate::assemble::AgentFiles;
use crate::assemble::modules::load::modules_with_dependencies;
use crate::formats::form_cache::FormCache;

/// The initrd.
pub fn make(parts: &Parts<'_>, agent: &AgentFiles, cache: &dyn FormCache) -> anyhow::Result<Initrd> {
    let wanted = modules::wanted(parts.recipe);
    let modules = modules_with_dependencies(parts.tree, parts.contents, &parts.kernel.release, &wanted)?;
    let names: Vec<String> = modules.iter().map(|module| format!("{}.ko", module.name)).collect();
    let modules: Vec<Module<'_>> =
        names.iter().zip(&modules).map(|(name, module)| Module { name, elf: &module.elf }).collect();
    let reads_zstd = parts.kernel.config.lines().any(|line| line == "CONFIG_RD_ZSTD=y");
    let compression = if reads_zstd { Compression::Zstd } else { Compression::Gzip };
    let program = agent.program.read(parts.contents).context("reading the agent")?;
    archive::build(&program, &modules, parts.recipe.epoch, compression, cache).context("making the initrd")
}

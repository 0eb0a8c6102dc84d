//! The initrd of a node: the agent, and the modules that it needs to reach the root.

pub mod archive;
mod firmware;
mod modules;

use anyhow::Context;

use self::archive::{Compression, Files, Initrd};
use super::parts::Parts;
use crate::assemble::AgentFiles;
use crate::formats::form_cache::FormCache;

/// The initrd.
pub fn make(parts: &Parts<'_>, agent: &AgentFiles, cache: &dyn FormCache) -> anyhow::Result<Initrd> {
    let (modules, names) = modules::load(parts)?;
    let files = Files {
        agent: agent.program.read(parts.contents).context("reading the agent")?,
        modules,
        firmware: firmware::named(parts, names.iter().map(String::as_str))?,
        microcode: firmware::microcode(parts)?,
    };
    let reads_zstd = parts.kernel.config.lines().any(|line| line == "CONFIG_RD_ZSTD=y");
    let compression = if reads_zstd { Compression::Zstd } else { Compression::Gzip };
    archive::build(&files, parts.recipe.epoch, compression, cache).context("making the initrd")
}

//! What goes into a root: the recipe, packages and contents, container images, the agent.

use crate::agent::units::units;
use crate::package::Package;
use crate::preload::Archive;
use crate::recipe::Recipe;
use crate::runtime::Runtime;
use crate::tree::{Content, Contents};

/// What a root is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub recipe: &'a Recipe,
    /// The packages of the lock that the recipe does not drop, in any order.
    pub packages: &'a [Package],
    pub contents: &'a dyn Contents,
    /// Checked archives of container images, which `contents` has.
    pub images: &'a [Archive],
    pub agent: &'a AgentFiles,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inputs of {} with {} packages", self.recipe.name, self.packages.len())
    }
}

/// The node's agent: the static program and its units.
#[derive(Debug, Clone)]
pub struct AgentFiles {
    pub program: Content,
    /// File name and text of each unit.
    pub units: Vec<(String, String)>,
}

impl AgentFiles {
    /// The agent that `build.rs` built, for a node with this container runtime.
    pub fn embedded(runtime: &Runtime) -> AgentFiles {
        const PROGRAM: &[u8] = include_bytes!(env!("NODEINIT"));
        AgentFiles {
            program: Content::inline(PROGRAM),
            units: units(runtime).map(|(name, text)| (name.to_owned(), text)).to_vec(),
        }
    }

    /// Units that say when they start.
    pub(crate) fn enabled(&self) -> Vec<String> {
        let installable = self.units.iter().filter(|(_, text)| text.lines().any(|line| line.trim() == "[Install]"));
        installable.map(|(name, _)| name.clone()).collect()
    }
}

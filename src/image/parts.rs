//! What the artefacts of a node image are made from.

use anyhow::{Context, anyhow};

use crate::assemble::KernelFiles;
use crate::package::{FileKind, Package};
use crate::recipe::Recipe;
use crate::tree::{Content, Contents, Tree, TreePath};

/// Recipe, root, kernel and tools.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub recipe: &'a Recipe,
    pub tree: &'a Tree,
    pub kernel: &'a KernelFiles,
    /// Packages that are only needed for the build: systemd's EFI programs.
    pub tools: &'a [Package],
    pub contents: &'a dyn Contents,
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts of {}", self.recipe.name)
    }
}

impl Parts<'_> {
    /// An EFI program as firmware is to find it: signed, if the recipe says by whom.
    pub(super) fn signed(&self, name: &str, program: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        match &self.recipe.secure_boot {
            None => Ok(program),
            Some(it) => it.identity.sign_image(&program).with_context(|| format!("signing {name}")),
        }
    }

    /// A file of a build-only package.
    pub(super) fn tool(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let wanted = TreePath::parse(path).context("reading the path of a tool")?;
        for package in self.tools {
            for file in package.files.iter().filter(|file| file.path == wanted) {
                if let FileKind::File { digest, size } = file.kind {
                    let content = Content::Stored { digest, size };
                    return content.read(self.contents).with_context(|| format!("reading {path} of {}", package.id));
                }
            }
        }
        let names: Vec<String> = self.tools.iter().map(|package| package.id.to_string()).collect();
        Err(anyhow!("none of the build's tools ({}) has {path}", names.join(", ")))
    }
}

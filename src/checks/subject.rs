//! What is checked, and what checks ask of it.

use anyhow::Context;

use super::finding::Findings;
use crate::assemble::KernelFiles;
use crate::package::Package;
use crate::recipe::Recipe;
use crate::tree::{Contents, Inode, Kind, Origin, Tree, TreePath};

/// What is checked.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub recipe: &'a Recipe,
    pub tree: &'a Tree,
    pub contents: &'a dyn Contents,
    pub kernel: &'a KernelFiles,
    /// The packages of the root.
    pub packages: &'a [Package],
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the root of {}", self.recipe.name)
    }
}

impl Subject<'_> {
    pub(super) fn lookup(&self, path: &str) -> anyhow::Result<Option<&Inode>> {
        let path = self.tree.resolve(&TreePath::parse(path)?, &Origin::from("checks"))?;
        Ok(self.tree.get(&path))
    }

    /// The text of the file that `path` leads to; empty if there is none.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let Some(Inode { kind: Kind::File(content), .. }) = self.lookup(path)? else { return Ok(String::new()) };
        Ok(String::from_utf8_lossy(&content.read(self.contents).with_context(|| path.to_owned())?).into_owned())
    }

    /// Fields of every line of an account file.
    pub(super) fn accounts(&self, path: &str) -> anyhow::Result<Vec<Vec<String>>> {
        Ok(self.text(path)?.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }
}

/// Those of `paths` that lead to nothing.
pub(super) fn missing(subject: &Subject, paths: &[&str]) -> Findings {
    let mut found = Vec::new();
    for path in paths {
        if subject.lookup(path)?.is_none() {
            found.push(format!("there is no `{path}`").into());
        }
    }
    Ok(found)
}

//! The root while it is being made: the tree, and the few ways in which steps change it.
//!
//! All paths are given as text from the root and followed through symbolic links in their parents, so that `/bin/x`
//! and `/usr/bin/x` are one file here as on the node. Everything a step makes carries the step as its origin and the
//! recipe's epoch as its time.

use std::collections::BTreeMap;

use anyhow::Context;

use super::accounts::book::Accounts;
use super::inputs::Inputs;
use super::kernel::KernelFiles;
use super::scripts::programs::alternatives::Alternatives;
use super::scripts::{FirstBoot, Problem, ScriptAccount, UnitRequest};
use crate::diag::Diagnostics;
use crate::package::{Family, Package};
use crate::tree::{Content, Inode, Kind, Origin, Tree, TreePath};

#[derive(Debug)]
pub(crate) struct Root<'a> {
    pub(crate) inputs: Inputs<'a>,
    /// The packages by name: the order of everything done for each package.
    pub(crate) packages: Vec<&'a Package>,
    /// Whose conventions the root follows: RPM's only if every package is one.
    pub(crate) base: Family,
    pub(crate) tree: Tree,
    pub(crate) accounts: Accounts,
    /// What became of each script, in order of package and script.
    pub(crate) scripts: Vec<ScriptAccount>,
    /// What scripts want to be enabled, in their order.
    pub(crate) units: Vec<UnitRequest>,
    /// Scripts that the build cannot go on from.
    pub(crate) problems: Vec<Problem>,
    pub(crate) alternatives: Alternatives,
    /// Programs that the node runs once.
    pub(crate) first_boot: Vec<FirstBoot>,
    pub(crate) kernel: Option<KernelFiles>,
    pub(crate) mistakes: Diagnostics,
    pub(crate) origin: Origin,
}

impl<'a> Root<'a> {
    pub(crate) fn new(inputs: Inputs<'a>) -> Root<'a> {
        let mut packages: Vec<&Package> = inputs.packages.iter().collect();
        packages.sort_by(|one, other| one.id.cmp(&other.id));
        let origin = Origin::from("nodesmith");
        let deb = packages.iter().any(|package| package.family == Family::Deb);
        Root {
            inputs,
            base: if deb || packages.is_empty() { Family::Deb } else { Family::Rpm },
            packages,
            tree: Tree::new(inputs.recipe.epoch, &origin),
            accounts: Accounts::default(),
            scripts: Vec::new(),
            units: Vec::new(),
            problems: Vec::new(),
            alternatives: Alternatives::default(),
            first_boot: Vec::new(),
            kernel: None,
            mistakes: Diagnostics::default(),
            origin,
        }
    }

    pub(crate) fn package(&self, name: &str) -> Option<&'a Package> {
        self.packages.iter().copied().find(|package| package.id.name == name)
    }

    fn inode(&self, kind: Kind, mode: u16) -> Inode {
        Inode::new(kind, mode, self.inputs.recipe.epoch, &self.origin)
    }

    /// `path` with the links in its parents followed.
    pub(crate) fn path(&self, path: &str) -> anyhow::Result<TreePath> {
        let path = TreePath::parse(path).with_context(|| format!("reading the path `{path}`"))?;
        Ok(self.tree.resolve_parents(&path, &self.origin)?)
    }

    /// The inode that `path` leads to, links followed to the end.
    pub(crate) fn lookup(&self, path: &str) -> Option<(TreePath, &Inode)> {
        let path = self.tree.resolve(&TreePath::parse(path).ok()?, &self.origin).ok()?;
        Some((path.clone(), self.tree.get(&path)?))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.lookup(path).is_some()
    }

    /// The bytes of the regular file that `path` leads to; nothing if there is none.
    pub(crate) fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let Some((_, Inode { kind: Kind::File(content), .. })) = self.lookup(path) else { return Ok(None) };
        content.read(self.inputs.contents).map(Some).with_context(|| format!("reading `{path}` of the root"))
    }

    pub(crate) fn read_text(&self, path: &str) -> anyhow::Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Makes sure that `path` leads to a directory; one that is made, and parents that are missing, are root's 0755.
    pub(crate) fn directory(&mut self, path: &str) -> anyhow::Result<TreePath> {
        let wanted = TreePath::parse(path).with_context(|| format!("reading the path `{path}`"))?;
        let resolved = self.tree.resolve(&wanted, &self.origin)?;
        self.missing_directories(Some(resolved.clone()))?;
        Ok(resolved)
    }

    /// Makes what is missing of a resolved path and its parents, root's 0755.
    pub(crate) fn missing_directories(&mut self, mut at: Option<TreePath>) -> anyhow::Result<()> {
        let mut missing = Vec::new();
        while let Some(path) = at.filter(|path| self.tree.get(path).is_none()) {
            at = path.parent();
            missing.push(path);
        }
        for path in missing.into_iter().rev() {
            self.tree.insert(path, self.inode(Kind::Directory, 0o755))?;
        }
        Ok(())
    }

    /// A directory with this mode and owner, whether it was there or not.
    pub(crate) fn directory_with(&mut self, path: &str, mode: u16, uid: u32, gid: u32) -> anyhow::Result<()> {
        let path = self.directory(path)?;
        self.tree.update(&path, |inode| (inode.mode, inode.uid, inode.gid) = (mode, uid, gid))?;
        Ok(())
    }

    /// Puts `inode` at `path`, in place of a file or link that may be there; parents are made.
    pub(crate) fn put(&mut self, path: &str, inode: Inode) -> anyhow::Result<()> {
        if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            self.directory(parent)?;
        }
        let path = self.path(path)?;
        self.tree.replace(path, inode)?;
        Ok(())
    }

    pub(crate) fn file(&mut self, path: &str, mode: u16, bytes: impl Into<Vec<u8>>) -> anyhow::Result<()> {
        let inode = self.inode(Kind::File(Content::inline(bytes)), mode);
        self.put(path, inode)
    }

    pub(crate) fn content(&mut self, path: &str, mode: u16, content: Content) -> anyhow::Result<()> {
        let inode = self.inode(Kind::File(content), mode);
        self.put(path, inode)
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> anyhow::Result<()> {
        let inode = self.inode(Kind::Symlink(target.as_bytes().to_vec()), 0o777);
        self.put(path, inode)
    }

    /// Takes `path` and everything below it away, if it is there.
    pub(crate) fn remove(&mut self, path: &str) -> anyhow::Result<()> {
        let path = self.path(path)?;
        self.tree.remove_all(&path);
        Ok(())
    }

    /// Names and bytes of the regular files directly in `directories` whose names end with `suffix`, as drop-in
    /// directories are read: sorted by name, a name in an earlier directory hides the same name in a later one.
    pub(crate) fn drop_ins(&self, directories: &[&str], suffix: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        for directory in directories {
            let Some((directory, _)) = self.lookup(directory) else { continue };
            for (path, _, _) in self.tree.children(&directory) {
                let (name, path) = (String::from_utf8_lossy(path.name()).into_owned(), path.to_string());
                if name.ends_with(suffix)
                    && !found.contains_key(&name)
                    && let Some(bytes) = self.read(&path)?
                {
                    found.insert(name, bytes);
                }
            }
        }
        Ok(found)
    }
}

//! Modules that somebody wants to load, unpacked, with all that they need.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use super::depmod::{builtin_names, unknown_module};
use super::modinfo;
use crate::diag::{Diagnostics, Location};
use crate::glob;
use crate::tree::{Contents, Kind, Origin, Tree, TreePath};

/// A module that is asked for, by either spelling of its name.
#[derive(Debug, Clone)]
pub(crate) struct WantedModule {
    pub name: String,
    /// Where the recipe asks for it.
    pub location: Option<Location>,
    /// Whether the image makes no sense without it; other ones may be missing, as drivers are in small kernels.
    pub required: bool,
}

/// A module to be loaded, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadableModule {
    /// With `_`, as `/proc/modules` shows it.
    pub name: String,
    pub elf: Vec<u8>,
    /// Names of what has to be loaded before it, in this order.
    pub needs: Vec<String>,
}

/// What a kernel says of its modules, as depmod wrote it.
pub(crate) struct KernelModules {
    /// Name → path below the kernel's directory, and the names of all that it needs, what has to be loaded first last.
    modules: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
    /// Name → names or aliases of what has to be loaded before it, if it is there.
    softly: BTreeMap<String, Vec<String>>,
    /// Pattern, name.
    aliases: Vec<(String, String)>,
    directory: TreePath,
}

impl KernelModules {
    /// `tree` must be an assembled root with a kernel of this release.
    pub(crate) fn read(tree: &Tree, contents: &dyn Contents, release: &str) -> anyhow::Result<KernelModules> {
        let directory = TreePath::parse(format!("/usr/lib/modules/{release}"))?;
        let text = |name: &str| -> anyhow::Result<String> {
            let Some(Kind::File(content)) = tree.get(&directory.join(name)?).map(|inode| &inode.kind) else {
                return Ok(String::new());
            };
            let bytes = content.read(contents).with_context(|| format!("reading {name} of kernel {release}"))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let module = |line: &str| {
            let (path, needed) = line.split_once(':')?;
            let needed = needed.split_whitespace().filter_map(modinfo::module_name).collect();
            Some((modinfo::module_name(path)?, (path.to_owned(), needed)))
        };
        let mut softly: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text("modules.softdep")?.lines().filter_map(|line| line.strip_prefix("softdep ")) {
            if let Some((name, rest)) = line.split_once(' ') {
                softly.entry(modinfo::underscored(name)).or_default().extend(before(rest).map(modinfo::underscored));
            }
        }
        let alias = |line: &str| {
            let (pattern, name) = line.strip_prefix("alias ")?.split_once(' ')?;
            Some((modinfo::underscored(pattern), modinfo::underscored(name)))
        };
        Ok(KernelModules {
            modules: text("modules.dep")?.lines().filter_map(module).collect(),
            builtin: builtin_names(&text("modules.builtin")?),
            softly,
            aliases: text("modules.alias")?.lines().filter_map(alias).collect(),
            directory,
        })
    }

    /// Whether the kernel has it, as a module or built in.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = modinfo::underscored(name);
        self.modules.contains_key(&name) || self.builtin.contains(&name)
    }

    /// The modules named and all that they need, softly too (`softdep … pre:`), in an order in which they can be loaded.
    /// What is built into the kernel needs no module.
    ///
    /// Fails with [`Diagnostics`] if a required module does not exist.
    pub(crate) fn load(
        &self,
        tree: &Tree,
        contents: &dyn Contents,
        wanted: &[WantedModule],
    ) -> anyhow::Result<Vec<LoadableModule>> {
        let mut mistakes = Diagnostics::default();
        let mut order: Vec<String> = Vec::new();
        for want in wanted {
            if want.required && !self.has(&want.name) {
                mistakes.push(unknown_module(&want.name, want.location.as_ref(), self.modules.keys()));
            }
            self.visit(&modinfo::underscored(&want.name), &mut order, &mut BTreeSet::new());
        }
        mistakes.or(())?;
        let origin = Origin::from("nodesmith: initrd");
        let load = |name: String| {
            let (path, _) = self.modules.get(&name).context("a module was named that modules.dep does not have")?;
            let reading = || format!("reading the module {path}");
            let at = tree.resolve(&self.directory.join(path)?, &origin)?;
            let Some(Kind::File(content)) = tree.get(&at).map(|inode| &inode.kind) else {
                anyhow::bail!("{path} is in modules.dep and not in the root");
            };
            let elf = modinfo::decompressed(content.read(contents).with_context(reading)?).with_context(reading)?;
            let mut needs = Vec::new();
            self.visit(&name, &mut needs, &mut BTreeSet::new());
            needs.retain(|needed| *needed != name);
            Ok(LoadableModule { name, elf, needs })
        };
        order.into_iter().map(load).collect()
    }

    /// Adds `name` to `order`, behind all that it needs; `entered` ends circles of soft dependencies.
    fn visit(&self, name: &str, order: &mut Vec<String>, entered: &mut BTreeSet<String>) {
        let Some((_, needed)) = self.modules.get(name) else { return };
        if order.iter().any(|other| other == name) || !entered.insert(name.to_owned()) {
            return;
        }
        for softly in self.softly.get(name).into_iter().flatten() {
            self.named(softly).iter().for_each(|name| self.visit(name, order, entered));
        }
        needed.iter().rev().for_each(|name| self.visit(name, order, entered));
        order.push(name.to_owned());
    }

    /// The modules that a name stands for: the one of that name, else all that have it as an alias.
    fn named<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        if self.has(name) {
            return vec![name];
        }
        let aliases = self.aliases.iter().filter(|(pattern, _)| glob::matches(pattern.as_bytes(), name.as_bytes()));
        aliases.map(|(_, module)| module.as_str()).collect()
    }
}

/// Names behind `pre:` in the rest of a softdep line.
fn before(rest: &str) -> impl Iterator<Item = &str> {
    let mut pre = false;
    rest.split_whitespace().filter(move |word| {
        if word.ends_with(':') {
            pre = *word == "pre:";
            return false;
        }
        pre
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> KernelModules {
        let names = |list: &str| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let module = |(name, needed)| (String::from(name), (format!("kernel/{name}.ko"), names(needed)));
        // depmod writes all that a module needs, what is loaded first last.
        let modules = [
            ("ext4", "mbcache jbd2"),
            ("jbd2", ""),
            ("mbcache", ""),
            ("crc32c_generic", ""),
            ("crc32c_intel", ""),
            ("mpt3sas", "raid_class scsi_mod"),
            ("raid_class", "scsi_mod"),
            ("scsi_mod", ""),
            ("one", ""),
            ("two", ""),
        ];
        let softly = [("ext4", "crc32c"), ("jbd2", "gone"), ("one", "two"), ("two", "one")];
        KernelModules {
            modules: modules.map(module).into(),
            builtin: BTreeSet::from(["nvme".to_owned()]),
            softly: softly.map(|(name, before)| (name.to_owned(), names(before))).into(),
            aliases: ["crc32c_intel", "crc32c_generic"].map(|name| ("crc32c".to_owned(), name.to_owned())).into(),
            directory: TreePath::parse("/usr/lib/modules/6.12").unwrap(),
        }
    }

    #[test]
    fn soft_dependencies_are_those_before() {
        assert_eq!(before("pre: a b post: c").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(before("post: a").count(), 0);
    }

    #[test]
    fn what_a_module_needs_comes_first_also_softly_by_an_alias_and_in_circles() {
        for (name, expected) in [
            ("mpt3sas", "scsi_mod raid_class mpt3sas"),
            ("ext4", "crc32c_intel crc32c_generic jbd2 mbcache ext4"),
            ("one", "two one"),
            ("nvme", ""),
            ("gone", ""),
        ] {
            let mut order = Vec::new();
            kernel().visit(name, &mut order, &mut BTreeSet::new());
            assert_eq!(order.join(" "), expected, "{name}");
        }
        assert!(kernel().has("nvme") && kernel().has("crc32c-intel") && !kernel().has("crc32c"));
    }
}

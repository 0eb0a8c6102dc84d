//! Modules that somebody wants to load, unpacked, with all that they need.

use std::collections::BTreeMap;

use anyhow::Context;

use super::depmod::{builtin_names, unknown_module};
use super::modinfo;
use crate::diag::{Diagnostics, Location};
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
}

/// The modules named and all that they need, softly too (`softdep … pre:`), in an order in which they can be loaded.
/// What is built into the kernel needs no module. `tree` must be an assembled root with a kernel of this release.
///
/// Fails with [`Diagnostics`] if a required module does not exist.
pub(crate) fn modules_with_dependencies(
    tree: &Tree,
    contents: &dyn Contents,
    release: &str,
    wanted: &[WantedModule],
) -> anyhow::Result<Vec<LoadableModule>> {
    let directory = TreePath::parse(format!("/usr/lib/modules/{release}"))?;
    let text = |name: &str| -> anyhow::Result<String> {
        let Some(Kind::File(content)) = tree.get(&directory.join(name)?).map(|inode| &inode.kind) else {
            return Ok(String::new());
        };
        let bytes = content.read(contents).with_context(|| format!("reading {name} of kernel {release}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (dep, builtin, softdep) = (text("modules.dep")?, text("modules.builtin")?, text("modules.softdep")?);
    let paths: BTreeMap<String, &str> =
        dep.lines().filter_map(|line| Some((modinfo::module_name(line.split_once(':')?.0)?, line))).collect();
    let builtin = builtin_names(&builtin);
    let mut order: Vec<&str> = Vec::new();
    let mut mistakes = Diagnostics::default();
    for want in wanted {
        let name = modinfo::underscored(&want.name);
        if !paths.contains_key(&name) && !builtin.contains(&name) && want.required {
            mistakes.push(unknown_module(&want.name, want.location.as_ref(), paths.keys()));
        }
        let softly = softdep.lines().filter_map(|line| line.strip_prefix("softdep ")?.strip_prefix(name.as_str()));
        let softly = softly.flat_map(before).map(modinfo::underscored);
        for name in softly.collect::<Vec<_>>().into_iter().chain([name.clone()]) {
            let Some((path, needed)) = paths.get(&name).and_then(|line| line.split_once(':')) else { continue };
            for path in needed.split_whitespace().rev().chain([path]) {
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
    }
    mistakes.or(())?;
    let origin = Origin::from("nodesmith: initrd");
    let load = |path: &&str| {
        let reading = || format!("reading the module {path}");
        let at = tree.resolve(&directory.join(path)?, &origin)?;
        let Some(Kind::File(content)) = tree.get(&at).map(|inode| &inode.kind) else {
            anyhow::bail!("{path} is in modules.dep and not in the root");
        };
        let elf = modinfo::decompressed(content.read(contents).with_context(reading)?).with_context(reading)?;
        Ok(LoadableModule { name: modinfo::module_name(path).unwrap_or_default(), elf })
    };
    order.iter().map(load).collect()
}

/// Names behind `pre:` in the rest of a softdep line; nothing if the line is of a module with a longer name.
fn before(rest: &str) -> impl Iterator<Item = &str> {
    let mut pre = false;
    let rest = if rest.starts_with(' ') { rest } else { "" };
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

    #[test]
    fn soft_dependencies_are_those_before() {
        assert_eq!(before(" pre: a b post: c").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(before("x pre: a").count(), 0);
    }
}

//! `depmod`, natively: the files by which `modprobe` and udev find kernel modules.
//!
//! Dependencies are what the modules' own `depends=` says, which modpost derived from the symbols. Text files are for
//! people and for the three that libkmod reads as text (softdep, weakdep, devname); everything else it reads from the
//! `.bin` indexes. Oracle: `modprobe --show-depends` and `depmod` on the same modules.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::index::Index;
use super::modinfo::{self, ModuleInformation};
use crate::assemble::root::Root;
use crate::diag::{Diagnostic, Location};
use crate::spelling;
use crate::tree::{Content, Kind};

/// One module of the image.
#[derive(Debug)]
struct Module {
    name: String,
    /// Below the directory of its kernel: `kernel/fs/erofs/erofs.ko.xz`.
    path: String,
    information: ModuleInformation,
}

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let Some(kernel) = &root.kernel else { return Ok(()) };
    let directory = format!("/usr/lib/modules/{}", kernel.release);
    let modules = modules(root, &directory)?;
    let names: BTreeMap<&str, usize> =
        modules.iter().enumerate().map(|(index, module)| (module.name.as_str(), index)).collect();
    let depends: Vec<Vec<usize>> = modules.iter().map(|module| direct(module, &names)).collect();
    let order: Vec<Vec<usize>> = (0..modules.len()).map(|index| needed(index, &depends)).collect();

    let (mut dep, mut dep_index) = (String::new(), Index::default());
    let (mut alias, mut alias_index) = ("# Aliases extracted from modules themselves.\n".to_owned(), Index::default());
    let mut symbols = "# Aliases for symbols, used by symbol_request().\n".to_owned();
    let mut symbols_index = Index::default();
    let mut softdep = "# Soft dependencies extracted from modules themselves.\n".to_owned();
    let mut weakdep = "# Weak dependencies extracted from modules themselves.\n".to_owned();
    let mut devname = "# Device nodes to trigger on-demand module loading.\n".to_owned();
    for (position, module) in modules.iter().enumerate() {
        let priority = u32::try_from(position).context("counting modules")?;
        let Module { name, path, information } = module;
        let mut line = format!("{path}:");
        for needed in &order[position] {
            line.push(' ');
            line.push_str(&modules[*needed].path);
        }
        dep_index.insert(name, line.clone(), priority);
        dep.push_str(&line);
        dep.push('\n');
        for text in &information.aliases {
            alias.push_str(&format!("alias {text} {name}\n"));
            alias_index.insert(&modinfo::underscored(text), name.clone(), priority);
        }
        for symbol in &information.symbols {
            symbols.push_str(&format!("alias symbol:{symbol} {name}\n"));
            symbols_index.insert(&format!("symbol:{symbol}"), name.clone(), priority);
        }
        information.softdeps.iter().for_each(|text| softdep.push_str(&format!("softdep {name} {text}\n")));
        information.weakdeps.iter().for_each(|text| weakdep.push_str(&format!("weakdep {name} {text}\n")));
        devname.push_str(&device_node(module).unwrap_or_default());
    }
    let (builtin, builtin_alias) = builtin(root, &directory)?;
    let files: [(&str, Vec<u8>); 11] = [
        ("modules.dep", dep.into_bytes()),
        ("modules.dep.bin", dep_index.write()?),
        ("modules.alias", alias.into_bytes()),
        ("modules.alias.bin", alias_index.write()?),
        ("modules.symbols", symbols.into_bytes()),
        ("modules.symbols.bin", symbols_index.write()?),
        ("modules.softdep", softdep.into_bytes()),
        ("modules.weakdep", weakdep.into_bytes()),
        ("modules.devname", devname.into_bytes()),
        ("modules.builtin.bin", builtin.write()?),
        ("modules.builtin.alias.bin", builtin_alias.write()?),
    ];
    for (name, bytes) in files {
        root.file(&format!("{directory}/{name}"), 0o644, bytes)?;
    }
    unknown_modules(root, &names, &directory)
}

/// All modules, in the order of `modules.order`, which is the order of preference; others after them by path.
fn modules(root: &Root, directory: &str) -> anyhow::Result<Vec<Module>> {
    let Some((base, _)) = root.lookup(directory) else { return Ok(Vec::new()) };
    let order = root.read_text(&format!("{directory}/modules.order"))?.unwrap_or_default();
    let rank: BTreeMap<String, usize> = order.lines().enumerate().map(|(rank, line)| (stem(line), rank)).collect();
    let mut files: Vec<(usize, String, Content)> = Vec::new();
    for (path, _, inode) in root.tree.below(&base) {
        let relative = String::from_utf8_lossy(&path.as_bytes()[base.as_bytes().len()..]).into_owned();
        let relative = relative.trim_start_matches('/').to_owned();
        if let (Kind::File(content), Some(_)) = (&inode.kind, modinfo::module_name(&relative)) {
            let rank = rank.get(&stem(&relative)).copied().unwrap_or(usize::MAX);
            files.push((rank, relative, content.clone()));
        }
    }
    files.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let contents = root.inputs.contents;
    let read = |(_, path, content): (usize, String, Content)| {
        let reading = || format!("reading the module {path}");
        let elf = modinfo::decompressed(content.read(contents).with_context(reading)?).with_context(reading)?;
        let information = modinfo::information(&elf).with_context(reading)?;
        Ok(Module { name: modinfo::module_name(&path).unwrap_or_default(), path, information })
    };
    files.into_par_iter().map(read).collect()
}

/// The path less its suffix: `modules.order` names modules as they were before they were compressed.
fn stem(path: &str) -> String {
    path.split_once(".ko").map_or(path, |(stem, _)| stem).to_owned()
}

fn direct(module: &Module, names: &BTreeMap<&str, usize>) -> Vec<usize> {
    let depends = module.information.depends.iter();
    depends.filter_map(|name| names.get(modinfo::underscored(name).as_str()).copied()).collect()
}

/// Everything that has to be loaded before `module`, each before what it needs itself: modprobe starts at the end.
fn needed(module: usize, depends: &[Vec<usize>]) -> Vec<usize> {
    let mut loaded = Vec::new();
    let mut seen = BTreeSet::from([module]);
    // Depth first with an explicit stack; a module is done when all below it are.
    let mut stack: Vec<(usize, usize)> = vec![(module, 0)];
    while let Some((at, next)) = stack.pop() {
        match depends[at].get(next) {
            Some(below) => {
                stack.push((at, next + 1));
                if seen.insert(*below) {
                    stack.push((*below, 0));
                }
            }
            None if at != module => loaded.push(at),
            None => {}
        }
    }
    loaded.reverse();
    loaded
}

/// `fuse fuse c10:229` from the aliases `devname:fuse` and `char-major-10-229`.
fn device_node(module: &Module) -> Option<String> {
    let (mut node, mut number) = (None, None);
    for alias in &module.information.aliases {
        if let Some(name) = alias.strip_prefix("devname:") {
            node = Some(name);
        }
        for (prefix, kind) in [("char-major-", 'c'), ("block-major-", 'b')] {
            if let Some((major, minor)) = alias.strip_prefix(prefix).and_then(|rest| rest.split_once('-'))
                && major.parse::<u32>().is_ok()
                && minor.parse::<u32>().is_ok()
            {
                number = Some(format!("{kind}{major}:{minor}"));
            }
        }
    }
    Some(format!("{} {} {}\n", module.name, node?, number?))
}

/// The indexes of what is built into the kernel: names, and aliases from `modules.builtin.modinfo`.
fn builtin(root: &Root, directory: &str) -> anyhow::Result<(Index, Index)> {
    let (mut names, mut aliases) = (Index::default(), Index::default());
    for path in root.read_text(&format!("{directory}/modules.builtin"))?.unwrap_or_default().lines() {
        if let Some(name) = modinfo::module_name(path) {
            names.insert(&name, "", 0);
        }
    }
    let information = root.read(&format!("{directory}/modules.builtin.modinfo"))?.unwrap_or_default();
    for entry in information.split(|byte| *byte == 0) {
        let entry = String::from_utf8_lossy(entry);
        if let Some((module, alias)) = entry.split_once(".alias=") {
            aliases.insert(&modinfo::underscored(alias), modinfo::underscored(module), 0);
        }
    }
    Ok((names, aliases))
}

/// Modules that the recipe loads must be there or built in, under their own names: what an alias leads to may differ
/// from one kernel to the next.
fn unknown_modules(root: &mut Root, names: &BTreeMap<&str, usize>, directory: &str) -> anyhow::Result<()> {
    let builtin = builtin_names(&root.read_text(&format!("{directory}/modules.builtin"))?.unwrap_or_default());
    for module in &root.inputs.recipe.modules.load {
        let name = modinfo::underscored(&module.value);
        if names.contains_key(name.as_str()) || builtin.contains(&name) {
            continue;
        }
        let known: Vec<String> = names.keys().map(|name| (*name).to_owned()).collect();
        root.mistakes.push(unknown_module(&module.value, Some(&module.location), known.iter()));
    }
    Ok(())
}

pub(super) fn builtin_names(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(modinfo::module_name).collect()
}

pub(super) fn unknown_module<'a>(
    name: &str,
    location: Option<&Location>,
    known: impl Iterator<Item = &'a String>,
) -> Diagnostic {
    let diagnostic = Diagnostic::new("unknown-module", format!("the kernel has no module `{name}`"))
        .help(spelling::nearest_of("modules of this kernel", &modinfo::underscored(name), known));
    match location {
        Some(location) => diagnostic.at(location, "neither a module nor built in"),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_first_stands_last() {
        // 0 needs 1 and 2, 1 needs 2, 2 needs 3.
        let depends = [vec![1, 2], vec![2], vec![3], vec![]];
        assert_eq!(needed(0, &depends), [1, 2, 3]);
        assert_eq!(needed(3, &depends), [] as [usize; 0]);
        // Cycles end.
        assert_eq!(needed(0, &[vec![1], vec![0]]), [1]);
    }

    #[test]
    fn device_nodes_need_a_name_and_a_number() {
        let module = |aliases: &[&str]| Module {
            name: "fuse".into(),
            path: String::new(),
            information: ModuleInformation {
                aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
                ..Default::default()
            },
        };
        assert_eq!(
            device_node(&module(&["devname:fuse", "char-major-10-229"])).as_deref(),
            Some("fuse fuse c10:229\n")
        );
        assert_eq!(device_node(&module(&["char-major-10-229"])), None);
        assert_eq!(device_node(&module(&["devname:x", "block-major-8-*"])), None);
    }
}

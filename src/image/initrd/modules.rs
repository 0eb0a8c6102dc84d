//! Which kernel modules an initrd has, and when it loads them: drivers of the recipe's hardware where there is such a
//! device, what the root is made of and what the recipe asks for always.

use std::collections::BTreeSet;

use anyhow::Context;

use super::archive::{Load, Module};
use crate::assemble::modules::load::{KernelModules, LoadableModule, WantedModule};
use crate::assemble::modules::modinfo;
use crate::diag::Location;
use crate::image::parts::Parts;
use crate::recipe::{Recipe, output};

/// What the root is made of; an image without one of them does not start.
const NEEDED: &[&str] = &["dm-verity", "erofs", "overlay"];
/// What tells from which disk the boot loader came, where two hold the root.
const USEFUL: &[&str] = &["efivarfs"];
/// What an installer finds its CD or its stick with, and what it reads it with.
const MEDIUM: &[&str] = &["sr_mod", "xhci_pci", "ehci_pci", "uhci_hcd", "ohci_pci"];
const MEDIUM_FILESYSTEM: &[&str] = &["isofs"];
/// What a root in memory needs besides.
const IN_MEMORY: &[&str] = &["loop"];

/// The modules, each before those that need it, and the names of all firmware that one of them may load.
pub(super) fn load(parts: &Parts<'_>) -> anyhow::Result<(Vec<Module>, BTreeSet<String>)> {
    let Parts { recipe, tree, contents, .. } = *parts;
    let (drivers, always) = (drivers(recipe), always(recipe));
    let kernel = KernelModules::read(tree, contents, &parts.kernel.release)?;
    let loadable = kernel.load(tree, contents, &[drivers.as_slice(), &always].concat())?;
    let (mut modules, mut firmware) = (Vec::new(), BTreeSet::new());
    for LoadableModule { name, elf, needs } in loadable {
        let information = modinfo::information(&elf).with_context(|| format!("reading the module {name}"))?;
        firmware.extend(information.firmware);
        let is_among = |list: &[WantedModule]| list.iter().any(|module| modinfo::underscored(&module.name) == name);
        let load = match (is_among(&always), is_among(&drivers)) {
            (true, _) => Load::Always,
            (false, true) => for_devices(&information.aliases),
            (false, false) => Load::WhenNeeded,
        };
        modules.push(Module { name, elf, needs, load });
    }
    Ok((modules, firmware))
}

/// By the patterns of modaliases, which begin with the name of a bus; a driver that has none cannot be asked for by a device.
fn for_devices(aliases: &[String]) -> Load {
    let patterns = aliases.iter().filter(|alias| alias.contains(':') && !alias.contains(char::is_whitespace));
    let patterns: Vec<String> = patterns.map(|alias| modinfo::underscored(alias)).collect();
    if patterns.is_empty() { Load::Always } else { Load::ForDevices(patterns) }
}

/// Names that a kernel has built in, or does not have at all, are passed over; `checks` looks for the essential ones.
fn drivers(recipe: &Recipe) -> Vec<WantedModule> {
    let network = starts_from_network(recipe);
    let mut names: Vec<&str> = Vec::new();
    for hardware in recipe.hardware.iter().map(|kind| kind.value) {
        let network = if network { hardware.network } else { &[] };
        names.extend(hardware.storage.iter().chain(network));
    }
    names.extend(if is_installer(recipe) { MEDIUM } else { &[] });
    names.into_iter().map(|name| wanted(name, None, false)).collect()
}

fn starts_from_network(recipe: &Recipe) -> bool {
    recipe.outputs.contains(&&output::PXE)
}

fn is_installer(recipe: &Recipe) -> bool {
    recipe.outputs.contains(&&output::ISO)
}

fn always(recipe: &Recipe) -> Vec<WantedModule> {
    let kernel = Some(&recipe.kernel.package.location);
    let memory: &[&str] = if starts_from_network(recipe) { IN_MEMORY } else { &[] };
    let needed =
        NEEDED.iter().chain(memory).copied().chain([recipe.disk.var.module]).map(|name| wanted(name, kernel, true));
    let medium: &[&str] = if is_installer(recipe) { MEDIUM_FILESYSTEM } else { &[] };
    let useful = USEFUL.iter().chain(medium).map(|name| wanted(name, None, false));
    let asked = recipe.kernel.initrd_modules.iter();
    let asked = asked.map(|module| wanted(&module.value, Some(&module.location), true));
    needed.chain(useful).chain(asked).collect()
}

fn wanted(name: &str, location: Option<&Location>, required: bool) -> WantedModule {
    WantedModule { name: name.to_owned(), location: location.cloned(), required }
}

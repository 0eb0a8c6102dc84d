//! Whether kernel and root suit the machines that the recipe is for.

use super::finding::{Finding, Findings};
use super::subject::Subject;
use crate::assemble::modules::load::{KernelModules, WantedModule};
use crate::assemble::modules::modinfo;
use crate::recipe::hardware::Hardware;
use crate::yaml::Located;

/// Compressed, where the kernel can read that.
const SUFFIXES: [&str; 3] = ["", ".xz", ".zst"];

/// A kernel for clouds starts on no server, and says so only there.
pub(super) fn drivers(subject: &Subject) -> Findings {
    let release = &subject.kernel.release;
    let kernel = KernelModules::read(subject.tree, subject.contents, release)?;
    let finding = |Located { value, location }: &Located<&'static Hardware>| {
        let missing: Vec<&str> = value.essential.iter().copied().filter(|name| !kernel.has(name)).collect();
        let word = value.word;
        let text = format!(
            "the kernel {release} is for other machines than `{word}`: it has no {}; take the distribution's general one, \
             such as Debian's linux-image-amd64",
            missing.join(", "),
        );
        (!missing.is_empty()).then(|| Finding::at(text, location))
    };
    Ok(subject.recipe.hardware.iter().filter_map(finding).collect())
}

/// What machines may be missing and an image can do without, a sentence each: firmware that no package of the root brings.
/// Whose licence allows that, and whether the machines have such devices, is the author's to know.
pub fn notes(subject: &Subject) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    let wanted = subject.recipe.hardware.iter().map(|kind| kind.value).filter(|kind| kind.firmware);
    let wanted: Vec<&str> = wanted.flat_map(Hardware::drivers).collect();
    if wanted.is_empty() {
        return Ok(notes);
    }
    for (vendor, directory) in [("AMD", "amd-ucode"), ("Intel", "intel-ucode")] {
        if subject.lookup(&format!("/usr/lib/firmware/{directory}"))?.is_none() {
            notes
                .push(format!("the image has no microcode for processors of {vendor} (/usr/lib/firmware/{directory})"));
        }
    }
    let wanted = wanted.into_iter().map(|name| WantedModule { name: name.to_owned(), location: None, required: false });
    let kernel = KernelModules::read(subject.tree, subject.contents, &subject.kernel.release)?;
    let mut without = Vec::new();
    for module in kernel.load(subject.tree, subject.contents, &wanted.collect::<Vec<_>>())? {
        let names = modinfo::information(&module.elf)?.firmware;
        let mut found = names.is_empty();
        for path in names.iter().flat_map(|name| SUFFIXES.map(|suffix| format!("/usr/lib/firmware/{name}{suffix}"))) {
            found = found || subject.lookup(&path)?.is_some();
        }
        if let (false, Some(first)) = (found, names.first()) {
            without.push(format!("{} ({first})", module.name));
        }
    }
    if !without.is_empty() {
        notes.push(format!("no package brings firmware for the drivers {}", without.join(", ")));
    }
    Ok(notes)
}

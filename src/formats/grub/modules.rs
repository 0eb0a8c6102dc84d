//! Which modules a module needs, by `moddep.lst`: a line for each, `linux: boot mmap normal`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};

/// `wanted` and all that they need, each behind what it needs itself. `grub-mkimage` takes the modules of a line from
/// the last to the first; so does this, and the images are the same.
pub(super) fn closure<'a>(moddep: &'a str, wanted: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in moddep.lines().filter(|line| !line.trim().is_empty()) {
        let (module, needed) = line.split_once(':').with_context(|| format!("a line without a colon: `{line}`"))?;
        needs.insert(module, needed.split_whitespace().collect());
    }
    let mut order = Vec::new();
    let (mut seen, mut loaded) = (BTreeSet::new(), BTreeSet::new());
    // A module stands here twice: to look at what it needs, and below that to be loaded.
    let mut pending: Vec<(&str, bool)> = wanted.iter().rev().map(|module| (*module, false)).collect();
    while let Some((module, ready)) = pending.pop() {
        if ready {
            loaded.insert(module);
            order.push(module);
        } else if seen.insert(module) {
            let Some(needed) = needs.get(module) else { bail!("there is no module `{module}`") };
            pending.push((module, true));
            pending.extend(needed.iter().map(|module| (*module, false)));
        } else if !loaded.contains(module) {
            bail!("the modules that `{module}` needs need it themselves");
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODDEP: &str = "boot:\nlinux: boot mmap video\nmmap: boot\nvideo: \n\na: b\nb: c\nc: a\nlost: gone\n";

    #[test]
    fn modules_stand_behind_what_they_need() {
        assert_eq!(closure(MODDEP, &["linux"]).unwrap(), ["video", "boot", "mmap", "linux"]);
        assert_eq!(closure(MODDEP, &["mmap", "linux", "boot"]).unwrap(), ["boot", "mmap", "video", "linux"]);
        assert!(closure(MODDEP, &[]).unwrap().is_empty());
    }

    #[test]
    fn lists_that_lead_nowhere_are_mistakes() {
        let mistake = |moddep, module| closure(moddep, &[module]).unwrap_err().to_string();
        assert_eq!(mistake(MODDEP, "ext9"), "there is no module `ext9`");
        assert_eq!(mistake(MODDEP, "lost"), "there is no module `gone`");
        assert_eq!(mistake(MODDEP, "a"), "the modules that `a` needs need it themselves");
        assert_eq!(mistake("what is this", "a"), "a line without a colon: `what is this`");
    }
}

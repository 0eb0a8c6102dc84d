//! Whether every kernel module is one of the image's kernel: no other is ever loaded.

use std::collections::BTreeMap;

use super::finding::{Finding, Findings};
use super::subject::Subject;
use crate::assemble::modules::modinfo::module_name;
use crate::tree::{Kind, TreePath};

const MODULES: &str = "/usr/lib/modules";

pub(super) fn check(subject: &Subject) -> Findings {
    let directory = TreePath::parse(MODULES)?;
    let depth = directory.components().count();
    // Who brings modules of which other release, and the first of them.
    let mut others: BTreeMap<(String, String), &TreePath> = BTreeMap::new();
    for (path, _, inode) in subject.tree.below(&directory) {
        let is_module = module_name(&String::from_utf8_lossy(path.name())).is_some();
        if let (Kind::File(_), true, Some(release)) = (&inode.kind, is_module, path.components().nth(depth)) {
            let release = String::from_utf8_lossy(release).into_owned();
            others.entry((inode.origin.to_string(), release)).or_insert(path);
        }
    }
    others.retain(|(_, release), _| *release != subject.kernel.release);
    let finding = |((origin, release), path): ((String, String), &TreePath)| {
        let kernel = &subject.kernel.release;
        let text = format!("{origin} brings modules of kernel {release}, and the image's kernel is {kernel}: `{path}`");
        let brought = subject.packages.iter().find(|package| package.id.to_string() == origin);
        let asked = &subject.recipe.packages;
        match brought.and_then(|package| asked.iter().find(|request| request.name == package.id.name)) {
            Some(request) => Finding::at(text, &request.location),
            None => text.into(),
        }
    };
    Ok(others.into_iter().map(finding).collect())
}

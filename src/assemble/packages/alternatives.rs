//! Links of alternatives whose targets were pruned go, and their state says so.

use crate::assemble::root::Root;
use crate::assemble::scripts::files::Files;
use crate::tree::Tree;

/// Takes away what leads nowhere, after pruning.
pub(crate) fn relink(root: &mut Root) -> anyhow::Result<()> {
    let tree = std::mem::replace(&mut root.tree, Tree::new(root.inputs.recipe.epoch, &root.origin));
    let mut files = Files::new(tree, root.inputs.contents, root.inputs.recipe.epoch, root.origin.clone());
    let done = root.alternatives.relink(&mut files, root.base);
    root.tree = files.tree;
    done.map_err(|errno| anyhow::anyhow!("relinking alternatives: {errno}"))
}

//! What a recipe drops, beside what is in its lock.

use std::path::Path;

use crate::diag::{Diagnostic, Diagnostics};
use crate::lock::Lock;
use crate::recipe::{Dropped, Recipe};
use crate::spelling;

/// Packages that the recipe at `path` drops and nothing brings: most likely the name of another one. What a base drops
/// need not be in every image.
pub fn unused_drops(recipe: &Recipe, path: &Path, lock: &Lock) -> Diagnostics {
    let names = || lock.packages.iter().map(|package| package.name.as_str());
    let path = path.display().to_string();
    let unused =
        recipe.drop.iter().filter(|drop| drop.location.source.name == path && names().all(|name| name != drop.name));
    let mistake = |drop: &Dropped| {
        let near: Vec<String> =
            spelling::nearest(&drop.name, names(), 3).into_iter().map(|name| format!("`{name}`")).collect();
        Diagnostic::new("unused-drop", format!("nothing brings the package `{}` that is dropped", drop.name))
            .at(&drop.location, "not in the lock")
            .help(format!("take the entry out, or name one of the lock's packages: {}", near.join(", ")))
    };
    Diagnostics(unused.map(mistake).collect())
}

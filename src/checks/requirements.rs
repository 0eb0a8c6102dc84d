//! Whether the root has the paths that its packages require.

use super::finding::Findings;
use super::subject::Subject;
use crate::bounded::quote;
use crate::package::Family;
use crate::package::rpm::REQUIRES;

/// Paths that no index knew when the packages were chosen.
pub(super) fn files(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for package in subject.packages.iter().filter(|package| package.family == Family::Rpm) {
        let paths = package.control.iter().filter(|(name, value)| name == REQUIRES && value.starts_with('/'));
        for (_, path) in paths {
            if subject.lookup(path)?.is_none() {
                found.push(format!("{} requires `{}`, which nothing brings", package.id, quote(path)).into());
            }
        }
    }
    Ok(found)
}

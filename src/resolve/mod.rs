//! Requests and an index → the packages of the root: what was asked for, everything essential, and what they need.
//!
//! Where every package on offer is an RPM, the choice is dnf's (`rpm`), else it is apt's (`deb`). resolvo has the last
//! word on either.

mod deb;
mod interned;
mod line;
mod mistakes;
mod rpm;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Diagnostics;
use crate::package::Family;
use crate::recipe::PackageRequest;
use crate::repo::Index;
use crate::tree::Digest;
pub use line::{is_of_line, keep_line};
use mistakes::all_offered;
use rpm::Owners;
use versions::newer;

/// The wanted paths that packages have by their file lists, by the package's digest.
pub type FileLists<'a> = dyn Fn(&BTreeSet<String>) -> anyhow::Result<BTreeMap<Digest, Vec<String>>> + 'a;

/// What a recipe says about the choice among RPMs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Repository → its priority. The smaller, the better; 99 where there is none.
    pub priorities: BTreeMap<String, u32>,
    /// Recommended packages come too, where nothing speaks against them.
    pub weak_dependencies: bool,
}

/// As [`resolve_with`], without preferences and file lists.
pub fn resolve(requests: &[&PackageRequest], index: &Index) -> Result<Vec<usize>, Diagnostics> {
    let chosen = resolve_with(requests, index, &Preferences::default(), &|_| Ok(BTreeMap::new()));
    chosen.map_err(|error| error.downcast().expect("without file lists, only people make mistakes"))
}

/// Indexes into `index.offers`, in order of package name. `file_lists` is asked only when the choice hangs on paths that
/// the index does not have.
///
/// A request that nothing offers, and a set that cannot be had together, are mistakes at the requests' places.
pub fn resolve_with(
    requests: &[&PackageRequest],
    index: &Index,
    preferences: &Preferences,
    file_lists: &FileLists<'_>,
) -> anyhow::Result<Vec<usize>> {
    let requests = all_offered(requests, index)?;
    if !only_rpms(index) {
        return Ok(sorted(deb::choose(requests, index)?, index));
    }
    let Preferences { priorities, weak_dependencies } = preferences;
    let mut owners = Owners::default();
    loop {
        let choice = rpm::choose(requests, index, priorities, *weak_dependencies, &owners)?;
        if choice.unknown.is_empty() {
            return Ok(sorted(choice.offers, index));
        }
        // Each round knows more paths, and there are only so many.
        for (package, paths) in file_lists(&choice.unknown)? {
            owners.paths.entry(package).or_default().extend(paths);
        }
        owners.known.extend(choice.unknown);
    }
}

fn only_rpms(index: &Index) -> bool {
    index.offers.iter().all(|offer| offer.family == Family::Rpm)
}

fn sorted(mut chosen: Vec<usize>, index: &Index) -> Vec<usize> {
    chosen.sort_by(|a, b| index.offers[*a].id.cmp(&index.offers[*b].id));
    chosen
}

/// The newest offer of a name.
pub fn newest(name: &str, index: &Index) -> Option<usize> {
    let offers = index.offers.iter().enumerate().filter(|(_, offer)| offer.id.name == name);
    let newest = offers.max_by(|a, b| newer(a.1, b.1).then(b.0.cmp(&a.0)));
    newest.map(|(number, _)| number)
}

#[cfg(test)]
mod tests;

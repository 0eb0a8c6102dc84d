//! Requests and RPMs → the packages that `dnf install` would put on an empty system.
//!
//! `pool` knows who provides what, `rules` turns a package's relations into clauses, `search` finds what dnf would take
//! and `choice` says which of several that is. `judge` lets resolvo look at the result: it confirms it, finds another one
//! where the search gives up, or says why there is none. The oracle is dnf itself (`tests/it/dnf_closure.rs`).

mod choice;
mod judge;
mod logic;
mod pool;
mod rules;
mod search;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use pool::Owners;
pub use pool::PRIORITY;

use super::provider::has_version;
use super::{sorted, unsatisfiable};
use crate::diag::Diagnostics;
use crate::recipe::PackageRequest;
use crate::repo::{Dependency, Index};
use pool::{Pool, number};
use search::{Outcome, search};

/// A choice, and what it could not know.
#[derive(Debug)]
pub(super) struct Choice {
    /// Indexes into `index.offers`, in order of package name.
    pub(super) offers: Vec<usize>,
    /// Paths that chosen packages need and nobody is known to have: file lists have to be asked for them.
    pub(super) unknown: BTreeSet<String>,
}

/// Every offer is an RPM, and every request is on offer. `priorities` are the repositories' by name, the smaller the
/// better; with `weak` recommended packages come too.
pub(super) fn choose(
    requests: &[&PackageRequest],
    index: &Index,
    priorities: &BTreeMap<String, u32>,
    weak: bool,
    owners: &Owners,
) -> Result<Choice, Diagnostics> {
    let pool = Pool::new(&index.offers, priorities, owners);
    let wanted: Vec<Vec<u32>> = requests.iter().map(|request| candidates(request, &pool)).collect();
    let named = |request: &PackageRequest| match &request.version {
        Some(version) => format!("{} = {version}", request.name),
        None => request.name.clone(),
    };
    let jobs: Vec<(String, Vec<u32>)> = requests.iter().map(|it| named(it)).zip(wanted.iter().cloned()).collect();
    let chosen = match search(&pool, &wanted, weak) {
        Outcome::Chosen(chosen) => {
            let fixed = |offer: &u32| (pool.offer(*offer).id.name.clone(), vec![*offer]);
            judge::judge(&pool, &chosen.iter().map(fixed).collect::<Vec<_>>())
        }
        Outcome::Unknown | Outcome::Impossible => judge::judge(&pool, &jobs),
    };
    let chosen = chosen.map_err(|chain| Diagnostics::from(unsatisfiable(requests, &chain)))?;
    let mut unknown = BTreeSet::new();
    for offer in &chosen {
        let relations = pool.offer(*offer).depends.iter().flat_map(|Dependency(any)| any);
        unknown.extend(relations.filter(|it| pool.is_unknown_path(it)).map(|it| it.name.clone()));
    }
    let chosen = chosen.into_iter().filter_map(|offer| usize::try_from(offer).ok()).collect();
    Ok(Choice { offers: sorted(chosen, index), unknown })
}

/// The packages of a request's name and version. Where it names no version, what obsoletes them will do too, as for dnf:
/// a package that was renamed is found by its old name.
fn candidates(request: &PackageRequest, pool: &Pool<'_>) -> Vec<u32> {
    let all = 0..number(pool.offers.len());
    let is_meant = |offer: &u32| {
        let offer = pool.offer(*offer);
        offer.id.name == request.name && request.version.as_ref().is_none_or(|version| has_version(offer, version))
    };
    let mut candidates: Vec<u32> = all.clone().filter(is_meant).collect();
    if request.version.is_none() {
        let obsoletes = |offer: &u32| {
            let obsoletes = &pool.offer(*offer).obsoletes;
            obsoletes.iter().any(|it| it.name == request.name)
                && candidates.iter().any(|candidate| pool.obsoletes(*offer, *candidate))
        };
        let obsoleting: Vec<u32> = all.filter(obsoletes).collect();
        candidates.extend(obsoleting);
        candidates.sort_unstable();
    }
    candidates
}

#[cfg(test)]
mod tests;

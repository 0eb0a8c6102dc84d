//! Requests and RPMs → the packages that `dnf install` would put on an empty system.
//!
//! `pool` knows who provides what, `rules` turns a package's relations into clauses, `search` finds what dnf would take
//! and `choice` says which of several that is. `judge` lets resolvo look at the result: it confirms it, or finds another
//! one where the search gives up. Where there is none, `explain` finds out why, and `story` says it. The oracle is dnf
//! itself (`tests/it/dnf_closure.rs`).

mod choice;
mod explain;
mod fact;
mod judge;
mod logic;
mod outcome;
mod owners;
mod pool;
mod rules;
mod search;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use super::mistakes::incompatible;
use super::versions::has_version;
use crate::diag::{Diagnostic, Diagnostics};
use crate::package::Dependency;
use crate::recipe::PackageRequest;
use crate::repo::Index;
use explain::Explanation;
use outcome::Outcome;
pub(super) use owners::Owners;
use pool::{Pool, number};
use search::search;

/// A choice, and what it could not know.
#[derive(Debug)]
pub(super) struct Choice {
    /// Indexes into `index.offers`, in no order.
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
    let proposed = match search(&pool, &wanted, weak) {
        Outcome::Chosen(chosen) => {
            judge::judge(&pool, &chosen.into_iter().map(|offer| vec![offer]).collect::<Vec<_>>())
        }
        undecided => undecided,
    };
    let verdict = match proposed {
        Outcome::Chosen(chosen) => Outcome::Chosen(chosen),
        // What the search misses, resolvo may find.
        Outcome::Impossible | Outcome::Unknown => judge::judge(&pool, &wanted),
    };
    let chosen = match verdict {
        Outcome::Chosen(chosen) => chosen,
        refused => {
            let jobs: Vec<(String, Vec<u32>)> = requests.iter().map(|it| named(it)).zip(wanted).collect();
            let explanation = explain::explain(&pool, &jobs);
            return Err(refusal(requests, explanation, refused == Outcome::Impossible).into());
        }
    };
    let mut unknown = BTreeSet::new();
    for offer in &chosen {
        let relations = pool.offer(*offer).depends.iter().flat_map(|Dependency(any)| any);
        unknown.extend(relations.filter(|it| pool.is_unknown_path(it)).map(|it| it.name.clone()));
    }
    let chosen = chosen.into_iter().filter_map(|offer| usize::try_from(offer).ok()).collect();
    Ok(Choice { offers: chosen, unknown })
}

/// `impossible`: this is certain even if it is not explained.
fn refusal(requests: &[&PackageRequest], explanation: Option<Explanation>, impossible: bool) -> Diagnostic {
    match explanation {
        Some(Explanation { requests: blamed, text }) => {
            incompatible(blamed.into_iter().map(|number| requests[number]), &text)
        }
        None if impossible => {
            incompatible(requests.iter().copied(), "what contradicts itself there is too much to be shown")
        }
        None => Diagnostic {
            slug: "undecided",
            title: "it takes too long to find out whether these packages can be installed together".to_owned(),
            ..incompatible(requests.iter().copied(), "name versions, or fewer repositories and packages")
        },
    }
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

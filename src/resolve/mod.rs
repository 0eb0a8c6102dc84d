//! Requests and an index → the packages of the root: what was asked for, everything essential, and what they need.
//!
//! Dependencies of all strengths up to Depends are hard, Recommends are not followed. Where several packages would do,
//! the choice is apt's: alternatives in the order written, a package of that very name before one that stands in for
//! it, the newest version. `walk` finds what apt would take; the solver has the last word on it, and finds another
//! solution, or why there is none, where the walk leads nowhere. The oracle is `apt-get install -s` with an empty status
//! (`tests/it/apt_closure.rs`).

mod provider;
mod walk;

use std::collections::BTreeSet;

use resolvo::{Problem, Requirement, SolvableId, Solver, UnsolvableOrCancelled};

use crate::diag::{Diagnostic, Diagnostics};
use crate::package::version::compare_versions;
use crate::recipe::PackageRequest;
use crate::repo::{Index, Operator, Relation};
use crate::spelling::nearest;
use provider::Provider;

/// Names that are shown as meant, at most.
const NEAREST: usize = 3;

/// Indexes into `index.offers`, in order of package name.
///
/// A request that nothing offers, and a set that cannot be had together, are mistakes at the requests' places.
pub fn resolve(requests: &[&PackageRequest], index: &Index) -> Result<Vec<usize>, Diagnostics> {
    let mut found = Diagnostics::default();
    requests.iter().for_each(|request| offered(request, index, &mut found));
    let requests = found.or(requests)?;

    let essential: BTreeSet<&str> =
        index.offers.iter().filter(|offer| offer.essential).map(|offer| offer.id.name.as_str()).collect();
    let relation = |name: &str, constraint| Relation { name: name.to_owned(), constraint };
    let asked = requests.iter().map(|request| {
        let version = request.version.as_ref().map(|version| wanted_version(&request.name, version, index));
        relation(&request.name, version.map(|version| (Operator::Equal, version)))
    });
    let roots: Vec<Relation> = asked.chain(essential.into_iter().map(|name| relation(name, None))).collect();

    let provider = Provider::new(index);
    let choices: Vec<Vec<u32>> = roots.iter().map(|root| provider.packages(root)).collect();
    let proposal = walk::propose(&choices, &provider).unwrap_or_default();
    let requirements =
        |provider: &Provider| -> Vec<Requirement> { choices.iter().map(|offers| provider.one_of(offers)).collect() };
    if !proposal.is_empty() {
        let proposed = proposal.iter().map(|offer| provider.one_of(&[*offer]));
        let requirements: Vec<_> = requirements(&provider).into_iter().chain(proposed).map(Into::into).collect();
        // What the solver refuses here, it may allow when it chooses itself.
        if let Ok(solution) = Solver::new(provider).solve(Problem::new().requirements(requirements)) {
            return Ok(sorted(solution, index));
        }
    }
    let provider = Provider::new(index);
    let requirements = requirements(&provider).into_iter().map(Into::into).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(solution) => Ok(sorted(solution, index)),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let chain = conflict.display_user_friendly(&solver).to_string();
            Err(unsatisfiable(requests, &chain).into())
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("the provider never cancels"),
    }
}

fn sorted(solution: Vec<SolvableId>, index: &Index) -> Vec<usize> {
    let mut chosen: Vec<usize> = solution.into_iter().filter_map(provider::offer_number).collect();
    chosen.sort_by(|a, b| index.offers[*a].id.cmp(&index.offers[*b].id));
    chosen
}

/// The version to take for one that was asked for: itself if it is offered, else the newest release of it: a rebuild
/// changes the part behind the last `-`, which a recipe may leave out (`1.36.2` for `1.36.2-150500.2.1`).
fn wanted_version(name: &str, version: &str, index: &Index) -> String {
    let offered = index.offers.iter().filter(|offer| offer.id.name == name).map(|offer| offer.id.version.as_str());
    if version.contains('-') || offered.clone().any(|other| other == version) {
        return version.to_owned();
    }
    let releases = offered.filter(|offered| offered.rsplit_once('-').is_some_and(|(upstream, _)| upstream == version));
    releases.max_by(|a, b| compare_versions(a, b)).unwrap_or(version).to_owned()
}

/// The newest offer of a name.
pub fn newest(name: &str, index: &Index) -> Option<usize> {
    let offers = index.offers.iter().enumerate().filter(|(_, offer)| offer.id.name == name);
    let newest = offers.max_by(|a, b| compare_versions(&a.1.id.version, &b.1.id.version).then(b.0.cmp(&a.0)));
    newest.map(|(number, _)| number)
}

/// Notes a request for a package or a version that no repository has.
fn offered(request: &PackageRequest, index: &Index, found: &mut Diagnostics) {
    let mut versions: Vec<&str> = index
        .offers
        .iter()
        .filter(|offer| offer.id.name == request.name)
        .map(|offer| offer.id.version.as_str())
        .collect();
    versions.sort_by(|a, b| compare_versions(b, a));
    match &request.version {
        None if !versions.is_empty() => {}
        Some(version) if versions.contains(&wanted_version(&request.name, version, index).as_str()) => {}
        Some(version) if !versions.is_empty() => found.push(
            Diagnostic::new("unknown-version", format!("no repository has `{}` in version {version}", request.name))
                .at(&request.location, "not offered")
                .help(format!("offered: {}", versions.join(", "))),
        ),
        _ => {
            let provided = |offer: &&crate::repo::Offer| offer.provides.iter().any(|it| it.name == request.name);
            let standing_in: BTreeSet<&str> =
                index.offers.iter().filter(provided).map(|offer| offer.id.name.as_str()).collect();
            let help = if standing_in.is_empty() {
                let names = index.offers.iter().map(|offer| offer.id.name.as_str());
                format!("nearest names: {}", nearest(&request.name, names, NEAREST).join(", "))
            } else {
                let names: Vec<&str> = standing_in.into_iter().take(8).collect();
                format!("packages that provide it: {}", names.join(", "))
            };
            found.push(
                Diagnostic::new("unknown-package", format!("no repository has a package `{}`", request.name))
                    .at(&request.location, "not offered")
                    .help(help),
            );
        }
    }
}

fn unsatisfiable(requests: &[&PackageRequest], chain: &str) -> Diagnostic {
    // The chain begins at the requests it is about: the first one that it names is the place to look.
    let mentioned = |request: &&&PackageRequest| {
        chain.split(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).any(|word| word == request.name)
    };
    let mut blamed = requests.iter().filter(mentioned);
    let mut diagnostic = Diagnostic::new("unsatisfiable", "these packages cannot be installed together");
    if let Some(first) = blamed.next().or(requests.first()) {
        diagnostic = diagnostic.at(&first.location, "asked for here");
    }
    for other in blamed.take(4) {
        diagnostic = diagnostic.related(&other.location, "and here");
    }
    diagnostic.help(chain.trim_end())
}

#[cfg(test)]
mod tests;

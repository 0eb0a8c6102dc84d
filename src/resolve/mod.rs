//! Requests and an index → the packages of the root: what was asked for, everything essential, and what they need.
//!
//! Dependencies of all strengths up to Depends are hard, Recommends are not followed. Where several packages would do,
//! the choice is apt's: alternatives in the order written, a package of that very name before one that stands in for
//! it, the newest version. `provider` says how the families mix. `walk` finds what apt would take; the solver has the
//! last word on it, and finds another solution, or why there is none, where the walk leads nowhere. The oracle is
//! `apt-get install -s` with an empty status (`tests/it/apt_closure.rs`). Where every package on offer is an RPM, the
//! choice is dnf's (`rpm`).

mod line;
mod provider;
mod rpm;
mod walk;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use resolvo::{Problem, Requirement, SolvableId, Solver, UnsolvableOrCancelled};

use crate::diag::{Diagnostic, Diagnostics};
use crate::package::Family;
use crate::recipe::PackageRequest;
use crate::repo::{Index, Offer};
use crate::spelling::nearest;
use crate::tree::Digest;
pub use line::{is_of_line, keep_line};
use provider::{Provider, without_epoch};
use rpm::Owners;
pub use rpm::PRIORITY;

/// Names that are shown as meant, at most.
const NEAREST: usize = 3;
/// Versions that are shown, at most.
const OFFERED: usize = 8;

/// Bytes of an explanation of resolvo, about.
const CHAIN_MAX: usize = 10_000;
/// Places of a mistake that are shown beside the first, at most.
const PLACES: usize = 7;

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
        return Ok(resolve_debs(requests, index)?);
    }
    let Preferences { priorities, weak_dependencies } = preferences;
    let mut owners = Owners::default();
    loop {
        let choice = rpm::choose(requests, index, priorities, *weak_dependencies, &owners)?;
        if choice.unknown.is_empty() {
            return Ok(choice.offers);
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

fn all_offered<'a>(requests: &'a [&'a PackageRequest], index: &Index) -> Result<&'a [&'a PackageRequest], Diagnostics> {
    let mut found = Diagnostics::default();
    requests.iter().for_each(|request| offered(request, index, &mut found));
    found.or(requests)
}

fn resolve_debs(requests: &[&PackageRequest], index: &Index) -> Result<Vec<usize>, Diagnostics> {
    let essential: BTreeSet<&str> =
        index.offers.iter().filter(|offer| offer.essential).map(|offer| offer.id.name.as_str()).collect();
    let asked = requests.iter().map(|request| (request.name.as_str(), request.version.as_deref()));
    let roots: Vec<(&str, Option<&str>)> = asked.chain(essential.into_iter().map(|name| (name, None))).collect();

    let provider = Provider::new(index);
    let choices: Vec<Vec<u32>> = roots.iter().map(|(name, version)| provider.packages(name, *version)).collect();
    let proposal = walk::propose(&choices, &provider).unwrap_or_default();
    let requirements =
        |provider: &Provider| -> Vec<Requirement> { choices.iter().map(|offers| provider.one_of(offers)).collect() };
    if !proposal.is_empty() {
        let proposed = proposal.iter().map(|offer| provider.one_of(&[*offer]));
        let requirements: Vec<_> = requirements(&provider).into_iter().chain(proposed).map(Into::into).collect();
        // What the solver refuses here, it may allow when it chooses itself.
        if let Ok(solution) = Solver::new(provider).solve(Problem::new().requirements(requirements)) {
            return Ok(sorted(numbers(solution), index));
        }
    }
    let provider = Provider::new(index);
    let requirements = requirements(&provider).into_iter().map(Into::into).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(solution) => Ok(sorted(numbers(solution), index)),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let mut chain = Shortened::default();
            let whole = write!(chain, "{}", conflict.display_user_friendly(&solver)).is_ok();
            let text = if whole { chain.0 } else { chain.0 + "…" };
            Err(unsatisfiable(requests, &text).into())
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("the provider never cancels"),
    }
}

fn numbers(solution: Vec<SolvableId>) -> Vec<usize> {
    solution.into_iter().filter_map(provider::offer_number).collect()
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

/// By family, then by version.
fn newer(a: &Offer, b: &Offer) -> Ordering {
    a.family.cmp(&b.family).then_with(|| a.family.compare(&a.id.version, &b.id.version))
}

/// Notes a request for a package or a version that no repository has.
fn offered(request: &PackageRequest, index: &Index, found: &mut Diagnostics) {
    let mut offers: Vec<&Offer> = index.offers.iter().filter(|offer| offer.id.name == request.name).collect();
    offers.sort_by(|a, b| newer(b, a));
    offers.dedup_by(|a, b| a.id.version == b.id.version);
    match &request.version {
        None if offers.is_empty() => {}
        None => {
            let of = |family| offers.iter().find(|offer| offer.family == family);
            if let (Some(deb), Some(rpm)) = (of(Family::Deb), of(Family::Rpm)) {
                let both = [deb, rpm].map(|it| format!("{} from {}", it.id.version, it.repository));
                found.push(
                    Diagnostic::new("two-families", format!("`{}` is on offer as a deb and as an RPM", request.name))
                        .at(&request.location, "either would do")
                        .help(format!("name the version: {}", both.join(", or "))),
                );
            }
            return;
        }
        Some(version) if offers.iter().any(|offer| provider::has_version(offer, version)) => return,
        Some(_) => {}
    }
    match &request.version {
        Some(version) if !offers.is_empty() => {
            let all: Vec<&str> = offers.iter().map(|offer| offer.id.version.as_str()).collect();
            let shown = match all.len() > OFFERED {
                true => {
                    format!("nearest versions on offer: {}", nearest(version, all.iter().copied(), OFFERED).join(", "))
                }
                false => format!("offered: {}", all.join(", ")),
            };
            found.push(
                Diagnostic::new(
                    "unknown-version",
                    format!("no repository has `{}` in version {version}", request.name),
                )
                .at(&request.location, "not offered")
                .help(shown),
            );
        }
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

/// The beginning of a text: resolvo's explanations have no bound where packages need each other.
#[derive(Default)]
struct Shortened(String);

impl fmt::Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > CHAIN_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn unsatisfiable(requests: &[&PackageRequest], chain: &str) -> Diagnostic {
    // The chain begins at the requests it is about: the first one that it names is the place to look.
    let mentioned = |request: &&&PackageRequest| {
        chain.split(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).any(|word| word == request.name)
    };
    let blamed: Vec<&PackageRequest> = requests.iter().filter(mentioned).copied().collect();
    match blamed.as_slice() {
        [] => incompatible(requests.iter().copied(), chain),
        blamed => incompatible(blamed.iter().copied(), chain),
    }
}

/// At the places of the requests that cannot be fulfilled together.
fn incompatible<'a>(requests: impl IntoIterator<Item = &'a PackageRequest>, chain: &str) -> Diagnostic {
    let mut requests = requests.into_iter();
    let mut diagnostic = Diagnostic::new("unsatisfiable", "these packages cannot be installed together");
    if let Some(first) = requests.next() {
        diagnostic = diagnostic.at(&first.location, "asked for here");
    }
    for other in requests.take(PLACES) {
        diagnostic = diagnostic.related(&other.location, "and here");
    }
    diagnostic.help(chain.trim_end())
}

#[cfg(test)]
mod tests;

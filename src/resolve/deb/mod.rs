//! Requests and an index that has debs → the packages that apt would take.
//!
//! Dependencies of all strengths up to Depends are hard, Recommends are not followed. Where several packages would do,
//! the choice is apt's: alternatives in the order written, a package of that very name before one that stands in for
//! it, the newest version. `provider` says how the families mix. `walk` finds what apt would take; the solver has the
//! last word on it, and finds another solution, or why there is none, where the walk leads nowhere. The oracle is
//! `apt-get install -s` with an empty status (`tests/it/apt_closure.rs`).

mod provider;
mod walk;

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use resolvo::{Problem, Requirement, SolvableId, Solver, UnsolvableOrCancelled};

use super::mistakes::incompatible;
use crate::diag::{Diagnostic, Diagnostics};
use crate::recipe::PackageRequest;
use crate::repo::Index;
use provider::Provider;

/// Bytes of an explanation of resolvo, about.
const CHAIN_MAX: usize = 10_000;

/// Indexes into `index.offers`, in no order. Every request is on offer.
pub(super) fn choose(requests: &[&PackageRequest], index: &Index) -> Result<Vec<usize>, Diagnostics> {
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
            return Ok(numbers(solution));
        }
    }
    let provider = Provider::new(index);
    let requirements = requirements(&provider).into_iter().map(Into::into).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(solution) => Ok(numbers(solution)),
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

//! The packages that apt would take, found the way apt finds them.
//!
//! Where several packages would do, what apt takes depends on the order in which it meets them: it walks depth first,
//! follows each dependency to the end, and never takes a choice back because of something it meets later. A solver
//! does not choose so. The walk proposes, and the solver judges: a proposal that does not hold is dropped. Modelled on
//! what `pkgDepCache::MarkInstall` of apt 2.6 does with an empty status; the oracle is `tests/it/apt_closure.rs`.

use std::collections::BTreeMap;

use super::provider::Provider;

/// Longest chain of dependencies that is followed, as in apt.
const DEPTH_MAX: usize = 3000;

/// Offers that fulfil the roots, each a list of offers in order of preference; `None` if the walk gets stuck.
pub(super) fn propose(roots: &[Vec<u32>], provider: &Provider) -> Option<Vec<u32>> {
    let mut walk = Walk { provider, taken: Vec::new(), conflicts: BTreeMap::new() };
    // Everything asked for is taken before the first dependency is looked at.
    for root in roots {
        let offer = *root.first()?;
        if !walk.taken.contains(&offer) {
            walk.allowed(offer).then(|| walk.taken.push(offer))?;
        }
    }
    let mut roots = walk.taken.clone();
    // apt goes on in the order of its cache, which is that of the index.
    roots.sort_unstable();
    roots.into_iter().all(|root| walk.take_dependencies(root, 0)).then_some(walk.taken)
}

struct Walk<'a> {
    provider: &'a Provider<'a>,
    taken: Vec<u32>,
    /// Offers that an offer cannot stand with, as it says itself.
    conflicts: BTreeMap<u32, Vec<u32>>,
}

impl Walk<'_> {
    /// Takes an offer and what it needs, or nothing.
    fn take(&mut self, offer: u32, depth: usize) -> bool {
        if self.taken.contains(&offer) {
            return true;
        }
        if depth > DEPTH_MAX || !self.allowed(offer) {
            return false;
        }
        let before = self.taken.len();
        self.taken.push(offer);
        let done = self.take_dependencies(offer, depth);
        if !done {
            self.taken.truncate(before);
        }
        done
    }

    fn take_dependencies(&mut self, offer: u32, depth: usize) -> bool {
        let provider = self.provider;
        provider.dependencies(offer).into_iter().all(|choices| {
            choices.iter().any(|choice| self.taken.contains(choice))
                || choices.iter().any(|choice| self.take(*choice, depth + 1))
        })
    }

    /// Whether an offer can stand with all that are taken.
    fn allowed(&mut self, offer: u32) -> bool {
        let provider = self.provider;
        self.conflicts.entry(offer).or_insert_with(|| provider.conflicts(offer));
        let against = |one: u32, other: u32| self.conflicts.get(&one).is_some_and(|all| all.contains(&other));
        self.taken
            .iter()
            .all(|other| !provider.same_name(offer, *other) && !against(offer, *other) && !against(*other, offer))
    }
}

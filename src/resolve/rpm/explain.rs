//! Why nothing fulfils the requests: the least set of relations that contradict each other.
//!
//! A relation is looked at only where a choice breaks it, so that the search stays near what matters. Of what is found,
//! everything is left out that the contradiction does not need (QuickXplain: U. Junker, AAAI 2004), and `story` puts the
//! rest into words. resolvo's own explanations panic where a condition has a part in them, and have no bound where packages
//! need each other.

use std::collections::BTreeMap;

use super::fact::{Fact, Source};
use super::logic::Logic;
use super::pool::Pool;
use super::rules::{LITERALS_IN_ALL, Literal, Rule, offer_of, rules, there};
use super::story::tell;

/// Choices that are looked at, conflicts in all, and relations, before there is no explanation, or a longer one.
const ROUNDS_MAX: usize = 2_000;
const CONFLICTS_MAX: usize = 5_000;
const FACTS_MAX: usize = 50_000;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// Numbers of the requests that cannot be fulfilled together, rising.
    pub(super) requests: Vec<usize>,
    pub(super) text: String,
}

/// A request is what it says, and its candidates. Nothing if there is no contradiction, or none that is found in time.
pub(super) fn explain(pool: &Pool<'_>, requests: &[(String, Vec<u32>)]) -> Option<Explanation> {
    let mut conflicts = 0;
    let facts = contradiction(pool, requests, &mut conflicts)?;
    let facts = needed(pool, &mut Vec::new(), false, &facts.iter().collect::<Vec<_>>(), &mut conflicts);
    let request = |fact: &&Fact<'_>| match fact.source {
        Source::Request(number) => Some(number),
        Source::Package { .. } => None,
    };
    let mut blamed: Vec<usize> = facts.iter().filter_map(request).collect();
    blamed.sort_unstable();
    Some(Explanation { requests: blamed, text: tell(pool, requests, &facts) })
}

/// Facts that contradict each other, those near the requests first.
fn contradiction<'a>(pool: &Pool<'a>, requests: &[(String, Vec<u32>)], conflicts: &mut usize) -> Option<Vec<Fact<'a>>> {
    let asked = |(number, (_, offers)): (usize, &(String, Vec<u32>))| Fact {
        source: Source::Request(number),
        clause: offers.iter().map(|offer| there(*offer)).collect(),
    };
    let mut facts: Vec<Fact<'a>> = requests.iter().enumerate().map(asked).collect();
    let mut known: BTreeMap<u32, Vec<Rule<'a>>> = BTreeMap::new();
    let mut literals = 0;
    for _ in 0..ROUNDS_MAX {
        let chosen = match attempt(pool, facts.iter(), conflicts) {
            Attempt::Chosen(chosen) => chosen,
            Attempt::Impossible => return Some(facts),
            Attempt::Unknown => return None,
        };
        let holds = |literal: &Literal| chosen.binary_search(&offer_of(*literal)).is_ok() == (*literal > 0);
        let before = facts.len();
        for asker in &chosen {
            let rules = known.entry(*asker).or_insert_with(|| {
                let rules = rules(pool, *asker);
                literals += rules.iter().map(|rule| rule.clause.len()).sum::<usize>();
                rules
            });
            let broken = rules.iter().filter(|rule| !rule.clause.iter().any(holds)).map(|rule| Fact {
                source: Source::Package { asker: *asker, kind: rule.kind, origin: rule.origin },
                clause: rule.clause.clone(),
            });
            facts.extend(broken);
        }
        if facts.len() == before || facts.len() > FACTS_MAX || literals > LITERALS_IN_ALL {
            return None;
        }
    }
    None
}

/// The facts that contradict each other and `given`, and of which none can be left out; the first ones are preferred.
/// `changed`: something was given since it was known that `given` alone is no contradiction.
fn needed<'f, 'a>(
    pool: &Pool<'_>,
    given: &mut Vec<&'f Fact<'a>>,
    changed: bool,
    facts: &[&'f Fact<'a>],
    conflicts: &mut usize,
) -> Vec<&'f Fact<'a>> {
    if changed && matches!(attempt(pool, given.iter().copied(), conflicts), Attempt::Impossible) {
        return Vec::new();
    }
    if facts.len() < 2 {
        return facts.to_vec();
    }
    let (first, last) = facts.split_at(facts.len() / 2);
    let before = given.len();
    given.extend(first);
    let last = needed(pool, given, true, last, conflicts);
    given.truncate(before);
    given.extend(&last);
    let mut all = needed(pool, given, !last.is_empty(), first, conflicts);
    given.truncate(before);
    all.extend(last);
    all
}

enum Attempt {
    /// Rising.
    Chosen(Vec<u32>),
    Impossible,
    Unknown,
}

/// Looks for packages that meet the facts, and takes none that they do not ask for.
fn attempt<'f>(pool: &Pool<'_>, facts: impl Iterator<Item = &'f Fact<'f>>, conflicts: &mut usize) -> Attempt {
    let mut logic = Logic::new(pool);
    for Fact { source, clause } in facts {
        let own = match source {
            Source::Request(_) => None,
            Source::Package { asker, .. } => Some(-there(*asker)),
        };
        if !logic.add(own.into_iter().chain(clause.iter().copied()).collect()) {
            return Attempt::Impossible;
        }
    }
    let count = logic.clauses();
    let (mut at, mut unchanged) = (0, 0);
    loop {
        if let Some(conflict) = logic.propagate() {
            if logic.level() == 0 {
                return Attempt::Impossible;
            }
            if *conflicts >= CONFLICTS_MAX {
                return Attempt::Unknown;
            }
            *conflicts += 1;
            logic.learn(&conflict);
            unchanged = 0;
            continue;
        }
        if unchanged >= count {
            let mut chosen: Vec<u32> = logic.trail().iter().filter(|it| **it > 0).map(|it| offer_of(*it)).collect();
            chosen.sort_unstable();
            return Attempt::Chosen(chosen);
        }
        let open = logic.open(at);
        at = (at + 1) % count;
        unchanged += 1;
        if let Some(best) = open.into_iter().flatten().min_by(|a, b| pool.best_first(*a, *b)) {
            logic.decide(best);
            unchanged = 0;
        }
    }
}

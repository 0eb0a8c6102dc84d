//! What a package says about others, as clauses: of each, one literal has to be true once the package is there.
//!
//! Rich dependencies become conjunctive normal form, as libsolv does it (`cplxdeps.c`).

use super::pool::Pool;
use crate::package::rpm::{Rich, is_rich};
use crate::repo::{Dependency, Relation};

/// Offer `n` is in the image: `n + 1`; it is not: `-(n + 1)`.
pub(super) type Literal = i32;
pub(super) type Clause = Vec<Literal>;

/// Most clauses of one dependency; what has more is given up and counts as unmet.
const CLAUSES_MAX: usize = 20_000;

pub(super) fn there(offer: u32) -> Literal {
    i32::try_from(offer).expect("no index has two billion packages") + 1
}

pub(super) fn offer_of(literal: Literal) -> u32 {
    literal.unsigned_abs() - 1
}

/// A clause, and the relation that it comes from.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    /// Sorted, without the package's own literal. Empty if the package cannot be had.
    pub(super) clause: Clause,
    pub(super) origin: &'a Relation,
}

/// What has to hold when `offer` is there. Other versions of the package are not mentioned. Paths that nobody knows yet
/// count as met.
pub(super) fn rules<'a>(pool: &Pool<'a>, offer: u32) -> Vec<Rule<'a>> {
    let package = pool.offer(offer);
    let own = there(offer);
    let mut rules: Vec<Rule<'a>> = Vec::new();
    let mut add = |clauses: Vec<Clause>, origin: &'a Relation| {
        for mut clause in clauses {
            clause.retain(|literal| *literal != -own);
            let met = clause.contains(&own) || rules.iter().any(|rule| rule.clause == clause);
            if !met {
                rules.push(Rule { clause, origin });
            }
        }
    };
    for Dependency(any) in &package.depends {
        let Some(first) = any.first() else { continue };
        if any.iter().any(|relation| pool.is_unknown_path(relation)) {
            continue;
        }
        let mut clauses = vec![Vec::new()];
        for relation in any {
            clauses = either(&clauses, &normal(pool, relation, true));
        }
        add(clauses, first);
    }
    for relation in &package.conflicts {
        let mut clauses = normal(pool, relation, false);
        // Who conflicts with a name of its own means the others that have it.
        clauses.retain(|clause| clause != &[-own]);
        add(clauses, relation);
    }
    for relation in &package.obsoletes {
        let others = pool.named(relation).filter(|other| *other != offer);
        add(others.map(|other| vec![-there(other)]).collect(), relation);
    }
    rules
}

/// A relation, or its opposite, as clauses that must all hold. None: it always holds. An empty one: it never does.
pub(super) fn normal(pool: &Pool<'_>, relation: &Relation, positive: bool) -> Vec<Clause> {
    if !is_rich(&relation.name) {
        return simple(&pool.providers(relation), positive);
    }
    // What cannot be read is never met, and is no reason against anything.
    let unread = || if positive { vec![Vec::new()] } else { Vec::new() };
    pool.rich(&relation.name).map_or_else(unread, |rich| clauses(pool, rich, positive))
}

fn simple(offers: &[u32], positive: bool) -> Vec<Clause> {
    let literals = offers.iter().copied().map(there);
    if positive { vec![literals.collect()] } else { literals.map(|literal| vec![-literal]).collect() }
}

fn clauses(pool: &Pool<'_>, rich: &Rich, positive: bool) -> Vec<Clause> {
    let of = |rich: &Rich, positive| clauses(pool, rich, positive);
    match rich {
        Rich::Relation(relation) => normal(pool, relation, positive),
        Rich::With(_) | Rich::Without(_) => simple(&packages(pool, rich), positive),
        Rich::All(parts) if positive => parts.iter().flat_map(|part| of(part, true)).collect(),
        Rich::Any(parts) if !positive => parts.iter().flat_map(|part| of(part, false)).collect(),
        Rich::All(parts) | Rich::Any(parts) => {
            parts.iter().fold(vec![Vec::new()], |whole, part| either(&whole, &of(part, positive)))
        }
        Rich::If { what, condition, otherwise } => {
            let otherwise = otherwise.as_deref();
            if positive {
                let both = [either(&of(what, true), &of(condition, false))].into_iter();
                both.chain(otherwise.map(|it| either(&of(condition, true), &of(it, true)))).flatten().collect()
            } else {
                let first = [of(what, false), of(condition, true)].concat();
                otherwise.map_or(first.clone(), |it| either(&first, &[of(it, false), of(condition, false)].concat()))
            }
        }
        Rich::Unless { what, condition, otherwise } => {
            let otherwise = otherwise.as_deref();
            if positive {
                let first = [of(what, true), of(condition, false)].concat();
                otherwise.map_or(first.clone(), |it| either(&first, &[of(it, true), of(condition, true)].concat()))
            } else {
                let both = [either(&of(what, false), &of(condition, true))].into_iter();
                both.chain(otherwise.map(|it| either(&of(it, false), &of(condition, false)))).flatten().collect()
            }
        }
    }
}

/// One of the two holds.
fn either(one: &[Clause], other: &[Clause]) -> Vec<Clause> {
    if one.len().saturating_mul(other.len()) > CLAUSES_MAX {
        return vec![Vec::new()];
    }
    let mut product = Vec::new();
    for a in one {
        for b in other {
            let mut clause = [a.as_slice(), b.as_slice()].concat();
            clause.sort_unstable();
            clause.dedup();
            if !clause.iter().any(|literal| *literal > 0 && clause.binary_search(&-literal).is_ok()) {
                product.push(clause);
            }
        }
    }
    product
}

/// Packages that are what a rich dependency says of one package.
fn packages(pool: &Pool<'_>, rich: &Rich) -> Vec<u32> {
    match rich {
        Rich::Relation(relation) => pool.providers(relation).to_vec(),
        Rich::Any(parts) => {
            let mut all: Vec<u32> = parts.iter().flat_map(|part| packages(pool, part)).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
        Rich::With(parts) => {
            let sets: Vec<Vec<u32>> = parts.iter().map(|part| packages(pool, part)).collect();
            let Some((first, others)) = sets.split_first() else { return Vec::new() };
            let in_all = |offer: &u32| others.iter().all(|set| set.contains(offer));
            first.iter().copied().filter(in_all).collect()
        }
        Rich::Without(both) => {
            let not = packages(pool, &both[1]);
            packages(pool, &both[0]).into_iter().filter(|offer| !not.contains(offer)).collect()
        }
        // rpm allows nothing else there.
        _ => Vec::new(),
    }
}

/// Whether a relation holds among packages of which `is_there` says which are there.
pub(super) fn holds(pool: &Pool<'_>, relation: &Relation, is_there: &dyn Fn(u32) -> bool) -> bool {
    if !is_rich(&relation.name) {
        return pool.providers(relation).iter().any(|offer| is_there(*offer));
    }
    normal(pool, relation, true)
        .iter()
        .all(|clause| clause.iter().any(|literal| is_there(offer_of(*literal)) == (*literal > 0)))
}

//! What a package says about others, as clauses: of each, one literal has to be true once the package is there.
//!
//! Rich dependencies become conjunctive normal form, as libsolv does it (`cplxdeps.c`).

use std::collections::HashSet;

use super::pool::Pool;
use crate::package::rpm::{Rich, is_rich};
use crate::package::{Dependency, Relation};

/// Offer `n` is in the image: `n + 1`; it is not: `-(n + 1)`.
pub(super) type Literal = i32;
pub(super) type Clause = Vec<Literal>;

/// Most clauses of one dependency, and most literals in them all; what has more is given up and counts as unmet.
const CLAUSES_MAX: usize = 20_000;
const LITERALS_MAX: usize = 1_000_000;
/// Most literals that are held at once (200 MB).
pub(super) const LITERALS_IN_ALL: usize = 50_000_000;

pub(super) fn there(offer: u32) -> Literal {
    i32::try_from(offer).expect("no index has two billion packages") + 1
}

pub(super) fn offer_of(literal: Literal) -> u32 {
    literal.unsigned_abs() - 1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Requires,
    Conflicts,
    Obsoletes,
}

/// A clause, and the relation that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Rule<'a> {
    /// Sorted, without the package's own literal. Empty if the package cannot be had.
    pub(super) clause: Clause,
    pub(super) kind: Kind,
    pub(super) origin: &'a Relation,
}

/// What has to hold when `offer` is there. Other versions of the package are not mentioned. Paths that nobody knows yet
/// count as met.
pub(super) fn rules<'a>(pool: &Pool<'a>, offer: u32) -> Vec<Rule<'a>> {
    let package = pool.offer(offer);
    let own = there(offer);
    let mut rules: Vec<Rule<'a>> = Vec::new();
    // Only asked for single members: its order reaches nothing.
    let mut known: HashSet<Clause> = HashSet::new();
    let mut add = |clauses: Vec<Clause>, kind: Kind, origin: &'a Relation| {
        for mut clause in clauses {
            clause.retain(|literal| *literal != -own);
            if !clause.contains(&own) && known.insert(clause.clone()) {
                rules.push(Rule { clause, kind, origin });
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
        add(clauses, Kind::Requires, first);
    }
    for relation in &package.conflicts {
        let mut clauses = normal(pool, relation, false);
        // Who conflicts with a name of its own means the others that have it.
        clauses.retain(|clause| clause != &[-own]);
        add(clauses, Kind::Conflicts, relation);
    }
    for relation in &package.obsoletes {
        let others = pool.named(relation).filter(|other| *other != offer);
        add(others.map(|other| vec![-there(other)]).collect(), Kind::Obsoletes, relation);
    }
    rules
}

/// A relation, or its opposite, as clauses that must all hold. None: it always holds. An empty one: it never does.
pub(super) fn normal(pool: &Pool<'_>, relation: &Relation, positive: bool) -> Vec<Clause> {
    if !is_rich(&relation.name) {
        return simple(&pool.providers(relation), positive);
    }
    // What cannot be read is never met, and is no reason against anything.
    let unread = || if positive { never() } else { Vec::new() };
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
        Rich::All(parts) | Rich::Any(parts) => {
            let all = matches!(rich, Rich::All(_)) == positive;
            let start = if all { Vec::new() } else { vec![Vec::new()] };
            parts.iter().fold(start, |whole, part| {
                let part = of(part, positive);
                if all { both(whole, part) } else { either(&whole, &part) }
            })
        }
        Rich::If { what, condition, otherwise } => {
            let otherwise = otherwise.as_deref();
            if positive {
                let first = either(&of(what, true), &of(condition, false));
                otherwise.map_or(first.clone(), |it| both(first, either(&of(condition, true), &of(it, true))))
            } else {
                let first = both(of(what, false), of(condition, true));
                otherwise.map_or(first.clone(), |it| either(&first, &both(of(it, false), of(condition, false))))
            }
        }
        Rich::Unless { what, condition, otherwise } => {
            let otherwise = otherwise.as_deref();
            if positive {
                let first = both(of(what, true), of(condition, false));
                otherwise.map_or(first.clone(), |it| either(&first, &both(of(it, true), of(condition, true))))
            } else {
                let first = either(&of(what, false), &of(condition, true));
                otherwise.map_or(first.clone(), |it| both(first, either(&of(it, false), &of(condition, false))))
            }
        }
    }
}

/// What never holds, or is too much to be looked at.
fn never() -> Vec<Clause> {
    vec![Vec::new()]
}

fn literals(clauses: &[Clause]) -> usize {
    clauses.iter().map(Vec::len).sum()
}

/// Both hold.
fn both(mut one: Vec<Clause>, other: Vec<Clause>) -> Vec<Clause> {
    if one.len() + other.len() > CLAUSES_MAX || literals(&one) + literals(&other) > LITERALS_MAX {
        return never();
    }
    one.extend(other);
    one
}

/// One of the two holds.
fn either(one: &[Clause], other: &[Clause]) -> Vec<Clause> {
    // Every clause of the one stands beside every clause of the other.
    let product = |a: usize, b: usize| a.saturating_mul(b);
    let all = product(literals(one), other.len()).saturating_add(product(literals(other), one.len()));
    if product(one.len(), other.len()) > CLAUSES_MAX || all > LITERALS_MAX {
        return never();
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

/// Packages that are what a rich dependency says of one package, in order of numbers.
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
            let Some((first, others)) = parts.split_first() else { return Vec::new() };
            others.iter().fold(packages(pool, first), |mut left, part| {
                // The last ones cannot bring anything back.
                let set = if left.is_empty() { Vec::new() } else { packages(pool, part) };
                left.retain(|offer| set.binary_search(offer).is_ok());
                left
            })
        }
        Rich::Without(both) => {
            let not = packages(pool, &both[1]);
            packages(pool, &both[0]).into_iter().filter(|offer| not.binary_search(offer).is_err()).collect()
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
    pool.rich(&relation.name).is_some_and(|rich| holds_rich(pool, rich, is_there))
}

fn holds_rich(pool: &Pool<'_>, rich: &Rich, is_there: &dyn Fn(u32) -> bool) -> bool {
    let of = |rich: &Rich| holds_rich(pool, rich, is_there);
    match rich {
        Rich::Relation(relation) => holds(pool, relation, is_there),
        Rich::With(_) | Rich::Without(_) => packages(pool, rich).into_iter().any(is_there),
        Rich::All(parts) => parts.iter().all(of),
        Rich::Any(parts) => parts.iter().any(of),
        Rich::If { what, condition, otherwise } => {
            if of(condition) {
                of(what)
            } else {
                otherwise.as_deref().is_none_or(of)
            }
        }
        Rich::Unless { what, condition, otherwise } => {
            if of(condition) {
                otherwise.as_deref().is_some_and(of)
            } else {
                of(what)
            }
        }
    }
}

//! The pool as resolvo wants to see it: the last word on what `search` found, and the words for why there is nothing.
//!
//! A resolvo name is a package's name and holds one version at most, except that each version of a kernel has a name of
//! its own. A version set is an explicit set of offers of ONE name, whose text is only for explanations. A clause with
//! negative literals is a requirement under the condition that those are there.

use std::cell::RefCell;
use std::fmt::Display;

use resolvo::conflict::Conflict;
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, LogicalOperator, NameId, Problem, Requirement, SolvableId,
    Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::pool::{Pool, number};
use super::rules::{Clause, offer_of, rules};
use crate::package::rpm;
use crate::resolve::provider::Interned;

/// Offers of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: u32,
    offers: Vec<u32>,
    /// All of the name but these.
    except: bool,
    text: String,
}

#[derive(Debug)]
pub(super) struct Judge<'p, 'a> {
    pool: &'p Pool<'a>,
    conditional: bool,
    /// Names that nothing has.
    missing: RefCell<Interned<String>>,
    sets: RefCell<Interned<VersionSet>>,
    unions: RefCell<Interned<Vec<VersionSetId>>>,
    conditions: RefCell<Interned<Vec<VersionSetId>>>,
}

/// The offers that fulfil every job together, or the explanation why none do.
pub(super) fn judge(pool: &Pool<'_>, jobs: &[(String, Vec<u32>)]) -> Result<Vec<u32>, String> {
    let (solver, verdict) = solve(pool, jobs, true);
    let conflict = match verdict {
        Ok(offers) => return Ok(offers),
        Err(conflict) => conflict,
    };
    if solver.provider().conditions.borrow().values.is_empty() {
        return Err(conflict.display_user_friendly(&solver).to_string());
    }
    // resolvo 0.12 panics where a condition has a part in what it explains, so it explains what is wrong without them, or
    // we name those that the best choice without them does not meet.
    let (solver, verdict) = solve(pool, jobs, false);
    match verdict {
        Err(conflict) => Err(conflict.display_user_friendly(&solver).to_string()),
        Ok(offers) => Err(unmet_conditions(pool, &offers)),
    }
}

/// `conditional`: with the relations that hold under a condition only.
fn solve<'p, 'a>(
    pool: &'p Pool<'a>,
    jobs: &[(String, Vec<u32>)],
    conditional: bool,
) -> (Solver<Judge<'p, 'a>>, Result<Vec<u32>, Conflict>) {
    let judge = Judge {
        pool,
        conditional,
        missing: RefCell::new(Interned::new()),
        sets: RefCell::new(Interned::new()),
        unions: RefCell::new(Interned::new()),
        conditions: RefCell::new(Interned::new()),
    };
    let requirements = jobs.iter().map(|(text, offers)| judge.one_of(offers.clone(), text).into()).collect();
    let mut solver = Solver::new(judge);
    let verdict = match solver.solve(Problem::new().requirements(requirements)) {
        Ok(solution) => {
            let mut offers: Vec<u32> = solution.into_iter().map(|it| it.into_raw()).collect();
            offers.sort_unstable();
            Ok(offers)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => Err(conflict),
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("the provider never cancels"),
    };
    (solver, verdict)
}

/// Sentences about the relations of a choice that it does not meet.
fn unmet_conditions(pool: &Pool<'_>, chosen: &[u32]) -> String {
    let holds = |literal: &i32| chosen.binary_search(&offer_of(*literal)).is_ok() == (*literal > 0);
    let mut sentences = vec!["no choice meets all relations that depend on others:".to_owned()];
    for offer in chosen {
        let unmet = rules(pool, *offer).into_iter().filter(|rule| !rule.clause.iter().any(holds));
        let id = &pool.offer(*offer).id;
        sentences.extend(unmet.map(|rule| format!("- {} {} has {}", id.name, id.version, rpm::print(rule.origin))));
    }
    sentences.dedup();
    sentences.join("\n")
}

impl Judge<'_, '_> {
    /// Versions of a name exclude each other, except where they may stand side by side.
    fn name_of(&self, offer: u32) -> u32 {
        match self.pool.side_by_side(offer) {
            false => self.pool.name_number(offer),
            true => number(self.pool.names()) + offer,
        }
    }

    /// Beyond the names of packages and of single offers.
    fn first_missing(&self) -> u32 {
        number(self.pool.names()) + number(self.pool.offers.len())
    }

    fn of_name(&self, name: u32) -> Vec<u32> {
        let names = number(self.pool.names());
        match name.checked_sub(names) {
            None => self.pool.of_name(name).iter().copied().filter(|it| !self.pool.side_by_side(*it)).collect(),
            Some(offer) if name < self.first_missing() => vec![offer],
            Some(_) => Vec::new(),
        }
    }

    fn set(&self, set: VersionSet) -> VersionSetId {
        VersionSetId(self.sets.borrow_mut().number(set))
    }

    /// Offers in any order; the best of each name comes first.
    fn one_of(&self, mut offers: Vec<u32>, text: &str) -> Requirement {
        offers.sort_by(|a, b| self.pool.best_first(*a, *b));
        let mut by_name: Vec<(u32, Vec<u32>)> = Vec::new();
        for offer in offers {
            let name = self.name_of(offer);
            match by_name.iter_mut().find(|(other, _)| *other == name) {
                Some((_, offers)) => offers.push(offer),
                None => by_name.push((name, vec![offer])),
            }
        }
        let set = |(name, mut offers): (u32, Vec<u32>)| {
            offers.sort_unstable();
            self.set(VersionSet { name, offers, except: false, text: text.to_owned() })
        };
        let sets: Vec<VersionSetId> = by_name.into_iter().map(set).collect();
        match sets.as_slice() {
            [] => {
                let name = self.first_missing() + self.missing.borrow_mut().number(text.to_owned());
                Requirement::Single(self.set(VersionSet {
                    name,
                    offers: Vec::new(),
                    except: false,
                    text: text.to_owned(),
                }))
            }
            [one] => Requirement::Single(*one),
            _ => Requirement::Union(VersionSetUnionId(self.unions.borrow_mut().number(sets))),
        }
    }

    fn only(&self, offer: u32, except: bool, text: &str) -> VersionSetId {
        self.set(VersionSet { name: self.name_of(offer), offers: vec![offer], except, text: text.to_owned() })
    }

    /// A clause of a package as resolvo says it.
    fn add(&self, clause: &Clause, text: &str, known: &mut KnownDependencies) {
        let (there, not): (Vec<i32>, Vec<i32>) = clause.iter().partition(|literal| **literal > 0);
        if let ([], [only]) = (there.as_slice(), not.as_slice()) {
            known.constrains.push(self.only(offer_of(*only), true, text));
            return;
        }
        if !self.conditional && !not.is_empty() {
            return;
        }
        let requirement = self.one_of(there.into_iter().map(offer_of).collect(), text);
        let conditions: Vec<VersionSetId> = not.iter().map(|it| self.only(offer_of(*it), false, text)).collect();
        let condition = (!conditions.is_empty()).then(|| self.all(conditions));
        known.requirements.push(ConditionalRequirement { condition, requirement });
    }

    fn all(&self, sets: Vec<VersionSetId>) -> ConditionId {
        ConditionId::new(self.conditions.borrow_mut().number(sets))
    }
}

impl Interner for Judge<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.pool.offer(solvable.into_raw()).id.version.clone()
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let name = name.into_raw();
        match self.of_name(name).first() {
            Some(offer) => self.pool.offer(*offer).id.name.clone(),
            None => {
                let text = self.missing.borrow().values[(name - self.first_missing()) as usize].clone();
                text.split(' ').next().filter(|_| !rpm::is_rich(&text)).unwrap_or(&text).to_owned()
            }
        }
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let sets = self.sets.borrow();
        let VersionSet { text, name, .. } = &sets.values[set.0 as usize];
        // The library prints the name of the package itself. A relation to something else is said whole.
        let own = self.of_name(*name).first().map(|offer| self.pool.offer(*offer).id.name.as_str());
        match text.split_once(' ') {
            Some((first, constraint)) if !rpm::is_rich(text) && own.is_none_or(|own| own == first) => {
                constraint.to_owned()
            }
            None if own.is_none_or(|own| own == text) => "*".to_owned(),
            _ if own.is_none() => String::new(),
            _ => format!("for {text}"),
        }
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_raw(self.sets.borrow().values[set.0 as usize].name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.name_of(solvable.into_raw()))
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions.borrow().values[union.0 as usize].clone().into_iter()
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        let sets = self.conditions.borrow().values[condition.as_u32() as usize].clone();
        match sets.split_first() {
            Some((only, [])) => Condition::Requirement(*only),
            Some((first, others)) => {
                Condition::Binary(LogicalOperator::And, self.all(vec![*first]), self.all(others.to_vec()))
            }
            None => unreachable!("conditions are made of one set at least"),
        }
    }
}

impl DependencyProvider for Judge<'_, '_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let sets = self.sets.borrow();
        let VersionSet { offers, except, .. } = &sets.values[set.0 as usize];
        let inside = |solvable: &SolvableId| (offers.contains(&solvable.into_raw()) != *except) != inverse;
        candidates.iter().copied().filter(inside).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let offers = self.of_name(name.into_raw());
        (!offers.is_empty()).then(|| Candidates {
            candidates: offers.into_iter().map(SolvableId::from_raw).collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by(|a, b| self.pool.best_first(a.into_raw(), b.into_raw()));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let mut known = KnownDependencies::default();
        for rule in rules(self.pool, solvable.into_raw()) {
            self.add(&rule.clause, &rpm::print(rule.origin), &mut known);
        }
        Dependencies::Known(known)
    }
}

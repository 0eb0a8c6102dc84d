//! The pool as resolvo wants to see it: the last word on what `search` found.
//!
//! A resolvo name is a package's name and holds one version at most, except that each version of a kernel has a name of
//! its own. A version set is an explicit set of offers of ONE name. A clause with negative literals is a requirement
//! under the condition that those are there.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, LogicalOperator, NameId, Problem, Requirement, SolvableId,
    Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::outcome::Outcome;
use super::pool::{Pool, number};
use super::rules::{Clause, LITERALS_IN_ALL, offer_of, rules};
use crate::resolve::interned::Interned;

/// Questions of resolvo after which it is stopped: it has no limit of its own.
const QUESTIONS_MAX: usize = 200_000;

/// Offers of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: u32,
    /// Rising.
    offers: Vec<u32>,
    /// All of the name but these.
    except: bool,
}

#[derive(Debug)]
pub(super) struct Judge<'p, 'a> {
    pool: &'p Pool<'a>,
    sets: RefCell<Interned<VersionSet>>,
    unions: RefCell<Interned<Vec<VersionSetId>>>,
    conditions: RefCell<Interned<Vec<VersionSetId>>>,
    /// How often resolvo asked whether to go on, and the literals that it was told.
    asked: Cell<usize>,
    literals: Cell<usize>,
}

/// Whether some offers fulfil every job, lists of which one offer has to be there, together.
pub(super) fn judge(pool: &Pool<'_>, jobs: &[Vec<u32>]) -> Outcome {
    let judge = Judge {
        pool,
        sets: RefCell::new(Interned::new()),
        unions: RefCell::new(Interned::new()),
        conditions: RefCell::new(Interned::new()),
        asked: Cell::default(),
        literals: Cell::default(),
    };
    let requirements = jobs.iter().map(|offers| judge.one_of(offers.clone()).into()).collect();
    match Solver::new(judge).solve(Problem::new().requirements(requirements)) {
        Ok(solution) => {
            let mut offers: Vec<u32> = solution.into_iter().map(|it| it.into_raw()).collect();
            offers.sort_unstable();
            Outcome::Chosen(offers)
        }
        Err(UnsolvableOrCancelled::Unsolvable(_)) => Outcome::Impossible,
        Err(UnsolvableOrCancelled::Cancelled(_)) => Outcome::Unknown,
    }
}

impl Judge<'_, '_> {
    /// Versions of a name exclude each other, except where they may stand side by side.
    fn name_of(&self, offer: u32) -> u32 {
        match self.pool.side_by_side(offer) {
            false => self.pool.name_number(offer),
            true => number(self.pool.names()) + offer,
        }
    }

    /// Beyond the names of packages and of single offers: nothing has it.
    fn nobodys(&self) -> u32 {
        number(self.pool.names()) + number(self.pool.offers.len())
    }

    fn of_name(&self, name: u32) -> Vec<u32> {
        let names = number(self.pool.names());
        match name.checked_sub(names) {
            None => self.pool.of_name(name).iter().copied().filter(|it| !self.pool.side_by_side(*it)).collect(),
            Some(offer) if name < self.nobodys() => vec![offer],
            Some(_) => Vec::new(),
        }
    }

    fn set(&self, set: VersionSet) -> VersionSetId {
        VersionSetId(self.sets.borrow_mut().number(set))
    }

    /// Offers in any order; the best of each name comes first.
    fn one_of(&self, mut offers: Vec<u32>) -> Requirement {
        offers.sort_by(|a, b| self.pool.best_first(*a, *b));
        // Only looked up, never walked: its order reaches nothing.
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut by_name: Vec<VersionSet> = Vec::new();
        for offer in offers {
            let name = self.name_of(offer);
            let place = *places.entry(name).or_insert_with(|| {
                by_name.push(VersionSet { name, offers: Vec::new(), except: false });
                by_name.len() - 1
            });
            by_name[place].offers.push(offer);
        }
        let set = |mut set: VersionSet| {
            set.offers.sort_unstable();
            self.set(set)
        };
        let sets: Vec<VersionSetId> = by_name.into_iter().map(set).collect();
        match sets.as_slice() {
            [] => Requirement::Single(self.set(VersionSet { name: self.nobodys(), offers: Vec::new(), except: false })),
            [one] => Requirement::Single(*one),
            _ => Requirement::Union(VersionSetUnionId(self.unions.borrow_mut().number(sets))),
        }
    }

    fn only(&self, offer: u32, except: bool) -> VersionSetId {
        self.set(VersionSet { name: self.name_of(offer), offers: vec![offer], except })
    }

    /// A clause of a package as resolvo says it.
    fn add(&self, clause: &Clause, known: &mut KnownDependencies) {
        let (there, not): (Vec<i32>, Vec<i32>) = clause.iter().partition(|literal| **literal > 0);
        if let ([], [only]) = (there.as_slice(), not.as_slice()) {
            known.constrains.push(self.only(offer_of(*only), true));
            return;
        }
        let requirement = self.one_of(there.into_iter().map(offer_of).collect());
        let conditions: Vec<VersionSetId> = not.iter().map(|it| self.only(offer_of(*it), false)).collect();
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

    // The explanations are our own (`explain`).
    fn display_solvable(&self, _: SolvableId) -> impl Display + '_ {
        ""
    }

    fn display_name(&self, _: NameId) -> impl Display + '_ {
        ""
    }

    fn display_version_set(&self, _: VersionSetId) -> impl Display + '_ {
        ""
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
        let inside = |solvable: &SolvableId| (offers.binary_search(&solvable.into_raw()).is_ok() != *except) != inverse;
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
            self.literals.set(self.literals.get() + rule.clause.len());
            self.add(&rule.clause, &mut known);
        }
        Dependencies::Known(known)
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.asked.set(self.asked.get() + 1);
        let enough = self.asked.get() > QUESTIONS_MAX || self.literals.get() > LITERALS_IN_ALL;
        enough.then(|| -> Box<dyn Any> { Box::new(()) })
    }
}

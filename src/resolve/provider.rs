//! The index as resolvo wants to see it.
//!
//! A resolvo name is a package's name and holds one version at most; a version set is an explicit set of offers of
//! ONE name. A relation that offers of several names can meet is a union of such sets, in order of preference. A
//! relation that nothing can meet is a set of a name without candidates, so that an explanation can show it.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::Hash;

use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider, HintDependenciesAvailable, Interner,
    KnownDependencies, NameId, Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use crate::package::version::compare_versions;
use crate::repo::{Dependency, Index, Operator, Relation};

/// Offers of one name; with `except`, every offer of it but these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: u32,
    offers: Vec<u32>,
    except: bool,
    /// For explanations.
    text: String,
}

/// Values that are the same get the same number.
#[derive(Debug)]
struct Interned<T> {
    values: Vec<T>,
    // Only looked up, never walked: its order reaches nothing.
    numbers: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn new() -> Interned<T> {
        Interned { values: Vec::new(), numbers: HashMap::new() }
    }

    fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.values.len()).expect("no index has four billion relations");
        *self.numbers.entry(value.clone()).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }
}

#[derive(Debug)]
pub(super) struct Provider<'a> {
    index: &'a Index,
    /// Package names by their number, and each offer's.
    names: Vec<&'a str>,
    name_of: Vec<u32>,
    offers_of: Vec<Vec<u32>>,
    numbers: BTreeMap<&'a str, u32>,
    /// Name → offers that provide it, with the number of the provision.
    provided: BTreeMap<&'a str, Vec<(u32, usize)>>,
    /// Names that nothing has; their numbers follow those of packages.
    missing: RefCell<Interned<String>>,
    sets: RefCell<Interned<VersionSet>>,
    unions: RefCell<Interned<Vec<VersionSetId>>>,
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("no index has four billion packages")
}

/// The offer that a solvable stands for.
pub(super) fn offer_number(solvable: SolvableId) -> Option<usize> {
    usize::try_from(solvable.into_raw()).ok()
}

impl<'a> Provider<'a> {
    pub(super) fn new(index: &'a Index) -> Provider<'a> {
        let mut provider = Provider {
            index,
            names: Vec::new(),
            name_of: Vec::new(),
            offers_of: Vec::new(),
            numbers: BTreeMap::new(),
            provided: BTreeMap::new(),
            missing: RefCell::new(Interned::new()),
            sets: RefCell::new(Interned::new()),
            unions: RefCell::new(Interned::new()),
        };
        for (offer_index, offer) in index.offers.iter().enumerate() {
            let name = offer.id.name.as_str();
            let next = number(provider.names.len());
            let name_number = *provider.numbers.entry(name).or_insert_with(|| {
                provider.names.push(name);
                provider.offers_of.push(Vec::new());
                next
            });
            provider.name_of.push(name_number);
            provider.offers_of[name_number as usize].push(number(offer_index));
            for (provision, provided) in offer.provides.iter().enumerate() {
                provider.provided.entry(&provided.name).or_default().push((number(offer_index), provision));
            }
        }
        provider
    }

    /// What meets a dependency, in order of preference.
    pub(super) fn requirement(&self, dependency: &Dependency) -> Requirement {
        let mut sets: Vec<VersionSetId> = Vec::new();
        for relation in &dependency.0 {
            for set in self.sets_of(relation, true) {
                if !sets.contains(&set) {
                    sets.push(set);
                }
            }
        }
        match sets.as_slice() {
            [] => Requirement::Single(self.nothing(dependency)),
            [one] => Requirement::Single(*one),
            _ => Requirement::Union(VersionSetUnionId(self.unions.borrow_mut().number(sets))),
        }
    }

    /// The offers that meet a relation, one set a name: the package of that name first, then what provides it.
    fn sets_of(&self, relation: &Relation, require: bool) -> Vec<VersionSetId> {
        let mut by_name: Vec<(u32, Vec<u32>)> = Vec::new();
        if let Some(name) = self.numbers.get(relation.name.as_str()) {
            let offers = self.offers_of[*name as usize].iter().copied();
            let meeting: Vec<u32> =
                offers.filter(|offer| meets(Some(&self.offer(*offer).id.version), relation)).collect();
            by_name.push((*name, meeting));
        }
        let mut standing_in: Vec<(u32, u32)> = self
            .provided
            .get(relation.name.as_str())
            .into_iter()
            .flatten()
            .filter(|(offer, provision)| meets(self.offer(*offer).provides[*provision].version.as_ref(), relation))
            .map(|(offer, _)| (self.name_of[*offer as usize], *offer))
            .collect();
        // Among stand-ins apt takes the one of the highest priority, then the first name.
        standing_in.sort_by_key(|(name, offer)| (self.offer(*offer).priority, self.names[*name as usize], *offer));
        for (name, offer) in standing_in {
            match by_name.iter_mut().find(|(other, _)| *other == name) {
                Some((_, offers)) if offers.contains(&offer) => {}
                Some((_, offers)) => offers.push(offer),
                None => by_name.push((name, vec![offer])),
            }
        }
        let mut sets = Vec::new();
        for (name, mut offers) in by_name.into_iter().filter(|(_, offers)| !offers.is_empty()) {
            offers.sort_unstable();
            let set = VersionSet { name, offers, except: !require, text: text(relation) };
            sets.push(VersionSetId(self.sets.borrow_mut().number(set)));
        }
        sets
    }

    /// The packages of a relation's very name that meet it, newest first: who asks for a package gets no stand-in.
    pub(super) fn packages(&self, relation: &Relation) -> Vec<u32> {
        let named =
            self.numbers.get(relation.name.as_str()).map_or(&[] as &[u32], |name| &self.offers_of[*name as usize]);
        let mut offers: Vec<u32> = named.to_vec();
        offers.retain(|offer| meets(Some(&self.offer(*offer).id.version), relation));
        offers.sort_by(|a, b| self.newest_first(*a, *b));
        offers
    }

    /// One of these offers, which have one name and are at least one.
    pub(super) fn one_of(&self, offers: &[u32]) -> Requirement {
        let mut offers = offers.to_vec();
        offers.sort_unstable();
        let version = |offer: &u32| self.offer(*offer).id.version.as_str();
        let text = format!(
            "{} (= {})",
            self.offer(offers[0]).id.name,
            offers.iter().map(version).collect::<Vec<_>>().join(" or ")
        );
        let set = VersionSet { name: self.name_of[offers[0] as usize], offers, except: false, text };
        Requirement::Single(VersionSetId(self.sets.borrow_mut().number(set)))
    }

    /// Offers that meet a dependency, in order of preference.
    pub(super) fn choices(&self, dependency: &Dependency) -> Vec<u32> {
        let sets = dependency.0.iter().flat_map(|relation| self.sets_of(relation, true));
        let mut choices = Vec::new();
        for set in sets {
            let mut offers = self.sets.borrow().values[set.0 as usize].offers.clone();
            offers.sort_by(|a, b| self.newest_first(*a, *b));
            choices.extend(offers);
        }
        choices
    }

    /// The choices for each dependency of an offer that it does not meet itself.
    pub(super) fn dependencies(&self, offer: u32) -> Vec<Vec<u32>> {
        let choices = self.offer(offer).depends.iter().map(|dependency| self.choices(dependency));
        choices.filter(|choices| !choices.contains(&offer)).collect()
    }

    /// Offers that an offer says it cannot stand with. With its own name it means others that provide it.
    pub(super) fn conflicts(&self, offer: u32) -> Vec<u32> {
        let sets = self.offer(offer).conflicts.iter().flat_map(|relation| self.sets_of(relation, false));
        let offers = sets.flat_map(|set| self.sets.borrow().values[set.0 as usize].offers.clone());
        offers.filter(|other| !self.same_name(offer, *other)).collect()
    }

    pub(super) fn same_name(&self, a: u32, b: u32) -> bool {
        self.name_of[a as usize] == self.name_of[b as usize]
    }

    fn nothing(&self, dependency: &Dependency) -> VersionSetId {
        let text = dependency.0.iter().map(text).collect::<Vec<_>>().join(" | ");
        let name = number(self.names.len()) + self.missing.borrow_mut().number(text.clone());
        let set = VersionSet { name, offers: Vec::new(), except: false, text };
        VersionSetId(self.sets.borrow_mut().number(set))
    }

    fn offer(&self, number: u32) -> &'a crate::repo::Offer {
        &self.index.offers[number as usize]
    }

    /// Newest first; the same version in two repositories in the index's order.
    fn newest_first(&self, a: u32, b: u32) -> Ordering {
        compare_versions(&self.offer(b).id.version, &self.offer(a).id.version).then(a.cmp(&b))
    }
}

/// Whether a version satisfies a relation. A provision without a version meets only relations without one.
fn meets(version: Option<&String>, relation: &Relation) -> bool {
    let Some((operator, wanted)) = &relation.constraint else { return true };
    let Some(version) = version else { return false };
    let order = compare_versions(version, wanted);
    match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Equal => order == Ordering::Equal,
        Operator::GreaterOrEqual => order != Ordering::Less,
        Operator::Greater => order == Ordering::Greater,
    }
}

fn text(relation: &Relation) -> String {
    let Some((operator, version)) = &relation.constraint else { return relation.name.clone() };
    let sign = match operator {
        Operator::Less => "<<",
        Operator::LessOrEqual => "<=",
        Operator::Equal => "=",
        Operator::GreaterOrEqual => ">=",
        Operator::Greater => ">>",
    };
    format!("{} ({sign} {version})", relation.name)
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.offer(solvable.into_raw()).id.to_string()
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let raw = name.into_raw();
        match self.names.get(raw as usize) {
            Some(name) => (*name).to_owned(),
            None => self.missing.borrow().values[raw as usize - self.names.len()].clone(),
        }
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let text = self.sets.borrow().values[set.0 as usize].text.clone();
        // The library prints the name itself: only the constraint is left to say.
        text.split_once(' ').map_or_else(|| "*".to_owned(), |(_, constraint)| constraint.to_owned())
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_raw(self.sets.borrow().values[set.0 as usize].name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.name_of[solvable.into_raw() as usize])
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.unions.borrow().values[union.0 as usize].clone().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement here has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let sets = self.sets.borrow();
        let VersionSet { offers, except, .. } = &sets.values[set.0 as usize];
        let inside = |solvable: &SolvableId| (offers.contains(&solvable.into_raw()) != *except) != inverse;
        candidates.iter().copied().filter(inside).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let offers = self.offers_of.get(name.into_raw() as usize)?;
        Some(Candidates {
            candidates: offers.iter().map(|offer| SolvableId::from_raw(*offer)).collect(),
            hint_dependencies_available: HintDependenciesAvailable::All,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by(|a, b| self.newest_first(a.into_raw(), b.into_raw()));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let own = solvable.into_raw();
        let offer = self.offer(own);
        let mut known = KnownDependencies::default();
        for dependency in &offer.depends {
            let requirement = self.requirement(dependency);
            if !self.includes(requirement, own) {
                known.requirements.push(requirement.into());
            }
        }
        for relation in &offer.conflicts {
            for set in self.sets_of(relation, false) {
                // A package may conflict with a name that it provides itself: that is about others.
                if self.sets.borrow().values[set.0 as usize].name != self.name_of[own as usize] {
                    known.constrains.push(set);
                }
            }
        }
        Dependencies::Known(known)
    }
}

impl Provider<'_> {
    /// Whether an offer meets a requirement of its own.
    fn includes(&self, requirement: Requirement, offer: u32) -> bool {
        let sets = self.sets.borrow();
        let has = |set: VersionSetId| sets.values[set.0 as usize].offers.contains(&offer);
        match requirement {
            Requirement::Single(set) => has(set),
            Requirement::Union(union) => self.unions.borrow().values[union.0 as usize].iter().any(|set| has(*set)),
        }
    }
}

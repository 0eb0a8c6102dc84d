//! The index as resolvo wants to see it.
//!
//! A resolvo name is a package's name and holds one version at most; a version set is an explicit set of offers of
//! ONE name. A relation that offers of several names can meet is a union of such sets, in order of preference. A
//! relation that nothing can meet is a set of a name without candidates, so that an explanation can show it.
//!
//! An image may mix the families: RPMs that call themselves neutral on a Debian base. Then names mean the same in both,
//! and no name is there twice, but only RPMs look across: a deb's dependencies are Debian's own affair. Versions compare
//! as the family of the package that has them says. Across families epochs are left out, since every distribution has
//! its own, and so is Debian's revision where an RPM names no release. A path that no RPM brings is put off in such an
//! image, because apt's indexes have no paths: the check `file-requirement` asks the finished root for it.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider, HintDependenciesAvailable, Interner,
    KnownDependencies, NameId, Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use crate::package::{Dependency, Family, Relation, deb, rpm};
use crate::repo::{Index, Offer};
use crate::resolve::interned::Interned;
use crate::resolve::versions::{has_version, meets};

/// Offers of one name; with `except`, every offer of it but these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: u32,
    offers: Vec<u32>,
    except: bool,
    /// For explanations.
    text: String,
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
    /// Whether debs are on offer too.
    has_debs: bool,
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
            has_debs: index.offers.iter().any(|offer| offer.family == Family::Deb),
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
    fn requirement(&self, dependency: &Dependency, asker: Family) -> Requirement {
        let mut sets: Vec<VersionSetId> = Vec::new();
        for relation in &dependency.0 {
            for set in self.sets_of(relation, asker, true) {
                if !sets.contains(&set) {
                    sets.push(set);
                }
            }
        }
        match sets.as_slice() {
            [] => Requirement::Single(self.nothing(dependency, asker)),
            [one] => Requirement::Single(*one),
            _ => Requirement::Union(VersionSetUnionId(self.unions.borrow_mut().number(sets))),
        }
    }

    /// The offers that meet a relation, one set a name: the package of that name first, then what provides it.
    fn sets_of(&self, relation: &Relation, asker: Family, require: bool) -> Vec<VersionSetId> {
        let looked_at = |offer: &u32| !(require && asker == Family::Deb && self.offer(*offer).family == Family::Rpm);
        let mut by_name: Vec<(u32, Vec<u32>)> = self.named(relation, asker);
        by_name.iter_mut().for_each(|(_, offers)| offers.retain(looked_at));
        let mut standing_in: Vec<(u32, u32)> = self
            .provided
            .get(relation.name.as_str())
            .into_iter()
            .flatten()
            .filter(|(offer, provision)| {
                let version = self.offer(*offer).provides[*provision].version.as_deref();
                looked_at(offer) && meets(self.offer(*offer).family, version, relation, asker)
            })
            .map(|(offer, _)| (self.name_of[*offer as usize], *offer))
            .collect();
        // Among stand-ins apt takes the one of the highest priority, then the first name. Of RPMs dnf takes the
        // shortest name first.
        standing_in.sort_by_key(|(name, offer)| {
            let (name, Offer { family, priority, .. }) = (self.names[*name as usize], self.offer(*offer));
            let length = if *family == Family::Rpm { name.len() } else { 0 };
            (*family != asker, *priority, length, name, *offer)
        });
        for (name, offer) in standing_in {
            match by_name.iter_mut().find(|(other, _)| *other == name) {
                Some((_, offers)) if offers.contains(&offer) => {}
                Some((_, offers)) => offers.push(offer),
                None => by_name.push((name, vec![offer])),
            }
        }
        self.sets(by_name, relation, asker, require)
    }

    /// The packages of a relation's very name that meet it.
    fn named(&self, relation: &Relation, asker: Family) -> Vec<(u32, Vec<u32>)> {
        let Some(name) = self.numbers.get(relation.name.as_str()) else { return Vec::new() };
        let meeting = |offer: &u32| {
            let offer = self.offer(*offer);
            meets(offer.family, Some(&offer.id.version), relation, asker)
        };
        vec![(*name, self.offers_of[*name as usize].iter().copied().filter(meeting).collect())]
    }

    fn sets(
        &self,
        by_name: Vec<(u32, Vec<u32>)>,
        relation: &Relation,
        asker: Family,
        require: bool,
    ) -> Vec<VersionSetId> {
        let mut sets = Vec::new();
        for (name, mut offers) in by_name.into_iter().filter(|(_, offers)| !offers.is_empty()) {
            offers.sort_unstable();
            let set = VersionSet { name, offers, except: !require, text: text(relation, asker) };
            sets.push(VersionSetId(self.sets.borrow_mut().number(set)));
        }
        sets
    }

    /// The packages of this very name and version, newest first: who asks for a package gets no stand-in.
    pub(super) fn packages(&self, name: &str, version: Option<&str>) -> Vec<u32> {
        let named = self.numbers.get(name).map_or(&[] as &[u32], |name| &self.offers_of[*name as usize]);
        let mut offers: Vec<u32> = named.to_vec();
        offers.retain(|offer| version.is_none_or(|version| has_version(self.offer(*offer), version)));
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
    fn choices(&self, dependency: &Dependency, asker: Family) -> Vec<u32> {
        let sets = dependency.0.iter().flat_map(|relation| self.sets_of(relation, asker, true));
        let mut choices = Vec::new();
        for set in sets {
            let mut offers = self.sets.borrow().values[set.0 as usize].offers.clone();
            offers.sort_by(|a, b| self.newest_first(*a, *b));
            choices.extend(offers);
        }
        choices
    }

    /// The dependencies that are not put off.
    fn depends(&self, offer: u32) -> impl Iterator<Item = &'a Dependency> {
        let offer = self.offer(offer);
        offer.depends.iter().filter(move |dependency| {
            let path = |relation: &Relation| {
                relation.name.starts_with('/') && !self.provided.contains_key(relation.name.as_str())
            };
            !(offer.family == Family::Rpm && self.has_debs && dependency.0.iter().all(path))
        })
    }

    /// The choices for each dependency of an offer that it does not meet itself.
    pub(super) fn dependencies(&self, offer: u32) -> Vec<Vec<u32>> {
        let asker = self.offer(offer).family;
        let choices = self.depends(offer).map(|dependency| self.choices(dependency, asker));
        choices.filter(|choices| !choices.contains(&offer)).collect()
    }

    /// What an offer says it cannot stand with. With its own name it means others that provide it.
    fn conflict_sets(&self, offer: u32) -> Vec<VersionSetId> {
        let Offer { family, conflicts, obsoletes, .. } = self.offer(offer);
        let mut sets: Vec<VersionSetId> =
            conflicts.iter().flat_map(|relation| self.sets_of(relation, *family, false)).collect();
        for relation in obsoletes {
            let mut named = self.named(relation, *family);
            named.retain(|(_, offers)| !offers.is_empty());
            sets.extend(self.sets(named, relation, *family, false));
        }
        let own = self.name_of[offer as usize];
        sets.retain(|set| self.sets.borrow().values[set.0 as usize].name != own);
        sets
    }

    pub(super) fn conflicts(&self, offer: u32) -> Vec<u32> {
        let sets = self.conflict_sets(offer).into_iter();
        sets.flat_map(|set| self.sets.borrow().values[set.0 as usize].offers.clone()).collect()
    }

    pub(super) fn same_name(&self, a: u32, b: u32) -> bool {
        self.name_of[a as usize] == self.name_of[b as usize]
    }

    fn nothing(&self, dependency: &Dependency, asker: Family) -> VersionSetId {
        let text = dependency.0.iter().map(|relation| text(relation, asker)).collect::<Vec<_>>().join(" | ");
        let name = number(self.names.len()) + self.missing.borrow_mut().number(text.clone());
        let set = VersionSet { name, offers: Vec::new(), except: false, text };
        VersionSetId(self.sets.borrow_mut().number(set))
    }

    fn offer(&self, number: u32) -> &'a Offer {
        &self.index.offers[number as usize]
    }

    /// Newest first; the same version in two repositories in the index's order. Of two families the RPM comes first:
    /// on a Debian base it is there because somebody added its repository.
    fn newest_first(&self, a: u32, b: u32) -> Ordering {
        let (one, other) = (self.offer(a), self.offer(b));
        let family = other.family.cmp(&one.family);
        family.then_with(|| one.family.compare(&other.id.version, &one.id.version)).then(a.cmp(&b))
    }
}

fn text(relation: &Relation, asker: Family) -> String {
    match asker {
        Family::Deb => deb::relations::print(relation),
        Family::Rpm => rpm::print(relation),
    }
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
        let mut known = KnownDependencies::default();
        for dependency in self.depends(own) {
            let requirement = self.requirement(dependency, self.offer(own).family);
            if !self.includes(requirement, own) {
                known.requirements.push(requirement.into());
            }
        }
        known.constrains = self.conflict_sets(own);
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

//! The offers as a dependency meets them: which packages are, or provide, what a relation asks for.
//!
//! Kernels provide tens of thousands of symbols, and nearly nobody asks for one: only names that somebody asks for are
//! kept here. Answers are remembered, since thousands of packages ask for the same few libraries.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::owners::Owners;
use crate::package::evr::compare_evr;
use crate::package::rpm::{Rich, is_rich};
use crate::package::{Dependency, Family, Relation};
use crate::recipe::DEFAULT_PRIORITY;
use crate::repo::Offer;
use crate::resolve::versions::meets;

/// What makes a package one of which several versions may stand side by side (dnf's `installonlypkgs`).
const SIDE_BY_SIDE: &[&str] =
    &["installonlypkg(kernel)", "installonlypkg(kernel-module)", "installonlypkg(vm)", "multiversion(kernel)"];

#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub(super) offers: &'a [Offer],
    /// Of each offer's repository.
    priorities: Vec<u32>,
    /// A number for each name of packages, and each offer's.
    names: HashMap<&'a str, u32>,
    name_of: Vec<u32>,
    offers_of: Vec<Vec<u32>>,
    side_by_side: Vec<bool>,
    /// Name that somebody asks for → offers that provide it, with the number of the provision.
    provided: HashMap<&'a str, Vec<(u32, u32)>>,
    /// Paths that only file lists have.
    listed: HashMap<String, Vec<u32>>,
    known: &'a BTreeSet<String>,
    /// By their texts; nothing for what is no rich dependency.
    rich: HashMap<&'a str, Option<Rich>>,
    // Only looked up, never walked: its order reaches nothing.
    answers: RefCell<HashMap<Relation, Rc<[u32]>>>,
}

pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).expect("no index has four billion packages")
}

impl<'a> Pool<'a> {
    pub(super) fn new(offers: &'a [Offer], priorities: &BTreeMap<String, u32>, owners: &'a Owners) -> Pool<'a> {
        let mut pool = Pool {
            offers,
            priorities: Vec::with_capacity(offers.len()),
            names: HashMap::new(),
            name_of: Vec::with_capacity(offers.len()),
            offers_of: Vec::new(),
            side_by_side: Vec::with_capacity(offers.len()),
            provided: HashMap::new(),
            listed: HashMap::new(),
            known: &owners.known,
            rich: HashMap::new(),
            answers: RefCell::default(),
        };
        for offer in offers {
            for relation in asked(offer) {
                let name = relation.name.as_str();
                if !is_rich(name) {
                    pool.provided.entry(name).or_default();
                } else if !pool.rich.contains_key(name) {
                    pool.rich.insert(name, Rich::parse(name));
                }
            }
        }
        // Names inside rich dependencies belong to the parsed ones: they are found by the offers' own spelling below.
        let inside: BTreeSet<String> = pool
            .rich
            .values()
            .flatten()
            .flat_map(|rich| rich.relations().into_iter().map(|relation| relation.name.clone()).collect::<Vec<_>>())
            .collect();
        for (offer_number, offer) in offers.iter().enumerate() {
            let own = number(offer_number);
            let name = offer.id.name.as_str();
            let next = number(pool.offers_of.len());
            let name_number = *pool.names.entry(name).or_insert_with(|| {
                pool.offers_of.push(Vec::new());
                next
            });
            pool.offers_of[name_number as usize].push(own);
            pool.name_of.push(name_number);
            pool.priorities.push(priorities.get(&offer.repository).copied().unwrap_or(DEFAULT_PRIORITY));
            let mut side_by_side = matches!(name, "kernel" | "kernel-PAE");
            for (provision, provided) in offer.provides.iter().enumerate() {
                let entry = (own, number(provision));
                match pool.provided.get_mut(provided.name.as_str()) {
                    Some(offers) => offers.push(entry),
                    None if inside.contains(&provided.name) => {
                        pool.provided.insert(&provided.name, vec![entry]);
                    }
                    None => {}
                }
                side_by_side |= SIDE_BY_SIDE.contains(&provided.name.as_str());
            }
            pool.side_by_side.push(side_by_side);
            for path in owners.paths.get(&offer.sha256).into_iter().flatten() {
                pool.listed.entry(path.clone()).or_default().push(own);
            }
        }
        pool
    }

    pub(super) fn offer(&self, number: u32) -> &'a Offer {
        &self.offers[number as usize]
    }

    pub(super) fn priority(&self, offer: u32) -> u32 {
        self.priorities[offer as usize]
    }

    pub(super) fn name_number(&self, offer: u32) -> u32 {
        self.name_of[offer as usize]
    }

    pub(super) fn names(&self) -> usize {
        self.offers_of.len()
    }

    /// Offers of this name, in the index's order.
    pub(super) fn of_name(&self, name: u32) -> &[u32] {
        &self.offers_of[name as usize]
    }

    pub(super) fn side_by_side(&self, offer: u32) -> bool {
        self.side_by_side[offer as usize]
    }

    /// Packages that cannot stand beside this one only because they are the same in another version.
    pub(super) fn rivals(&self, offer: u32) -> impl Iterator<Item = u32> + '_ {
        let all = if self.side_by_side(offer) { &[] } else { self.of_name(self.name_number(offer)) };
        all.iter().copied().filter(move |other| *other != offer)
    }

    pub(super) fn rich(&self, text: &str) -> Option<&Rich> {
        self.rich.get(text).and_then(Option::as_ref)
    }

    /// Whether file lists have to be asked who has the path that a relation names.
    pub(super) fn is_unknown_path(&self, relation: &Relation) -> bool {
        relation.name.starts_with('/') && !self.known.contains(&relation.name) && self.providers(relation).is_empty()
    }

    /// Offers that are what a relation asks for, in the index's order.
    pub(super) fn providers(&self, relation: &Relation) -> Rc<[u32]> {
        if let Some(answer) = self.answers.borrow().get(relation) {
            return answer.clone();
        }
        let mut offers: BTreeSet<u32> = self.named(relation).collect();
        for (offer, provision) in self.provided.get(relation.name.as_str()).into_iter().flatten() {
            let version = self.offer(*offer).provides[*provision as usize].version.as_deref();
            if meets(Family::Rpm, version, relation, Family::Rpm) {
                offers.insert(*offer);
            }
        }
        offers.extend(self.listed.get(&relation.name).into_iter().flatten());
        let answer: Rc<[u32]> = offers.into_iter().collect();
        self.answers.borrow_mut().insert(relation.clone(), answer.clone());
        answer
    }

    /// Packages of a relation's very name that meet it: what is obsoleted.
    pub(super) fn named(&self, relation: &Relation) -> impl Iterator<Item = u32> {
        let named = self.names.get(relation.name.as_str()).map_or(&[] as &[u32], |name| self.of_name(*name));
        named
            .iter()
            .copied()
            .filter(move |offer| meets(Family::Rpm, Some(&self.offer(*offer).id.version), relation, Family::Rpm))
    }

    pub(super) fn obsoletes(&self, offer: u32, other: u32) -> bool {
        let (one, other) = (self.offer(offer), self.offer(other));
        one.id.name != other.id.name
            && one.obsoletes.iter().any(|relation| {
                relation.name == other.id.name && meets(Family::Rpm, Some(&other.id.version), relation, Family::Rpm)
            })
    }

    /// Best first: priority, then version, then the index's order.
    pub(super) fn best_first(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let version = || compare_evr(&self.offer(b).id.version, &self.offer(a).id.version);
        self.priority(a).cmp(&self.priority(b)).then_with(version).then(a.cmp(&b))
    }
}

/// Every relation of an offer in which names of others count.
fn asked(offer: &Offer) -> impl Iterator<Item = &Relation> {
    let weak = &offer.weak;
    let depends = offer.depends.iter().flat_map(|Dependency(any)| any);
    depends
        .chain(&offer.conflicts)
        .chain(&weak.recommends)
        .chain(&weak.suggests)
        .chain(&weak.supplements)
        .chain(&weak.enhances)
}

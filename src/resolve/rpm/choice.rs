//! Which of several packages that would do is taken.
//!
//! In turn: the repository with the smallest priority number, the newest version of each name, none that another
//! candidate obsoletes, those that present packages recommend; then an order: without newer versions elsewhere first,
//! older provisions later, suggested ones first; names in order of the alphabet. As `policy_filter_unwanted` in libsolv's
//! `policy.c` does it, which is what dnf uses.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::pool::Pool;
use super::rules::{Literal, holds, normal, offer_of};
use crate::package::Relation;
use crate::package::evr::{compare_evr, compare_to_wanted};
use crate::package::rpm::is_rich;

/// What is there, and what that recommends and suggests.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// How much of the trail is in here.
    read: usize,
    // Only asked for single members: their order reaches nothing.
    there: HashSet<u32>,
    recommended: HashSet<u32>,
    suggested: HashSet<u32>,
}

impl Present {
    /// Something was taken back.
    pub(super) fn forget(&mut self) {
        *self = Present::default();
    }

    fn read(&mut self, pool: &Pool<'_>, trail: &[Literal]) {
        let new = trail.iter().skip(self.read).filter(|literal| **literal > 0).map(|literal| offer_of(*literal));
        let new: Vec<u32> = new.collect();
        self.read = trail.len();
        self.there.extend(&new);
        for offer in new {
            let weak = &pool.offer(offer).weak;
            for relation in &weak.recommends {
                self.recommended.extend(meant(pool, relation, &|it| self.there.contains(&it)));
            }
            for relation in &weak.suggests {
                self.suggested.extend(meant(pool, relation, &|it| self.there.contains(&it)));
            }
        }
    }

    pub(super) fn is_recommended(&mut self, pool: &Pool<'_>, trail: &[Literal], offer: u32) -> bool {
        self.read(pool, trail);
        let speaks = |relation: &Relation| holds(pool, relation, &|it| self.there.contains(&it));
        self.recommended.contains(&offer) || pool.offer(offer).weak.supplements.iter().any(speaks)
    }

    fn is_suggested(&mut self, pool: &Pool<'_>, trail: &[Literal], offer: u32) -> bool {
        self.read(pool, trail);
        let speaks = |relation: &Relation| holds(pool, relation, &|it| self.there.contains(&it));
        self.suggested.contains(&offer) || pool.offer(offer).weak.enhances.iter().any(speaks)
    }
}

/// The packages that a weak relation is about, given what is there.
fn meant(pool: &Pool<'_>, relation: &Relation, is_there: &dyn Fn(u32) -> bool) -> Vec<u32> {
    if !is_rich(&relation.name) {
        return pool.providers(relation).to_vec();
    }
    let mut offers = Vec::new();
    for clause in normal(pool, relation, true) {
        if clause.iter().all(|literal| *literal > 0 || is_there(offer_of(*literal))) {
            offers.extend(clause.into_iter().filter(|literal| *literal > 0).map(offer_of));
        }
    }
    offers
}

/// Everything that an offer may recommend, whatever is there.
pub(super) fn recommended(pool: &Pool<'_>, offer: u32) -> Vec<u32> {
    let recommends = pool.offer(offer).weak.recommends.iter();
    recommends.flat_map(|relation| meant(pool, relation, &|_| true)).collect()
}

/// The candidates that are left, in no order of preference.
pub(super) fn best(pool: &Pool<'_>, open: Vec<u32>, trail: &[Literal], present: &mut Present) -> Vec<u32> {
    if open.len() < 2 {
        return open;
    }
    let mut left = newest_of_each(pool, open);
    without_obsoleted(pool, &mut left);
    if left.len() > 1 {
        let spoken_for: Vec<bool> = left.iter().map(|it| present.is_recommended(pool, trail, *it)).collect();
        if spoken_for.contains(&true) {
            let mut spoken_for = spoken_for.into_iter();
            left.retain(|_| spoken_for.next().unwrap_or(true));
        }
    }
    left
}

/// The candidates that are left, the best first.
pub(super) fn ranked(pool: &Pool<'_>, open: Vec<u32>, trail: &[Literal], present: &mut Present) -> Vec<u32> {
    let mut left = best(pool, open, trail, present);
    if left.len() > 1 {
        left.sort_by_key(|offer| has_better(pool, *offer));
        by_common_provisions(pool, &mut left);
        left.sort_by_key(|offer| !present.is_suggested(pool, trail, *offer));
    }
    left
}

fn newest_of_each(pool: &Pool<'_>, mut open: Vec<u32>) -> Vec<u32> {
    let priority = open.iter().map(|offer| pool.priority(*offer)).min();
    open.retain(|offer| Some(pool.priority(*offer)) == priority);
    let name = |offer: u32| pool.offer(offer).id.name.as_str();
    open.sort_by(|a, b| name(*a).cmp(name(*b)).then(a.cmp(b)));
    let mut best: Vec<u32> = Vec::new();
    for offer in open {
        match best.last_mut().filter(|last| name(**last) == name(offer)) {
            None => best.push(offer),
            Some(last) => {
                let newer = compare_evr(&pool.offer(offer).id.version, &pool.offer(*last).id.version);
                if newer == Ordering::Greater {
                    *last = offer;
                }
            }
        }
    }
    best
}

/// Takes out what others obsolete, unless it obsoletes them in turn.
fn without_obsoleted(pool: &Pool<'_>, left: &mut Vec<u32>) {
    // Only looked up, never walked: its order reaches nothing.
    let places: HashMap<u32, usize> = left.iter().enumerate().map(|(place, offer)| (*offer, place)).collect();
    let obsoleted_by = |offer: &u32| -> Vec<usize> {
        let named = pool.offer(*offer).obsoletes.iter().flat_map(|relation| pool.named(relation));
        let others = named.filter(|other| pool.name_number(*other) != pool.name_number(*offer));
        others.filter_map(|other| places.get(&other).copied()).collect()
    };
    let next: Vec<Vec<usize>> = left.iter().map(obsoleted_by).collect();
    // Chains count as well.
    let leads_to = |start: &Vec<usize>| {
        let (mut found, mut open) = (BTreeSet::new(), start.clone());
        while let Some(place) = open.pop() {
            if found.insert(place) {
                open.extend(&next[place]);
            }
        }
        found
    };
    let leads: Vec<BTreeSet<usize>> = next.iter().map(leads_to).collect();
    let mut kept = vec![true; left.len()];
    for (one, others) in leads.iter().enumerate() {
        others.iter().filter(|other| !leads[**other].contains(&one)).for_each(|other| kept[*other] = false);
    }
    let mut kept = kept.into_iter();
    left.retain(|_| kept.next().unwrap_or(true));
}

/// Whether some repository has this package newer, or counts more and has it at all.
fn has_better(pool: &Pool<'_>, offer: u32) -> bool {
    let own = pool.offer(offer);
    pool.of_name(pool.name_number(offer)).iter().any(|other| {
        let same = *other != offer && pool.offer(*other).id.arch == own.id.arch;
        same && match pool.priority(*other).cmp(&pool.priority(offer)) {
            Ordering::Less => true,
            Ordering::Equal => compare_evr(&pool.offer(*other).id.version, &own.id.version) == Ordering::Greater,
            Ordering::Greater => false,
        }
    })
}

/// Moves to the back who provides something in an older version than another candidate does.
fn by_common_provisions(pool: &Pool<'_>, left: &mut Vec<u32>) {
    let mut provisions: Vec<(&str, &str, usize)> = Vec::new();
    for (place, offer) in left.iter().enumerate() {
        for provided in &pool.offer(*offer).provides {
            let Some(version) = provided.version.as_deref() else { continue };
            // Digests, and numbers that look like some, are no versions.
            let hash = version.len() >= 4 && version.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'));
            if !hash {
                provisions.push((&provided.name, version, place));
            }
        }
    }
    provisions.sort_by(|a, b| a.0.cmp(b.0).then_with(|| compare_evr(b.1, a.1)).then(a.2.cmp(&b.2)));
    let mut badness = vec![0_usize; left.len()];
    let mut bad = 0;
    for index in 0..provisions.len() {
        let (name, version, place) = provisions[index];
        match index.checked_sub(1).map(|before| provisions[before]) {
            Some((same, newer, other)) if same == name => {
                if place != other && compare_to_wanted(newer, version) == Ordering::Greater {
                    bad += 1;
                }
            }
            _ => bad = 0,
        }
        badness[place] += bad;
    }
    let mut places: Vec<usize> = (0..left.len()).collect();
    places.sort_by_key(|place| badness[*place]);
    *left = places.into_iter().map(|place| left[place]).collect();
}

/// The candidates of the first weak relation of what is there that could still be followed.
pub(super) fn weak(pool: &Pool<'_>, trail: &[Literal], value: &dyn Fn(u32) -> Option<bool>) -> Option<Vec<u32>> {
    let is_there = |offer: u32| value(offer) == Some(true);
    let present = || trail.iter().filter(|literal| **literal > 0).map(|literal| offer_of(*literal));
    for offer in present() {
        for relation in &pool.offer(offer).weak.recommends {
            for clause in normal(pool, relation, true) {
                let applies =
                    clause.iter().all(|it| *it > 0 && !is_there(offer_of(*it)) || *it < 0 && is_there(offer_of(*it)));
                let mut open = clause.into_iter().filter(|it| *it > 0).map(offer_of).filter(|it| value(*it).is_none());
                if applies && let Some(first) = open.next() {
                    return Some([first].into_iter().chain(open).collect());
                }
            }
        }
    }
    let count = super::pool::number(pool.offers.len());
    (0..count).find_map(|offer| {
        let supplements = |it: u32| {
            let mut relations = pool.offer(it).weak.supplements.iter();
            value(it).is_none() && relations.any(|relation| holds(pool, relation, &is_there))
        };
        let same = || pool.of_name(pool.name_number(offer)).iter().copied();
        (supplements(offer) && !same().any(is_there)).then(|| same().filter(|it| supplements(*it)).collect())
    })
}

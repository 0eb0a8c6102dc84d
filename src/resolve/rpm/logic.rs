//! Clauses, and what follows from a decision: unit propagation with two watched literals, and learning from conflicts
//! (the first unique implication point), as solvers do since MiniSat.
//!
//! That a package is there in one version only is no clause: there would be thousands for packages with many versions.

use super::pool::{Pool, number};
use super::rules::{Clause, Literal, offer_of, there};

/// Why a literal is true.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Chosen,
    Clause(u32),
    /// Another version of the same package is there.
    Rival(Literal),
}

#[derive(Debug)]
pub(super) struct Logic<'p, 'a> {
    pool: &'p Pool<'a>,
    clauses: Vec<Clause>,
    /// By literal: clauses that watch it.
    watches: Vec<Vec<u32>>,
    /// By offer: 0 undecided, else its level plus one, negative if it is not there.
    decisions: Vec<i32>,
    reasons: Vec<Reason>,
    trail: Vec<Literal>,
    /// How much of the trail has been propagated.
    propagated: usize,
    /// Where each level begins in the trail.
    levels: Vec<usize>,
}

fn slot(literal: Literal) -> usize {
    offer_of(literal) as usize * 2 + usize::from(literal < 0)
}

impl<'p, 'a> Logic<'p, 'a> {
    pub(super) fn new(pool: &'p Pool<'a>) -> Logic<'p, 'a> {
        let offers = pool.offers.len();
        Logic {
            pool,
            clauses: Vec::new(),
            watches: vec![Vec::new(); offers * 2],
            decisions: vec![0; offers],
            reasons: vec![Reason::Chosen; offers],
            trail: Vec::new(),
            propagated: 0,
            levels: Vec::new(),
        }
    }

    /// Number of clauses: the next one's, if it has two literals at least.
    pub(super) fn clauses(&self) -> u32 {
        number(self.clauses.len())
    }

    /// Its literals, in no order.
    pub(super) fn clause(&self, place: u32) -> &Clause {
        &self.clauses[place as usize]
    }

    /// The candidates, if the clause's negative literals are all there and none of the candidates is.
    pub(super) fn open(&self, place: u32) -> Option<Vec<u32>> {
        let mut open = Vec::new();
        for literal in self.clause(place) {
            match self.value(*literal) {
                Some(true) => return None,
                None if *literal < 0 => return None,
                None => open.push(offer_of(*literal)),
                Some(false) => {}
            }
        }
        open.sort_unstable();
        (!open.is_empty()).then_some(open)
    }

    /// What was decided, in the order in which it was.
    pub(super) fn trail(&self) -> &[Literal] {
        &self.trail
    }

    /// Whether the clause can hold.
    pub(super) fn add(&mut self, clause: Clause) -> bool {
        match clause[..] {
            [] => return false,
            [only] => {
                return match self.value(only) {
                    None => {
                        self.assign(only, Reason::Chosen);
                        true
                    }
                    Some(value) => value,
                };
            }
            [first, second, ..] => {
                let place = number(self.clauses.len());
                self.watches[slot(first)].push(place);
                self.watches[slot(second)].push(place);
                self.clauses.push(clause);
            }
        }
        true
    }

    pub(super) fn value(&self, literal: Literal) -> Option<bool> {
        let decision = self.decisions[offer_of(literal) as usize];
        (decision != 0).then_some((decision > 0) == (literal > 0))
    }

    pub(super) fn level(&self) -> usize {
        self.levels.len()
    }

    pub(super) fn level_of(&self, literal: Literal) -> usize {
        usize::try_from(self.decisions[offer_of(literal) as usize].unsigned_abs()).map_or(0, |it| it.saturating_sub(1))
    }

    fn assign(&mut self, literal: Literal, reason: Reason) {
        let level = i32::try_from(self.level()).expect("there are fewer levels than offers") + 1;
        let offer = offer_of(literal) as usize;
        self.decisions[offer] = if literal > 0 { level } else { -level };
        self.reasons[offer] = reason;
        self.trail.push(literal);
    }

    /// A new level, which begins with this offer.
    pub(super) fn decide(&mut self, offer: u32) {
        self.levels.push(self.trail.len());
        self.assign(there(offer), Reason::Chosen);
    }

    /// A conflict at the lowest level is not to be lost.
    pub(super) fn propagate_again(&mut self) {
        self.propagated = 0;
    }

    /// Follows what was decided to its consequences; a clause that is false then.
    pub(super) fn propagate(&mut self) -> Option<Clause> {
        while let Some(literal) = self.trail.get(self.propagated).copied() {
            self.propagated += 1;
            if literal > 0 {
                let pool = self.pool;
                for rival in pool.rivals(offer_of(literal)) {
                    match self.value(there(rival)) {
                        Some(true) => return Some(vec![-literal, -there(rival)]),
                        Some(false) => {}
                        None => self.assign(-there(rival), Reason::Rival(literal)),
                    }
                }
            }
            if let Some(conflict) = self.propagate_clauses(-literal) {
                return Some(conflict);
            }
        }
        None
    }

    /// For the clauses that watch a literal which has become false.
    fn propagate_clauses(&mut self, falsified: Literal) -> Option<Clause> {
        let mut watching = std::mem::take(&mut self.watches[slot(falsified)]);
        let mut conflict = None;
        let mut kept = 0;
        for index in 0..watching.len() {
            let place = watching[index];
            let mut clause = std::mem::take(&mut self.clauses[place as usize]);
            // The watched ones stand in front.
            if clause[0] == falsified {
                clause.swap(0, 1);
            }
            let other = clause[0];
            let free = match self.value(other) {
                Some(true) => None,
                _ => (2..clause.len()).find(|at| self.value(clause[*at]) != Some(false)),
            };
            if let Some(free) = free {
                clause.swap(1, free);
                self.watches[slot(clause[1])].push(place);
            } else {
                watching[kept] = place;
                kept += 1;
                match self.value(other) {
                    Some(true) => {}
                    Some(false) => conflict = Some(clause.clone()),
                    None => self.assign(other, Reason::Clause(place)),
                }
            }
            self.clauses[place as usize] = clause;
            if conflict.is_some() {
                watching.copy_within(index + 1.., kept);
                kept += watching.len() - index - 1;
                break;
            }
        }
        watching.truncate(kept);
        self.watches[slot(falsified)] = watching;
        conflict
    }

    /// Learns what a conflict teaches (the first unique implication point), and goes back to where that decides
    /// something: the level that this is.
    pub(super) fn learn(&mut self, conflict: &Clause) -> usize {
        let level = self.level();
        let mut seen = vec![false; self.decisions.len()];
        let mut learnt: Clause = Vec::new();
        let mut open = 0_usize;
        let mut literals = conflict.clone();
        let mut at = self.trail.len();
        let decided = loop {
            for literal in literals {
                let offer = offer_of(literal) as usize;
                if seen[offer] || self.level_of(literal) == 0 {
                    continue;
                }
                seen[offer] = true;
                if self.level_of(literal) == level {
                    open += 1;
                } else {
                    learnt.push(literal);
                }
            }
            while at > 0 && !seen[offer_of(self.trail[at - 1]) as usize] {
                at -= 1;
            }
            let Some(last) = at.checked_sub(1) else { break None };
            at = last;
            let literal = self.trail[at];
            open = open.saturating_sub(1);
            if open == 0 {
                break Some(literal);
            }
            literals = self.because(literal);
        };
        let back = learnt.iter().map(|literal| self.level_of(*literal)).max().unwrap_or(0);
        self.back_to(back);
        let Some(decided) = decided else { return back };
        // The decided one and one of the latest others are watched.
        learnt.sort_by_key(|literal| std::cmp::Reverse(self.level_of(*literal)));
        learnt.insert(0, -decided);
        if let [first, second, ..] = learnt[..] {
            let place = number(self.clauses.len());
            self.watches[slot(first)].push(place);
            self.watches[slot(second)].push(place);
            self.clauses.push(learnt);
            self.assign(-decided, Reason::Clause(place));
        } else {
            self.assign(-decided, Reason::Chosen);
        }
        back
    }

    /// The other literals of the clause that made this one true; they are all false.
    fn because(&self, literal: Literal) -> Clause {
        match self.reasons[offer_of(literal) as usize] {
            Reason::Chosen => Vec::new(),
            Reason::Rival(other) => vec![-other],
            Reason::Clause(place) => {
                self.clauses[place as usize].iter().copied().filter(|other| *other != literal).collect()
            }
        }
    }

    /// Forgets every decision above this level.
    pub(super) fn back_to(&mut self, level: usize) {
        let Some(start) = self.levels.get(level).copied() else { return };
        for literal in self.trail.drain(start..) {
            self.decisions[offer_of(literal) as usize] = 0;
        }
        self.levels.truncate(level);
        self.propagated = start;
    }
}

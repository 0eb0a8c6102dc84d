//! The packages that dnf would take, found the way libsolv finds them: conflict-driven, and in its order of choices.
//!
//! Which of several packages is taken depends on what is there already, so the order of questions is part of the answer:
//! first what is asked for, in its order; then dependencies, those of packages late in the index first, and those with one
//! best candidate before those with several. A choice that turns out needless, because another of its candidates came
//! in anyway, is taken back. Modelled on `solver.c` of libsolv 0.7 with an empty system; `choice` ranks the candidates;
//! the oracle is `tests/it/dnf_closure.rs`.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::choice::{self, Present};
use super::pool::Pool;
use super::rules::{Clause, Kind, Literal, offer_of, rules, there};

/// Conflicts after which the search gives up.
const CONFLICTS_MAX: usize = 20_000;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// In order of numbers.
    Chosen(Vec<u32>),
    Impossible,
    /// Too hard to say.
    Unknown,
}

/// Searches. Each job is a list of offers of which one has to be there. With `weak`, recommended packages are added
/// where nothing speaks against them.
pub(super) fn search(pool: &Pool<'_>, jobs: &[Vec<u32>], weak: bool) -> Outcome {
    let Some(mut search) = Search::new(pool, jobs, weak) else { return Outcome::Impossible };
    search.run(weak)
}

/// Why a literal is true.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Chosen,
    Clause(u32),
    /// Another version of the same package is there.
    Rival(Literal),
}

/// A choice among several, to be looked at again at the end.
#[derive(Debug)]
struct Branch {
    /// Before the choice was made.
    level: usize,
    /// Candidates, and whether each was tried.
    options: Vec<(u32, bool)>,
}

struct Search<'p, 'a> {
    pool: &'p Pool<'a>,
    jobs: &'p [Vec<u32>],
    clauses: Vec<Clause>,
    /// Clauses with several candidates, in the order in which they are asked; the first literal is that of the asker.
    questions: Vec<u32>,
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
    branches: Vec<Branch>,
    conflicts: usize,
    /// What the decided packages recommend; kept up to date by `choice`.
    present: RefCell<Present>,
}

fn slot(literal: Literal) -> usize {
    offer_of(literal) as usize * 2 + usize::from(literal < 0)
}

impl<'p, 'a> Search<'p, 'a> {
    /// Nothing if what is asked for contradicts itself outright.
    fn new(pool: &'p Pool<'a>, jobs: &'p [Vec<u32>], weak: bool) -> Option<Search<'p, 'a>> {
        let offers = pool.offers.len();
        let mut search = Search {
            pool,
            jobs,
            clauses: Vec::new(),
            questions: Vec::new(),
            watches: vec![Vec::new(); offers * 2],
            decisions: vec![0; offers],
            reasons: vec![Reason::Chosen; offers],
            trail: Vec::new(),
            propagated: 0,
            levels: Vec::new(),
            branches: Vec::new(),
            conflicts: 0,
            present: RefCell::default(),
        };
        let mut seen = vec![false; offers];
        let roots = jobs.iter().flatten().copied();
        // What supplements others can come in whatever is asked for.
        let supplements = |offer: &u32| weak && !pool.offer(*offer).weak.supplements.is_empty();
        let roots = roots.chain((0..super::pool::number(offers)).filter(supplements));
        let mut sorted = reachable(pool, roots.collect(), weak, &mut seen);
        // libsolv's order of rules: the asker's number falling, then the others' rising.
        sorted.sort_unstable();
        sorted.dedup();
        let asked = jobs.iter().map(|job| job.iter().map(|offer| there(*offer)).collect());
        for clause in sorted.into_iter().chain(asked) {
            search.add(clause).then_some(())?;
        }
        Some(search)
    }

    /// Whether the clause can hold.
    fn add(&mut self, clause: Clause) -> bool {
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
                let place = super::pool::number(self.clauses.len());
                self.watches[slot(first)].push(place);
                self.watches[slot(second)].push(place);
                if first < 0 && clause.iter().filter(|literal| **literal > 0).count() > 1 {
                    self.questions.push(place);
                }
                self.clauses.push(clause);
            }
        }
        true
    }

    fn value(&self, literal: Literal) -> Option<bool> {
        let decision = self.decisions[offer_of(literal) as usize];
        (decision != 0).then_some((decision > 0) == (literal > 0))
    }

    fn level(&self) -> usize {
        self.levels.len()
    }

    fn level_of(&self, literal: Literal) -> usize {
        usize::try_from(self.decisions[offer_of(literal) as usize].unsigned_abs()).map_or(0, |it| it.saturating_sub(1))
    }

    fn assign(&mut self, literal: Literal, reason: Reason) {
        let level = i32::try_from(self.level()).expect("there are fewer levels than offers") + 1;
        let offer = offer_of(literal) as usize;
        self.decisions[offer] = if literal > 0 { level } else { -level };
        self.reasons[offer] = reason;
        self.trail.push(literal);
    }

    fn run(&mut self, weak: bool) -> Outcome {
        loop {
            if let Some(conflict) = self.propagate() {
                if self.level() == 0 {
                    return Outcome::Impossible;
                }
                self.conflicts += 1;
                if self.conflicts > CONFLICTS_MAX {
                    return Outcome::Unknown;
                }
                self.learn(&conflict);
                continue;
            }
            if let Some(open) = self.open_job() {
                self.choose(open);
                continue;
            }
            if self.answer_questions() || weak && self.take_weak() || self.reconsider() {
                continue;
            }
            let mut chosen: Vec<u32> = self.trail.iter().filter(|it| **it > 0).map(|it| offer_of(*it)).collect();
            chosen.sort_unstable();
            return Outcome::Chosen(chosen);
        }
    }

    /// Follows what was decided to its consequences; a clause that is false then.
    fn propagate(&mut self) -> Option<Clause> {
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
    /// something.
    fn learn(&mut self, conflict: &Clause) {
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
        let Some(decided) = decided else { return };
        // The decided one and one of the latest others are watched.
        learnt.sort_by_key(|literal| std::cmp::Reverse(self.level_of(*literal)));
        learnt.insert(0, -decided);
        if let [first, second, ..] = learnt[..] {
            let place = super::pool::number(self.clauses.len());
            self.watches[slot(first)].push(place);
            self.watches[slot(second)].push(place);
            self.clauses.push(learnt);
            self.assign(-decided, Reason::Clause(place));
        } else {
            self.assign(-decided, Reason::Chosen);
        }
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

    fn back_to(&mut self, level: usize) {
        let Some(start) = self.levels.get(level).copied() else { return };
        for literal in self.trail.drain(start..) {
            self.decisions[offer_of(literal) as usize] = 0;
        }
        self.levels.truncate(level);
        self.propagated = start;
        self.branches.retain(|branch| branch.level < level);
        self.present.borrow_mut().forget();
    }

    fn decide(&mut self, offer: u32) {
        self.levels.push(self.trail.len());
        self.assign(there(offer), Reason::Chosen);
    }

    /// Takes the best of several offers.
    fn choose(&mut self, open: Vec<u32>) {
        let ranked = choice::ranked(self.pool, open, &self.trail, &mut self.present.borrow_mut());
        let Some(best) = ranked.first().copied() else { return };
        if ranked.len() > 1 {
            let options = ranked.into_iter().map(|offer| (offer, offer == best)).collect();
            self.branches.push(Branch { level: self.level(), options });
        }
        self.decide(best);
    }

    /// The candidates of the first job that nothing fulfils yet.
    fn open_job(&self) -> Option<Vec<u32>> {
        let fulfilled = |job: &Vec<u32>| job.iter().any(|offer| self.value(there(*offer)) == Some(true));
        let job = self.jobs.iter().find(|job| !fulfilled(job))?;
        Some(job.iter().copied().filter(|offer| self.value(there(*offer)).is_none()).collect())
    }

    /// Decides dependencies that leave a choice; whether anything was decided.
    fn answer_questions(&mut self) -> bool {
        let (start, count) = (self.level(), self.questions.len());
        let (mut at, mut unchanged, mut decided) = (0, 0, false);
        // The first question that was put off, and whether those are being answered by now.
        let (mut put_off, mut answering) = (None, false);
        while unchanged < count || !answering && put_off.is_some() {
            if unchanged >= count {
                at = put_off.unwrap_or(0);
                (answering, unchanged) = (true, 0);
            }
            let question = self.questions[at % count];
            let here = at % count;
            at = here + 1;
            unchanged += 1;
            let Some(mut open) = self.open_question(question) else { continue };
            if open.len() > 1 && !answering {
                open = choice::best(self.pool, open, &self.trail, &mut self.present.borrow_mut());
                if open.len() > 1 {
                    put_off = put_off.or(Some(here));
                    continue;
                }
            }
            self.choose(open);
            decided = true;
            unchanged = 0;
            if self.propagate_and_learn() && self.level() < start {
                break;
            }
        }
        decided
    }

    /// Propagates; whether that led to a conflict. One that nothing can be learnt from stays for `run` to find.
    fn propagate_and_learn(&mut self) -> bool {
        let mut any = false;
        while let Some(conflict) = self.propagate() {
            any = true;
            if self.level() == 0 || self.conflicts > CONFLICTS_MAX {
                // `run` meets the conflict again.
                self.propagated = 0;
                break;
            }
            self.conflicts += 1;
            self.learn(&conflict);
        }
        any
    }

    /// The candidates, if the clause's negative literals are all there and none of the candidates is.
    fn open_question(&self, place: u32) -> Option<Vec<u32>> {
        let mut open = Vec::new();
        for literal in &self.clauses[place as usize] {
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

    /// Takes back the earliest choice of which another candidate came in later anyway, or is recommended by now while
    /// the chosen one is not.
    fn reconsider(&mut self) -> bool {
        let mut found = None;
        for place in 0..self.branches.len() {
            let Branch { level, options } = &self.branches[place];
            let came_in = |(offer, tried): &(u32, bool)| {
                !tried && self.value(there(*offer)) == Some(true) && self.level_of(there(*offer)) > *level
            };
            let recommended = |offer: u32| self.present.borrow_mut().is_recommended(self.pool, &self.trail, offer);
            let option = options.iter().position(came_in).or_else(|| {
                let better = options.iter().position(|(offer, tried)| !tried && recommended(*offer))?;
                let taken = |(offer, tried): &&(u32, bool)| {
                    *tried && self.value(there(*offer)) == Some(true) && self.level_of(there(*offer)) == level + 1
                };
                options.iter().find(taken).is_some_and(|(offer, _)| !recommended(*offer)).then_some(better)
            });
            if let Some(option) = option {
                found = Some((place, option));
                break;
            }
        }
        let Some((place, option)) = found else { return false };
        let mut branch = self.branches.swap_remove(place);
        let offer = branch.options[option].0;
        branch.options[option].1 = true;
        self.back_to(branch.level);
        self.branches.push(branch);
        if self.value(there(offer)).is_none() {
            self.decide(offer);
        }
        true
    }

    /// Adds the first recommended package that can still be had; whether there was one.
    fn take_weak(&mut self) -> bool {
        let Some(open) = choice::weak(self.pool, &self.trail, &|offer| self.value(there(offer))) else { return false };
        self.choose(open);
        true
    }
}

/// The clauses of every offer that what is asked for can lead to.
fn reachable(pool: &Pool<'_>, mut queue: VecDeque<u32>, weak: bool, seen: &mut [bool]) -> Vec<Clause> {
    let mut clauses = Vec::new();
    while let Some(offer) = queue.pop_front() {
        if std::mem::replace(&mut seen[offer as usize], true) {
            continue;
        }
        if weak {
            queue.extend(choice::recommended(pool, offer));
        }
        for rule in rules(pool, offer) {
            let leads_on = rule.kind == Kind::Requires;
            let others = rule.clause.iter().filter(|literal| leads_on && **literal > 0);
            queue.extend(others.map(|literal| offer_of(*literal)).filter(|other| !seen[*other as usize]));
            let mut clause = vec![-there(offer)];
            clause.extend(rule.clause);
            clauses.push(clause);
        }
    }
    clauses
}

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
use super::logic::Logic;
use super::outcome::Outcome;
use super::pool::{Pool, number};
use super::rules::{Clause, LITERALS_IN_ALL, offer_of, rules, there};

/// Conflicts after which the search gives up.
const CONFLICTS_MAX: usize = 20_000;

/// Searches. Each job is a list of offers of which one has to be there. With `weak`, recommended packages are added
/// where nothing speaks against them.
pub(super) fn search(pool: &Pool<'_>, jobs: &[Vec<u32>], weak: bool) -> Outcome {
    match Search::new(pool, jobs, weak) {
        Ok(mut search) => search.run(weak),
        Err(outcome) => outcome,
    }
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
    logic: Logic<'p, 'a>,
    /// Clauses with several candidates, in the order in which they are asked.
    questions: Vec<u32>,
    branches: Vec<Branch>,
    conflicts: usize,
    /// What the decided packages recommend; kept up to date by `choice`.
    present: RefCell<Present>,
}

impl<'p, 'a> Search<'p, 'a> {
    /// Fails if what is asked for contradicts itself outright, or leads to too much.
    fn new(pool: &'p Pool<'a>, jobs: &'p [Vec<u32>], weak: bool) -> Result<Search<'p, 'a>, Outcome> {
        let offers = pool.offers.len();
        let mut search = Search {
            pool,
            jobs,
            logic: Logic::new(pool),
            questions: Vec::new(),
            branches: Vec::new(),
            conflicts: 0,
            present: RefCell::default(),
        };
        let mut seen = vec![false; offers];
        let roots = jobs.iter().flatten().copied();
        // What supplements others can come in whatever is asked for.
        let supplements = |offer: &u32| weak && !pool.offer(*offer).weak.supplements.is_empty();
        let roots = roots.chain((0..number(offers)).filter(supplements));
        let mut sorted = reachable(pool, roots.collect(), weak, &mut seen).ok_or(Outcome::Unknown)?;
        // libsolv's order of rules: the asker's number falling, then the others' rising.
        sorted.sort_unstable();
        sorted.dedup();
        let asked = jobs.iter().map(|job| job.iter().map(|offer| there(*offer)).collect());
        for clause in sorted.into_iter().chain(asked) {
            let is_question = clause.first().is_some_and(|first| *first < 0)
                && clause.iter().filter(|literal| **literal > 0).count() > 1;
            search.questions.extend(is_question.then(|| search.logic.clauses()));
            search.logic.add(clause).then_some(()).ok_or(Outcome::Impossible)?;
        }
        Ok(search)
    }

    fn run(&mut self, weak: bool) -> Outcome {
        loop {
            if let Some(conflict) = self.logic.propagate() {
                if self.logic.level() == 0 {
                    return Outcome::Impossible;
                }
                if self.conflicts >= CONFLICTS_MAX {
                    return Outcome::Unknown;
                }
                self.conflicts += 1;
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
            let mut chosen: Vec<u32> =
                self.logic.trail().iter().filter(|it| **it > 0).map(|it| offer_of(*it)).collect();
            chosen.sort_unstable();
            return Outcome::Chosen(chosen);
        }
    }

    fn learn(&mut self, conflict: &Clause) {
        let level = self.logic.learn(conflict);
        self.went_back(level);
    }

    fn went_back(&mut self, level: usize) {
        self.branches.retain(|branch| branch.level < level);
        self.present.borrow_mut().forget();
    }

    /// Takes the best of several offers.
    fn choose(&mut self, open: Vec<u32>) {
        let ranked = choice::ranked(self.pool, open, self.logic.trail(), &mut self.present.borrow_mut());
        let Some(best) = ranked.first().copied() else { return };
        if ranked.len() > 1 {
            let options = ranked.into_iter().map(|offer| (offer, offer == best)).collect();
            self.branches.push(Branch { level: self.logic.level(), options });
        }
        self.logic.decide(best);
    }

    /// The candidates of the first job that nothing fulfils yet.
    fn open_job(&self) -> Option<Vec<u32>> {
        let fulfilled = |job: &Vec<u32>| job.iter().any(|offer| self.logic.value(there(*offer)) == Some(true));
        let job = self.jobs.iter().find(|job| !fulfilled(job))?;
        Some(job.iter().copied().filter(|offer| self.logic.value(there(*offer)).is_none()).collect())
    }

    /// Decides dependencies that leave a choice; whether anything was decided.
    fn answer_questions(&mut self) -> bool {
        let (start, count) = (self.logic.level(), self.questions.len());
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
            let Some(mut open) = self.logic.open(question) else { continue };
            if open.len() > 1 && !answering {
                open = choice::best(self.pool, open, self.logic.trail(), &mut self.present.borrow_mut());
                if open.len() > 1 {
                    put_off = put_off.or(Some(here));
                    continue;
                }
            }
            self.choose(open);
            decided = true;
            unchanged = 0;
            if self.propagate_and_learn(start) {
                break;
            }
        }
        decided
    }

    /// Propagates; whether conflicts led to below this level, or have to be met again by `run`.
    fn propagate_and_learn(&mut self, level: usize) -> bool {
        while let Some(conflict) = self.logic.propagate() {
            if self.logic.level() == 0 || self.conflicts >= CONFLICTS_MAX {
                self.logic.propagate_again();
                return true;
            }
            self.conflicts += 1;
            self.learn(&conflict);
        }
        self.logic.level() < level
    }

    /// Takes back the earliest choice of which another candidate came in later anyway, or is recommended by now while
    /// the chosen one is not.
    fn reconsider(&mut self) -> bool {
        let mut found = None;
        for place in 0..self.branches.len() {
            let Branch { level, options } = &self.branches[place];
            let came_in = |(offer, tried): &(u32, bool)| {
                !tried && self.logic.value(there(*offer)) == Some(true) && self.logic.level_of(there(*offer)) > *level
            };
            let recommended =
                |offer: u32| self.present.borrow_mut().is_recommended(self.pool, self.logic.trail(), offer);
            let option = options.iter().position(came_in).or_else(|| {
                let better = options.iter().position(|(offer, tried)| !tried && recommended(*offer))?;
                let taken = |(offer, tried): &&(u32, bool)| {
                    *tried
                        && self.logic.value(there(*offer)) == Some(true)
                        && self.logic.level_of(there(*offer)) == level + 1
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
        self.logic.back_to(branch.level);
        self.went_back(branch.level);
        self.branches.push(branch);
        if self.logic.value(there(offer)).is_none() {
            self.logic.decide(offer);
        }
        true
    }

    /// Adds the first recommended package that can still be had; whether there was one.
    fn take_weak(&mut self) -> bool {
        let Some(open) = choice::weak(self.pool, self.logic.trail(), &|offer| self.logic.value(there(offer))) else {
            return false;
        };
        self.choose(open);
        true
    }
}

/// The clauses of every offer that what is asked for can lead to; nothing if they are too many.
fn reachable(pool: &Pool<'_>, mut queue: VecDeque<u32>, weak: bool, seen: &mut [bool]) -> Option<Vec<Clause>> {
    let mut clauses = Vec::new();
    let mut literals = 0;
    while let Some(offer) = queue.pop_front() {
        if std::mem::replace(&mut seen[offer as usize], true) {
            continue;
        }
        if weak {
            queue.extend(choice::recommended(pool, offer));
        }
        for rule in rules(pool, offer) {
            // Conflicts lead on too: with `(a if b)`, and `a` not there, `b` has to be.
            let others = rule.clause.iter().filter(|literal| **literal > 0);
            queue.extend(others.map(|literal| offer_of(*literal)).filter(|other| !seen[*other as usize]));
            let mut clause = Vec::with_capacity(rule.clause.len() + 1);
            clause.push(-there(offer));
            clause.extend(rule.clause);
            literals += clause.len();
            clauses.push(clause);
        }
        if literals > LITERALS_IN_ALL {
            return None;
        }
    }
    Some(clauses)
}

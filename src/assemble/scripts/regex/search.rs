//! Searches that the `regex` crate has not: the longest match from a place, and matches with references to groups.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::compile::{Program, Step};
use crate::shell::Stop;

/// Steps that all searches of one pattern may take together.
const STEPS: u64 = 100_000_000;
/// Pairs of instruction and place for which there is a bit each; beyond that those that are tried are in a set.
const BITS: usize = 1 << 22;
/// What a trial may remember: pairs in the set, and ways not tried yet.
const REMEMBERED: usize = 1 << 22;

/// Where each slot of a match is.
pub(super) type Slots = Vec<Option<usize>>;

/// Counts the steps of the searches of one pattern.
#[derive(Debug, Default)]
pub(super) struct Budget(Cell<u64>);

impl Budget {
    fn spend(&self) -> Result<(), Stop> {
        self.0.set(self.0.get() + 1);
        match self.0.get() > STEPS {
            true => Err(Stop::limit(format!("a regular expression that takes more than {STEPS} steps"))),
            false => Ok(()),
        }
    }
}

/// The end of the longest match that starts at `start`. The program has no references and does not look around.
pub(super) fn longest(program: &Program, text: &[u8], start: usize, budget: &Budget) -> Result<Option<usize>, Stop> {
    let mut found = None;
    let mut states = States::new(program.steps.len());
    let mut after = States::new(program.steps.len());
    states.reach(program, text, start, 0, budget)?;
    let mut at = start;
    loop {
        if states.found {
            found = Some(at);
        }
        let Some(byte) = text.get(at).filter(|_| !states.waiting.is_empty()) else { return Ok(found) };
        after.clear();
        for step in &states.waiting {
            budget.spend()?;
            if let Some(Step::Byte(set)) = program.steps.get(*step)
                && set.contains(*byte)
            {
                after.reach(program, text, at + 1, step + 1, budget)?;
            }
        }
        std::mem::swap(&mut states, &mut after);
        at += 1;
    }
}

/// Instructions that are reached at one place.
struct States {
    seen: Vec<bool>,
    marked: Vec<usize>,
    /// Those that wait for a byte.
    waiting: Vec<usize>,
    found: bool,
}

impl States {
    fn new(steps: usize) -> States {
        States { seen: vec![false; steps], marked: Vec::new(), waiting: Vec::new(), found: false }
    }

    fn clear(&mut self) {
        for step in self.marked.drain(..) {
            self.seen[step] = false;
        }
        self.waiting.clear();
        self.found = false;
    }

    fn reach(&mut self, program: &Program, text: &[u8], at: usize, step: usize, budget: &Budget) -> Result<(), Stop> {
        let mut todo = vec![step];
        while let Some(step) = todo.pop() {
            budget.spend()?;
            if self.seen.get(step).is_none_or(|seen| *seen) {
                continue;
            }
            self.seen[step] = true;
            self.marked.push(step);
            match program.steps.get(step) {
                Some(Step::Byte(_)) => self.waiting.push(step),
                Some(Step::At(place)) if place.holds(text, at) => todo.push(step + 1),
                Some(Step::Split(first, second)) => todo.extend([*second, *first]),
                Some(Step::Jump(target)) => todo.push(*target),
                Some(Step::Save(_) | Step::Round(_) | Step::Progress(_)) => todo.push(step + 1),
                Some(Step::Found) => self.found = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a search by trial is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The first way that leads to a match.
    First,
    /// The first way among those with the latest end: all ways are tried.
    Longest,
    /// The first way to this end, where no references are: what led nowhere once is not tried again.
    Exactly(usize),
}

enum Job {
    Try {
        step: usize,
        at: usize,
    },
    /// Takes back what a way that led nowhere had remembered.
    Slot(usize, Option<usize>),
    Round(usize, usize),
}

/// Tries one way after the other from `start`.
pub(super) fn trial(
    program: &Program,
    text: &[u8],
    start: usize,
    goal: Goal,
    budget: &Budget,
) -> Result<Option<Slots>, Stop> {
    let mut search = Trial {
        program,
        text,
        slots: vec![None; program.slots],
        rounds: vec![usize::MAX; program.rounds],
        jobs: vec![Job::Try { step: 0, at: start }],
        tried: Vec::new(),
        tried_set: BTreeSet::new(),
        start,
    };
    if let Goal::Exactly(end) = goal {
        let all = program.steps.len().saturating_mul(end - start + 1);
        if all <= BITS {
            search.tried = vec![0; all / 64 + 1];
        }
    }
    search.slots[0] = Some(start);
    search.run(goal, budget)
}

struct Trial<'p> {
    program: &'p Program,
    text: &'p [u8],
    slots: Slots,
    rounds: Vec<usize>,
    jobs: Vec<Job>,
    /// What was tried, a bit each, or, where these would be too many, a set.
    tried: Vec<u64>,
    tried_set: BTreeSet<usize>,
    start: usize,
}

impl Trial<'_> {
    fn run(&mut self, goal: Goal, budget: &Budget) -> Result<Option<Slots>, Stop> {
        let mut best: Option<Slots> = None;
        while let Some(job) = self.jobs.pop() {
            match job {
                Job::Slot(slot, before) => self.slots[slot] = before,
                Job::Round(counter, before) => self.rounds[counter] = before,
                Job::Try { step, at } => {
                    let Some(end) = self.follow(step, at, goal, budget)? else { continue };
                    let mut slots = self.slots.clone();
                    slots[1] = Some(end);
                    match goal {
                        Goal::Exactly(wanted) if wanted != end => {}
                        Goal::Longest if end < self.text.len() => {
                            if best.as_ref().is_none_or(|best| best[1] < slots[1]) {
                                best = Some(slots);
                            }
                        }
                        _ => return Ok(Some(slots)),
                    }
                }
            }
        }
        Ok(best)
    }

    /// Whether this was tried already; it is now.
    fn again(&mut self, step: usize, at: usize) -> bool {
        let number = (at - self.start) * self.program.steps.len() + step;
        match self.tried.get_mut(number / 64) {
            Some(bits) => {
                let bit = 1 << (number % 64);
                let again = *bits & bit != 0;
                *bits |= bit;
                again
            }
            None => !self.tried_set.insert(number),
        }
    }

    /// One way, until it leads nowhere or to a match, whose end is given.
    fn follow(&mut self, mut step: usize, mut at: usize, goal: Goal, budget: &Budget) -> Result<Option<usize>, Stop> {
        let program = self.program;
        loop {
            budget.spend()?;
            if self.jobs.len().max(self.tried_set.len()) > REMEMBERED {
                return Err(Stop::limit("a regular expression that may match in as many ways as this"));
            }
            let exactly = matches!(goal, Goal::Exactly(_));
            match program.steps.get(step) {
                Some(Step::Found) => return Ok(Some(at)),
                Some(Step::Byte(set)) => match self.text.get(at) {
                    Some(byte) if set.contains(*byte) && goal != Goal::Exactly(at) => at += 1,
                    _ => return Ok(None),
                },
                Some(Step::At(place)) if place.holds(self.text, at) => {}
                Some(Step::Split(first, second)) => {
                    if exactly && self.again(step, at) {
                        return Ok(None);
                    }
                    self.jobs.push(Job::Try { step: *second, at });
                    step = *first;
                    continue;
                }
                Some(Step::Jump(target)) => {
                    step = *target;
                    continue;
                }
                Some(Step::Save(slot)) => {
                    let before = self.slots[*slot].replace(at);
                    self.jobs.push(Job::Slot(*slot, before));
                }
                Some(Step::Round(counter)) => {
                    let before = std::mem::replace(&mut self.rounds[*counter], at);
                    self.jobs.push(Job::Round(*counter, before));
                }
                // Where all is tried only once, the way back to the split is one that was tried.
                Some(Step::Progress(counter)) if exactly || self.rounds[*counter] != at => {}
                Some(Step::Back(group)) => match self.reference(*group, at) {
                    Some(end) => at = end,
                    None => return Ok(None),
                },
                Some(Step::Look { behind, negative, program }) => {
                    if self.looks(program, *behind, at, budget)? == *negative {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
            step += 1;
        }
    }

    /// Where the text that a group matched ends if it stands here too.
    fn reference(&self, group: usize, at: usize) -> Option<usize> {
        let (start, end) = (self.slots.get(2 * group).copied()??, self.slots.get(2 * group + 1).copied()??);
        let wanted = self.text.get(start..end)?;
        let found = self.text.get(at..at + wanted.len())?;
        let same = if self.program.ignore_case { found.eq_ignore_ascii_case(wanted) } else { found == wanted };
        same.then_some(at + wanted.len())
    }

    fn looks(&self, program: &Program, behind: Option<usize>, at: usize, budget: &Budget) -> Result<bool, Stop> {
        let Some(start) = at.checked_sub(behind.unwrap_or(0)) else { return Ok(false) };
        Ok(trial(program, self.text, start, Goal::First, budget)?.is_some())
    }
}

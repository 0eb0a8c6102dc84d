//! One run of find: its way through the tree, and the names that wait for a command.

use super::expression::{Expression, Plan};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::files::complaints::complain;
use crate::assemble::scripts::programs::files::quoting::named;
use crate::assemble::scripts::programs::files::walk::{Entry, Event, Walk};
use crate::shell::{Bytes, Stop};

/// Bytes of names that one command of `-exec … {} +` is given at most.
const BATCH: usize = 128 << 10;

/// One run of find.
#[derive(Debug)]
pub(super) struct Search {
    plan: Plan,
    pub(super) failed: bool,
    /// What the expression asked for while it looked at an entry.
    pub(super) prune: bool,
    pub(super) quit: bool,
    /// Names that wait for their command, by the command's number.
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Default)]
struct Waiting {
    names: Vec<Bytes>,
    bytes: usize,
}

impl Search {
    pub(super) fn new(plan: Plan) -> Search {
        let waiting = vec![Waiting::default(); plan.batches.len()];
        Search { plan, failed: false, prune: false, quit: false, waiting }
    }

    pub(super) fn descend(&mut self, call: &mut Call, start: &[u8]) -> Result<(), Stop> {
        let mut walk = Walk::new(call, start, self.plan.follow);
        while !self.quit {
            let Some(event) = walk.next(call)? else { break };
            match event {
                Event::Enter(entry) => {
                    let bottom = self.plan.deepest.is_some_and(|deepest| entry.depth >= deepest);
                    if bottom {
                        walk.skip();
                    }
                    // With -depth a directory comes behind what it holds.
                    if !self.plan.depth_first || !entry.is_directory() || bottom {
                        self.look(call, &entry)?;
                    }
                    if std::mem::take(&mut self.prune) && !self.plan.depth_first {
                        walk.skip();
                    }
                }
                Event::Leave(entry) if self.plan.depth_first => {
                    self.look(call, &entry)?;
                    self.prune = false;
                }
                Event::Leave(_) => {}
                Event::Circle(entry) => {
                    let name = named(&entry.shown);
                    let text = format!(
                        "File system loop detected; {name} is part of the same file system loop as a directory above it."
                    );
                    complain(call, &mut self.failed, text)?;
                }
                Event::Failed(name, errno) => {
                    complain(call, &mut self.failed, format!("{}: {errno}", named(&name)))?;
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, call: &mut Call, entry: &Entry) -> Result<(), Stop> {
        if entry.depth < self.plan.highest {
            return Ok(());
        }
        // The expression is looked at while it changes what is around it.
        let expression = std::mem::replace(&mut self.plan.expression, Expression::All(Vec::new()));
        let result = self.evaluate(call, &expression, entry);
        self.plan.expression = expression;
        result.map(drop)
    }

    /// Runs the commands for which names still wait.
    pub(super) fn finish(&mut self, call: &mut Call) -> Result<(), Stop> {
        (0..self.waiting.len()).try_for_each(|number| self.run_batch(call, number))
    }

    /// Runs the command of a `-exec … {} +` with the names that wait.
    fn run_batch(&mut self, call: &mut Call, number: usize) -> Result<(), Stop> {
        let names = self.waiting.get_mut(number).map(std::mem::take).unwrap_or_default().names;
        if let (false, Some(command)) = (names.is_empty(), self.plan.batches.get(number)) {
            let words: Vec<Bytes> = command.iter().chain(&names).cloned().collect();
            let status = call.run(&words)?;
            self.failed |= status != 0;
        }
        Ok(())
    }

    pub(super) fn wait(&mut self, call: &mut Call, number: usize, name: &[u8]) -> Result<(), Stop> {
        let Some(waiting) = self.waiting.get_mut(number) else { return Ok(()) };
        waiting.names.push(name.to_vec());
        waiting.bytes += name.len() + 1;
        if waiting.bytes > BATCH { self.run_batch(call, number) } else { Ok(()) }
    }
}

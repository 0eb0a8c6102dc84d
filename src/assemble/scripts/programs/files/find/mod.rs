//! find.

mod evaluate;
mod expression;
mod format;
mod parse;

use super::Call;
use super::quoting::named;
use super::walk::{Entry, Event, Follow, Walk};
use crate::shell::{Bytes, Stop};
use expression::{Expression, Plan};

/// Bytes of names that one command of `-exec … {} +` is given at most.
const BATCH: usize = 128 << 10;

/// One run of find.
#[derive(Debug)]
struct Search {
    plan: Plan,
    failed: bool,
    /// What the expression asked for while it looked at an entry.
    prune: bool,
    quit: bool,
    /// Names that wait for their command, by the command's number.
    waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Default)]
struct Waiting {
    names: Vec<Bytes>,
    bytes: usize,
}

pub(super) fn find(call: &mut Call) -> Result<u8, Stop> {
    let (follow, words) = leading_options(call)?;
    let is_expression =
        |word: &Bytes| word.len() > 1 && word.starts_with(b"-") || matches!(word.as_slice(), b"(" | b"!" | b")" | b",");
    let end = words.iter().position(is_expression).unwrap_or(words.len());
    let (starts, words) = words.split_at(end);
    let plan = match parse::parse(call, words, follow)? {
        Ok(plan) => plan,
        Err(problem) => return call.fail(1, problem),
    };
    let waiting = vec![Waiting::default(); plan.batches.len()];
    let mut search = Search { plan, failed: false, prune: false, quit: false, waiting };
    let here = [b".".to_vec()];
    for start in if starts.is_empty() { &here } else { starts } {
        if !search.quit {
            search.descend(call, start)?;
        }
    }
    for number in 0..search.waiting.len() {
        search.run_batch(call, number)?;
    }
    Ok(search.failed.into())
}

/// `-H`, `-L`, `-P`, before the places where to look.
fn leading_options<'w>(call: &Call<'w, '_>) -> Result<(Follow, &'w [Bytes]), Stop> {
    let mut follow = Follow::Never;
    let mut words = call.words;
    while let Some((word, rest)) = words.split_first() {
        follow = match word.as_slice() {
            b"-H" => Follow::Operands,
            b"-L" => Follow::Always,
            b"-P" => Follow::Never,
            b"-O0" | b"-O1" | b"-O2" | b"-O3" => follow,
            b"-D" => return call.unsupported("the option -D"),
            b"--" => return Ok((follow, rest)),
            _ => break,
        };
        words = rest;
    }
    Ok((follow, words))
}

impl Search {
    fn descend(&mut self, call: &mut Call, start: &[u8]) -> Result<(), Stop> {
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
                    super::complain(call, &mut self.failed, text)?;
                }
                Event::Failed(name, errno) => {
                    super::complain(call, &mut self.failed, format!("{}: {errno}", named(&name)))?;
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

    fn wait(&mut self, call: &mut Call, number: usize, name: &[u8]) -> Result<(), Stop> {
        let Some(waiting) = self.waiting.get_mut(number) else { return Ok(()) };
        waiting.names.push(name.to_vec());
        waiting.bytes += name.len() + 1;
        if waiting.bytes > BATCH { self.run_batch(call, number) } else { Ok(()) }
    }
}

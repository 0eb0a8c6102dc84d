//! [`Node`] → instructions for the searches in [`search`](super::search).

use super::syntax::{Fault, Node, Place, Set};

/// More instructions than any sane pattern has.
const INSTRUCTIONS: usize = 40_000;

#[derive(Debug)]
pub(super) enum Step {
    Byte(Set),
    At(Place),
    /// On here, or else there.
    Split(usize, usize),
    Jump(usize),
    /// The place is remembered in this slot.
    Save(usize),
    /// A round of a repetition begins: where is kept in this counter.
    Round(usize),
    /// A round that matched nothing leads nowhere.
    Progress(usize),
    Back(usize),
    Look {
        behind: Option<usize>,
        negative: bool,
        program: Program,
    },
    Found,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Two a group, the whole match first.
    pub(super) slots: usize,
    /// Counters of repetitions.
    pub(super) rounds: usize,
    pub(super) ignore_case: bool,
    /// Nodes that were compiled, each as often as it is repeated.
    nodes: usize,
}

pub(super) fn compile(node: &Node, groups: usize, ignore_case: bool) -> Result<Program, Fault> {
    let mut program = Program { steps: Vec::new(), slots: 2 * (groups + 1), rounds: 0, ignore_case, nodes: 0 };
    program.node(node)?;
    program.add(Step::Found)?;
    Ok(program)
}

fn too_large() -> Fault {
    Fault::Unsupported("a pattern as large as this".to_owned())
}

impl Program {
    fn add(&mut self, step: Step) -> Result<usize, Fault> {
        if self.steps.len() >= INSTRUCTIONS {
            return Err(too_large());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    /// A split whose targets are filled in later.
    fn split(&mut self) -> Result<usize, Fault> {
        self.add(Step::Split(0, 0))
    }

    fn aim(&mut self, split: usize, first: usize, second: usize) {
        if let Some(step) = self.steps.get_mut(split) {
            *step = Step::Split(first, second);
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > 10 * INSTRUCTIONS {
            return Err(too_large());
        }
        match node {
            Node::Empty => {}
            Node::Byte(set) => drop(self.add(Step::Byte(*set))?),
            Node::At(place) => drop(self.add(Step::At(*place))?),
            Node::Back(number) => drop(self.add(Step::Back(*number))?),
            Node::Keep => drop(self.add(Step::Save(0))?),
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node))?,
            Node::Choice(nodes) => self.choice(nodes)?,
            Node::Group(number, node) => {
                self.add(Step::Save(2 * number))?;
                self.node(node)?;
                self.add(Step::Save(2 * number + 1))?;
            }
            Node::Repeat { node, least, most, lazy } => self.repeat(node, *least, *most, *lazy)?,
            Node::Look { behind, negative, node } => {
                let length = match (behind, node.length()) {
                    (false, _) => None,
                    (true, (least, most)) if Some(least) == most => most,
                    _ => return Err(Fault::Unsupported("looking behind for a varying length".to_owned())),
                };
                if node.any(&|node| matches!(node, Node::Back(_))) {
                    return Err(Fault::Unsupported("a reference while looking around".to_owned()));
                }
                let mut program = compile(node, 0, self.ignore_case)?;
                program.slots = self.slots;
                self.add(Step::Look { behind: length, negative: *negative, program })?;
            }
        }
        Ok(())
    }

    fn choice(&mut self, nodes: &[Node]) -> Result<(), Fault> {
        let mut jumps = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 == nodes.len() {
                self.node(node)?;
                break;
            }
            let split = self.split()?;
            self.node(node)?;
            jumps.push(self.add(Step::Jump(0))?);
            self.aim(split, split + 1, self.steps.len());
        }
        let end = self.steps.len();
        for jump in jumps {
            if let Some(step) = self.steps.get_mut(jump) {
                *step = Step::Jump(end);
            }
        }
        Ok(())
    }

    fn repeat(&mut self, node: &Node, least: u32, most: Option<u32>, lazy: bool) -> Result<(), Fault> {
        for _ in 0..least {
            self.node(node)?;
        }
        match most {
            Some(most) => self.optional(node, most.saturating_sub(least), lazy),
            None => self.star(node, lazy),
        }
    }

    fn optional(&mut self, node: &Node, times: u32, lazy: bool) -> Result<(), Fault> {
        let mut splits = Vec::new();
        for _ in 0..times {
            splits.push(self.split()?);
            self.node(node)?;
        }
        let end = self.steps.len();
        for split in splits {
            self.leave(split, end, lazy);
        }
        Ok(())
    }

    fn star(&mut self, node: &Node, lazy: bool) -> Result<(), Fault> {
        let split = self.split()?;
        let guarded = node.length().0 == 0;
        let counter = self.rounds;
        if guarded {
            self.rounds += 1;
            self.add(Step::Round(counter))?;
        }
        self.node(node)?;
        if guarded {
            self.add(Step::Progress(counter))?;
        }
        self.add(Step::Jump(split))?;
        self.leave(split, self.steps.len(), lazy);
        Ok(())
    }

    /// On into the round behind the split, or to `end`: which is tried first is the difference.
    fn leave(&mut self, split: usize, end: usize, lazy: bool) {
        match lazy {
            true => self.aim(split, end, split + 1),
            false => self.aim(split, split + 1, end),
        }
    }
}

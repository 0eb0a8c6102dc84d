//! The syntax tree of a script. Everything in it is bytes, and every command knows its line.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::Bytes;

/// Commands one after the other.
pub(super) type List = Vec<Item>;

#[derive(Debug)]
pub(super) struct Item {
    pub(super) chain: Chain,
    /// `&` stands behind it.
    pub(super) background: bool,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: Pipeline,
    pub(super) rest: Vec<(Joint, Pipeline)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) negated: bool,
    /// With whether its standard error goes into the pipe too (`|&`).
    pub(super) commands: Vec<(Command, bool)>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) body: Body,
    pub(super) redirections: Vec<Redirection>,
    pub(super) source: Source,
}

/// Where a command stands in its text: for the quotation in a message.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) text: Rc<[u8]>,
    pub(super) range: Range<usize>,
}

impl Source {
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.get(self.range.clone()).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) enum Body {
    Simple(Simple),
    Group(List),
    Subshell(List),
    /// Conditions with what they lead to, and `else`.
    If(Vec<(List, List)>, Option<List>),
    Loop {
        until: bool,
        condition: List,
        body: List,
    },
    For {
        name: Bytes,
        /// Nothing: the arguments.
        words: Option<Vec<Word>>,
        body: List,
    },
    /// `for ((a; b; c))`
    ForArithmetic {
        parts: [Word; 3],
        body: List,
    },
    Case(Word, Vec<Arm>),
    Function(Bytes, Rc<Command>),
    /// `[[ … ]]`
    Conditional(Condition),
    /// `((…))`
    Arithmetic(Word),
    /// Something that was read and is not done: an error when it is reached.
    Unsupported(&'static str),
}

#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Word>,
}

#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: Bytes,
    /// `name[index]=`
    pub(super) index: Option<Word>,
    /// `+=`
    pub(super) append: bool,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Word),
    /// Elements, with their index if one is written.
    Array(Vec<(Option<Word>, Word)>),
}

#[derive(Debug)]
pub(super) struct Arm {
    pub(super) patterns: Vec<Word>,
    pub(super) body: List,
    pub(super) end: ArmEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArmEnd {
    /// `;;`
    Leave,
    /// `;&`
    Fall,
    /// `;;&`
    Test,
}

#[derive(Debug)]
pub(super) enum Condition {
    /// One word: true if it is not empty.
    Word(Word),
    Unary(Bytes, Word),
    Binary(Word, Bytes, Word),
    Not(Box<Condition>),
    /// At least one; all of them.
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

#[derive(Debug)]
pub(super) struct Redirection {
    pub(super) descriptor: u32,
    pub(super) target: Target,
}

#[derive(Debug)]
pub(super) enum Target {
    Read(Word),
    Write(Word),
    /// `>|`
    Clobber(Word),
    Append(Word),
    Both(Word),
    /// `<&` and `>&`: a number or `-`.
    Duplicate(Word),
    /// `&>` and `&>>`: standard output and standard error; whether it appends.
    Everything(Word, bool),
    /// Its text comes after the line that names it.
    Here(Rc<OnceCell<Word>>),
    /// `<<<`
    Text(Word),
}

/// The words that a command's name stands for.
pub(super) type Aliases = Rc<BTreeMap<Bytes, Vec<Word>>>;

/// A word before expansion.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Not quoted (or, inside of [`Part::Double`], as it stands).
    Literal(Bytes),
    /// Quoted by `\` or `'`.
    Quoted(Bytes),
    Double(Vec<Part>),
    Parameter(Rc<Parameter>),
    Command(Rc<Substitution>),
    /// `$((…))`
    Arithmetic(Rc<Word>),
    /// The word of `name=(…)` behind `declare` and the like.
    Array(Rc<Vec<(Option<Word>, Word)>>),
    Unsupported(&'static str),
}

/// `$(…)`; backquotes too.
#[derive(Debug)]
pub(super) struct Substitution {
    pub(super) body: List,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) subject: Subject,
    pub(super) index: Option<Index>,
    /// `${!…}`
    pub(super) indirect: bool,
    pub(super) operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Variable(Bytes),
    Argument(usize),
    /// One of `@*#?-$!0`.
    Special(u8),
}

#[derive(Debug)]
pub(super) enum Index {
    At(Word),
    /// `[@]`
    Each,
    /// `[*]`
    Joined,
}

#[derive(Debug)]
pub(super) enum Operation {
    Plain,
    Length,
    /// `-`, with whether an empty value counts as none.
    Default(bool, Word),
    Assign(bool, Word),
    Error(bool, Option<Word>),
    Alternative(bool, Word),
    Remove {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
    Replace {
        pattern: Word,
        with: Word,
        place: Place,
    },
    Slice(Word, Option<Word>),
    Case {
        upper: bool,
        all: bool,
        pattern: Word,
    },
    /// `${!prefix*}`; whether `@` ends it.
    Names(bool),
    /// `${!a[@]}`
    Keys,
    /// Nothing that this shell knows: an error when it is expanded.
    Bad,
    Unsupported(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    All,
    Start,
    End,
}

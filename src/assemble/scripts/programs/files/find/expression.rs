//! What find is asked for.

use crate::assemble::scripts::programs::files::walk::Follow;
use crate::assemble::scripts::regex::Regex;
use crate::shell::{Bytes, Kind};

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) expression: Expression,
    pub(super) follow: Follow,
    pub(super) depth_first: bool,
    pub(super) highest: usize,
    pub(super) deepest: Option<usize>,
    /// Commands that get many names at once.
    pub(super) batches: Vec<Vec<Bytes>>,
}

#[derive(Debug)]
pub(super) enum Expression {
    /// True if all are; the first that is not ends it.
    All(Vec<Expression>),
    Any(Vec<Expression>),
    /// All are looked at; the last one counts.
    Each(Vec<Expression>),
    Not(Box<Expression>),
    Primary(Primary),
}

#[derive(Debug)]
pub(super) enum Primary {
    Constant(bool),
    Name(Glob),
    Path(Glob),
    Target(Glob),
    Regex(Regex),
    /// With `true` the kind that the other way of looking at links finds.
    Type(Vec<Kind>, bool),
    User(Comparison),
    Group(Comparison),
    Nobodys,
    NoGroups,
    Permissions(Bits, u16),
    /// In units of so many bytes.
    Size(Comparison, u64),
    Links(Comparison),
    Empty,
    Accessible,
    Executable,
    NewerThan(i64),
    Days(Comparison),
    Minutes(Comparison),
    SameFile(u64),
    Prune,
    Quit,
    Print(u8),
    Format(Vec<super::format::Piece>),
    Delete,
    Execute {
        words: Vec<Bytes>,
        in_directory: bool,
    },
    ExecuteMany(usize),
}

#[derive(Debug)]
pub(super) struct Glob {
    pub(super) pattern: Bytes,
    pub(super) ignore_case: bool,
}

impl Glob {
    pub(super) fn fits(&self, text: &[u8]) -> bool {
        match self.ignore_case {
            true => crate::shell::matches(&self.pattern.to_ascii_lowercase(), &text.to_ascii_lowercase()),
            false => crate::shell::matches(&self.pattern, text),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bits {
    Exactly,
    All,
    Any,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison {
    More(u64),
    Less(u64),
    Exactly(u64),
}

impl Comparison {
    pub(super) fn parse(text: &str) -> Option<Comparison> {
        let (compare, digits): (fn(u64) -> Comparison, &str) = match text.as_bytes().first()? {
            b'+' => (Comparison::More, &text[1..]),
            b'-' => (Comparison::Less, &text[1..]),
            _ => (Comparison::Exactly, text),
        };
        let number = digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        Some(compare(number))
    }

    pub(super) fn fits(self, number: u64) -> bool {
        match self {
            Comparison::More(than) => number > than,
            Comparison::Less(than) => number < than,
            Comparison::Exactly(than) => number == than,
        }
    }
}

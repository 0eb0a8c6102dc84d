//! What a script of sed says.

use std::rc::Rc;

use super::super::streams::Sink;
use crate::assemble::scripts::regex::Regex;
use crate::shell::Bytes;

#[derive(Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// It begins with `#n`.
    pub(super) quiet: bool,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) first: Option<Address>,
    pub(super) last: Option<End>,
    pub(super) negated: bool,
    pub(super) action: Action,
}

impl Command {
    /// Whether it takes longer the longer the pattern space is.
    pub(super) fn reads_space(&self) -> bool {
        let cheap = matches!(
            self.action,
            Action::Block(_)
                | Action::Nothing
                | Action::Jump(_)
                | Action::JumpIfReplaced(_)
                | Action::JumpUnlessReplaced(_)
                | Action::Next
                | Action::NextMore
                | Action::Exchange
        );
        let matches = matches!(self.first, Some(Address::Match(_))) || matches!(self.last, Some(End::Match(_)));
        matches || !cheap
    }
}

/// Nothing is the pattern that was used last.
pub(super) type Pattern = Option<Rc<Regex>>;

#[derive(Debug)]
pub(super) enum Address {
    /// Only before a pattern: the range is open from the start.
    Start,
    Line(u64),
    /// The first line, and every so many behind it.
    Every(u64, u64),
    Last,
    Match(Pattern),
}

/// Where a range ends.
#[derive(Debug)]
pub(super) enum End {
    Line(u64),
    /// So many lines behind its first.
    After(u64),
    /// At the next multiple.
    Multiple(u64),
    Last,
    Match(Pattern),
}

#[derive(Debug)]
pub(super) enum Action {
    /// Where it goes on if the addresses do not match: behind the block.
    Block(usize),
    Nothing,
    LineNumber,
    Append(Bytes),
    Insert(Bytes),
    Change(Bytes),
    Jump(usize),
    JumpIfReplaced(usize),
    JumpUnlessReplaced(usize),
    Delete,
    DeleteLine,
    FileName,
    GetHold,
    AddHold,
    Hold,
    HoldMore,
    Exchange,
    List(Option<usize>),
    Next,
    NextMore,
    Print,
    PrintLine,
    Quit(u8),
    QuitSilently(u8),
    ReadFile(Bytes),
    /// One line of a file each time: its number in the list of such files.
    ReadLine(usize),
    Substitute(Box<Substitution>),
    Write(Sink),
    WriteLine(Sink),
    Translate(Box<[u8; 256]>),
    Clear,
}

#[derive(Debug)]
pub(super) struct Substitution {
    pub(super) pattern: Pattern,
    pub(super) replacement: Vec<Part>,
    pub(super) global: bool,
    /// Which match is the first to be replaced, from 1.
    pub(super) number: u64,
    pub(super) print: bool,
    pub(super) write: Option<Sink>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Bytes),
    /// What a group matched; the whole match is 0.
    Group(usize),
    Case(Case),
}

/// `\U`, `\L`, `\u`, `\l`, `\E`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    UpperOnce,
    LowerOnce,
    AsIs,
}

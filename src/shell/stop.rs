//! Why a run ended that the script did not end.

use std::fmt;

use super::bytes::quote;

/// A run that cannot go on. Never an exit status: `|| true` does not catch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub kind: StopKind,
    /// Of the script that was running, from 1; the evaluator fills it in where it is missing.
    pub line: Option<usize>,
    /// What was to be done, for people: at most [`Stop::QUOTE`] characters of the command.
    pub command: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopKind {
    /// Nothing of that name is in the table, and no shell script of the tree has it.
    UnknownProgram(String),
    /// The table knows why this program cannot be done while an image is built: its name, the reason.
    Refused(String, String),
    /// Something of a known program, or of the language, that is not done: its name (empty: the language), what.
    Unsupported(String, String),
    /// More steps, bytes or depth than any sane script takes.
    Limit(String),
    Syntax(String),
    /// Reading the store failed: no fault of the script.
    Failure(String),
}

impl Stop {
    /// Longest quotation of a script's line in a message, in characters.
    pub const QUOTE: usize = 160;

    pub fn new(kind: StopKind) -> Stop {
        Stop { kind, line: None, command: String::new() }
    }

    /// What `program` is asked to do is not done here; an empty name is the shell itself.
    pub fn unsupported(program: &str, what: impl Into<String>) -> Stop {
        Stop::new(StopKind::Unsupported(program.to_owned(), what.into()))
    }

    pub fn refused(program: &str, why: impl Into<String>) -> Stop {
        Stop::new(StopKind::Refused(program.to_owned(), why.into()))
    }

    pub fn limit(what: impl Into<String>) -> Stop {
        Stop::new(StopKind::Limit(what.into()))
    }

    /// The same, at this line unless it has one already.
    pub fn at(mut self, line: usize) -> Stop {
        self.line.get_or_insert(line);
        self
    }

    /// The program that it is about: the word by which a recipe may accept it.
    pub fn program(&self) -> Option<&str> {
        match &self.kind {
            StopKind::UnknownProgram(name) | StopKind::Refused(name, _) => Some(name),
            StopKind::Unsupported(name, _) if !name.is_empty() => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for StopKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and reasons may be words of the script, of any length.
        let short = |text: &str| quote(text.as_bytes(), Stop::QUOTE);
        match self {
            StopKind::UnknownProgram(name) => write!(f, "the program `{}` is not known", short(name)),
            StopKind::Refused(name, why) => write!(f, "`{}` is not done while an image is built: {why}", short(name)),
            StopKind::Unsupported(name, what) if name.is_empty() => write!(f, "not supported: {}", short(what)),
            StopKind::Unsupported(name, what) => write!(f, "`{}`: not supported: {}", short(name), short(what)),
            StopKind::Limit(what) => write!(f, "too much: {what}"),
            StopKind::Syntax(what) => write!(f, "no shell: {}", short(what)),
            StopKind::Failure(what) => f.write_str(what),
        }
    }
}

//! What ends a statement or a run of awk.

use super::value::Value;
use crate::shell::Stop;

/// Why a statement is not followed by the next one.
#[derive(Debug)]
pub(super) enum Halt {
    /// In a box, as it is large and everything here may give it.
    Stop(Box<Stop>),
    /// A mistake of the program's: its message, and status 2.
    Fatal(String),
    Next,
    NextFile,
    Exit,
    Break,
    Continue,
    Return(Value),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Halt {
        Halt::Stop(Box::new(stop))
    }
}

pub(super) type Ran<T> = Result<T, Halt>;

pub(super) fn fatal<T>(message: impl Into<String>) -> Ran<T> {
    Err(Halt::Fatal(message.into()))
}

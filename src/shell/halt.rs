//! How control leaves a command other than by its end.

use super::Stop;

#[derive(Debug)]
pub(super) enum Halt {
    /// Not the script's doing: nothing catches it.
    Stop(Box<Stop>),
    /// `exit`
    Exit(u8),
    /// `set -e`
    Failed(u8),
    /// An error that ends the shell, unless a built-in that is not special has it.
    Error(u8),
    Return(u8),
    /// Out of so many loops.
    Break(usize),
    Continue(usize),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Halt {
        Halt::Stop(Box::new(stop))
    }
}

pub(super) type Outcome<T> = Result<T, Halt>;

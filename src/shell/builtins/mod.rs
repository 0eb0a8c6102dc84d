//! The commands that the shell does itself.

mod alias;
mod arguments;
mod control;
mod declare;
mod directory;
mod echo;
mod getopts;
mod lookup;
mod printf;
mod read;
mod set;
pub(super) mod test;
mod trap;
mod umask;

pub(super) use lookup::{Builtin, find, is_program, without_command};

//! The shell language: POSIX sh as dash has it (Debian's scripts), and bash in its sh mode (RPM's).
//!
//! Text → [`syntax`] → expansion → evaluation. Everything outside the language (files, programs, limits) is a
//! [`World`], so that the same evaluator runs over the tree of an image and over a few values in a test. Nothing is ever
//! executed, and what is not supported is never an exit status: it ends the run as a [`Stop`], whatever `|| true`
//! stands around it.
//!
//! Bytes everywhere: nothing in a script has to be UTF-8.

mod arithmetic;
mod arrays;
mod assignment;
mod braces;
mod builtins;
mod bytes;
mod condition;
mod escapes;
mod evaluate;
mod expand;
mod fields;
mod file;
mod glob;
mod halt;
mod lexer;
mod limits;
mod output;
mod parameter;
mod parse;
mod pattern;
mod redirect;
mod simple;
mod state;
mod stop;
mod streams;
mod syntax;
pub mod testing;
#[cfg(test)]
mod tests;
mod value;
mod world;

pub use bytes::{Bytes, quote};
pub use file::{Errno, Facts, FileId, How, Kind};
pub use parse::parse_only;
pub use pattern::matches;
pub use state::{Dialect, Options, Shell, Variable};
pub use stop::{Stop, StopKind};
pub use streams::{Descriptors, Handle, Stream, handle};
pub use world::World;

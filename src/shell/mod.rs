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
mod condition;
mod escapes;
mod evaluate;
mod expand;
mod fields;
mod glob;
mod halt;
mod lexer;
mod limits;
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
pub mod world;

pub use parse::parse_only;

pub use state::{Dialect, Options, Shell, Variable};
pub use stop::{Stop, StopKind, quote};
pub use streams::{Descriptors, Handle, Stream, handle};
pub use world::{Errno, Facts, FileId, How, Kind, World};

/// A word of a script or an argument of a program.
pub type Bytes = Vec<u8>;

/// Whether all of `text` fits a pattern as `case` has it: slashes and dots are like other bytes, a backslash quotes.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut marked = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => marked.extend(bytes.next().map(|byte| (*byte, true))),
            byte => marked.push((*byte, false)),
        }
    }
    pattern::Pattern::new(&marked).matches(text)
}

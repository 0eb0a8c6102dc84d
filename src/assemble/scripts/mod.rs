//! Maintainer scripts: interpreted over the root while it is made, never executed.
//!
//! [`transaction`] takes the packages in the order of their needs, as dpkg and rpm do: a script sees what is there at
//! its time. Its shell is [`crate::shell`], its world the [`machine`]: a root, the accounts, the packages and how far
//! they are. What its programs do stands in one table ([`programs`]), which the machine is given; rpm's Lua is [`lua`].
//! What nobody knows ends the build: all such mistakes of a build come together, by program, and a recipe may accept a
//! program of a script.

mod alone;
mod dates;
pub mod files;
mod install;
mod lua;
pub mod machine;
mod marks;
mod mistakes;
mod names;
mod order;
mod probe;
pub mod programs;
pub mod regex;
mod results;
mod run;
#[cfg(test)]
mod tests;
mod transaction;
mod triggers;
mod twin;

pub use alone::alone;
pub use files::Change;
pub(crate) use install::{install, install_probed};
pub(crate) use mistakes::mistakes;
pub(crate) use names::{REMOVAL, full_name, is_meant};
pub use probe::{Moment, Observer, Probe};
pub use results::{FirstBoot, Outcome, Problem, ScriptAccount, UnitRequest, Used, Why};

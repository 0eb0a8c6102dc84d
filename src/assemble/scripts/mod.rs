//! Maintainer scripts: interpreted over the root while it is made, never executed.
//!
//! [`install`] takes the packages in the order of their needs, as dpkg and rpm do: a script sees what is there at its
//! time. Its shell is [`crate::shell`], its world the [`machine`]: a root, the accounts, the packages and how far they
//! are. What its programs do stands in one table ([`programs`]); rpm's Lua is [`lua`]. What nobody knows ends the build:
//! all such mistakes of a build come together, by program, and a recipe may accept a program of a script.

mod alone;
pub mod files;
mod install;
mod lua;
pub mod machine;
mod mistakes;
mod order;
pub mod programs;
mod run;
mod triggers;
mod twin;

use std::fmt;

use crate::package::{PackageId, Script};
use crate::recipe::AcceptedScript;
use crate::tree::{Digest, TreePath};

pub use alone::alone;
pub use files::Change;
pub use install::{Moment, Observer, Probe};
pub(crate) use install::{install, install_probed};
pub use machine::{FirstBoot, UnitRequest, Used};
pub(crate) use mistakes::mistakes;
pub use mistakes::{Problem, Why};

/// One script, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAccount {
    pub package: PackageId,
    /// `postinst`, `%post`, `%triggerin glibc`
    pub script: String,
    /// Of the script's whole text.
    pub sha256: Digest,
    pub outcome: Outcome,
    /// Paths that it made, changed or removed, by path.
    pub changes: Vec<(TreePath, Change)>,
    /// Programs that it used and that did not do here what they do on a running system.
    pub used: Vec<Used>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It runs only when a package is removed, replaced or verified.
    NotRun,
    /// A trigger that nothing of the image sets off.
    NotSetOff,
    Ran,
    /// A scriptlet whose failure rpm only tells: its status, and its last words.
    Failed(u8, String),
    /// The recipe's author answers for it: it was not run.
    Accepted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::NotRun => f.write_str("not run on a fresh image"),
            Outcome::NotSetOff => f.write_str("nothing sets it off"),
            Outcome::Ran => f.write_str("interpreted"),
            Outcome::Failed(status, complaint) => write!(f, "interpreted; it ended with status {status}: {complaint}"),
            Outcome::Accepted(reason) => write!(f, "accepted by the recipe: {reason}"),
        }
    }
}

/// Scripts that run only when a package is removed, replaced or verified.
pub(super) const REMOVAL: [&str; 13] = [
    "prerm",
    "postrm",
    "%preun",
    "%postun",
    "%preuntrans",
    "%postuntrans",
    "%verify",
    "%triggerun",
    "%triggerpostun",
    "%filetriggerun",
    "%filetriggerpostun",
    "%transfiletriggerun",
    "%transfiletriggerpostun",
];

/// A script's name, and of a trigger what sets it off: `%transfiletriggerin /usr/lib/systemd/system`.
pub(super) fn full_name(script: &Script) -> String {
    let text = String::from_utf8_lossy(&script.text);
    let on = text.lines().next().and_then(|line| line.strip_prefix("# on "));
    match on.filter(|_| script.name.contains("trigger")) {
        Some(on) => format!("{} {}", script.name, on.trim()),
        None => script.name.clone(),
    }
}

/// Whether a recipe's entry is about `script`: by its full name, or by its kind if that is the only one.
pub(super) fn is_meant(script: &Script, accept: &AcceptedScript, scripts: &[Script]) -> bool {
    let only = || scripts.iter().filter(|other| other.name == script.name).count() == 1;
    accept.script == full_name(script) || accept.script == script.name && only()
}

#[cfg(test)]
mod tests;

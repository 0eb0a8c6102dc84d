//! What scripts leave for the rest of the build, beside the tree: what became of each, what it asks of systemd and of
//! the node's first boot, and why the build cannot go on.

use std::fmt;

use super::files::Change;
use crate::package::PackageId;
use crate::shell::Stop;
use crate::tree::{Digest, TreePath};

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

/// A program that a script used, and what became of it, for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub program: String,
    /// `nothing`, `answered`, `done`, `first-boot`, `accepted`, `unknown`; what was done natively is not told.
    pub what: &'static str,
    pub reason: String,
}

/// What scripts ask of systemd, done when everything is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitRequest {
    Enable(String),
    Disable(String),
    Mask(String),
    Preset(String),
    /// `system` or `user`
    PresetAll(String),
}

/// A program that the node runs once, because what it makes must differ from node to node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBoot {
    pub program: String,
    pub arguments: Vec<String>,
    /// It is not run if all of these are there.
    pub makes: Vec<String>,
    /// A file, and the mark in it that gives way to what the program prints.
    pub fills: Option<(String, String)>,
    pub package: String,
}

/// A script that the build cannot go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub package: PackageId,
    pub script: String,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Stopped(Stop),
    /// It ended with this status, which stops dpkg or rpm too; its last words.
    Failed(u8, String),
}

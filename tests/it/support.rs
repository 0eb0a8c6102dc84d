//! What several tests need: other people's tools that judge our output, and scratch directories.

use std::process::Command;

#[path = "../../src/oracle.rs"]
mod judges;

pub(crate) use judges::{oracle, skip};

/// Standard output of a command that succeeds; panics with both outputs when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}

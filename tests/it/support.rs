//! What several tests need: other people's tools that judge our output, and scratch directories.

use std::path::PathBuf;
use std::process::Command;

/// Where the tool is, or `None` with a printed line if a developer does not have it. With `CI=true` a missing tool is
/// a failure: there, nothing is skipped.
#[expect(clippy::print_stdout, reason = "a test that is skipped has to say so")]
pub(crate) fn oracle(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Tools for disks live where only root's PATH goes.
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = directories.map(|directory| directory.join(tool)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing, and CI skips nothing");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        println!("SKIP {test}: {tool} missing");
    }
    found
}

/// Standard output of a command that succeeds; panics with both outputs when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}

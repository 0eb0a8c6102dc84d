//! Other people's tools that judge our output in tests, and what happens when one is missing: a developer's test says
//! `SKIP`, which `ci/test` counts; with `CI=true` it fails.

use std::env;
use std::path::PathBuf;

/// Where the tool is, or `None` after [`skip`].
pub(crate) fn oracle(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Tools for disks live where only root's PATH goes.
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = directories.map(|directory| directory.join(tool)).find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("{tool} is missing"));
    }
    found
}

/// Says that the running test, or a part of it, is left out.
#[allow(
    clippy::print_stdout,
    reason = "a test that is skipped has to say so; in the library's own tests clippy allows it anyway"
)]
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(env::var("CI").as_deref() != Ok("true"), "{test}: {why}, and CI skips nothing");
    println!("SKIP {test}: {why}");
}

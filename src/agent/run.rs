//! Programs of the image, run as children, in its root.
//!
//! `chroot` between fork and exec would need `unsafe`, so the child is this program again (`nodeinit in-root DIR
//! PROGRAM …`), which changes its root and then executes the real one. A failure carries the command and the end of
//! what it wrote.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The verb under which [`in_root`] starts this program.
pub const IN_ROOT: &str = "in-root";
/// Search path for programs that start others.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// As much of a failing program's output as is shown.
const TAIL_BYTES: usize = 1024;

/// Runs `program` (a path inside `root`) with `root` as its root directory.
///
/// # Errors
/// It cannot be started, or does not exit with 0.
pub fn in_root(root: &Path, program: &str, arguments: &[OsString]) -> Result<()> {
    in_root_until(root, program, arguments, 0)
}

/// The same for a program whose exit statuses up to `good` are no failures.
pub fn in_root_until(root: &Path, program: &str, arguments: &[OsString], good: i32) -> Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(IN_ROOT).arg(root).arg(program).args(arguments);
    finish(command, program, arguments, good).map(drop)
}

/// Runs a program of the running system. See [`in_root`].
pub fn program(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(command, program, &arguments.iter().map(OsString::from).collect::<Vec<_>>(), 0).map(drop)
}

/// What a program of the running system writes to its standard output. See [`in_root`].
pub fn answer(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = finish(command, program, &arguments.iter().map(OsString::from).collect::<Vec<_>>(), 0)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// What a program of the running system writes to its standard output, whatever it ends with.
pub fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running `{program} {}`", arguments.join(" ")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn finish(mut command: Command, program: &str, arguments: &[OsString], good: i32) -> Result<Vec<u8>> {
    let shown = || {
        let words = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        std::iter::once(program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    };
    let output = command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running `{}`", shown()))?;
    if output.status.code().is_some_and(|code| code <= good) {
        return Ok(output.stdout);
    }
    let text = [output.stdout, output.stderr].concat();
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).trim().to_owned();
    bail!("`{}` ended with {}: {tail}", shown(), output.status)
}

/// The child's side of [`in_root`]: `[root, program, arguments…]`. Returns only if something failed.
pub fn enter(words: &[OsString]) -> anyhow::Error {
    let change = || -> Result<std::convert::Infallible> {
        let [root, program, arguments @ ..] = words else { bail!("usage: nodeinit {IN_ROOT} DIRECTORY PROGRAM …") };
        rustix::process::chroot(Path::new(root)).with_context(|| format!("entering {}", root.display()))?;
        std::env::set_current_dir(OsStr::new("/")).context("entering the new root")?;
        let error = Command::new(program).args(arguments).exec();
        Err(error).with_context(|| format!("starting {}", program.display()))
    };
    match change() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_shown_with_its_words() {
        let error = format!("{:#}", program("/bin/sh", &["-c", "echo went wrong >&2; exit 3"]).unwrap_err());
        assert!(error.contains("`/bin/sh -c echo went wrong") && error.ends_with("went wrong"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        program("/bin/true", &[]).unwrap();
        let command = || Command::new("/bin/false");
        assert!(finish(command(), "/bin/false", &[], 1).is_ok() && finish(command(), "/bin/false", &[], 0).is_err());
    }
}

//! `dpkg-maintscript-helper`: changes of configuration files and directories between versions of a package.
//!
//! On a fresh installation none of them applies. The arguments are checked as the real one does it, and where its
//! conditions would hold nevertheless the run ends: there was an earlier version after all.

use super::versions;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Stop};

const COMMANDS: [&str; 4] = ["rm_conffile", "mv_conffile", "symlink_to_dir", "dir_to_symlink"];

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let Some((command, words)) = call.words.split_first() else {
        return call.fail(1, "error: missing command");
    };
    match std::str::from_utf8(command).unwrap_or_default() {
        "supports" => supports(call, words),
        command if COMMANDS.contains(&command) => helped(call, command, words),
        command => call.fail(1, format!("error: command {command} is unknown")),
    }
}

fn variable(call: &Call, name: &str) -> Bytes {
    call.shell.environment().get(name.as_bytes()).cloned().unwrap_or_default()
}

fn supports(call: &mut Call, words: &[Bytes]) -> Result<u8, Stop> {
    let command = words.first().and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
    let mut status = u8::from(!COMMANDS.contains(&command));
    for name in ["DPKG_MAINTSCRIPT_NAME", "DPKG_MAINTSCRIPT_PACKAGE"] {
        if variable(call, name).is_empty() {
            status = call.fail(1, format!("warning: environment variable {name} missing"))?;
        }
    }
    Ok(status)
}

/// The words before `--`, and those behind it: the script's own arguments.
fn halves(words: &[Bytes]) -> Option<(&[Bytes], &[Bytes])> {
    let at = words.iter().position(|word| word == b"--")?;
    Some((&words[..at], &words[at + 1..]))
}

fn helped(call: &mut Call, command: &str, words: &[Bytes]) -> Result<u8, Stop> {
    let Some((parameters, arguments)) = halves(words) else {
        return call.fail(1, "error: missing arguments after --");
    };
    let script = variable(call, "DPKG_MAINTSCRIPT_NAME");
    let paths = if command == "rm_conffile" { 1 } else { 2 };
    if let Some(problem) = problem(call, command, parameters, arguments) {
        return call.fail(1, format!("error: {problem}"));
    }
    let last_version = parameters.get(paths).map(|version| String::from_utf8_lossy(version).into_owned());
    if let Some(version) = last_version.filter(|version| !version.is_empty()) {
        let bad = match versions::parse(&version) {
            Ok(_) => None,
            Err(versions::Problem::Error(problem) | versions::Problem::Warning(problem, _)) => Some(problem),
        };
        if let Some(problem) = bad {
            return call.fail(1, format!("error: dpkg: error: version '{version}' has bad syntax: {problem}"));
        }
    }
    let action = arguments.first().map(Vec::as_slice).unwrap_or_default();
    let from_version = arguments.get(1).is_some_and(|version| !version.is_empty());
    let acts = match script.as_slice() {
        b"preinst" => [b"install".as_slice(), b"upgrade"].contains(&action) && from_version,
        b"postinst" => action == b"configure" && (from_version || has_backup(call, command, parameters)),
        b"postrm" => action != b"remove",
        _ => false,
    };
    if acts {
        return call.unsupported(format!("`{command}` after an earlier version of the package"));
    }
    Ok(0)
}

/// What is wrong with the arguments, in the order in which the real program looks at them.
fn problem(call: &Call, command: &str, parameters: &[Bytes], arguments: &[Bytes]) -> Option<String> {
    let parameter = |index: usize| parameters.get(index).map(Vec::as_slice).unwrap_or_default();
    let action_is_missing = arguments.first().is_none_or(Vec::is_empty);
    let environment =
        ["DPKG_MAINTSCRIPT_NAME", "DPKG_MAINTSCRIPT_PACKAGE"].into_iter().find(|name| variable(call, name).is_empty());
    let environment = environment.map(|name| format!("environment variable {name} is required"));
    let actions = action_is_missing.then(|| "maintainer script parameters are missing".to_owned());
    if command.ends_with("_conffile") {
        let names: &[&str] = if command == "rm_conffile" { &["conffile"] } else { &["old-conffile", "new-conffile"] };
        let relative = names.iter().enumerate().find(|(index, _)| !parameter(*index).starts_with(b"/"));
        let relative = relative.map(|(index, name)| {
            format!("{name} '{}' is not an absolute path", String::from_utf8_lossy(parameter(index)))
        });
        return actions.or(environment).or(relative);
    }
    let name = if command == "symlink_to_dir" { "symlink" } else { "directory" };
    let path = match parameter(0) {
        b"" => Some(format!("{name} parameter is missing")),
        path if !path.starts_with(b"/") => Some(format!("{name} parameter is not an absolute path")),
        path if path.ends_with(b"/") && name == "symlink" => Some("symlink pathname ends with a slash".to_owned()),
        _ => None,
    };
    let target = parameter(1).is_empty().then(|| "the symlink's target is missing".to_owned());
    environment.or(path).or(target).or(actions)
}

/// A backup that a preinst made: only an upgrade leaves one.
fn has_backup(call: &Call, command: &str, parameters: &[Bytes]) -> bool {
    let Some(path) = parameters.first().filter(|_| command.ends_with("_to_dir") || command.ends_with("_to_symlink"))
    else {
        return false;
    };
    let path = path.strip_suffix(b"/").unwrap_or(path);
    call.machine.files.facts(&[path, b".dpkg-backup"].concat(), false).is_some()
}

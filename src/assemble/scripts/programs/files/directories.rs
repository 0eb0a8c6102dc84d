//! mkdir, rmdir.

use super::complaints::{complain, hint};
use super::modes::Mode;
use super::operands::{at, is_directory, status};
use super::path_names::{parent_name, trimmed};
use super::quoting::{named, quoted};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Errno, Stop};
use crate::tree::Kind;

/// What a directory is made with.
#[derive(Debug, Clone, Default)]
pub(super) struct Making {
    /// The mode that it is given after it is made, whatever the umask says.
    pub(super) mode: Option<Mode>,
    /// What a symbolic mode changes.
    pub(super) base: u16,
    pub(super) parents: bool,
    pub(super) verbose: bool,
}

pub(super) fn mkdir(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["p|parents", "m|mode=", "v|verbose", "Z", "context?"], true)?;
    let mode = match options.value("m") {
        None => None,
        Some(text) => match Mode::parse(text) {
            None => return call.fail(1, format!("invalid mode {}", named(text))),
            mode => mode,
        },
    };
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let making = Making { mode, base: 0o777, parents: options.has("p"), verbose: options.has("v") };
    let mut failed = false;
    for word in &options.operands {
        if let Err((name, errno)) = make(call, &making, word)? {
            complain(call, &mut failed, format!("cannot create directory {}: {errno}", quoted(&name)))?;
        }
    }
    Ok(failed.into())
}

/// Makes a directory, and with `parents` what is missing above it; else the name that failed, and why.
pub(super) fn make(call: &mut Call, making: &Making, word: &[u8]) -> Result<Result<(), (Bytes, Errno)>, Stop> {
    let umask = call.shell.umask;
    if making.parents {
        if is_directory(call, word) {
            return Ok(Ok(()));
        }
        if let Err(problem) = make_parents(call, word, making.verbose)? {
            return Ok(Err(problem));
        }
    }
    let wanted = making.mode.as_ref().map(|mode| mode.apply_and_tell(making.base, true, umask));
    let first = wanted.map_or(0o777 & !umask, first_mode);
    if let Err(errno) = call.machine.files.make(&at(call, word), Kind::Directory, first) {
        let there = making.parents && errno == Errno::Exists && is_directory(call, word);
        return Ok(if there { Ok(()) } else { Err((word.to_vec(), errno)) });
    }
    tell(call, making.verbose, word)?;
    if let Some(wanted) = wanted {
        settle(call, word, wanted);
    }
    Ok(Ok(()))
}

/// Gives a directory, new with these permissions if it is, the mode that GNU's programs give it in the end.
pub(super) fn settle(call: &mut Call, word: &[u8], (mode, spoken): (u16, u16)) {
    let path = at(call, word);
    // It was made a moment ago; a path that the first boot makes changes nothing.
    let _ = call.machine.files.update(&path, true, |inode| {
        if (inode.mode ^ mode) & spoken != 0 {
            inode.mode = mode | inode.mode & !spoken;
        }
    });
}

/// The permissions with which a directory is made that is to get this mode: nobody else may write to it before it has its
/// upper bits, and that is what remains where nothing else differs.
pub(super) fn first_mode((mode, spoken): (u16, u16)) -> u16 {
    let special = spoken & 0o6000 != 0 || mode & 0o1000 != 0;
    mode & if special { 0o1755 } else { 0o1777 }
}

/// `mkdir -p` of what is above `word`.
pub(super) fn make_parents(call: &mut Call, word: &[u8], verbose: bool) -> Result<Result<(), (Bytes, Errno)>, Stop> {
    let mode = (0o777 & !call.shell.umask) | 0o300;
    let end = word.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    for (index, byte) in word[..end].iter().enumerate() {
        let above = &word[..index];
        if *byte != b'/' || above.is_empty() || above.ends_with(b"/") || is_directory(call, above) {
            continue;
        }
        match call.machine.files.make(&at(call, above), Kind::Directory, mode) {
            Ok(_) => tell(call, verbose, above)?,
            Err(Errno::Exists) => {
                let problem = match call.machine.files.status(&at(call, above), true) {
                    Ok(_) => Errno::NotDirectory,
                    Err(Errno::Loop) => Errno::Loop,
                    Err(_) => Errno::Exists,
                };
                return Ok(Err((above.to_vec(), problem)));
            }
            Err(errno) => return Ok(Err((above.to_vec(), errno))),
        }
    }
    Ok(Ok(()))
}

fn tell(call: &mut Call, verbose: bool, word: &[u8]) -> Result<(), Stop> {
    if verbose {
        let name = call.name;
        call.out(format!(
            "{name}: {} directory {}\n",
            if name == "mkdir" { "created" } else { "creating" },
            quoted(word)
        ))?;
    }
    Ok(())
}

pub(super) fn rmdir(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["p|parents", "v|verbose", "ignore-fail-on-non-empty"], true)?;
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let (parents, lenient) = (options.has("p"), options.has("ignore-fail-on-non-empty"));
    let mut failed = false;
    for word in &options.operands {
        let mut name = word.as_slice();
        loop {
            if options.has("v") {
                call.out(format!("rmdir: removing directory, {}\n", quoted(name)))?;
            }
            let link = name.ends_with(b"/")
                && status(call, trimmed(name), false).is_ok_and(|facts| facts.kind == crate::shell::Kind::Symlink)
                && is_directory(call, name);
            match call.machine.files.remove_directory(&at(call, name)) {
                Ok(()) => {}
                Err(_) if link => {
                    let text = format!("failed to remove {}: Symbolic link not followed", quoted(name));
                    complain(call, &mut failed, text)?;
                    break;
                }
                Err(Errno::NotEmpty) if lenient => break,
                Err(errno) => {
                    let what = if name == word.as_slice() { "" } else { "directory " };
                    complain(call, &mut failed, format!("failed to remove {what}{}: {errno}", quoted(name)))?;
                    break;
                }
            }
            let above = parent_name(name);
            if !parents || above == b"." && !name.starts_with(b"./") || above == b"/" {
                break;
            }
            name = above;
        }
    }
    Ok(failed.into())
}

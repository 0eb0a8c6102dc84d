//! mkdir, rmdir.

use super::modes::Mode;
use super::quoting::{named, quoted};
use super::{Call, at, complain, hint, is_directory, parent_name};
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Errno, Stop};
use crate::tree::Kind;

/// What a directory is made with.
#[derive(Debug, Clone, Default)]
pub(super) struct Making {
    /// The mode that it is given after it is made, whatever the umask says.
    pub(super) mode: Option<Mode>,
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
    let making = Making { mode, parents: options.has("p"), verbose: options.has("v") };
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
    if let Err(errno) = call.machine.files.make(&at(call, word), Kind::Directory, 0o777 & !umask) {
        let there = making.parents && errno == Errno::Exists && is_directory(call, word);
        return Ok(if there { Ok(()) } else { Err((word.to_vec(), errno)) });
    }
    tell(call, making.verbose, word)?;
    if let Some(mode) = &making.mode {
        set_mode(call, word, mode, 0o777);
    }
    Ok(Ok(()))
}

/// Gives a new directory its mode; an inherited setgid bit stays unless the mode speaks of it.
pub(super) fn set_mode(call: &mut Call, word: &[u8], mode: &Mode, base: u16) {
    let (path, umask) = (at(call, word), call.shell.umask);
    // It was made a moment ago; a path that the first boot makes changes nothing.
    let _ = call.machine.files.update(&path, true, |inode| {
        inode.mode = mode.apply(base | inode.mode & 0o6000, true, umask);
    });
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
            Err(Errno::Exists) if call.machine.files.exists(&at(call, above)) => {
                return Ok(Err((above.to_vec(), Errno::NotDirectory)));
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
            match call.machine.files.remove_directory(&at(call, name)) {
                Ok(()) => {}
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

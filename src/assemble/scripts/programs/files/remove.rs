//! rm, unlink, shred.

use super::complaints::{complain, hint};
use super::operands::{at, status};
use super::path_names::last_name;
use super::quoting::quoted;
use super::walk::{Event, Follow, Walk};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Errno, Kind, Stop};

#[derive(Debug, Clone, Copy)]
struct Wish {
    recursive: bool,
    force: bool,
    verbose: bool,
    empty_directories: bool,
    keep_root: bool,
}

pub(super) fn rm(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "r|R|recursive",
        "f|force",
        "v|verbose",
        "i|I",
        "interactive?",
        "d|dir",
        "one-file-system",
        "preserve-root?",
        "no-preserve-root",
    ];
    let options = parse(call, &known, true)?;
    let asking = options.last_of(&["f", "i", "interactive"]);
    if asking.is_some_and(|(name, when)| name == "i" || name == "interactive" && !b"never".starts_with(when)) {
        return call.unsupported("asking whether to remove");
    }
    let wish = Wish {
        recursive: options.has("r"),
        force: options.has("f"),
        verbose: options.has("v"),
        empty_directories: options.has("d"),
        keep_root: !options.has("no-preserve-root"),
    };
    if options.operands.is_empty() {
        return if wish.force { Ok(0) } else { hint(call, "missing operand") };
    }
    let mut failed = false;
    for word in &options.operands {
        if let Some(problem) = remove(call, wish, word)? {
            complain(call, &mut failed, problem)?;
        }
    }
    Ok(failed.into())
}

/// What went wrong, if something did.
fn remove(call: &mut Call, wish: Wish, word: &[u8]) -> Result<Option<String>, Stop> {
    let cannot = |errno: Errno| Some(format!("cannot remove {}: {errno}", quoted(word)));
    let facts = match status(call, word, false) {
        Ok(facts) => facts,
        Err(Errno::NoEntry | Errno::NotDirectory | Errno::Loop) if wish.force => return Ok(None),
        // What the first boot makes is not there yet.
        Err(errno) => return Ok(if call.machine.files.is_later(&at(call, word)) { None } else { cannot(errno) }),
    };
    if facts.kind != Kind::Directory {
        let removed = call.machine.files.remove(&at(call, word));
        return match removed {
            Ok(()) if wish.verbose => told(call, "removed", word),
            Ok(()) => Ok(None),
            Err(errno) => Ok(cannot(errno)),
        };
    }
    let trimmed = word.iter().rposition(|byte| *byte != b'/').map_or(word, |last| &word[..=last]);
    let by_link = status(call, trimmed, false).is_ok_and(|facts| facts.kind == Kind::Symlink);
    if !wish.recursive && !wish.empty_directories {
        return Ok(cannot(Errno::IsDirectory));
    }
    let empty = call.machine.files.list(&at(call, word)).is_ok_and(|names| names.is_empty());
    if !wish.recursive && !empty {
        return Ok(cannot(Errno::NotEmpty));
    }
    if matches!(last_name(word), b"." | b"..") {
        return Ok(Some(format!("refusing to remove '.' or '..' directory: skipping {}", quoted(word))));
    }
    let resolved = call.machine.files.resolve(&at(call, word), false);
    if wish.recursive && resolved.is_ok_and(|path| path.is_root()) {
        if !wish.keep_root {
            return call.unsupported("removing the whole root");
        }
        let same = if last_name(word) == b"/" { String::new() } else { " (same as '/')".to_owned() };
        return Ok(Some(format!(
            "it is dangerous to operate recursively on {}{same}\nrm: use --no-preserve-root to override this failsafe",
            quoted(word)
        )));
    }
    if wish.recursive && (wish.verbose || by_link) {
        return remove_one_by_one(call, wish, word, by_link);
    }
    let removed = match wish.recursive {
        _ if by_link => Err(Errno::NotDirectory),
        true => call.machine.files.remove_all(&at(call, word)),
        false => call.machine.files.remove_directory(&at(call, word)),
    };
    match removed {
        Ok(()) if wish.verbose => told(call, "removed directory", word),
        Ok(()) => Ok(None),
        Err(errno) => Ok(cannot(errno)),
    }
}

fn told<T>(call: &mut Call, what: &str, name: &[u8]) -> Result<Option<T>, Stop> {
    call.out(format!("{what} {}\n", quoted(name)))?;
    Ok(None)
}

/// Removes what is in a directory, and then it. A link with a slash behind it leads to the directory, but cannot be removed
/// by that name.
fn remove_one_by_one(call: &mut Call, wish: Wish, word: &[u8], by_link: bool) -> Result<Option<String>, Stop> {
    let mut walk = Walk::new(call, word, Follow::Never);
    while let Some(event) = walk.next(call)? {
        let (entry, what) = match event {
            Event::Enter(entry) if !entry.is_directory() => (entry, "removed"),
            Event::Leave(entry) => (entry, "removed directory"),
            _ => continue,
        };
        let files = &mut call.machine.files;
        let removed = match entry.is_directory() {
            true if by_link && entry.depth == 0 => Err(Errno::NotDirectory),
            true => files.remove_directory(&entry.path),
            false => files.remove(&entry.path),
        };
        match removed {
            Err(Errno::NotDirectory) if wish.force => {}
            Err(errno) => return Ok(Some(format!("cannot remove {}: {errno}", quoted(&entry.shown)))),
            Ok(()) if wish.verbose => drop(told::<()>(call, what, &entry.shown)?),
            Ok(()) => {}
        }
    }
    Ok(None)
}

pub(super) fn unlink(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &[], true)?;
    let word = match options.operands.as_slice() {
        [] => return hint(call, "missing operand"),
        [word] => word,
        [_, extra, ..] => return hint(call, format!("extra operand {}", quoted(extra))),
    };
    match call.machine.files.remove(&at(call, word)) {
        Ok(()) => Ok(0),
        Err(errno) => call.fail(1, format!("cannot unlink {}: {errno}", quoted(word))),
    }
}

pub(super) fn shred(call: &mut Call) -> Result<u8, Stop> {
    let known = ["u", "remove?", "f|force", "n|iterations=", "z|zero", "x|exact", "v|verbose", "s|size="];
    let options = parse(call, &known, true)?;
    if !options.has("u") && !options.has("remove") {
        return call.unsupported("overwriting a file with random bytes without removing it");
    }
    if options.has("v") || options.has("s") {
        return call.unsupported("its options -v and -s");
    }
    let mut failed = false;
    for word in &options.operands {
        let removed = match status(call, word, true) {
            Ok(facts) if facts.kind == Kind::File => {
                let path = at(call, word);
                // Another name of it has nothing left either.
                if facts.links > 1 {
                    let _ = call.machine.files.put(&path, Vec::new(), facts.mode);
                }
                call.machine.files.remove(&path)
            }
            Ok(_) => Err(Errno::IsDirectory),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = removed {
            complain(
                call,
                &mut failed,
                format!("{}: failed to open for writing: {errno}", super::quoting::plain(word)),
            )?;
        }
    }
    Ok(failed.into())
}

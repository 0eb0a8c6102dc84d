//! ln, link.

use super::quoting::quoted;
use super::resolving::{self, Missing};
use super::targets::{self, Backup, Targets, targets};
use super::{Call, at, has_content, hint, is_directory, last_name, parent_name, status};
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Kind, Stop};

#[derive(Debug)]
struct Wish {
    symbolic: bool,
    relative: bool,
    force: bool,
    ask: bool,
    /// Whether hard links are made to what a link points to.
    follow: bool,
    verbose: bool,
    backup: Option<Backup>,
    /// Whether things go into a directory, which is opened then, rather than under a name.
    into_directory: bool,
}

pub(super) fn ln(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "s|symbolic",
        "f|force",
        "n|no-dereference",
        "r|relative",
        "v|verbose",
        "L|logical",
        "P|physical",
        "i|interactive",
    ];
    let known: Vec<_> = known.iter().chain(&targets::KNOWN).copied().collect();
    let options = parse(call, &known, true)?;
    let mut wish = Wish {
        symbolic: options.has("s"),
        relative: options.has("r"),
        force: super::last_of(&options, &["f", "i"]).is_some_and(|(name, _)| name == "f"),
        ask: super::last_of(&options, &["f", "i"]).is_some_and(|(name, _)| name == "i"),
        follow: super::last_of(&options, &["L", "P"]).is_some_and(|(name, _)| name == "L"),
        verbose: options.has("v"),
        backup: Backup::of(call, &options)?,
        into_directory: false,
    };
    if wish.relative && !wish.symbolic {
        return call.fail(1, "cannot do --relative without --symbolic");
    }
    let keep_links = options.has("n");
    let is_target = |call: &Call, word: &[u8]| {
        let link = keep_links && status(call, word, false).is_ok_and(|facts| facts.kind == Kind::Symlink);
        is_directory(call, word) && !link
    };
    let targets = match options.operands.as_slice() {
        // Under its own name, here.
        [only] if !options.has("t") && !options.has("T") => {
            Targets::Directory { sources: vec![only.clone()], directory: b".".to_vec() }
        }
        _ => match targets(call, &options, is_target)? {
            Ok(targets) => targets,
            Err(status) => return Ok(status),
        },
    };
    wish.into_directory = matches!(targets, Targets::Directory { .. });
    let mut failed = false;
    let mut fresh = Vec::new();
    for (source, target) in targets.pairs(false) {
        let resolved = call.machine.files.resolve(&at(call, &target), false).ok();
        if !wish.symbolic && wish.force && wish.backup.is_none() && fresh.contains(&resolved) {
            let text = format!("will not overwrite just-created {} with {}", quoted(&target), quoted(&source));
            super::complain(call, &mut failed, text)?;
            continue;
        }
        match make(call, &wish, &source, &target)? {
            Ok(()) => fresh.push(resolved),
            Err(problem) => super::complain(call, &mut failed, problem)?,
        }
    }
    Ok(failed.into())
}

fn make(call: &mut Call, wish: &Wish, source: &[u8], target: &[u8]) -> Result<Result<(), String>, Stop> {
    let (from, to) = (quoted(source), quoted(target));
    if !wish.symbolic {
        has_content(call, source)?;
        match status(call, source, wish.follow) {
            Err(errno) => return Ok(Err(format!("failed to access {from}: {errno}"))),
            Ok(facts) if facts.kind == Kind::Directory => {
                return Ok(Err(format!("{}: hard link not allowed for directory", super::quoting::plain(source))));
            }
            Ok(_) => {}
        }
    }
    let text = if wish.relative { relative(call, source, target) } else { source.to_vec() };
    let mut kept = String::new();
    let mut is_there = false;
    if let Ok(there) = status(call, target, false) {
        if wish.ask {
            return call.unsupported(format!("asking whether to replace {to}"));
        }
        if wish.force || wish.backup.is_some() {
            match clear(call, wish, &text, target, there.kind)? {
                Ok(Cleared::Free(text)) => kept = text,
                Ok(Cleared::SameFile) => is_there = true,
                Err(problem) => return Ok(Err(problem)),
            }
        }
    }
    let path = at(call, target);
    let made = if is_there {
        Ok(())
    } else if wish.symbolic {
        call.machine.files.make_link(&text, &path).map(drop)
    } else {
        let existing = call.machine.files.resolve(&at(call, source), wish.follow);
        let existing = existing.map_or_else(|_| at(call, source), |path| [b"/", path.as_bytes()].concat());
        call.machine.files.hard_link(&existing, &path)
    };
    match made {
        Ok(()) if wish.verbose => {
            let arrow = if wish.symbolic { "->" } else { "=>" };
            call.out(format!("{kept}{to} {arrow} {}\n", quoted(&text)))?;
            Ok(Ok(()))
        }
        Ok(()) => Ok(Ok(())),
        Err(errno) if wish.symbolic && text.is_empty() => {
            Ok(Err(format!("failed to create symbolic link {to} -> {}: {errno}", quoted(&text))))
        }
        Err(errno) if wish.symbolic => Ok(Err(format!("failed to create symbolic link {to}: {errno}"))),
        Err(crate::shell::Errno::Exists) => {
            Ok(Err(format!("failed to create hard link {to}: {}", crate::shell::Errno::Exists)))
        }
        Err(errno) => Ok(Err(format!("failed to create hard link {to} => {from}: {errno}"))),
    }
}

#[derive(Debug)]
enum Cleared {
    /// Nothing stands at the target now; the text that tells of the backup.
    Free(String),
    /// It is another name of the source already.
    SameFile,
}

/// Takes what stands at the target away, or keeps it under another name.
fn clear(
    call: &mut Call,
    wish: &Wish,
    source: &[u8],
    target: &[u8],
    there: Kind,
) -> Result<Result<Cleared, String>, Stop> {
    let (from, to) = (quoted(source), quoted(target));
    if there == Kind::Directory {
        return Ok(Err(format!("{}: cannot overwrite directory", super::quoting::plain(target))));
    }
    // Two ways to one directory, one of them by a link, count as two, unless ln has opened it. A file with one name only
    // needs no such question.
    let name = |call: &Call, word: &[u8], follow: bool| {
        let parent = status(call, parent_name(word), follow).ok()?;
        Some((parent.inode, last_name(word).to_vec()))
    };
    // A symlink may take the place of one that leads nowhere and has its own name as target.
    let same_inode = || {
        let one = status(call, source, wish.symbolic || wish.follow).ok()?;
        Some((one.inode == status(call, target, false).ok()?.inode, one.links == 1))
    };
    let (same, only) = same_inode().unwrap_or_default();
    if same && (only || name(call, source, false) == name(call, target, wish.into_directory)) {
        return Ok(Err(format!("{from} and {to} are the same file")));
    }
    if let Some(backup) = wish.backup.as_ref().map(|backup| backup.name(call, target)) {
        return Ok(match call.machine.files.rename(&at(call, target), &at(call, &backup)) {
            Ok(()) => Ok(Cleared::Free(format!("{} ~ ", quoted(&backup)))),
            Err(errno) => Err(format!("cannot backup {to}: {errno}")),
        });
    }
    if same && !wish.symbolic {
        return Ok(Ok(Cleared::SameFile));
    }
    Ok(match call.machine.files.remove(&at(call, target)) {
        Ok(()) => Ok(Cleared::Free(String::new())),
        Err(errno) => Err(format!("cannot remove {to}: {errno}")),
    })
}

/// The way from the directory of the link to the source.
fn relative(call: &Call, source: &[u8], target: &[u8]) -> Bytes {
    let canonical = |word: &[u8]| resolving::canonical(call, word, Missing::Anything).ok();
    match (canonical(source), canonical(parent_name(target))) {
        (Some(source), Some(directory)) => resolving::relative(&source, &directory),
        _ => source.to_vec(),
    }
}

pub(super) fn link(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &[], true)?;
    let (existing, name) = match options.operands.as_slice() {
        [] => return hint(call, "missing operand"),
        [only] => return hint(call, format!("missing operand after {}", quoted(only))),
        [existing, name] => (existing, name),
        [_, _, extra, ..] => return hint(call, format!("extra operand {}", quoted(extra))),
    };
    has_content(call, existing)?;
    match call.machine.files.hard_link(&at(call, existing), &at(call, name)) {
        Ok(()) => Ok(0),
        Err(errno) => {
            let (name, existing) = (quoted(name), quoted(existing));
            call.fail(1, format!("cannot create link {name} to {existing}: {errno}"))
        }
    }
}

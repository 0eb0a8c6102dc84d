//! mv. There is one file system, so that moving is always giving another name.

use super::complaints::{complain, hint};
use super::copy::Overwrite;
use super::operands::{at, has_content, is_directory, status};
use super::path_names::{last_name, trimmed};
use super::quoting::quoted;
use super::targets::{self, Backup, targets};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Errno, Facts, Kind, Stop, World};

#[derive(Debug)]
struct Wish {
    overwrite: Overwrite,
    backup: Option<Backup>,
    verbose: bool,
}

pub(super) fn mv(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "f|force",
        "i|interactive",
        "n|no-clobber",
        "u",
        "update?",
        "v|verbose",
        "Z|context",
        "strip-trailing-slashes",
    ];
    let known: Vec<_> = known.iter().chain(&targets::KNOWN).copied().collect();
    let mut options = parse(call, &known, true)?;
    if options.has("strip-trailing-slashes") {
        options.operands.iter_mut().for_each(|word| *word = trimmed(word).to_vec());
    }
    let backup = Backup::of(call, &options)?;
    // The last of these wins, -f too.
    options.given = match options.last_of(&["f", "i", "n"]) {
        Some((last, _)) => {
            options.given.into_iter().filter(|(name, _)| *name == last || !["f", "i", "n"].contains(name)).collect()
        }
        None => options.given,
    };
    let wish = Wish { overwrite: super::cp::overwrite(call, &options)?, backup, verbose: options.has("v") };
    let targets = match targets(call, &options, is_directory)? {
        Ok(targets) => targets,
        Err(status) => return Ok(status),
    };
    if wish.backup.is_some() && options.has("n") {
        return hint(call, "options --backup and --no-clobber are mutually exclusive");
    }
    let mut failed = false;
    let mut fresh = Vec::new();
    for (source, target) in targets.pairs(false) {
        call.machine.spend(2)?;
        let resolved = call.machine.files.resolve(&at(call, &target), false).ok();
        if fresh.contains(&resolved) && status(call, &source, false).is_ok_and(|facts| facts.kind != Kind::Directory) {
            let text = format!("will not overwrite just-created {} with {}", quoted(&target), quoted(&source));
            complain(call, &mut failed, text)?;
            continue;
        }
        match rename(call, &wish, &source, &target)? {
            Ok(true) => fresh.push(resolved),
            Ok(false) => {}
            Err(problem) => complain(call, &mut failed, problem)?,
        }
    }
    Ok(failed.into())
}

/// Whether something was moved, or why not.
fn rename(call: &mut Call, wish: &Wish, source: &[u8], target: &[u8]) -> Result<Result<bool, String>, Stop> {
    let facts = match status(call, source, false) {
        Ok(facts) => facts,
        Err(errno) => {
            has_content(call, source)?;
            return Ok(Err(format!("cannot stat {}: {errno}", quoted(source))));
        }
    };
    has_content(call, source)?;
    let (from, to) = (quoted(source), quoted(target));
    let busy = format!("cannot move {from} to {to}: Device or resource busy");
    let is_dots = matches!(last_name(source), b"." | b"..");
    let mut kept = String::new();
    match status(call, target, false) {
        Ok(there) => match may_replace(call, wish, (source, &facts), (target, &there))? {
            Ok(true) if is_dots => return Ok(Err(busy)),
            Ok(true) => {
                if let Some(backup) = &wish.backup {
                    let name = backup.name(call, target);
                    if status(call, &name, true).is_ok_and(|kept| kept.inode == facts.inode) {
                        let (target, source) = (quoted(target), quoted(source));
                        return Ok(Err(format!("backing up {target} might destroy source;  {source} not moved")));
                    }
                    if let Err(errno) = call.machine.files.rename(&at(call, target), &at(call, &name)) {
                        return Ok(Err(format!("cannot backup {}: {errno}", quoted(target))));
                    }
                    kept = format!(" (backup: {})", quoted(&name));
                }
            }
            other => return Ok(other),
        },
        Err(Errno::NoEntry) if is_dots => return Ok(Err(busy)),
        Err(Errno::NoEntry) => {}
        Err(errno) => return Ok(Err(format!("cannot stat {}: {errno}", quoted(target)))),
    }
    match call.machine.files.rename(&at(call, source), &at(call, target)) {
        Ok(()) if wish.verbose => {
            call.out(format!("renamed {from} -> {to}{kept}\n"))?;
            Ok(Ok(true))
        }
        Ok(()) => Ok(Ok(true)),
        Err(Errno::Invalid) => Ok(Err(format!("cannot move {from} to a subdirectory of itself, {to}"))),
        Err(errno) => Ok(Err(format!("cannot move {from} to {to}: {errno}"))),
    }
}

fn may_replace(
    call: &Call,
    wish: &Wish,
    (source, facts): (&[u8], &Facts),
    (target, there): (&[u8], &Facts),
) -> Result<Result<bool, String>, Stop> {
    let (from, to) = (quoted(source), quoted(target));
    if wish.overwrite == Overwrite::Never {
        return Ok(Ok(false));
    }
    let name = |word: &[u8]| call.machine.files.resolve(trimmed(&at(call, word)), false).ok();
    let same_name = name(source) == name(target);
    // A link over the file that it leads to, which has other names, would lose no content, but mv does not look so far.
    let leads_there = wish.backup.is_none()
        && facts.kind == Kind::Symlink
        && there.links > 1
        && call.machine.files.resolve(&at(call, source), true).ok() == name(target);
    if leads_there || facts.inode == there.inode && (wish.backup.is_none() || same_name) {
        return Ok(Err(format!("{from} and {to} are the same file")));
    }
    let directories = (facts.kind == Kind::Directory, there.kind == Kind::Directory);
    match wish.overwrite {
        Overwrite::Older if !directories.0 && there.mtime >= facts.mtime => return Ok(Ok(false)),
        Overwrite::Ask => return call.unsupported(format!("asking whether to overwrite {to}")),
        _ => {}
    }
    Ok(match directories {
        (true, false) if wish.backup.is_none() => {
            Err(format!("cannot overwrite non-directory {to} with directory {from}"))
        }
        (false, true) if wish.backup.is_none() => Err(format!("cannot overwrite directory {to} with non-directory")),
        _ => Ok(true),
    })
}

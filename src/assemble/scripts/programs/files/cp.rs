//! cp.

use super::complaints::{complain, hint};
use super::copy::{Copier, Making, Overwrite, Preserve, Wish};
use super::operands::{at, is_directory, status};
use super::path_names::{joined, trimmed};
use super::quoting::quoted;
use super::targets::{self, Backup, Targets, targets};
use super::walk::Follow;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{Options, parse};
use crate::shell::{Bytes, Errno, Stop};
use crate::tree::{Inode, Kind};

const KNOWN: [&str; 24] = [
    "a|archive",
    "p",
    "preserve?",
    "no-preserve=",
    "r|R|recursive",
    "f|force",
    "i|interactive",
    "n|no-clobber",
    "u",
    "update?",
    "d",
    "P|no-dereference",
    "L|dereference",
    "H",
    "l|link",
    "s|symbolic-link",
    "v|verbose",
    "remove-destination",
    "parents",
    "reflink?",
    "sparse=",
    "x|one-file-system",
    "Z",
    "strip-trailing-slashes",
];

pub(super) fn cp(call: &mut Call) -> Result<u8, Stop> {
    let known: Vec<_> = KNOWN.iter().chain(&targets::KNOWN).copied().collect();
    let mut options = parse(call, &known, true)?;
    if options.has("strip-trailing-slashes") {
        options.operands.iter_mut().for_each(|word| *word = trimmed(word).to_vec());
    }
    let wish = wish(call, &options)?;
    if wish.making == Making::HardLinks && options.has("s") {
        return call.fail(1, "cannot make both hard and symbolic links");
    }
    if wish.backup.is_some() && options.has("n") {
        return hint(call, "options --backup and --no-clobber are mutually exclusive");
    }
    let targets = match targets(call, &options, is_directory)? {
        Ok(targets) => targets,
        Err(status) => return Ok(status),
    };
    let mut copier = Copier::new(wish);
    if options.has("parents") {
        return with_parents(call, copier, &targets);
    }
    for (source, target) in targets.pairs(true) {
        copier.copy(call, &source, &target)?;
    }
    Ok(copier.failed.into())
}

fn wish(call: &Call, options: &Options) -> Result<Wish, Stop> {
    let recursive = options.has("r") || options.has("a");
    let making = match (options.has("l"), options.has("s")) {
        (true, _) => Making::HardLinks,
        (false, true) => Making::Symlinks,
        (false, false) => Making::Copies,
    };
    let follow = match options.last_of(&["a", "d", "P", "L", "H"]) {
        Some(("L", _)) => Follow::Always,
        Some(("H", _)) => Follow::Operands,
        Some(_) => Follow::Never,
        None if recursive && making != Making::HardLinks => Follow::Never,
        None => Follow::Always,
    };
    let (preserve, plain_mode) = preserve(call, options)?;
    let overwrite = overwrite(call, options)?;
    let backup = Backup::of(call, options)?;
    let (verbose, force, remove) = (options.has("v"), options.has("f"), options.has("remove-destination"));
    let as_regular = !recursive;
    Ok(Wish { recursive, follow, preserve, plain_mode, overwrite, verbose, force, remove, making, backup, as_regular })
}

/// What `-i`, `-n` and `-u` say together, for cp and mv.
pub(super) fn overwrite(call: &Call, options: &Options) -> Result<Overwrite, Stop> {
    let update = options.last_of(&["u", "update"]).map(|(_, when)| when.as_slice());
    Ok(match (options.last_of(&["i", "n"]), update) {
        (Some(("n", _)), _) => Overwrite::Never,
        (_, Some(b"none")) => Overwrite::Never,
        (Some(_), _) => Overwrite::Ask,
        (None, Some(b"" | b"older")) => Overwrite::Older,
        (None, None | Some(b"all")) => Overwrite::Always,
        (None, Some(other)) => return call.unsupported(format!("--update={}", String::from_utf8_lossy(other))),
    })
}

/// What is preserved, and whether new files get a plain mode.
fn preserve(call: &Call, options: &Options) -> Result<(Preserve, bool), Stop> {
    let mut preserve = Preserve::default();
    let mut plain_mode = false;
    for (name, value) in &options.given {
        let (list, on): (&[u8], bool) = match (*name, value.as_slice()) {
            ("a", _) => (b"all", true),
            ("d", _) => (b"links", true),
            ("p", _) | ("preserve", b"") => (b"mode,ownership,timestamps", true),
            ("preserve", list) => (list, true),
            ("no-preserve", list) => (list, false),
            _ => continue,
        };
        for what in list.split(|byte| *byte == b',') {
            match what {
                b"mode" => (preserve.mode, plain_mode) = (on, !on),
                b"ownership" => preserve.owner = on,
                b"timestamps" => preserve.time = on,
                b"links" => preserve.links = on,
                b"xattr" => preserve.attributes = on,
                b"context" => {}
                b"all" => {
                    preserve = Preserve { mode: on, owner: on, time: on, links: on, attributes: on };
                    plain_mode = !on;
                }
                other => return call.unsupported(format!("preserving {}", quoted(other))),
            }
        }
    }
    Ok((preserve, plain_mode))
}

/// `cp --parents`: the names above a source are made in the target directory too.
fn with_parents(call: &mut Call, mut copier: Copier, targets: &Targets) -> Result<u8, Stop> {
    let Targets::Directory { sources, directory } = targets else {
        return hint(call, "with --parents, the destination must be a directory");
    };
    for source in sources {
        let source = trimmed(source);
        let mut target = directory.clone();
        let mut above: Vec<(Bytes, Inode)> = Vec::new();
        let names: Vec<&[u8]> = source.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let mut from: Bytes = if source.starts_with(b"/") { b"/".to_vec() } else { Bytes::new() };
        let mut problem = None;
        for name in names.iter().take(names.len().saturating_sub(1)) {
            (from, target) = (joined(&from, name), joined(&target, name));
            match parent(call, &copier, &from, &target)? {
                Ok(inode) => above.push((target.clone(), inode)),
                Err(text) => {
                    problem = Some(text);
                    break;
                }
            }
        }
        match (problem, names.last()) {
            (Some(text), _) => complain(call, &mut copier.failed, text)?,
            (None, Some(name)) => {
                copier.copy(call, source, &joined(&target, name))?;
            }
            (None, None) => {}
        }
        for (target, inode) in above.iter().rev() {
            copier.finish(call, target, true, inode);
        }
    }
    Ok(copier.failed.into())
}

/// Makes one directory above a target like the one above its source, which is given back.
fn parent(call: &mut Call, copier: &Copier, from: &[u8], target: &[u8]) -> Result<Result<Inode, String>, Stop> {
    let inode = match call.machine.files.find(&at(call, from), true) {
        Ok((_, id)) => call.machine.files.tree.inode(id).clone(),
        Err(errno) => return Ok(Err(format!("failed to get attributes of {}: {errno}", quoted(from)))),
    };
    if inode.kind != Kind::Directory {
        let errno = Errno::NotDirectory;
        return Ok(Err(format!("failed to get attributes of {}: {errno}", quoted(from))));
    }
    if is_directory(call, target) {
        return Ok(Ok(inode));
    }
    if status(call, target, true).is_ok() {
        return Ok(Err(format!("{} exists but is not a directory", quoted(target))));
    }
    let mode = if copier.wish.plain_mode { 0o777 } else { inode.mode & 0o1777 } & !call.shell.umask;
    if let Err(errno) = call.machine.files.make(&at(call, target), Kind::Directory, mode) {
        return Ok(Err(format!("cannot make directory {}: {errno}", quoted(target))));
    }
    if copier.wish.verbose {
        call.out([from, b" -> ", target, b"\n"].concat())?;
    }
    Ok(Ok(inode))
}

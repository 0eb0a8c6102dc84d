//! Paths as text and as they resolve: basename, dirname, pwd, readlink, realpath.

use super::complaints::{complain, hint};
use super::operands::{at, is_directory};
use super::path_names::{last_name, parent_name, trimmed};
use super::quoting::{plain, quoted};
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Errno, Stop};
use crate::tree::{Kind, TreePath};

/// What of a path may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    Last,
    Anything,
}

/// The absolute path without links, `.` and `..`.
pub(super) fn canonical(call: &Call, word: &[u8], missing: Missing) -> Result<Bytes, Errno> {
    let path = at(call, word);
    let files = &call.machine.files;
    let resolved = match missing {
        _ if path.is_empty() => return Err(Errno::NoEntry),
        Missing::Anything => lenient(files, &path)?,
        Missing::Last => match files.status(&path, true) {
            Ok(_) => files.resolve(&path, true)?,
            // A slash behind a name that is missing asks for nothing more.
            Err(Errno::NoEntry) => files.resolve(trimmed(&path), true)?,
            Err(errno) => return Err(errno),
        },
        Missing::Nothing => {
            files.status(&path, true)?;
            files.resolve(&path, true)?
        }
    };
    Ok(if resolved.is_root() { b"/".to_vec() } else { resolved.as_bytes().to_vec() })
}

/// Follows what is there; from the first name on that is not, names are taken as they stand.
fn lenient(files: &Files, path: &[u8]) -> Result<TreePath, Errno> {
    let names = |path: &[u8]| -> Vec<Bytes> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        names.rev().map(<[u8]>::to_vec).collect()
    };
    let mut todo = names(path);
    let mut done = TreePath::root();
    let mut followed = 0;
    while let Some(name) = todo.pop() {
        if name == b".." {
            done = done.parent().unwrap_or_else(TreePath::root);
            continue;
        }
        let next = done.join(&name).map_err(|_| Errno::NameTooLong)?;
        match files.tree.get(&next).map(|inode| &inode.kind) {
            Some(Kind::Symlink(target)) => {
                followed += 1;
                // A circle stands as it is written.
                if followed > 40 {
                    done = next;
                    continue;
                }
                if target.starts_with(b"/") {
                    done = TreePath::root();
                }
                todo.extend(names(target));
            }
            _ => done = next,
        }
    }
    Ok(done)
}

/// The way from `directory` to `path`, both canonical.
pub(super) fn relative(path: &[u8], directory: &[u8]) -> Bytes {
    let names = |path: &[u8]| -> Vec<Bytes> {
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let (path, directory) = (names(path), names(directory));
    let common = path.iter().zip(&directory).take_while(|(one, other)| one == other).count();
    let up = directory.iter().skip(common).map(|_| b"..".to_vec());
    let way: Vec<Bytes> = up.chain(path.into_iter().skip(common)).collect();
    if way.is_empty() { b".".to_vec() } else { way.join(&b'/') }
}

pub(super) fn basename(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["a|multiple", "s|suffix=", "z|zero"], false)?;
    let end = if options.has("z") { b"\0" } else { b"\n" };
    let suffix = options.value("s").cloned();
    let (names, suffix) = match options.operands.as_slice() {
        [] => return hint(call, "missing operand"),
        names if options.has("a") || suffix.is_some() => (names.to_vec(), suffix.unwrap_or_default()),
        [name] => (vec![name.clone()], Bytes::new()),
        [name, suffix] => (vec![name.clone()], suffix.clone()),
        [_, _, extra, ..] => return hint(call, format!("extra operand {}", quoted(extra))),
    };
    for name in &names {
        let name = last_name(name);
        let short = name.strip_suffix(suffix.as_slice()).filter(|short| !short.is_empty() && name != b"/");
        call.out([short.unwrap_or(name), end].concat())?;
    }
    Ok(0)
}

pub(super) fn dirname(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["z|zero"], true)?;
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let end = if options.has("z") { b"\0" } else { b"\n" };
    for word in &options.operands {
        let name = if word.is_empty() { b"." } else { parent_name(word) };
        call.out([name, end].concat())?;
    }
    Ok(0)
}

pub(super) fn pwd(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["L|logical", "P|physical"], true)?;
    let logical = options.last_of(&["L", "P"]).is_some_and(|(name, _)| name == "L");
    let path = if logical { Ok(call.shell.directory.clone()) } else { canonical(call, b".", Missing::Nothing) };
    match path {
        Ok(path) => {
            call.out([&path, b"\n".as_slice()].concat())?;
            Ok(0)
        }
        Err(errno) => call.fail(1, errno),
    }
}

pub(super) fn readlink(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "f|canonicalize",
        "e|canonicalize-existing",
        "m|canonicalize-missing",
        "n|no-newline",
        "q|s|quiet|silent",
        "v|verbose",
        "z|zero",
    ];
    let options = parse(call, &known, true)?;
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let missing = options.last_of(&["f", "e", "m"]).map(|(name, _)| match name {
        "f" => Missing::Last,
        "e" => Missing::Nothing,
        _ => Missing::Anything,
    });
    let verbose = options.last_of(&["v", "q"]).is_some_and(|(name, _)| name == "v");
    let end: &[u8] = match (options.has("z"), options.has("n") && options.operands.len() == 1) {
        (_, true) => b"",
        (true, false) => b"\0",
        (false, false) => b"\n",
    };
    if options.has("n") && options.operands.len() > 1 {
        call.error("ignoring --no-newline with multiple arguments")?;
    }
    let mut failed = false;
    for word in &options.operands {
        let found = match missing {
            Some(missing) => canonical(call, word, missing),
            None => call.machine.files.target(&at(call, word)),
        };
        match found {
            Ok(path) => call.out([&path, end].concat())?,
            Err(errno) if verbose => complain(call, &mut failed, format!("{}: {errno}", plain(word)))?,
            Err(_) => failed = true,
        }
    }
    Ok(failed.into())
}

pub(super) fn realpath(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "e|canonicalize-existing",
        "m|canonicalize-missing",
        "E|canonicalize",
        "L|logical",
        "P|physical",
        "q|quiet",
        "s|strip|no-symlinks",
        "z|zero",
        "relative-to=",
        "relative-base=",
    ];
    let options = parse(call, &known, true)?;
    if options.has("L") {
        return call.unsupported("the option -L");
    }
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let missing = match options.last_of(&["e", "m", "E"]) {
        Some(("e", _)) => Missing::Nothing,
        Some(("m", _)) => Missing::Anything,
        _ => Missing::Last,
    };
    let textual = options.last_of(&["s", "P"]).is_some_and(|(name, _)| name == "s");
    let real =
        |call: &Call, word: &[u8]| if textual { strip(call, word, missing) } else { canonical(call, word, missing) };
    let mut bases = Vec::new();
    for name in ["relative-to", "relative-base"] {
        let base = match options.value(name).map(|word| (word, real(call, word))) {
            None => None,
            Some((_, Ok(base))) if missing != Missing::Nothing || is_directory(call, &base) => Some(base),
            Some((word, Ok(_))) => return call.fail(1, format!("{}: {}", plain(word), Errno::NotDirectory)),
            Some((word, Err(errno))) => return call.fail(1, format!("{}: {errno}", plain(word))),
        };
        bases.push(base);
    }
    let end = if options.has("z") { b"\0" } else { b"\n" };
    let mut failed = false;
    for word in &options.operands {
        match real(call, word) {
            Ok(path) => call.out([shown(path, bases.as_slice()).as_slice(), end].concat())?,
            Err(_) if options.has("q") => failed = true,
            Err(errno) => complain(call, &mut failed, format!("{}: {errno}", plain(word)))?,
        }
    }
    Ok(failed.into())
}

/// `path` relative to the first base, if both lie below the second.
fn shown(path: Bytes, bases: &[Option<Bytes>]) -> Bytes {
    let below = |path: &[u8], base: &[u8]| {
        base == b"/" || path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    match bases {
        [to, Some(base)] => {
            let to = to.as_ref().unwrap_or(base);
            if below(to, base) && below(&path, base) { relative(&path, to) } else { path }
        }
        [Some(to), None] => relative(&path, to),
        _ => path,
    }
}

/// `realpath -s`: `.` and `..` go, links stay.
fn strip(call: &Call, word: &[u8], missing: Missing) -> Result<Bytes, Errno> {
    let path = at(call, word);
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        if name == b".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    let text = [b"/".as_slice(), &names.join(&b'/')].concat();
    let files = &call.machine.files;
    match missing {
        _ if word.is_empty() => return Err(Errno::NoEntry),
        Missing::Anything => {}
        Missing::Nothing => _ = files.status(&text, true)?,
        Missing::Last => match files.status(&text, true) {
            Ok(_) | Err(Errno::NoEntry) => {}
            Err(errno) => return Err(errno),
        },
    }
    Ok(text)
}

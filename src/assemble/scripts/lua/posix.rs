//! rpm's `posix` library: system calls over the tree. Names, arguments and answers as in rpm's rpmio/lposix.

use super::modes;
use super::process::Process;
use super::values::{Answer, Arguments, DENIED, Failure, NO_CHILD, NO_ENTRY, Trouble, Value, raise, unsupported};
use crate::assemble::accounts::book;
use crate::assemble::scripts::files::Files;
use crate::file_capabilities;
use crate::shell::{Bytes, Errno, Facts, Kind, Stop, Stream, World, handle};
use crate::tree;

/// What `posix.readlink` reads at most.
const LONGEST_TARGET: usize = 512;
/// The release of the kernel where no package brings one.
const SOME_KERNEL: &str = "6.1.0";
const NO_NAME: &str = "an image has no host name: its nodes get theirs from metadata";

pub(super) fn call(process: &mut Process, arguments: &Arguments) -> Answer {
    match arguments.function {
        "access" => access(process, arguments),
        "chdir" => chdir(process, arguments),
        "chmod" => chmod(process, arguments),
        "chown" => chown(process, arguments),
        "ctermid" => Ok(vec![Value::text("/dev/tty")]),
        "dir" => dir(process, arguments),
        "errno" => {
            let Failure(number, text) = process.state.failure;
            Ok(vec![Value::text(text), Value::number(number)])
        }
        "exec" => exec(process, arguments),
        "fork" => process.fork(),
        "getcwd" => Ok(vec![Value::text(&process.state.shell.directory)]),
        "getenv" => getenv(process, arguments),
        "getgroup" => getgroup(process, arguments),
        "getlogin" | "ttyname" => Ok(vec![Value::Nil]),
        "getpasswd" => getpasswd(process, arguments),
        "getprocessid" => getprocessid(process, arguments),
        "link" => link(process, arguments),
        "mkdir" => make(process, arguments, tree::Kind::Directory),
        "mkfifo" => make(process, arguments, tree::Kind::Fifo),
        "putenv" => putenv(process, arguments),
        "readlink" => readlink(process, arguments),
        "redirect2null" => redirect_to_null(process, arguments),
        "rmdir" => remove(process, arguments, true),
        "setenv" => setenv(process, arguments),
        "sleep" => arguments.integer(0).map(|_| vec![Value::number(0)]),
        "stat" => stat(process, arguments),
        "symlink" => symlink(process, arguments),
        "umask" => umask(process, arguments),
        "uname" => uname(process, arguments),
        "unlink" => remove(process, arguments, false),
        "unsetenv" => {
            process.state.shell.variables.remove(&arguments.text(0)?);
            Ok(Vec::new())
        }
        "utime" => utime(process, arguments),
        "wait" => wait(process, arguments),
        other => unsupported(format!("posix.{other}")),
    }
}

/// 0, or the failure with the path that it is about.
fn result(process: &mut Process, done: Result<(), Failure>, about: Option<&[u8]>) -> Answer {
    match done {
        Ok(()) => Ok(vec![Value::number(0)]),
        Err(failure) => process.failed(failure, about),
    }
}

/// What is at a path, as the kernel finds it: an empty one is nowhere.
pub(super) fn facts(process: &Process, path: &[u8], follow: bool) -> Result<Facts, Failure> {
    if path.is_empty() {
        return Err(NO_ENTRY);
    }
    let path = process.path(path);
    process.machine.files.resolve(&path, follow)?;
    process.machine.files.facts(&path, follow).ok_or(NO_ENTRY)
}

/// Does something to the path that an argument names, unless the first boot makes it.
pub(super) fn change<'a>(
    process: &mut Process<'_, 'a>,
    path: &[u8],
    change: impl FnOnce(&mut Files<'a>, &[u8]) -> Result<(), Errno>,
) -> Result<(), Failure> {
    if path.is_empty() {
        return Err(NO_ENTRY);
    }
    let path = process.path(path);
    if process.machine.files.is_later(&path) {
        return Ok(());
    }
    Ok(change(&mut process.machine.files, &path)?)
}

fn access(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let modes = arguments.text_or(1, "f")?;
    if let Some(other) = modes.iter().find(|mode| !b" rwxf".contains(mode)) {
        return arguments.bad(1, format!("unknown mode option `{}'", char::from(*other)));
    }
    let may = facts(process, &path, true).and_then(|facts| {
        // Root may everything but run what nobody may run.
        let refused = modes.contains(&b'x') && facts.kind != Kind::Directory && facts.mode & 0o111 == 0;
        if refused { Err(DENIED) } else { Ok(()) }
    });
    result(process, may, Some(&path))
}

fn chdir(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let found = match path.is_empty() {
        true => Err(NO_ENTRY),
        false => process.machine.directory(&process.state.shell.absolute(&path))?.map_err(Failure::from),
    };
    let done = found.map(|directory| process.state.shell.directory = directory);
    result(process, done, Some(&path))
}

fn chmod(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let text = arguments.text(1)?;
    let before = match facts(process, &path, true) {
        Ok(facts) => facts.mode,
        Err(failure) => return process.failed(failure, Some(&path)),
    };
    let Some(mode) = modes::change(before, &text) else { return arguments.bad(1, "bad mode") };
    let done = change(process, &path, |files, path| files.update(path, true, |inode| inode.mode = mode));
    result(process, done, Some(&path))
}

/// The number of a user or group: nothing (which changes nothing) for a name that nobody has.
fn owner(arguments: &Arguments, index: usize, find: impl FnOnce(&str) -> Option<u32>) -> Result<Option<u32>, Trouble> {
    match arguments.get(index) {
        None => Ok(None),
        Some(value) if value.as_integer().is_some() => Ok(value.as_integer().and_then(|id| u32::try_from(id).ok())),
        Some(Value::Text(name)) => Ok(std::str::from_utf8(name).ok().and_then(find)),
        Some(_) => arguments.bad(index, "string or number expected"),
    }
}

fn chown(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let user = owner(arguments, 1, |name| process.machine.accounts.uid(name))?;
    let group = owner(arguments, 2, |name| process.machine.accounts.gid(name))?;
    let done = change(process, &path, |files, path| {
        files.update(path, true, |inode| {
            inode.uid = user.unwrap_or(inode.uid);
            inode.gid = group.unwrap_or(inode.gid);
            // As the kernel does with every file that changes hands.
            if inode.kind != tree::Kind::Directory {
                let group_runs = inode.mode & 0o010 != 0;
                inode.mode &= if group_runs { !0o6000 } else { !0o4000 };
                inode.xattrs.remove(file_capabilities::ATTRIBUTE);
            }
        })
    });
    result(process, done, Some(&path))
}

fn dir(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text_or(0, ".")?;
    let names = match path.is_empty() {
        true => Err(NO_ENTRY),
        false => process.machine.files.list(&process.path(&path)).map_err(Failure::from),
    };
    match names {
        Ok(names) => {
            process.spend(names.len() as u64)?;
            let own = [Value::text("."), Value::text("..")];
            Ok(vec![Value::list(own.into_iter().chain(names.into_iter().map(Value::Text)))])
        }
        Err(failure) => process.failed(failure, Some(&path)),
    }
}

fn words(arguments: &Arguments) -> Result<Vec<Bytes>, Trouble> {
    (0..arguments.values.len().max(1)).map(|index| arguments.text(index)).collect()
}

fn exec(process: &mut Process, arguments: &Arguments) -> Answer {
    let words = words(arguments)?;
    if !process.state.forked {
        return raise("exec not permitted in this context");
    }
    match process.execute(&words)? {
        Some(_) => Err(Trouble::Ended),
        None => process.failed(NO_ENTRY, words.first().map(Vec::as_slice)),
    }
}

fn wait(process: &mut Process, arguments: &Arguments) -> Answer {
    let wanted = arguments.integer_or(0, -1)?;
    let children = &mut process.state.children;
    let Some(index) = children.iter().position(|child| wanted == -1 || *child == wanted) else {
        return process.failed(NO_CHILD, None);
    };
    let child = children.remove(index);
    Ok(vec![Value::large(child)])
}

fn redirect_to_null(process: &mut Process, arguments: &Arguments) -> Answer {
    if !process.state.forked {
        return raise("redirect2null not permitted in this context");
    }
    let number = arguments.integer(0)?;
    let Ok(descriptor) = u32::try_from(number) else {
        return process.failed(super::values::BAD_DESCRIPTOR, None);
    };
    process.state.shell.descriptors.insert(descriptor, handle(Stream::Null));
    Ok(vec![Value::large(number)])
}

fn getenv(process: &mut Process, arguments: &Arguments) -> Answer {
    let environment = process.state.shell.environment();
    if arguments.get(0).is_none() {
        let pairs = environment.into_iter().map(|(name, value)| (Value::Text(name), Value::Text(value)));
        return Ok(vec![Value::Table(pairs.collect())]);
    }
    Ok(vec![Value::optional(environment.get(&arguments.text(0)?))])
}

fn setenv(process: &mut Process, arguments: &Arguments) -> Answer {
    let (name, value) = (arguments.text(0)?, arguments.text(1)?);
    let over = !matches!(arguments.get(2), Some(Value::Boolean(false)));
    if name.is_empty() || name.contains(&b'=') {
        return process.failed(Errno::Invalid, Some(&name));
    }
    if over || process.state.shell.get(&name).is_none() {
        process.state.shell.export(&name, value);
    }
    Ok(vec![Value::number(0)])
}

fn putenv(process: &mut Process, arguments: &Arguments) -> Answer {
    let text = arguments.text(0)?;
    match text.iter().position(|byte| *byte == b'=') {
        Some(0) => return process.failed(Errno::Invalid, Some(&text)),
        Some(at) => process.state.shell.export(&text[..at], &text[at + 1..]),
        None => drop(process.state.shell.variables.remove(&text)),
    }
    Ok(vec![Value::number(0)])
}

fn getgroup(process: &mut Process, arguments: &Arguments) -> Answer {
    let groups = &process.machine.accounts.groups;
    let found = match arguments.get(0) {
        Some(value) if value.as_integer().is_some() => {
            groups.iter().find(|(_, group)| Some(i64::from(group.gid)) == value.as_integer())
        }
        Some(Value::Text(name)) => std::str::from_utf8(name).ok().and_then(|name| groups.get_key_value(name)),
        _ => return arguments.bad(0, "string or number expected"),
    };
    let Some((name, group)) = found else { return Ok(vec![Value::Nil]) };
    let own = [("name", Value::text(name)), ("gid", Value::number(group.gid))];
    let own = own.into_iter().map(|(field, value)| (Value::text(field), value));
    let members = (1..).map(Value::Integer).zip(group.members.iter().map(Value::text));
    Ok(vec![Value::Table(own.chain(members).collect())])
}

fn getpasswd(process: &mut Process, arguments: &Arguments) -> Answer {
    let users = &process.machine.accounts.users;
    let by_number = |id: i64| users.iter().find(|(_, user)| i64::from(user.uid) == id);
    let found = match arguments.get(0) {
        None | Some(Value::Nil) => by_number(0),
        Some(Value::Text(name)) if arguments.get(0).and_then(Value::as_integer).is_none() => {
            std::str::from_utf8(name).ok().and_then(|name| users.get_key_value(name))
        }
        Some(value) => match value.as_integer() {
            Some(id) => by_number(id),
            None => return arguments.bad(0, "string or number expected"),
        },
    };
    let Some((name, user)) = found else { return Ok(vec![Value::Nil]) };
    let book::User { uid, gid, gecos, home, shell, .. } = user;
    let fields = [
        ("name", Value::text(name)),
        ("uid", Value::number(*uid)),
        ("gid", Value::number(*gid)),
        ("dir", Value::text(home)),
        ("shell", Value::text(shell)),
        ("gecos", Value::text(gecos)),
        ("passwd", Value::text("x")),
    ];
    arguments.select(1, &fields)
}

fn getprocessid(process: &mut Process, arguments: &Arguments) -> Answer {
    let root = Value::number(0);
    let own = Value::large(process.state.process);
    let fields = [
        ("egid", root.clone()),
        ("euid", root.clone()),
        ("gid", root.clone()),
        ("uid", root),
        ("pgrp", own.clone()),
        ("pid", own),
        ("ppid", Value::number(1)),
    ];
    arguments.select(0, &fields)
}

fn link(process: &mut Process, arguments: &Arguments) -> Answer {
    let (existing, path) = (arguments.text(0)?, arguments.text(1)?);
    let done = if existing.is_empty() {
        Err(NO_ENTRY)
    } else {
        let existing = process.path(&existing);
        change(process, &path, |files, path| {
            files.find(&existing, false)?;
            // The kernel looks at the new name before it looks at the kind of the old one.
            may_name(files, path)?;
            files.hard_link(&existing, path)
        })
    };
    result(process, done, None)
}

/// `path` without the slashes at its end.
pub(super) fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(path.len(), |last| last + 1);
    &path[..end]
}

/// unlink(2): a link with a slash behind it is no directory.
pub(super) fn unlink(files: &mut Files, path: &[u8]) -> Result<(), Errno> {
    let (_, id) = files.find(without_slashes(path), false)?;
    match files.tree.inode(id).kind {
        tree::Kind::Directory => Err(Errno::IsDirectory),
        _ if path.ends_with(b"/") => Err(Errno::NotDirectory),
        _ => files.remove(path),
    }
}

/// Whether something that is no directory can be made at a path.
fn may_name(files: &Files, path: &[u8]) -> Result<(), Errno> {
    let at = files.resolve(without_slashes(path), false)?;
    match files.tree.id(&at) {
        Some(_) => Err(Errno::Exists),
        None if path.ends_with(b"/") => Err(Errno::NoEntry),
        None => Ok(()),
    }
}

fn symlink(process: &mut Process, arguments: &Arguments) -> Answer {
    let (target, path) = (arguments.text(0)?, arguments.text(1)?);
    let done = change(process, &path, |files, path| {
        if !target.is_empty() {
            may_name(files, path)?;
        }
        files.make_link(&target, path).map(drop)
    });
    result(process, done, None)
}

fn make(process: &mut Process, arguments: &Arguments, kind: tree::Kind) -> Answer {
    let path = arguments.text(0)?;
    let mode = 0o777 & !process.state.shell.umask;
    let done = change(process, &path, |files, path| {
        if kind != tree::Kind::Directory {
            may_name(files, path)?;
        }
        files.make(path, kind, mode).map(drop)
    });
    result(process, done, Some(&path))
}

fn readlink(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let target = match path.is_empty() {
        true => Err(NO_ENTRY),
        false => process.machine.files.target(&process.path(&path)).map_err(Failure::from),
    };
    match target {
        Ok(mut target) => {
            target.truncate(LONGEST_TARGET);
            Ok(vec![Value::Text(target)])
        }
        Err(failure) => process.failed(failure, Some(&path)),
    }
}

fn remove(process: &mut Process, arguments: &Arguments, directory: bool) -> Answer {
    let path = arguments.text(0)?;
    let done = change(process, &path, |files, path| match directory {
        true => files.remove_directory(path),
        false => unlink(files, path),
    });
    result(process, done, Some(&path))
}

fn stat(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let facts = match facts(process, &path, false) {
        Ok(facts) => facts,
        Err(failure) => return process.failed(failure, Some(&path)),
    };
    let (kind, bits) = match facts.kind {
        Kind::File => ("regular", 0o100_000),
        Kind::Symlink => ("link", 0o120_000),
        Kind::Directory => ("directory", 0o040_000),
        Kind::CharDevice => ("character device", 0o020_000),
        Kind::BlockDevice => ("block device", 0o060_000),
        Kind::Fifo => ("fifo", 0o010_000),
    };
    let time = Value::large(facts.mtime);
    let count = |count: u64| Value::large(i64::try_from(count).unwrap_or(i64::MAX));
    let fields = [
        ("mode", Value::text(modes::show(facts.mode))),
        ("ino", count(facts.inode)),
        // Everything lies on one file system.
        ("dev", Value::number(1)),
        ("nlink", count(facts.links)),
        ("uid", Value::number(facts.uid)),
        ("gid", Value::number(facts.gid)),
        ("size", count(facts.size)),
        ("atime", time.clone()),
        ("mtime", time.clone()),
        ("ctime", time),
        ("type", Value::text(kind)),
        ("_mode", Value::number(bits | u32::from(facts.mode))),
    ];
    arguments.select(1, &fields)
}

/// rpm shows and takes the permissions that are left, not those that are masked.
fn umask(process: &mut Process, arguments: &Arguments) -> Answer {
    let mut left = !process.state.shell.umask & 0o777;
    if arguments.get(0).is_some() {
        let Some(mode) = modes::change(left, &arguments.text(0)?) else { return Ok(vec![Value::Nil]) };
        left = mode & 0o777;
        process.state.shell.umask = !left & 0o777;
    }
    Ok(vec![Value::text(modes::show(left))])
}

fn uname(process: &mut Process, arguments: &Arguments) -> Answer {
    let format = arguments.text_or(0, "%s %n %r %v %m")?;
    let mut text = Vec::new();
    let mut letters = format.into_iter();
    while let Some(letter) = letters.next() {
        if letter != b'%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some(b'%') => text.push(b'%'),
            Some(b'm') => text.extend_from_slice(process.machine.arch.name.as_bytes()),
            Some(b's') => text.extend_from_slice(b"Linux"),
            Some(b'r') => text.extend_from_slice(kernel(process).as_bytes()),
            Some(b'n') => return Err(Trouble::Stop(Stop::refused("uname", NO_NAME))),
            Some(b'v') => return unsupported("posix.uname(\"%v\")"),
            other => {
                let shown = other.map_or(String::new(), |other| char::from(other).to_string());
                return arguments.bad(1, format!("unknown format option `{shown}'"));
            }
        }
    }
    Ok(vec![Value::Text(text)])
}

/// The release of the image's kernel. A scriptlet asks whether the C library can run on it.
fn kernel(process: &mut Process) -> String {
    if let Some(release) = &process.machine.kernel_release {
        return release.clone();
    }
    let reason = "no package brings a kernel: the answer is newer than any that a scriptlet asks for";
    process.machine.note("uname", "answered", reason);
    SOME_KERNEL.to_owned()
}

fn utime(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let time = arguments.integer_or(1, process.machine.files.epoch)?;
    arguments.integer_or(2, 0)?;
    let done = change(process, &path, |files, path| files.update(path, true, |inode| inode.mtime = time));
    result(process, done, Some(&path))
}

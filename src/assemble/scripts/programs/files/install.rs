//! install.

use super::complaints::{complain, hint};
use super::copy::{Copier, Making as Copying, Overwrite, Preserve, Wish};
use super::directories::{self, Making};
use super::modes::Mode;
use super::operands::{at, is_directory, status};
use super::owners::{group_number, user_number};
use super::path_names::parent_name;
use super::quoting::quoted;
use super::targets::{self, Backup, targets};
use super::walk::Follow;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{Options, parse};
use crate::shell::{Errno, Kind, Stop};
use crate::tree;

/// What installed files and directories are given.
#[derive(Debug)]
struct Given {
    mode: Mode,
    user: Option<u32>,
    group: Option<u32>,
    /// Whether files that are the same already stay.
    compare: bool,
}

pub(super) fn install(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "o|owner=",
        "g|group=",
        "m|mode=",
        "d|directory",
        "D",
        "p|preserve-timestamps",
        "s|strip",
        "strip-program=",
        "C|compare",
        "c",
        "v|verbose",
        "Z",
        "context?",
    ];
    let known: Vec<_> = known.iter().chain(&targets::KNOWN).copied().collect();
    let options = parse(call, &known, true)?;
    let given = match given(call, &options) {
        Ok(given) => given,
        Err(problem) => return call.fail(1, problem),
    };
    if options.has("d") {
        return install_directories(call, &options, &given);
    }
    let mut failed = false;
    if options.has("D")
        && let Some(directory) = leading(&options)
        && let Err((name, errno)) = install_parents(call, &directory, options.has("v"), None)?
    {
        return call.fail(1, format!("cannot create directory {}: {errno}", quoted(&name)));
    }
    let targets = match targets(call, &options, is_directory)? {
        Ok(targets) => targets,
        Err(status) => return Ok(status),
    };
    let backup = Backup::of(call, &options)?;
    let wish = Wish {
        recursive: false,
        follow: Follow::Always,
        preserve: Preserve { time: options.has("p"), ..Preserve::default() },
        plain_mode: false,
        overwrite: Overwrite::Always,
        verbose: options.has("v"),
        force: false,
        remove: true,
        making: Copying::Copies,
        backup,
        as_regular: true,
    };
    let mut copier = Copier::new(wish);
    for (source, target) in targets.pairs(false) {
        if status(call, &source, true).is_ok_and(|facts| facts.kind == Kind::Directory) {
            complain(call, &mut failed, format!("omitting directory {}", quoted(&source)))?;
            continue;
        }
        if given.compare && is_installed(call, &given, &source, &target) {
            continue;
        }
        if copier.copy(call, &source, &target)? {
            given.give(call, &target);
        }
    }
    Ok((failed || copier.failed).into())
}

fn given(call: &Call, options: &Options) -> Result<Given, String> {
    // Without -m, an inherited setgid bit goes too.
    let text = options.value("m").cloned().unwrap_or_else(|| b"00755".to_vec());
    let mode = Mode::parse(&text).ok_or_else(|| format!("invalid mode {}", quoted(&text)))?;
    let (mut user, mut group) = (None, None);
    if let Some(name) = options.value("o") {
        user = Some(user_number(call.machine, name).ok_or_else(|| format!("invalid user {}", quoted(name)))?);
    }
    if let Some(name) = options.value("g") {
        group = Some(group_number(call.machine, name).ok_or_else(|| format!("invalid group {}", quoted(name)))?);
    }
    Ok(Given { mode, user, group, compare: options.has("C") })
}

impl Given {
    fn give(&self, call: &mut Call, target: &[u8]) {
        let path = at(call, target);
        // It was made a moment ago.
        let _ = call.machine.files.update(&path, true, |inode| {
            inode.uid = self.user.unwrap_or(inode.uid);
            inode.gid = self.group.unwrap_or(inode.gid);
            // The umask does not matter here.
            inode.mode = self.mode.apply(0, false, 0);
        });
    }
}

/// Where `-D` puts things: the directory that has to be there.
fn leading(options: &Options) -> Option<Vec<u8>> {
    if let Some(directory) = options.value("t") {
        return Some(directory.clone());
    }
    let target = options.operands.last().filter(|_| options.operands.len() == 2)?;
    Some(parent_name(target).to_vec())
}

/// `install -D` makes what is missing with 0755, whatever the umask is; a given mode is the last directory's.
fn install_parents(
    call: &mut Call,
    directory: &[u8],
    verbose: bool,
    mode: Option<&Mode>,
) -> Result<Result<(), (Vec<u8>, Errno)>, Stop> {
    let umask = std::mem::replace(&mut call.shell.umask, 0o022);
    let mut made = directories::make_parents(call, directory, verbose)?;
    if made.is_ok() {
        call.shell.umask = if mode.is_some() { 0 } else { 0o022 };
        let making = Making { parents: true, verbose, mode: mode.cloned(), base: 0 };
        made = directories::make(call, &making, directory)?;
    }
    call.shell.umask = umask;
    Ok(made)
}

fn install_directories(call: &mut Call, options: &Options, given: &Given) -> Result<u8, Stop> {
    if options.operands.is_empty() {
        return hint(call, "missing file operand");
    }
    if options.has("t") {
        return call.fail(1, "target directory not allowed when installing a directory");
    }
    let mut failed = false;
    for word in &options.operands {
        if let Err((name, errno)) = install_parents(call, word, options.has("v"), Some(&given.mode))? {
            let link = name == *word && status(call, word, false).is_ok_and(|facts| facts.kind == Kind::Symlink);
            if link && status(call, word, true) == Err(Errno::NoEntry) {
                let text = format!("cannot change permissions of {}: {}", quoted(word), Errno::NoEntry);
                complain(call, &mut failed, text)?;
                continue;
            }
            complain(call, &mut failed, format!("cannot create directory {}: {errno}", quoted(&name)))?;
            continue;
        }
        let (path, user, group) = (at(call, word), given.user, given.group);
        // It is there, or the first boot makes it.
        let _ = call.machine.files.update(&path, true, |inode| {
            inode.uid = user.unwrap_or(inode.uid);
            inode.gid = group.unwrap_or(inode.gid);
        });
        directories::settle(call, word, given.mode.apply_and_tell(0, true, 0));
    }
    Ok(failed.into())
}

/// `install -C`: whether the target has everything that it would get.
fn is_installed(call: &Call, given: &Given, source: &[u8], target: &[u8]) -> bool {
    let files = &call.machine.files;
    let (Some(source), Some(target)) = (files.inode(&at(call, source), true), files.inode(&at(call, target), false))
    else {
        return false;
    };
    let (tree::Kind::File(new), tree::Kind::File(old)) = (&source.kind, &target.kind) else { return false };
    new.digest() == old.digest()
        && target.mode == given.mode.apply(0, false, 0)
        && target.uid == given.user.unwrap_or(0)
        && target.gid == given.group.unwrap_or(0)
}

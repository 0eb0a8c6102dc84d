//! `sed`: GNU's, without the commands that run programs.

mod input;
mod output;
mod parse;
mod replacement;
mod run;
mod script;

use input::Lines;
use output::Output;
use parse::Fault;
use run::Runner;

use super::streams::{self, Input, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::shell::{Bytes, Kind, Stop, World};
use crate::tree::{Content, Inode, Kind as NodeKind};

const OPTIONS: &[options::Known] = &[
    "n|quiet|silent",
    "e|expression=",
    "f|file=",
    "E|r|regexp-extended",
    "i|in-place?",
    "s|separate",
    "z|null-data|zero-terminated",
    "u|unbuffered",
    "l|line-length=",
    "b|binary",
    "follow-symlinks",
];

/// Where `l` breaks lines.
const LINE_LENGTH: usize = 70;

pub(super) fn sed(call: &mut Call) -> Result<u8, Stop> {
    let mut options = options::parse(call, OPTIONS, true)?;
    let text = match text_of_script(call, &mut options)? {
        Ok(text) => text,
        Err(status) => return Ok(status),
    };
    let (script, files) = match parse::parse(call, &text, options.has("E"), options.has("z")) {
        Ok(parsed) => parsed,
        Err(Fault::Stop(stop)) => return Err(stop),
        Err(Fault::Panic(message)) => return call.fail(4, message),
        Err(Fault::Script(message)) => return call.fail(1, format!("-e expression #1: {message}")),
    };
    let end = if options.has("z") { 0 } else { b'\n' };
    let mut line_files = Vec::new();
    for name in files {
        let bytes = streams::read_file(call, &name)?.unwrap_or_default();
        line_files.push(bytes.split_inclusive(|byte| *byte == end).map(<[u8]>::to_vec).collect());
    }
    let length = match options.value("l") {
        None => LINE_LENGTH,
        Some(length) => match streams::number(length).and_then(|length| usize::try_from(length).ok()) {
            Some(length) => length,
            None => return call.fail(1, format!("invalid line length: {}", shown(length))),
        },
    };
    let mut runner = Runner::new(&script, options.has("n"), length, line_files);
    if options.operands.is_empty() {
        options.operands.push(b"-".to_vec());
    }
    match options.has("i") {
        true => edit_all(call, &mut runner, &options, end),
        false => filter(call, &mut runner, &options, end),
    }
}

/// The script of all options, or of the first operand.
fn text_of_script(call: &mut Call, options: &mut Options) -> Result<Result<Bytes, u8>, Stop> {
    let mut parts: Vec<Bytes> = Vec::new();
    for (name, value) in options.given.clone() {
        match name {
            "e" => parts.push(value),
            "f" => match streams::read(call, &value)? {
                Ok(bytes) => parts.push(bytes.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(bytes)),
                Err(errno) => return call.fail(1, format!("couldn't open file {}: {errno}", shown(&value))).map(Err),
            },
            _ => {}
        }
    }
    if parts.is_empty() {
        if options.operands.is_empty() {
            return call.fail(1, "no script").map(Err);
        }
        parts.push(options.operands.remove(0));
    }
    Ok(Ok(parts.join(&b'\n')))
}

/// What cannot be read is told; it makes the status 2.
fn input(call: &mut Call, name: &Bytes) -> Result<Option<Input>, Stop> {
    match streams::read(call, name)? {
        Ok(bytes) => Ok(Some(Input { name: name.clone(), bytes })),
        Err(crate::shell::Errno::IsDirectory) => {
            call.error(format!("couldn't read {}: Is a directory", shown(name)))?;
            Ok(None)
        }
        Err(errno) => {
            call.error(format!("can't read {}: {errno}", shown(name)))?;
            Ok(None)
        }
    }
}

fn filter(call: &mut Call, runner: &mut Runner, options: &Options, end: u8) -> Result<u8, Stop> {
    let mut status = 0;
    let mut inputs = Vec::new();
    for name in &options.operands {
        match input(call, name)? {
            Some(input) => inputs.push(input),
            None => status = 2,
        }
    }
    let mut texts: Vec<Lines> = match options.has("s") {
        true => inputs.into_iter().map(|input| Lines::new(vec![input], end)).collect(),
        false => vec![Lines::new(inputs, end)],
    };
    let mut output = Output::new(end, true);
    for (index, lines) in texts.iter_mut().enumerate() {
        if index > 0 {
            runner.begin_file();
        }
        if let Some(quit) = runner.run(call, lines, &mut output)? {
            call.out(&output.bytes)?;
            return Ok(quit);
        }
    }
    call.out(&output.bytes)?;
    Ok(status)
}

fn edit_all(call: &mut Call, runner: &mut Runner, options: &Options, end: u8) -> Result<u8, Stop> {
    let suffix = options.value("i").cloned().unwrap_or_default();
    let mut status = 0;
    for name in &options.operands {
        let mut path = call.path(name);
        // What only the first boot makes, or no image has, is left alone.
        let files = &call.machine.files;
        if files.is_later(&path) || files.resolve(&path, true).is_ok_and(|path| files.ghosts.contains_key(&path)) {
            continue;
        }
        if options.has("follow-symlinks")
            && let Ok(target) = call.machine.files.resolve(&path, true)
        {
            path = target.as_bytes().to_vec();
        }
        match call.machine.files.facts(&path, true).map(|facts| facts.kind) {
            Some(Kind::File) => {}
            Some(_) => {
                status = call.fail(4, format!("couldn't edit {}: not a regular file", shown(name)))?;
                continue;
            }
            None => {
                status = call.fail(2, format!("can't read {}: No such file or directory", shown(name)))?;
                continue;
            }
        }
        let Some(input) = input(call, name)? else { continue };
        runner.begin_file();
        let mut lines = Lines::new(vec![input], end);
        let mut output = Output::new(end, false);
        let quit = runner.run(call, &mut lines, &mut output)?;
        put_in_place(call, &path, &suffix, output.bytes)?;
        if let Some(quit) = quit {
            return Ok(quit);
        }
    }
    Ok(status)
}

/// A new file with these bytes, the mode and the owner of the old one takes its name. The old one gets another if there
/// is a suffix.
fn put_in_place(call: &mut Call, path: &[u8], suffix: &[u8], bytes: Bytes) -> Result<(), Stop> {
    call.machine.spend(1 + bytes.len() as u64 / 64)?;
    let files = &mut call.machine.files;
    let Some(old) = files.inode(path, true).cloned() else { return Ok(()) };
    let gone = match suffix.is_empty() {
        true => files.remove(path),
        false => files.rename(path, &backup(path, suffix)),
    };
    let (epoch, origin) = (files.epoch, files.origin.clone());
    let mut inode = Inode::new(NodeKind::File(Content::inline(bytes)), old.mode, epoch, &origin);
    (inode.uid, inode.gid) = (old.uid, old.gid);
    match gone.and_then(|()| files.put_inode(path, inode)) {
        Ok(()) => Ok(()),
        Err(errno) => Err(Stop::unsupported("sed", format!("editing `{}` in place: {errno}", shown(path)))),
    }
}

/// The name of the old file: the suffix behind it, or the name in place of each asterisk.
fn backup(path: &[u8], suffix: &[u8]) -> Bytes {
    let (directory, base) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => path.split_at(0),
    };
    let name = match suffix.contains(&b'*') {
        true => suffix.split(|byte| *byte == b'*').collect::<Vec<_>>().join(base),
        false => [base, suffix].concat(),
    };
    if name.contains(&b'/') { name } else { [directory, &name].concat() }
}

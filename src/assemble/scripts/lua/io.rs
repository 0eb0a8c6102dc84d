//! Lua's `io` library: files of the tree, and the standard streams of the scriptlet.
//!
//! What is written is in the tree at once; a file that is read is as it was when it was opened, but for what was written
//! through the same handle. Rules: Lua 5.4's manual, §6.8.

use std::rc::Rc;

use super::open_files::{Open, Target};
use super::posix::without_slashes;
use super::process::Process;
use super::values::{
    Answer, Arguments, BAD_DESCRIPTOR, Failure, IS_DIRECTORY, NO_ENTRY, Trouble, Value, raise, unsupported,
};
use crate::shell::{Bytes, FileId, Handle, How, Stop, Stream, World};

/// Files that one process may have open.
const MOST: usize = 1_000;

pub(super) fn call(process: &mut Process, arguments: &Arguments) -> Answer {
    match arguments.function {
        "open" => open(process, arguments),
        "popen" => run(process, arguments),
        "print" => {
            process.state.shell.out(process.machine, &arguments.bytes(0)?)?;
            Ok(Vec::new())
        }
        "read" => read(process, arguments),
        "write" => write(process, arguments),
        "seek" => seek(process, arguments),
        "close" => {
            process.state.files.remove(&arguments.integer(0)?);
            Ok(vec![Value::Boolean(true)])
        }
        other => unsupported(format!("io.{other}")),
    }
}

/// `r`, `w` or `a`, perhaps `+`, and any number of `b`.
fn mode(text: &[u8]) -> Option<(u8, bool)> {
    let (first, rest) = text.split_first().filter(|(first, _)| b"rwa".contains(first))?;
    let both = rest.first() == Some(&b'+');
    let rest = rest.get(usize::from(both)..)?;
    rest.iter().all(|letter| *letter == b'b').then_some((*first, both))
}

fn open(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let Some((first, both)) = mode(&arguments.text_or(1, "r")?) else { return arguments.bad(1, "invalid mode") };
    let opened = match path.is_empty() {
        true => Err(NO_ENTRY),
        false => open_at(process, &process.path(&path), first, both)?,
    };
    match opened {
        Ok(open) => Ok(vec![add(process, open)?]),
        Err(failure) => process.file_failed(failure, Some(&path)),
    }
}

fn open_at(process: &mut Process, path: &[u8], first: u8, both: bool) -> Result<Result<Open, Failure>, Stop> {
    if process.machine.files.is_directory(path) {
        let only_reads = first == b'r' && !both;
        let directory = Open::new(Target::Directory, Vec::new(), true, false, false);
        return Ok(if only_reads { Ok(directory) } else { Err(IS_DIRECTORY) });
    }
    if first != b'r' && path.ends_with(b"/") {
        // What would be made cannot be a directory.
        let place = process.machine.files.resolve(without_slashes(path), false);
        return Ok(Err(place.map_or_else(Failure::from, |_| IS_DIRECTORY)));
    }
    let umask = process.state.shell.umask;
    let machine = &mut *process.machine;
    let mut bytes = Vec::new();
    if first == b'r' {
        bytes = match machine.open(path, How::Read, umask)? {
            Ok(handle) => handle.borrow_mut().rest(),
            Err(errno) => return Ok(Err(errno.into())),
        };
        if !both {
            return Ok(Ok(Open::new(Target::Content, bytes, true, false, false)));
        }
    }
    let how = if first == b'w' { How::Write } else { How::Append };
    let handle: Handle = match machine.open(path, how, umask)? {
        Ok(handle) => handle,
        Err(errno) => return Ok(Err(errno.into())),
    };
    let target = match &*handle.borrow() {
        Stream::File { file, .. } | Stream::Both { file, .. } => Target::File(*file),
        _ => Target::Null,
    };
    if first == b'a' {
        // What is there counts for writing too: as a measure of the work that it takes.
        bytes = machine.files.read(path)?.unwrap_or_default();
    }
    Ok(Ok(Open::new(target, bytes, first == b'r' || both, true, first == b'a')))
}

/// A program whose output is read: it runs to its end at once. Gives its status too.
fn run(process: &mut Process, arguments: &Arguments) -> Answer {
    let text = arguments.text(0)?;
    match arguments.text_or(1, "r")?.as_slice() {
        b"r" => {}
        b"w" => return unsupported("io.popen for writing"),
        _ => return arguments.bad(1, "invalid mode"),
    }
    let output = Stream::output();
    let mut shell = process.state.shell.clone();
    shell.descriptors.insert(1, output.clone());
    let status = process.system(&shell, &text)?;
    let bytes = output.borrow_mut().take();
    let number = add(process, Open::new(Target::Content, bytes, true, false, false))?;
    Ok(vec![number, Value::Integer(i64::from(status))])
}

fn add(process: &mut Process, open: Open) -> Result<Value, Stop> {
    if process.state.files.len() >= MOST {
        return Err(Stop::limit(format!("more than {MOST} open files")));
    }
    process.spend(1 + open.bytes.len() as u64 / 64)?;
    let number = process.state.files.last_key_value().map_or(0, |(last, _)| *last) + 1;
    process.state.files.insert(number, open);
    Ok(Value::Integer(number))
}

fn handle(process: &Process, arguments: &Arguments) -> Result<(i64, Open), Trouble> {
    let number = arguments.integer(0)?;
    match process.state.files.get(&number) {
        Some(open) => Ok((number, open.clone())),
        None => raise("attempt to use a closed file"),
    }
}

fn read(process: &mut Process, arguments: &Arguments) -> Answer {
    let (number, mut open) = handle(process, arguments)?;
    if !open.reads {
        return process.file_failed(BAD_DESCRIPTOR, None);
    }
    if open.target == Target::Directory {
        return process.file_failed(IS_DIRECTORY, None);
    }
    let line = [Value::text("l")];
    let formats = arguments.values.get(1..).filter(|formats| !formats.is_empty()).unwrap_or(&line);
    let mut values = Vec::new();
    for (index, format) in formats.iter().enumerate() {
        let value = read_one(&mut open, format, index + 1, arguments)?;
        process.machine.spend(1 + value.as_ref().map_or(0, |text| text.len() as u64) / 64)?;
        let at_end = value.is_none();
        values.push(Value::optional(value));
        if at_end {
            break;
        }
    }
    process.state.files.insert(number, open);
    Ok(values)
}

fn read_one(open: &mut Open, format: &Value, index: usize, arguments: &Arguments) -> Result<Option<Bytes>, Trouble> {
    let rest = open.bytes.get(open.at..).unwrap_or_default();
    let (taken, value) = match format {
        Value::Integer(_) | Value::Number(_) => {
            let wanted = format.as_integer().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
            let taken = wanted.min(rest.len());
            (taken, (!rest.is_empty()).then(|| rest[..taken].to_vec()))
        }
        _ => {
            let text = format.as_text().unwrap_or_default();
            let letters = text.strip_prefix(b"*").unwrap_or(&text);
            let end = rest.iter().position(|byte| *byte == b'\n');
            let whole = end.map_or(rest.len(), |end| end + 1);
            match letters.first() {
                Some(b'a') => (rest.len(), Some(rest.to_vec())),
                Some(b'l') => (whole, (whole > 0).then(|| rest[..end.unwrap_or(whole)].to_vec())),
                Some(b'L') => (whole, (whole > 0).then(|| rest[..whole].to_vec())),
                Some(b'n') => return unsupported("reading numbers from a file"),
                _ => return arguments.bad(index, "invalid format"),
            }
        }
    };
    open.at += taken;
    Ok(value)
}

fn write(process: &mut Process, arguments: &Arguments) -> Answer {
    let (number, mut open) = handle(process, arguments)?;
    if !open.writes {
        return process.file_failed(BAD_DESCRIPTOR, None);
    }
    for index in 1..arguments.values.len() {
        let text = arguments.bytes(index)?;
        match open.target {
            Target::Descriptor(descriptor) => process.state.shell.write(process.machine, descriptor, &text)?,
            Target::File(file) => write_file(process, &mut open, file, &text)?,
            Target::Null | Target::Content | Target::Directory => {}
        }
    }
    process.state.files.insert(number, open);
    Ok(vec![Value::Boolean(true)])
}

fn write_file(process: &mut Process, open: &mut Open, file: FileId, text: &[u8]) -> Result<(), Stop> {
    if open.appends {
        open.at = open.bytes.len();
    }
    // The tree takes a whole new content with each write.
    process.machine.spend((open.bytes.len() + text.len()) as u64 / 1024)?;
    let at = if open.appends { None } else { Some(open.at as u64) };
    process.machine.write(file, at, text)?;
    let end = open.at + text.len();
    let bytes = Rc::make_mut(&mut open.bytes);
    bytes.resize(bytes.len().max(end), 0);
    if let Some(place) = bytes.get_mut(open.at..end) {
        place.copy_from_slice(text);
    }
    open.at = end;
    Ok(())
}

fn seek(process: &mut Process, arguments: &Arguments) -> Answer {
    let (number, mut open) = handle(process, arguments)?;
    let from = match arguments.text_or(1, "cur")?.as_slice() {
        b"set" => 0,
        b"cur" => open.at,
        b"end" => open.bytes.len(),
        other => return arguments.bad(1, format!("invalid option '{}'", String::from_utf8_lossy(other))),
    };
    if let Target::Descriptor(_) = open.target {
        return process.file_failed(Failure(29, "Illegal seek"), None);
    }
    let wanted = i64::try_from(from).ok().and_then(|from| Some((from, arguments.integer_or(2, 0).ok()?)));
    let at = wanted.and_then(|(from, offset)| usize::try_from(from.checked_add(offset)?).ok());
    let Some(at) = at else { return process.file_failed(crate::shell::Errno::Invalid, None) };
    open.at = at;
    process.state.files.insert(number, open);
    Ok(vec![Value::Integer(i64::try_from(at).unwrap_or(i64::MAX))])
}

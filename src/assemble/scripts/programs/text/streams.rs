//! What filters read and write: operands, the standard input, files that they make.

use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Handle, How, Stop, Stream, World};

/// The descriptor that a path of `/dev` stands for.
fn descriptor(path: &[u8]) -> Option<u32> {
    match path {
        b"/dev/stdin" => Some(0),
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        _ => {
            let number = path.strip_prefix(b"/dev/fd/").or_else(|| path.strip_prefix(b"/proc/self/fd/"))?;
            std::str::from_utf8(number).ok()?.parse().ok()
        }
    }
}

/// The content of a file by its name.
pub(super) fn read_file(call: &mut Call, word: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
    let bytes = match descriptor(word) {
        Some(number) => Ok(call.shell.descriptor(number).map(|handle| handle.borrow_mut().rest()).unwrap_or_default()),
        None if word.is_empty() => Err(Errno::NoEntry),
        None => call.machine.files.read(&call.path(word))?,
    };
    call.machine.spend(1 + bytes.as_ref().map_or(0, |bytes| bytes.len() as u64 / 32))?;
    Ok(bytes)
}

/// The content of an operand, where `-` is the standard input.
pub(super) fn read(call: &mut Call, word: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
    read_file(call, if word == b"-" { b"/dev/stdin" } else { word })
}

/// A file that was read, by the name that it was asked for.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: Bytes,
    pub(super) bytes: Bytes,
}

/// All operands, or the standard input if there are none; those that cannot be read are told, and then the second value
/// is the status of a failure.
pub(super) fn inputs(call: &mut Call, operands: &[Bytes]) -> Result<(Vec<Input>, u8), Stop> {
    let standard = [b"-".to_vec()];
    let mut status = 0;
    let mut inputs = Vec::new();
    for name in if operands.is_empty() { &standard[..] } else { operands } {
        match read(call, name)? {
            Ok(bytes) => inputs.push(Input { name: name.clone(), bytes }),
            Err(errno) => status = call.fail(1, format!("{}: {errno}", String::from_utf8_lossy(name)))?,
        }
    }
    Ok((inputs, status))
}

/// The same, one behind the other.
pub(super) fn joined(call: &mut Call, operands: &[Bytes]) -> Result<(Bytes, u8), Stop> {
    let (inputs, status) = inputs(call, operands)?;
    Ok((inputs.into_iter().flat_map(|input| input.bytes).collect(), status))
}

/// What stands between the ends of lines. An end that the last one has not is not made up.
pub(super) fn lines(text: &[u8], end: u8) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(move |byte| *byte == end).map(move |line| line.strip_suffix(&[end]).unwrap_or(line))
}

/// Where a filter writes to, other than its standard output.
#[derive(Debug, Clone)]
pub(super) enum Sink {
    Descriptor(u32),
    File(Handle),
}

/// Makes or empties a file, or opens it to write at its end.
pub(super) fn create(call: &mut Call, word: &[u8], append: bool) -> Result<Result<Sink, Errno>, Stop> {
    if let Some(number) = descriptor(word) {
        return Ok(Ok(Sink::Descriptor(number)));
    }
    if word.is_empty() {
        return Ok(Err(Errno::NoEntry));
    }
    let path = call.path(word);
    let how = if append { How::Append } else { How::Write };
    Ok(call.machine.open(&path, how, call.shell.umask)?.map(Sink::File))
}

impl Sink {
    pub(super) fn write(&self, call: &mut Call, bytes: &[u8]) -> Result<(), Stop> {
        let handle = match self {
            Sink::Descriptor(number) => return call.shell.write(call.machine, *number, bytes),
            Sink::File(handle) => handle,
        };
        if let Stream::File { file, at } = &mut *handle.borrow_mut() {
            let before = *at;
            if let Some(at) = at {
                *at += bytes.len() as u64;
            }
            call.machine.write(*file, before, bytes)?;
        }
        Ok(())
    }
}

/// Runs the same program with other words in place of those it was given.
pub(super) fn with_words<T>(
    call: &mut Call,
    words: &[Bytes],
    run: impl FnOnce(&mut Call) -> Result<T, Stop>,
) -> Result<T, Stop> {
    run(&mut Call { machine: &mut *call.machine, shell: &mut *call.shell, name: call.name, words })
}

/// A number without a sign.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

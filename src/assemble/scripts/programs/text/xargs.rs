//! `xargs`: a program with arguments from the standard input.

use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::shell::{Bytes, Stop, Stream, World, handle};

/// Bytes of arguments for one run: as xargs has it unless it is told otherwise.
const LINE: usize = 128 << 10;

pub(super) fn xargs(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "0|null",
        "a|arg-file=",
        "d|delimiter=",
        "E=",
        "I=",
        "i|replace?",
        "L|max-lines=",
        "l?",
        "n|max-args=",
        "P|max-procs=",
        "r|no-run-if-empty",
        "s|max-chars=",
        "t|verbose",
        "x|exit",
    ];
    let mut options = options::parse(call, OPTIONS, false)?;
    if options.has("E") || options.has("l") {
        return call.unsupported("the options `-E` and `-l`");
    }
    let text = match options.value("a").cloned() {
        None => call.input(),
        Some(file) => match streams::read_file(call, &file)? {
            Ok(text) => text,
            Err(errno) => return call.fail(1, format!("{}: {errno}", shown(&file))),
        },
    };
    let mut command = std::mem::take(&mut options.operands);
    if command.is_empty() {
        command.push(b"echo".to_vec());
    }
    let replaced = match options.given.iter().rev().find(|(name, _)| matches!(*name, "I" | "i")) {
        Some((_, mark)) if mark.is_empty() => Some(b"{}".to_vec()),
        Some((_, mark)) => Some(mark.clone()),
        None => None,
    };
    let lines = match items(call, &options, &text, replaced.is_some())? {
        Ok(lines) => lines,
        Err(message) => return call.fail(1, message),
    };
    let runs = match replaced {
        Some(mark) => {
            lines.concat().iter().map(|item| command.iter().map(|word| replace(word, &mark, item)).collect()).collect()
        }
        None => match runs(call, &options, &command, &lines)? {
            Some(runs) => runs,
            None => return call.fail(1, "invalid number"),
        },
    };
    run_all(call, &options, runs)
}

/// The arguments, line by line.
fn items(call: &Call, options: &Options, text: &[u8], whole: bool) -> Result<Result<Vec<Vec<Bytes>>, String>, Stop> {
    let delimiter = match options.value("d").map(Vec::as_slice) {
        _ if options.has("0") => Some(0),
        None => None,
        Some([byte]) => Some(*byte),
        Some(b"\\n") => Some(b'\n'),
        Some(b"\\t") => Some(b'\t'),
        Some(b"\\0") => Some(0),
        Some(_) => return call.unsupported("a delimiter that is not one byte"),
    };
    if let Some(delimiter) = delimiter {
        return Ok(Ok(streams::lines(text, delimiter).map(|item| vec![item.to_vec()]).collect()));
    }
    Ok(quoted(text, whole))
}

/// Words between blanks and newlines, or whole lines, with quotes and backslashes.
fn quoted(text: &[u8], whole: bool) -> Result<Vec<Vec<Bytes>>, String> {
    let mut lines = Vec::new();
    let mut line: Vec<Bytes> = Vec::new();
    let mut word: Option<Bytes> = None;
    let mut bytes = text.iter().copied().chain([b'\n']).peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => {
                line.extend(word.take());
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
            }
            b' ' | b'\t' if !whole || word.is_none() => line.extend(word.take()),
            b'\'' | b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(inner) if inner == byte => break,
                        Some(inner) if inner != b'\n' => word.push(inner),
                        _ => {
                            let kind = if byte == b'"' { "double" } else { "single" };
                            return Err(format!("unmatched {kind} quote"));
                        }
                    }
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    Ok(lines)
}

/// The commands with their arguments; nothing if a number is none.
fn runs(
    call: &mut Call,
    options: &Options,
    command: &[Bytes],
    lines: &[Vec<Bytes>],
) -> Result<Option<Vec<Vec<Bytes>>>, Stop> {
    let number = |name| options.value(name).map(|text| streams::number(text).filter(|number| *number > 0));
    let (most, most_lines) = match (number("n"), number("L")) {
        (Some(None), _) | (_, Some(None)) => return Ok(None),
        (most, lines) => (most.flatten().unwrap_or(u64::MAX), lines.flatten().unwrap_or(u64::MAX)),
    };
    let size_limit = match number("s") {
        None => LINE,
        Some(Some(size)) => usize::try_from(size).unwrap_or(LINE).min(LINE),
        Some(None) => return Ok(None),
    };
    let fixed: usize = command.iter().map(|word| word.len() + 1).sum();
    let mut runs = Vec::new();
    let mut run = command.to_vec();
    let (mut size, mut count, mut line_count) = (fixed, 0, 0);
    for line in lines {
        if line_count >= most_lines {
            runs.push(std::mem::replace(&mut run, command.to_vec()));
            (size, count, line_count) = (fixed, 0, 0);
        }
        for item in line {
            call.machine.spend(1)?;
            if count >= most || (count > 0 && size + item.len() >= size_limit) {
                runs.push(std::mem::replace(&mut run, command.to_vec()));
                (size, count, line_count) = (fixed, 0, 0);
            }
            run.push(item.clone());
            size += item.len() + 1;
            count += 1;
        }
        line_count += 1;
    }
    if count > 0 || (lines.is_empty() && !options.has("r")) {
        runs.push(run);
    }
    Ok(Some(runs))
}

fn replace(word: &[u8], mark: &[u8], item: &[u8]) -> Bytes {
    let mut out = Bytes::new();
    let mut rest = word;
    while let Some(at) = rest.windows(mark.len().max(1)).position(|part| part == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(item);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn run_all(call: &mut Call, options: &Options, runs: Vec<Vec<Bytes>>) -> Result<u8, Stop> {
    let input = call.shell.descriptors.insert(0, handle(Stream::Null));
    let mut status = 0;
    let mut stopped = Ok(());
    for run in runs {
        if options.has("t") {
            call.shell.error(call.machine, &shown(&run.join(&b' ')))?;
        }
        match call.run(&run) {
            Ok(0) => {}
            Ok(255) => {
                stopped = call.error(format!("{}: exited with status 255; aborting", shown(&run[0])));
                status = 124;
                break;
            }
            Ok(found @ (126 | 127)) => {
                status = found;
                break;
            }
            Ok(_) => status = 123,
            Err(stop) => {
                stopped = Err(stop);
                break;
            }
        }
    }
    match input {
        Some(input) => call.shell.descriptors.insert(0, input),
        None => call.shell.descriptors.remove(&0),
    };
    stopped.map(|()| status)
}

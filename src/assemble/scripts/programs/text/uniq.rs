//! `uniq`: lines without their repetitions.

use super::streams::{self, Sink, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

pub(super) fn uniq(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "c|count",
        "d|repeated",
        "D",
        "u|unique",
        "i|ignore-case",
        "f|skip-fields=",
        "s|skip-chars=",
        "w|check-chars=",
        "z|zero-terminated",
    ];
    let options = options::parse(call, OPTIONS, true)?;
    let mut numbers = [0, 0, usize::MAX];
    for (number, name) in numbers.iter_mut().zip(["f", "s", "w"]) {
        let Some(text) = options.value(name) else { continue };
        match streams::number(text) {
            Some(value) => *number = usize::try_from(value).unwrap_or(usize::MAX),
            None => return call.fail(1, format!("{}: invalid number", shown(text))),
        }
    }
    let [fields, bytes, most] = numbers;
    let key = |line: &[u8]| -> Bytes {
        let line = skip_fields(line, fields);
        let line = line.get(bytes..).unwrap_or_default();
        let line = line.get(..most).unwrap_or(line);
        if options.has("i") { line.to_ascii_lowercase() } else { line.to_vec() }
    };
    let (input, output) = match options.operands.as_slice() {
        [] => (b"-".to_vec(), None),
        [input] => (input.clone(), None),
        [input, output] => (input.clone(), Some(output.clone())),
        [_, _, extra, ..] => return call.fail(1, format!("extra operand '{}'", shown(extra))),
    };
    let text = match streams::read(call, &input)? {
        Ok(text) => text,
        Err(errno) => return call.fail(1, format!("{}: {errno}", shown(&input))),
    };
    let end = if options.has("z") { 0 } else { b'\n' };
    let lines: Vec<(Bytes, &[u8])> = streams::lines(&text, end).map(|line| (key(line), line)).collect();
    let mut out = Bytes::new();
    for group in lines.chunk_by(|one, other| one.0 == other.0) {
        let repeated = group.len() > 1;
        let shown = match (options.has("d") || options.has("D"), options.has("u")) {
            (false, false) => true,
            (true, false) => repeated,
            (false, true) => !repeated,
            (true, true) => false,
        };
        let count = if options.has("D") { group.len() } else { 1 };
        for (_, line) in group.iter().take(if shown { count } else { 0 }) {
            if options.has("c") {
                out.extend(format!("{:7} ", group.len()).bytes());
            }
            out.extend_from_slice(line);
            out.push(end);
        }
    }
    let sink = match output {
        None => Sink::Descriptor(1),
        Some(name) => match streams::create(call, &name, false)? {
            Ok(sink) => sink,
            Err(errno) => return call.fail(1, format!("{}: {errno}", shown(&name))),
        },
    };
    sink.write(call, &out)?;
    Ok(0)
}

/// What is behind so many fields: blanks and what is none.
fn skip_fields(line: &[u8], fields: usize) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    let mut rest = line;
    for _ in 0..fields.min(line.len()) {
        let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
        let others = rest.iter().skip(blanks).take_while(|byte| !is_blank(byte)).count();
        rest = rest.get(blanks + others..).unwrap_or_default();
    }
    rest
}

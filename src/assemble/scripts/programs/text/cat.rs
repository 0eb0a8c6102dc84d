//! `cat`, `tac`, `rev`, `tee`: texts as they are, or turned round.

use super::streams::{self, Sink, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

pub(super) fn cat(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "n|number",
        "b|number-nonblank",
        "s|squeeze-blank",
        "v|show-nonprinting",
        "E|show-ends",
        "e",
        "T|show-tabs",
        "t",
        "A|show-all",
        "u",
    ];
    let options = options::parse(call, OPTIONS, true)?;
    let (text, status) = streams::joined(call, &options.operands)?;
    let any = |names: &[&str]| names.iter().any(|name| options.has(name));
    if options.given.iter().all(|(name, _)| *name == "u") {
        call.out(&text)?;
        return Ok(status);
    }
    let (ends, tabs) = (any(&["E", "e", "A"]), any(&["T", "t", "A"]));
    let unprintable = any(&["v", "e", "t", "A"]);
    let mut out = Bytes::new();
    let mut number = 0_u64;
    let mut blank = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let was_blank = std::mem::replace(&mut blank, line == b"\n");
        if blank && was_blank && options.has("s") {
            continue;
        }
        let numbered = options.has("n") || options.has("b");
        if numbered && !(blank && options.has("b")) {
            number += 1;
            out.extend(format!("{number:6}\t").bytes());
        }
        for byte in line {
            match byte {
                b'\n' if ends => out.extend(b"$\n"),
                b'\t' if tabs => out.extend(b"^I"),
                b'\n' | b'\t' => out.push(*byte),
                byte if unprintable => out.extend(visible(*byte)),
                byte => out.push(*byte),
            }
        }
    }
    call.out(&out)?;
    Ok(status)
}

/// `^A`, `M-^A`
fn visible(byte: u8) -> Bytes {
    match byte {
        0..32 => vec![b'^', byte + 64],
        127 => b"^?".to_vec(),
        128.. => [b"M-".to_vec(), visible(byte - 128)].concat(),
        byte => vec![byte],
    }
}

pub(super) fn tac(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["s|separator="], true)?;
    let separator = match options.value("s").map(Vec::as_slice) {
        None => b'\n',
        Some([byte]) => *byte,
        Some(_) => return call.unsupported("a separator that is not one byte"),
    };
    let (inputs, status) = streams::inputs(call, &options.operands)?;
    for input in inputs {
        let mut parts: Vec<&[u8]> = input.bytes.split_inclusive(|byte| *byte == separator).collect();
        parts.reverse();
        call.out(parts.concat())?;
    }
    Ok(status)
}

pub(super) fn rev(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &[], true)?;
    let (text, status) = streams::joined(call, &options.operands)?;
    let mut out = Bytes::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (body, end) = line.split_at(line.len() - usize::from(line.ends_with(b"\n")));
        out.extend(body.iter().rev());
        out.extend_from_slice(end);
    }
    call.out(&out)?;
    Ok(status)
}

pub(super) fn tee(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["a|append", "i|ignore-interrupts", "p|output-error?"], true)?;
    let mut status = 0;
    let mut sinks = vec![Sink::Descriptor(1)];
    for operand in &options.operands {
        match streams::create(call, operand, options.has("a"))? {
            Ok(sink) => sinks.push(sink),
            Err(errno) => status = call.fail(1, format!("{}: {errno}", shown(operand)))?,
        }
    }
    let text = call.input();
    sinks.iter().try_for_each(|sink| sink.write(call, &text))?;
    Ok(status)
}

//! `sort`: lines in order, in the C locale.

mod compare;
mod keys;

use std::cmp::Ordering;

use super::streams::{self, Sink, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop, World};
use keys::Sorter;

const OPTIONS: &[options::Known] = &[
    "b|ignore-leading-blanks",
    "d|dictionary-order",
    "f|ignore-case",
    "g|general-numeric-sort",
    "h|human-numeric-sort",
    "i|ignore-nonprinting",
    "M|month-sort",
    "n|numeric-sort",
    "r|reverse",
    "V|version-sort",
    "c|check?",
    "C",
    "k|key=",
    "m|merge",
    "o|output=",
    "s|stable",
    "S|buffer-size=",
    "t|field-separator=",
    "T|temporary-directory=",
    "parallel=",
    "u|unique",
    "z|zero-terminated",
];

pub(super) fn sort(call: &mut Call) -> Result<u8, Stop> {
    let words = check_words(call.words);
    let options = streams::with_words(call, &words, |call| options::parse(call, OPTIONS, true))?;
    let separator = match options.value("t").map(Vec::as_slice) {
        None => None,
        Some([byte]) => Some(*byte),
        Some(b"\\0") => Some(0),
        Some(other) => return call.fail(2, format!("multi-character tab '{}'", shown(other))),
    };
    let sorter = match Sorter::new(&options, separator) {
        Ok(sorter) => sorter,
        Err(message) => return call.fail(2, message),
    };
    let end = if options.has("z") { 0 } else { b'\n' };
    let mut lines: Vec<Bytes> = Vec::new();
    let (inputs, status) = streams::inputs(call, &options.operands)?;
    if status != 0 {
        return Ok(2);
    }
    for input in &inputs {
        lines.extend(streams::lines(&input.bytes, end).map(<[u8]>::to_vec));
    }
    call.machine.spend(lines.len() as u64)?;
    if options.has("c") || options.has("C") {
        return check(call, &sorter, &lines, options.has("C"));
    }
    // A merge of what is sorted is what a sort gives.
    lines.sort_by(|one, other| sorter.compare(one, other));
    if options.has("u") {
        lines.dedup_by(|after, before| sorter.compare(before, after) == Ordering::Equal);
    }
    let sink = match options.value("o") {
        None => Sink::Descriptor(1),
        Some(name) => match streams::create(call, name, false)? {
            Ok(sink) => sink,
            Err(errno) => return call.fail(2, format!("open failed: {}: {errno}", shown(name))),
        },
    };
    let mut out = Bytes::new();
    for line in lines {
        out.extend(line);
        out.push(end);
    }
    sink.write(call, &out)?;
    Ok(0)
}

/// `--check=quiet` is `-C`.
fn check_words(words: &[Bytes]) -> Vec<Bytes> {
    let quiet = |word: &Bytes| matches!(word.as_slice(), b"--check=quiet" | b"--check=silent");
    words.iter().map(|word| if quiet(word) { b"-C".to_vec() } else { word.clone() }).collect()
}

fn check(call: &mut Call, sorter: &Sorter, lines: &[Bytes], silent: bool) -> Result<u8, Stop> {
    let wrong = |pair: &[Bytes]| match pair {
        [one, other] if sorter.unique => sorter.compare(one, other) != Ordering::Less,
        [one, other] => sorter.compare(one, other) == Ordering::Greater,
        _ => false,
    };
    match lines.windows(2).position(wrong) {
        None => Ok(0),
        Some(_) if silent => Ok(1),
        Some(at) => {
            let line = lines.get(at + 1).map(|line| shown(line)).unwrap_or_default();
            call.fail(1, format!("-:{}: disorder: {line}", at + 2))
        }
    }
}

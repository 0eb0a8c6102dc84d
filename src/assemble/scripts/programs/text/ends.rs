//! `head` and `tail`: the beginning or the end of a text.

use super::streams::{self, Input, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::shell::{Bytes, Stop};

const OPTIONS: &[options::Known] = &["n|lines=", "c|bytes=", "q|quiet|silent", "v|verbose", "z|zero-terminated"];

/// How much of a text.
#[derive(Debug, Clone, Copy)]
struct Amount {
    bytes: bool,
    /// `-` or `+` before the number.
    sign: Option<u8>,
    number: usize,
}

pub(super) fn head(call: &mut Call) -> Result<u8, Stop> {
    run(call, |text, amount, end| {
        let whole = if amount.bytes { text.len() } else { line_starts(text, end).len() };
        let count = if amount.sign == Some(b'-') { whole.saturating_sub(amount.number) } else { amount.number };
        text.get(..place(text, amount, count, end)).unwrap_or(text)
    })
}

pub(super) fn tail(call: &mut Call) -> Result<u8, Stop> {
    run(call, |text, amount, end| {
        let whole = if amount.bytes { text.len() } else { line_starts(text, end).len() };
        let skipped = match amount.sign {
            Some(b'+') => amount.number.saturating_sub(1),
            _ => whole.saturating_sub(amount.number),
        };
        text.get(place(text, amount, skipped, end)..).unwrap_or_default()
    })
}

fn line_starts(text: &[u8], end: u8) -> Vec<usize> {
    let lines = text.split_inclusive(|byte| *byte == end);
    let starts = lines.scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(start)
    });
    starts.collect()
}

/// Where so many bytes or lines end.
fn place(text: &[u8], amount: Amount, count: usize, end: u8) -> usize {
    match amount.bytes {
        true => count.min(text.len()),
        false => line_starts(text, end).get(count).copied().unwrap_or(text.len()),
    }
}

fn run(call: &mut Call, part: impl Fn(&[u8], Amount, u8) -> &[u8]) -> Result<u8, Stop> {
    let words: Vec<Bytes> = call.words.iter().enumerate().flat_map(|(at, word)| modern(call.name, at, word)).collect();
    let options = streams::with_words(call, &words, |call| options::parse(call, OPTIONS, true))?;
    let Some(amount) = amount(call, &options)? else { return Ok(1) };
    let end = if options.has("z") { 0 } else { b'\n' };
    // What the next reader gets of a standard input is what is behind the lines that were taken.
    if options.operands.is_empty() && call.name == "head" && !amount.bytes && amount.sign != Some(b'-') {
        return head_of_input(call, amount.number, end);
    }
    let (inputs, status) = streams::inputs(call, &options.operands)?;
    let names = options.given.iter().rev().find(|(name, _)| matches!(*name, "q" | "v"));
    let names = names.map_or(options.operands.len() > 1, |(name, _)| *name == "v");
    for (index, Input { name, bytes }) in inputs.iter().enumerate() {
        if names {
            let name: &[u8] = if name == b"-" { b"standard input" } else { name };
            let gap: &[u8] = if index > 0 { b"\n" } else { b"" };
            call.out([gap, b"==> ", name, b" <==\n"].concat())?;
        }
        call.out(part(bytes, amount, end))?;
    }
    Ok(status)
}

fn head_of_input(call: &mut Call, lines: usize, end: u8) -> Result<u8, Stop> {
    let Some(handle) = call.shell.descriptor(0) else { return Ok(0) };
    if end != b'\n' {
        let text = handle.borrow_mut().rest();
        let taken = text.split_inclusive(|byte| *byte == end).take(lines).collect::<Vec<_>>().concat();
        call.out(taken)?;
        return Ok(0);
    }
    for _ in 0..lines {
        let Some(line) = handle.borrow_mut().line() else { break };
        call.out(line)?;
    }
    Ok(0)
}

/// `-5` and `+5` as they were written before `-n`; only the first word may be one of them.
fn modern(program: &str, at: usize, word: &[u8]) -> Vec<Bytes> {
    let old = match word.split_first() {
        Some((sign @ b'-', number)) => Some((sign, number)),
        Some((sign @ b'+', number)) if program == "tail" => Some((sign, number)),
        _ => None,
    };
    match old {
        Some((sign, number)) if at == 0 && streams::number(number).is_some() => {
            let sign: &[u8] = if *sign == b'+' { b"+" } else { b"" };
            vec![b"-n".to_vec(), [sign, number].concat()]
        }
        _ => vec![word.to_vec()],
    }
}

fn amount(call: &mut Call, options: &Options) -> Result<Option<Amount>, Stop> {
    let given = options.given.iter().rev().find(|(name, _)| matches!(*name, "n" | "c"));
    let Some((name, text)) = given else { return Ok(Some(Amount { bytes: false, sign: None, number: 10 })) };
    let (sign, digits) = match text.split_first() {
        Some((sign @ (b'-' | b'+'), digits)) => (Some(*sign), digits),
        _ => (None, text.as_slice()),
    };
    match scaled(digits) {
        Some(number) => Ok(Some(Amount { bytes: *name == "c", sign, number })),
        None => {
            call.error(format!("invalid number of lines: '{}'", shown(text)))?;
            Ok(None)
        }
    }
}

/// A number with one of GNU's suffixes.
pub(super) fn scaled(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = text.split_at(digits);
    let number = usize::try_from(streams::number(number)?).unwrap_or(usize::MAX);
    let unit: usize = match suffix {
        b"" => 1,
        b"b" => 512,
        b"k" | b"K" | b"KiB" => 1 << 10,
        b"kB" | b"KB" => 1000,
        b"m" | b"M" | b"MiB" => 1 << 20,
        b"MB" => 1_000_000,
        b"G" | b"GiB" => 1 << 30,
        b"GB" => 1_000_000_000,
        _ => return None,
    };
    Some(number.saturating_mul(unit))
}

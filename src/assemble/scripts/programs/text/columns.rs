//! `paste`, `fold`, `expand`, `unexpand`, `nl`: lines side by side, in pieces, with other blanks, with numbers.

use super::streams::{self, shown};
use super::{ends, matcher};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::assemble::scripts::regex::{Flavour, Regex};
use crate::shell::{Bytes, Stop};

pub(super) fn paste(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["d|delimiters=", "s|serial", "z|zero-terminated"], true)?;
    let end = if options.has("z") { 0 } else { b'\n' };
    let delimiters = delimiters(options.value("d").map_or(b"\t".as_slice(), Vec::as_slice));
    let delimiter = |index: usize| delimiters.get(index % delimiters.len().max(1)).cloned().unwrap_or_default();
    // Several `-` read the standard input in turn.
    let standard = options.operands.iter().filter(|operand| *operand == b"-").count();
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        operands.push(b"-".to_vec());
    }
    let (inputs, status) = streams::inputs(call, &operands)?;
    if status != 0 {
        return Ok(status);
    }
    let mut out = Bytes::new();
    if options.has("s") {
        for input in &inputs {
            for (index, line) in streams::lines(&input.bytes, end).enumerate() {
                if index > 0 {
                    out.extend(delimiter(index - 1));
                }
                out.extend_from_slice(line);
            }
            out.push(end);
        }
        call.out(&out)?;
        return Ok(0);
    }
    let mut shared: Vec<&[u8]> = Vec::new();
    let mut columns: Vec<Vec<&[u8]>> = Vec::new();
    for (input, name) in inputs.iter().zip(&operands) {
        let lines: Vec<&[u8]> = streams::lines(&input.bytes, end).collect();
        match name == b"-" && standard > 1 {
            true => {
                shared.extend(lines);
                columns.push(Vec::new());
            }
            false => columns.push(lines),
        }
    }
    let dashes: Vec<usize> = (0..operands.len()).filter(|index| operands[*index] == b"-").collect();
    for (index, line) in shared.into_iter().enumerate() {
        if let Some(column) = dashes.get(index % dashes.len().max(1)).and_then(|column| columns.get_mut(*column)) {
            column.push(line);
        }
    }
    for row in 0..columns.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.extend(delimiter(index - 1));
            }
            out.extend_from_slice(column.get(row).copied().unwrap_or_default());
        }
        out.push(end);
    }
    call.out(&out)?;
    Ok(0)
}

/// Each may be an escape, or nothing (`\0`).
fn delimiters(text: &[u8]) -> Vec<Bytes> {
    let mut list = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        list.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => Vec::new(),
                Some(b'n') => b"\n".to_vec(),
                Some(b't') => b"\t".to_vec(),
                Some(b'r') => b"\r".to_vec(),
                Some(b'b') => vec![8],
                Some(b'f') => vec![12],
                Some(b'v') => vec![11],
                Some(other) => vec![*other],
                None => b"\\".to_vec(),
            },
            byte => vec![*byte],
        });
    }
    if list.is_empty() {
        list.push(Vec::new());
    }
    list
}

pub(super) fn fold(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["b|bytes", "s|spaces", "w|width="], true)?;
    let width = match options.value("w") {
        None => 80,
        Some(text) => match ends::scaled(text).filter(|width| *width > 0) {
            Some(width) => width,
            None => return call.fail(1, format!("invalid number of columns: '{}'", shown(text))),
        },
    };
    let (text, status) = streams::joined(call, &options.operands)?;
    let after = |column: usize, byte: u8| match byte {
        _ if options.has("b") => column + 1,
        8 => column.saturating_sub(1),
        b'\r' => 0,
        b'\t' => column + 8 - column % 8,
        _ => column + 1,
    };
    let mut out = Bytes::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut piece = Bytes::new();
        let mut column = 0;
        for byte in line {
            if *byte != b'\n' && after(column, *byte) > width && !piece.is_empty() {
                let space = piece.iter().rposition(|byte| matches!(byte, b' ' | b'\t')).filter(|_| options.has("s"));
                let rest = piece.split_off(space.map_or(piece.len(), |space| space + 1));
                out.append(&mut piece);
                out.push(b'\n');
                piece = rest;
                column = piece.iter().fold(0, |column, byte| after(column, *byte));
            }
            column = after(column, *byte);
            piece.push(*byte);
        }
        out.append(&mut piece);
    }
    call.out(&out)?;
    Ok(status)
}

/// One distance for all, or the columns of tabs.
fn tab_stops(text: Option<&Bytes>) -> Option<Vec<usize>> {
    let Some(text) = text else { return Some(vec![8]) };
    let stops: Option<Vec<usize>> = text
        .split(|byte| matches!(byte, b',' | b' '))
        .map(|stop| ends::scaled(stop).filter(|stop| *stop > 0))
        .collect();
    stops.filter(|stops| stops.is_sorted_by(|one, other| one < other))
}

/// The column behind a tab at this one; nothing behind the last of a list.
fn next_stop(stops: &[usize], column: usize) -> Option<usize> {
    match stops {
        [every] => Some(column + every - column % every),
        stops => stops.iter().copied().find(|stop| *stop > column),
    }
}

pub(super) fn expand(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["i|initial", "t|tabs="], true)?;
    let Some(stops) = tab_stops(options.value("t")) else { return call.fail(1, "tab sizes must be ascending") };
    let (text, status) = streams::joined(call, &options.operands)?;
    let mut out = Bytes::new();
    let (mut column, mut initial) = (0_usize, true);
    for byte in text {
        match byte {
            b'\t' if initial || !options.has("i") => {
                let next = next_stop(&stops, column).unwrap_or(column + 1);
                out.extend(std::iter::repeat_n(b' ', (next - column).min(1 << 16)));
                column = next;
                continue;
            }
            b'\n' => (column, initial) = (0, true),
            8 => column = column.saturating_sub(1),
            byte => {
                column += 1;
                initial &= byte == b' ' || byte == b'\t';
            }
        }
        out.push(byte);
    }
    call.out(&out)?;
    Ok(status)
}

pub(super) fn unexpand(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["a|all", "first-only", "t|tabs="], true)?;
    let all = (options.has("a") || options.has("t")) && !options.has("first-only");
    let stops = tab_stops(options.value("t"));
    let Some([every]) = stops.as_deref() else { return call.unsupported("a list of columns") };
    let (text, status) = streams::joined(call, &options.operands)?;
    let mut out = Bytes::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        unexpand_line(line, *every, all, &mut out);
    }
    call.out(&out)?;
    Ok(status)
}

fn unexpand_line(line: &[u8], every: usize, all: bool, out: &mut Bytes) {
    let mut column = 0;
    let mut blanks = Bytes::new();
    // One blank before a stop stays a blank, unless more blanks are behind it.
    let mut one_before_stop = false;
    let mut initial = true;
    for byte in line {
        match byte {
            b' ' | b'\t' if initial || all => {
                let tab = *byte == b'\t';
                column = if tab { column + every - column % every } else { column + 1 };
                let at_stop = column % every == 0;
                if !tab && (!at_stop || blanks.is_empty()) {
                    one_before_stop |= at_stop;
                    blanks.push(b' ');
                    continue;
                }
                blanks.truncate(usize::from(one_before_stop));
                blanks.push(b'\t');
                if blanks.len() > 1 {
                    blanks[0] = b'\t';
                }
            }
            byte => {
                if blanks.len() > 1 && one_before_stop {
                    blanks[0] = b'\t';
                }
                blanks.push(*byte);
                column += 1;
                initial = false;
            }
        }
        out.append(&mut blanks);
        one_before_stop = false;
    }
    out.append(&mut blanks);
}

pub(super) fn nl(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "b|body-numbering=",
        "n|number-format=",
        "s|number-separator=",
        "v|starting-line-number=",
        "i|line-increment=",
        "w|number-width=",
    ];
    let options = options::parse(call, OPTIONS, true)?;
    let number = |name: &str, own: u64| options.value(name).map_or(Some(own), |text| streams::number(text));
    let (Some(mut line_number), Some(step), Some(width)) = (number("v", 1), number("i", 1), number("w", 6)) else {
        return call.fail(1, "invalid number");
    };
    let width = usize::try_from(width).unwrap_or(6).min(1000);
    let style = options.value("b").cloned().unwrap_or_else(|| b"t".to_vec());
    let regex = match style.strip_prefix(b"p").map(|pattern| Regex::new(pattern, Flavour::Basic, false)) {
        Some(Ok(regex)) => Some(matcher::supported(call, regex)?),
        Some(Err(message)) => return call.fail(1, message),
        None => None,
    };
    let separator = options.value("s").cloned().unwrap_or_else(|| b"\t".to_vec());
    let (text, status) = streams::joined(call, &options.operands)?;
    let mut out = Bytes::new();
    for line in streams::lines(&text, b'\n') {
        if matches!(line, b"\\:\\:\\:" | b"\\:\\:" | b"\\:") {
            return call.unsupported("sections of a page");
        }
        let counted = match (&regex, style.as_slice()) {
            (Some(regex), _) => regex.is_match(line)?,
            (None, b"a") => true,
            (None, b"t") => !line.is_empty(),
            _ => false,
        };
        if counted {
            out.extend(match options.value("n").map(Vec::as_slice) {
                Some(b"ln") => format!("{line_number:<width$}").into_bytes(),
                Some(b"rz") => format!("{line_number:0>width$}").into_bytes(),
                _ => format!("{line_number:>width$}").into_bytes(),
            });
            out.extend_from_slice(&separator);
            line_number = line_number.saturating_add(step);
        } else {
            out.extend(std::iter::repeat_n(b' ', width + separator.len()));
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    call.out(&out)?;
    Ok(status)
}

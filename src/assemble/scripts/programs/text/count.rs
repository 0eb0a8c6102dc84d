//! `wc`: how many lines, words and bytes.

use super::streams::{self, Input};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::Stop;

pub(super) fn wc(call: &mut Call) -> Result<u8, Stop> {
    let known = ["l|lines", "w|words", "c|bytes", "m|chars", "L|max-line-length"];
    let options = options::parse(call, &known, true)?;
    let wanted = |name| options.has(name) || (options.given.is_empty() && matches!(name, "l" | "w" | "c"));
    let wanted: Vec<&str> = ["l", "w", "m", "c", "L"].into_iter().filter(|name| wanted(name)).collect();
    let (inputs, status) = streams::inputs(call, &options.operands)?;
    let size: usize = inputs.iter().map(|input| input.bytes.len()).sum();
    let pipe = options.operands.is_empty() || options.operands.iter().any(|operand| operand == b"-");
    let width = match (wanted.len(), options.operands.len()) {
        (1, 0 | 1) => 1,
        _ if pipe => 7,
        _ => size.to_string().len(),
    };
    let mut total = vec![0; wanted.len()];
    let line = |counts: &[usize], name: &[u8]| {
        let numbers: Vec<String> = counts.iter().map(|count| format!("{count:width$}")).collect();
        let space: &[u8] = if name.is_empty() { b"" } else { b" " };
        [numbers.join(" ").as_bytes(), space, name, b"\n"].concat()
    };
    for Input { name, bytes } in &inputs {
        let counts: Vec<usize> = wanted.iter().map(|what| count(what, bytes)).collect();
        for ((total, count), what) in total.iter_mut().zip(&counts).zip(&wanted) {
            *total = if *what == "L" { (*total).max(*count) } else { *total + count };
        }
        call.out(line(&counts, if options.operands.is_empty() { b"" } else { name }))?;
    }
    if options.operands.len() > 1 {
        call.out(line(&total, b"total"))?;
    }
    Ok(status)
}

fn count(what: &str, text: &[u8]) -> usize {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 11;
    match what {
        "l" => text.iter().filter(|byte| **byte == b'\n').count(),
        // What is not printable makes no word.
        "w" => text.split(is_space).filter(|word| word.iter().any(u8::is_ascii_graphic)).count(),
        "L" => text.split(|byte| *byte == b'\n').map(width).max().unwrap_or(0),
        _ => text.len(),
    }
}

/// Columns of a line.
fn width(line: &[u8]) -> usize {
    let mut width = 0;
    let mut widest = 0;
    for byte in line {
        match byte {
            b'\t' => width += 8 - width % 8,
            b'\r' | 12 => {
                widest = width.max(widest);
                width = 0;
            }
            b' '..=b'~' => width += 1,
            _ => {}
        }
    }
    width.max(widest)
}

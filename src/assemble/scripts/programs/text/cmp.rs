//! `cmp`: whether two files have the same bytes.

use super::ends::scaled;
use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::Stop;

pub(super) fn cmp(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["s|quiet|silent", "n|bytes=", "l|verbose"], true)?;
    let (first, second) = match options.operands.as_slice() {
        [first] => (first.clone(), b"-".to_vec()),
        [first, second] => (first.clone(), second.clone()),
        [_, _, _, ..] => return call.unsupported("skipping bytes"),
        [] => return call.fail(2, "missing operand after 'cmp'"),
    };
    let silent = options.has("s");
    let mut texts = Vec::new();
    for name in [&first, &second] {
        match streams::read(call, name)? {
            Ok(text) => texts.push(text),
            Err(_) if silent => return Ok(2),
            Err(errno) => return call.fail(2, format!("{}: {errno}", shown(name))),
        }
    }
    let most = match options.value("n").map(|text| scaled(text)) {
        None => usize::MAX,
        Some(Some(most)) => most,
        Some(None) => return call.fail(2, "invalid --bytes value"),
    };
    let [one, other] = &texts[..] else { return Ok(2) };
    let (one, other) = (one.get(..most).unwrap_or(one), other.get(..most).unwrap_or(other));
    let differences: Vec<usize> = (0..one.len().min(other.len())).filter(|at| one[*at] != other[*at]).collect();
    if options.has("l") && !silent {
        let width = one.len().min(other.len()).to_string().len();
        for at in &differences {
            call.out(format!("{:>width$} {:3o} {:3o}\n", at + 1, one[*at], other[*at]))?;
        }
    } else if let Some(at) = differences.first() {
        if !silent {
            let line = one[..*at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let differ = format!(" differ: char {}, line {line}\n", at + 1);
            call.out([&first, b" ".as_slice(), &second, differ.as_bytes()].concat())?;
        }
        return Ok(1);
    }
    if one.len() == other.len() {
        return Ok(u8::from(!differences.is_empty()));
    }
    if !silent {
        let (short, bytes) = if one.len() < other.len() { (&first, one) } else { (&second, other) };
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let place = match (bytes.len(), bytes.ends_with(b"\n")) {
            (0, _) => "which is empty".to_owned(),
            (length, true) => format!("after byte {length}, line {lines}"),
            (length, false) => format!("after byte {length}, in line {}", lines + 1),
        };
        call.error(format!("EOF on {} {place}", shown(short)))?;
    }
    Ok(1)
}

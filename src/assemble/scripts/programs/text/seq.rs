//! `seq`: numbers in a row.

use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop, World};

/// A decimal number: its digits as one number, and how many of them are behind the point.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    value: i128,
    places: u32,
    /// Characters that it was written with before the point, and a hyphen.
    width: usize,
}

pub(super) fn seq(call: &mut Call) -> Result<u8, Stop> {
    // A negative number is no option.
    let first = call.words.iter().position(|word| decimal(word).is_some()).unwrap_or(call.words.len());
    let (words, numbers) = call.words.split_at(first);
    let words = words.to_vec();
    let options = streams::with_words(call, &words, |call| {
        options::parse(call, &["s|separator=", "w|equal-width", "f|format="], false)
    })?;
    if options.has("f") {
        return call.unsupported("the option `-f`");
    }
    let operands: Vec<&Bytes> = options.operands.iter().chain(numbers).collect();
    let mut parsed = Vec::new();
    for operand in &operands {
        match decimal(operand) {
            Some(number) => parsed.push(number),
            None => return call.fail(1, format!("invalid floating point argument: '{}'", shown(operand))),
        }
    }
    let one = Decimal { value: 1, places: 0, width: 1 };
    let (first, step, last) = match parsed[..] {
        [last] => (one, one, last),
        [first, last] => (first, one, last),
        [first, step, last] => (first, step, last),
        _ => return call.fail(1, "one to three numbers are needed"),
    };
    if step.value == 0 {
        return call.fail(1, "invalid Zero increment value: '0'");
    }
    let separator = options.value("s").cloned().unwrap_or_else(|| b"\n".to_vec());
    run(call, [first, step, last], &separator, options.has("w"))
}

fn run(call: &mut Call, [first, step, last]: [Decimal; 3], separator: &[u8], wide: bool) -> Result<u8, Stop> {
    let places = first.places.max(step.places);
    let all = places.max(last.places);
    let (at, end, step_value) = (scale(first, all), scale(last, all), scale(step, all));
    let (Some(mut at), Some(end), Some(step_value)) = (at, end, step_value) else {
        return call.unsupported("numbers as large as these");
    };
    let fraction = if places > 0 { usize::try_from(places).unwrap_or(0) + 1 } else { 0 };
    let width = if wide { first.width.max(last.width) + fraction } else { 0 };
    let mut out = Bytes::new();
    let mut some = false;
    while if step_value > 0 { at <= end } else { at >= end } {
        call.machine.spend(1)?;
        if some {
            out.extend_from_slice(separator);
        }
        some = true;
        out.extend(written(at, all, places, width).bytes());
        at += step_value;
    }
    if some {
        out.push(b'\n');
    }
    call.out(&out)?;
    Ok(0)
}

fn scale(number: Decimal, places: u32) -> Option<i128> {
    number
        .value
        .checked_mul(10_i128.checked_pow(places - number.places)?)
        .filter(|value| value.unsigned_abs() < 1 << 100)
}

/// A number of so many places, with the first of them.
fn written(value: i128, has: u32, places: u32, width: usize) -> String {
    let unit = 10_u128.pow(has);
    let magnitude = value.unsigned_abs();
    let mut text = (magnitude / unit).to_string();
    if places > 0 {
        let fraction = format!("{:0has$}", magnitude % unit, has = usize::try_from(has).unwrap_or(0));
        text.push('.');
        text.push_str(fraction.get(..usize::try_from(places).unwrap_or(0)).unwrap_or(&fraction));
    }
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{text:0>width$}", width = width.saturating_sub(sign.len()))
}

fn decimal(word: &[u8]) -> Option<Decimal> {
    let text = std::str::from_utf8(word).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty())
        || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let value: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 20)?;
    let width = whole.len().max(1) + usize::from(negative);
    Some(Decimal { value: if negative { -value } else { value }, places, width })
}

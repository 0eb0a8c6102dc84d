//! `base64`: bytes as letters, and back.

use super::streams;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["d|decode", "i|ignore-garbage", "w|wrap="], true)?;
    let (text, status) = streams::joined(call, &options.operands)?;
    if status != 0 {
        return Ok(status);
    }
    if options.has("d") {
        let (bytes, good) = decode(&text, options.has("i"));
        call.out(bytes)?;
        return if good { Ok(0) } else { call.fail(1, "invalid input") };
    }
    let width = match options.value("w") {
        None => 76,
        Some(width) => match streams::number(width) {
            Some(width) => usize::try_from(width).unwrap_or(usize::MAX),
            None => return call.fail(1, format!("invalid wrap size: '{}'", streams::shown(width))),
        },
    };
    let letters = encode(&text);
    if width == 0 {
        call.out(letters)?;
        return Ok(0);
    }
    let mut out = Bytes::new();
    for line in letters.chunks(width) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    call.out(out)?;
    Ok(0)
}

fn encode(bytes: &[u8]) -> Bytes {
    let mut out = Bytes::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=3_usize {
            let letter = LETTERS.get((all >> (18 - 6 * index) & 63) as usize).copied().unwrap_or(b'=');
            out.push(if index > chunk.len() { b'=' } else { letter });
        }
    }
    out
}

/// What could be decoded, and whether that is all.
fn decode(text: &[u8], ignore: bool) -> (Bytes, bool) {
    let value = |byte: u8| LETTERS.iter().position(|letter| *letter == byte);
    let kept =
        text.iter().copied().filter(|byte| *byte != b'\n' && (!ignore || *byte == b'=' || value(*byte).is_some()));
    let letters: Bytes = kept.collect();
    let mut out = Bytes::new();
    for chunk in letters.chunks(4) {
        let padding = chunk.iter().rev().take_while(|byte| **byte == b'=').count();
        let values: Option<Vec<usize>> = chunk[..chunk.len() - padding].iter().map(|byte| value(*byte)).collect();
        let count = values.as_ref().map_or(0, Vec::len);
        let whole = chunk.len() == 4 && padding <= 2;
        let bits = values.as_deref().unwrap_or_default().iter().fold(0, |bits, value| bits << 6 | value);
        let bits = bits << (6 * (4 - count.min(4)));
        let bytes = [bits >> 16 & 255, bits >> 8 & 255, bits & 255].map(|byte| u8::try_from(byte).unwrap_or_default());
        if values.is_some() {
            out.extend(bytes.iter().take(count.saturating_sub(1)));
        }
        if values.is_none() || !whole {
            return (out, false);
        }
    }
    (out, true)
}

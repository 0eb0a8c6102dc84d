//! `md5sum` and its kin: digests of files, and lists of them checked.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::hex;
use crate::shell::{Bytes, Stop, World};

const OPTIONS: &[options::Known] =
    &["b|binary", "t|text", "c|check", "tag", "z|zero", "status", "quiet", "strict", "w|warn", "ignore-missing"];

/// In hexadecimal digits.
fn digest(program: &str, bytes: &[u8]) -> String {
    match program {
        "md5sum" => hex::encode(&Md5::digest(bytes)),
        "sha1sum" => hex::encode(&Sha1::digest(bytes)),
        "sha224sum" => hex::encode(&Sha224::digest(bytes)),
        "sha384sum" => hex::encode(&Sha384::digest(bytes)),
        "sha512sum" => hex::encode(&Sha512::digest(bytes)),
        _ => hex::encode(&Sha256::digest(bytes)),
    }
}

pub(super) fn sums(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, OPTIONS, true)?;
    let names = if options.operands.is_empty() { vec![b"-".to_vec()] } else { options.operands.clone() };
    let mut status = 0;
    for name in names {
        let bytes = match streams::read(call, &name)? {
            Ok(bytes) => bytes,
            Err(errno) => {
                status = call.fail(1, format!("{}: {errno}", shown(&name)))?;
                continue;
            }
        };
        if options.has("c") {
            status = status.max(check(call, &options, &name, &bytes)?);
            continue;
        }
        call.machine.spend(bytes.len() as u64 / 16)?;
        let sum = digest(call.name, &bytes);
        let end: &[u8] = if options.has("z") { b"\0" } else { b"\n" };
        if options.has("tag") {
            let kind = call.name.trim_end_matches("sum").to_uppercase();
            call.out([kind.as_bytes(), b" (", &name, b") = ", sum.as_bytes(), end].concat())?;
            continue;
        }
        let (mark, name) = if options.has("z") { ("", name) } else { escaped(&name) };
        let binary = if options.has("b") { b"*" } else { b" " };
        call.out([mark.as_bytes(), sum.as_bytes(), b" ", binary, &name, end].concat())?;
    }
    Ok(status)
}

/// A name with a newline or a backslash in it has a backslash before its line.
fn escaped(name: &[u8]) -> (&'static str, Bytes) {
    if !name.iter().any(|byte| matches!(byte, b'\n' | b'\\' | b'\r')) {
        return ("", name.to_vec());
    }
    let mut out = Bytes::new();
    for byte in name {
        match byte {
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\\' => out.extend(b"\\\\"),
            byte => out.push(*byte),
        }
    }
    ("\\", out)
}

fn unescaped(name: &[u8]) -> Bytes {
    let mut out = Bytes::new();
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => b'\\',
            },
            byte => *byte,
        });
    }
    out
}

fn check(call: &mut Call, options: &Options, list: &[u8], text: &[u8]) -> Result<u8, Stop> {
    let length = digest(call.name, b"").len();
    let silent = options.has("status");
    let (mut wrong, mut unreadable, mut matched, mut malformed, mut some) = (0, 0, false, 0, false);
    for line in streams::lines(text, b'\n') {
        let Some((sum, name)) = entry(call.name, length, line) else {
            malformed += u64::from(!line.is_empty() && !line.starts_with(b"#"));
            continue;
        };
        some = true;
        let bytes = match streams::read(call, &name)? {
            Ok(bytes) => bytes,
            Err(_) if options.has("ignore-missing") => continue,
            Err(errno) => {
                unreadable += 1;
                call.error(format!("{}: {errno}", shown(&name)))?;
                if !silent {
                    call.out([&name, b": FAILED open or read\n".as_slice()].concat())?;
                }
                continue;
            }
        };
        call.machine.spend(bytes.len() as u64 / 16)?;
        let same = digest(call.name, &bytes).as_bytes().eq_ignore_ascii_case(sum);
        matched |= same;
        wrong += u64::from(!same);
        if !silent && (!same || !options.has("quiet")) {
            let result: &[u8] = if same { b": OK\n" } else { b": FAILED\n" };
            call.out([&name, result].concat())?;
        }
    }
    if !some {
        return call.fail(1, format!("{}: no properly formatted checksum lines found", shown(list)));
    }
    if wrong > 0 && !silent {
        call.error(format!("WARNING: {wrong} computed checksum(s) did NOT match"))?;
    }
    let missing = options.has("ignore-missing") && !matched;
    Ok(u8::from(wrong > 0 || unreadable > 0 || missing || (malformed > 0 && options.has("strict"))))
}

/// The digest and the file of a line of a list.
fn entry<'l>(program: &str, length: usize, line: &'l [u8]) -> Option<(&'l [u8], Bytes)> {
    let is_sum = |sum: &[u8]| sum.len() == length && sum.iter().all(u8::is_ascii_hexdigit);
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = line.get(blanks..)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let tag = format!("{} (", program.trim_end_matches("sum").to_uppercase());
    if let Some(rest) = line.strip_prefix(tag.as_bytes()) {
        let end = rest.windows(4).rposition(|four| four == b") = ")?;
        let (name, sum) = (rest.get(..end)?, rest.get(end + 4..)?);
        return is_sum(sum).then(|| (sum, name.to_vec()));
    }
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (sum, rest) = line.split_at_checked(length)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *")).or_else(|| rest.strip_prefix(b" "))?;
    let name = if escaped { unescaped(name) } else { name.to_vec() };
    (is_sum(sum) && !name.is_empty()).then_some((sum, name))
}

/// POSIX's `cksum`: CRC-32 with the length behind the bytes.
pub(super) fn cksum(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &[], true)?;
    let (inputs, status) = streams::inputs(call, &options.operands)?;
    for input in inputs {
        let length = input.bytes.len() as u64;
        call.machine.spend(length / 8)?;
        let size = length.to_le_bytes();
        let used = size.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut crc = 0_u32;
        for byte in input.bytes.iter().chain(&size[..used]) {
            crc ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                crc = if crc & (1 << 31) != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            }
        }
        let name = if options.operands.is_empty() { Vec::new() } else { [b" ", input.name.as_slice()].concat() };
        call.out([format!("{} {length}", !crc).as_bytes(), &name, b"\n"].concat())?;
    }
    Ok(status)
}

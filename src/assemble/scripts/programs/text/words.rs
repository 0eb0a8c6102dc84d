//! `envsubst`, `iconv`, and the built-ins that are programs too.

use std::collections::BTreeSet;

use super::streams;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// A program that is a built-in of the shell as well.
pub(super) fn built_in(call: &mut Call) -> Result<u8, Stop> {
    let words: Vec<Bytes> = std::iter::once(call.name.as_bytes().to_vec()).chain(call.words.iter().cloned()).collect();
    call.run(&words)
}

/// A variable at the start of what stands behind a dollar sign: its name, and how long that is.
fn variable(text: &[u8]) -> Option<(&[u8], usize)> {
    let braces = text.starts_with(b"{");
    let start = usize::from(braces);
    let rest = text.get(start..)?;
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let length = rest.iter().take_while(is_name).count();
    let name = rest.get(..length).filter(|name| name.first().is_some_and(|byte| !byte.is_ascii_digit()))?;
    match braces {
        true if rest.get(length) != Some(&b'}') => None,
        true => Some((name, length + 2)),
        false => Some((name, length)),
    }
}

/// The variables of a text, and what stands between them.
fn variables(text: &[u8], mut each: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut rest = text;
    while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
        let (before, behind) = rest.split_at(dollar);
        each(before, None);
        match variable(&behind[1..]) {
            Some((name, length)) => {
                each(&behind[..=length], Some(name));
                rest = &behind[1 + length..];
            }
            None => {
                each(b"$", None);
                rest = &behind[1..];
            }
        }
    }
    each(rest, None);
}

pub(super) fn envsubst(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["v|variables"], true)?;
    let mut wanted: Option<BTreeSet<Bytes>> = None;
    if let Some(format) = options.operands.first() {
        variables(format, |_, name| {
            wanted.get_or_insert_default().extend(name.map(<[u8]>::to_vec));
        });
    }
    let mut out = Bytes::new();
    if options.has("v") {
        for name in wanted.unwrap_or_default() {
            out.extend(name);
            out.push(b'\n');
        }
        call.out(out)?;
        return Ok(0);
    }
    let environment = call.shell.environment();
    variables(&call.input(), |text, name| match name {
        Some(name) if wanted.as_ref().is_none_or(|wanted| wanted.contains(name)) => {
            out.extend(environment.get(name).into_iter().flatten());
        }
        _ => out.extend_from_slice(text),
    });
    call.out(out)?;
    Ok(0)
}

/// Character sets that agree on ASCII, by their names in small letters and without hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
}

fn charset(name: &[u8]) -> Option<Charset> {
    let name = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    let plain: Bytes = name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    match plain.as_slice() {
        b"" | b"ascii" | b"usascii" | b"ansix3.41968" | b"ansix341968" | b"c" => Some(Charset::Ascii),
        b"iso88591" | b"latin1" | b"l1" => Some(Charset::Latin1),
        b"utf8" => Some(Charset::Utf8),
        _ => None,
    }
}

pub(super) fn iconv(call: &mut Call) -> Result<u8, Stop> {
    let known = ["f|from-code=", "t|to-code=", "c", "s|silent", "o|output="];
    let options = options::parse(call, &known, true)?;
    let set = |name| charset(options.value(name).map(Vec::as_slice).unwrap_or_default());
    let (Some(from), Some(to)) = (set("f"), set("t")) else { return call.unsupported("these character sets") };
    if options.has("o") {
        return call.unsupported("the option `-o`");
    }
    let (text, status) = streams::joined(call, &options.operands)?;
    let converted = match (from, to) {
        _ if text.is_ascii() => text,
        (Charset::Latin1, Charset::Latin1) => text,
        (Charset::Utf8, Charset::Utf8) if std::str::from_utf8(&text).is_ok() => text,
        (Charset::Latin1, Charset::Utf8) => text.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes(),
        _ => return call.unsupported("letters outside of ASCII"),
    };
    call.out(converted)?;
    Ok(status)
}

//! Arguments of built-ins: read as numbers, shown, quoted to be read again, and refused.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, Stop, World, quote};

pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// What somebody wants of a built-in that it does not do.
pub(super) fn unsupported<T>(program: &str, what: &[u8]) -> Outcome<T> {
    Err(Stop::unsupported(program, quote(what, 60)).into())
}

/// A message and the status of a built-in that failed; it ends the shell if the built-in is special.
pub(super) fn wrong(shell: &mut Shell, world: &mut dyn World, message: &str) -> Outcome<u8> {
    shell.complain(world, message)?;
    Err(Halt::Error(if shell.dialect == Dialect::Dash { 2 } else { 1 }))
}

/// A number without a sign.
pub(super) fn count(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Quoted for the shell to read again, in dash's way or bash's.
pub(super) fn requoted(text: &[u8], dialect: Dialect) -> Bytes {
    if dialect == Dialect::Bash {
        let mut out = b"'".to_vec();
        for byte in text {
            match byte {
                b'\'' => out.extend_from_slice(b"'\\''"),
                byte => out.push(*byte),
            }
        }
        out.push(b'\'');
        return out;
    }
    let mut out = Bytes::new();
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| *byte == b'\'').unwrap_or(rest.len());
        let (before, after) = rest.split_at(plain);
        if !before.is_empty() || rest.is_empty() && out.is_empty() {
            out.push(b'\'');
            out.extend_from_slice(before);
            out.push(b'\'');
        }
        let quotes = after.iter().take_while(|byte| **byte == b'\'').count();
        if quotes == 0 {
            return out;
        }
        out.push(b'"');
        out.extend(std::iter::repeat_n(b'\'', quotes));
        out.push(b'"');
        rest = after.get(quotes..).unwrap_or_default();
        if rest.is_empty() {
            return out;
        }
    }
}

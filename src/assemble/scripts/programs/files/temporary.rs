//! mktemp, tempfile: new names that come from a counter, so that the same build makes the same ones.

use super::complaints::hint;
use super::operands::{at, status};
use super::path_names::joined;
use super::quoting::{named, quoted};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Errno, Stop, World};
use crate::tree::{Content, Kind};

const TEMPLATE: &[u8] = b"tmp.XXXXXXXXXX";
const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Fewer letters than this would not be new for long.
const FEWEST: usize = 3;

pub(super) fn mktemp(call: &mut Call) -> Result<u8, Stop> {
    let known = ["d|directory", "u|dry-run", "q|quiet", "p=", "tmpdir?", "suffix=", "t"];
    let options = parse(call, &known, true)?;
    let (template, given) = match options.operands.as_slice() {
        [] => (TEMPLATE.to_vec(), false),
        [template] => (template.clone(), true),
        _ => return hint(call, "too many templates"),
    };
    let Some(end) = template.iter().rposition(|byte| *byte == b'X').map(|last| last + 1) else {
        return call.fail(1, format!("too few X's in template {}", named(&template)));
    };
    let suffix = match options.value("suffix") {
        Some(_) if end != template.len() => {
            return call.fail(1, format!("with --suffix, template {} must end in X", named(&template)));
        }
        Some(suffix) => suffix.clone(),
        None => template[end..].to_vec(),
    };
    if suffix.contains(&b'/') {
        return call.fail(1, format!("invalid suffix {}, contains directory separator", named(&suffix)));
    }
    let stem = template[..end].to_vec();
    let letters = stem.iter().rev().take_while(|byte| **byte == b'X').count();
    if letters < FEWEST {
        return call.fail(1, format!("too few X's in template {}", named(&template)));
    }
    let (place, deprecated) = (options.last_of(&["p", "tmpdir"]), options.has("t"));
    let prefix = if place.is_some() || deprecated || !given {
        let asked = place.map(|(_, place)| place.clone()).filter(|place| !place.is_empty());
        let place =
            if deprecated { temporary_directory(call).or(asked) } else { asked.or_else(|| temporary_directory(call)) };
        if deprecated && stem.contains(&b'/') {
            return call.fail(1, format!("invalid template, {}, contains directory separator", named(&template)));
        }
        if stem.starts_with(b"/") {
            let text = format!("invalid template, {}; with --tmpdir, it may not be absolute", named(&template));
            return call.fail(1, text);
        }
        joined(&place.unwrap_or_else(|| b"/tmp".to_vec()), &stem)
    } else {
        stem
    };
    let wish = Making { directory: options.has("d"), mode: 0o600, only_name: options.has("u") };
    match make(call, &prefix, letters, &suffix, wish)? {
        Ok(name) => {
            call.out([&name, b"\n".as_slice()].concat())?;
            Ok(0)
        }
        Err(_) if options.has("q") => Ok(1),
        Err(errno) => {
            let what = if wish.directory { "directory" } else { "file" };
            let template = named(&[&prefix, suffix.as_slice()].concat());
            call.fail(1, format!("failed to create {what} via template {template}: {errno}"))
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Making {
    directory: bool,
    mode: u16,
    only_name: bool,
}

fn temporary_directory(call: &Call) -> Option<Bytes> {
    call.shell.environment().remove(b"TMPDIR".as_slice()).filter(|place| !place.is_empty())
}

/// Makes something new whose name has its last letters from the counter.
fn make(
    call: &mut Call,
    prefix: &[u8],
    letters: usize,
    suffix: &[u8],
    wish: Making,
) -> Result<Result<Bytes, Errno>, Stop> {
    let stem = &prefix[..prefix.len().saturating_sub(letters)];
    loop {
        call.machine.spend(1)?;
        let name = [stem, &digits(call.machine.serial, letters), suffix].concat();
        call.machine.serial += 1;
        let path = at(call, &name);
        if status(call, &name, false).is_ok() {
            continue;
        }
        let (kind, mode) = match wish.directory {
            true => (Kind::Directory, 0o700),
            false => (Kind::File(Content::inline(Vec::new())), wish.mode),
        };
        if wish.only_name {
            return Ok(call.machine.files.resolve(&path, false).map(|_| name));
        }
        return Ok(call.machine.files.make(&path, kind, mode & !call.shell.umask).map(|_| name));
    }
}

/// A number in as many letters as there is room for.
fn digits(mut number: u64, letters: usize) -> Bytes {
    let base = LETTERS.len() as u64;
    let mut digits: Bytes = Vec::with_capacity(letters);
    for _ in 0..letters {
        let digit = usize::try_from(number % base).unwrap_or_default();
        digits.push(LETTERS.get(digit).copied().unwrap_or(b'0'));
        number /= base;
    }
    digits.reverse();
    digits
}

pub(super) fn tempfile(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["d|directory=", "p|prefix=", "s|suffix=", "m|mode=", "n|name="], false)?;
    if !options.operands.is_empty() {
        return call.fail(1, "too many arguments");
    }
    let Some(mode) = u16::from_str_radix(&options.text("m").unwrap_or_else(|| "600".to_owned()), 8).ok() else {
        return call.unsupported("a mode that is no octal number");
    };
    let made = match options.value("n") {
        Some(name) => {
            let kind = Kind::File(Content::inline(Vec::new()));
            call.machine.files.make(&at(call, name), kind, mode & 0o777 & !call.shell.umask).map(|_| name.clone())
        }
        None => {
            let place = temporary_directory(call).or_else(|| options.value("d").cloned());
            let prefix: Bytes = options.value("p").cloned().unwrap_or_else(|| b"file".to_vec());
            let prefix = prefix.into_iter().take(5).chain(*b"XXXXXX").collect::<Bytes>();
            let stem = joined(&place.unwrap_or_else(|| b"/tmp".to_vec()), &prefix);
            let suffix = options.value("s").cloned().unwrap_or_default();
            let making = Making { directory: false, mode: mode & 0o777, only_name: false };
            make(call, &stem, 6, &suffix, making)?
        }
    };
    match made {
        Ok(name) => {
            call.out([&name, b"\n".as_slice()].concat())?;
            Ok(0)
        }
        Err(errno) => {
            let name = options.value("n").cloned().unwrap_or_default();
            call.fail(1, format!("{}: {errno}", quoted(&name)))
        }
    }
}

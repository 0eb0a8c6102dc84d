//! `diff`: whether two files have the same lines, and which are others.

mod script;

use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::shell::{Bytes, Errno, Stop, Stream};
use script::Change;

const OPTIONS: &[options::Known] = &[
    "q|brief",
    "s|report-identical-files",
    "u",
    "U|unified=",
    "N|new-file",
    "i|ignore-case",
    "b|ignore-space-change",
    "w|ignore-all-space",
    "a|text",
    "normal",
    "L|label=",
    "strip-trailing-cr",
];

pub(super) fn diff(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, OPTIONS, true)?;
    let [first, second] = options.operands.as_slice() else { return call.fail(2, "two files are needed") };
    let names = [in_directory(call, first, second), in_directory(call, second, first)];
    let mut texts = Vec::new();
    for name in &names {
        match streams::read(call, name)? {
            Ok(text) => texts.push(text),
            Err(Errno::NoEntry) if options.has("N") => texts.push(Bytes::new()),
            Err(Errno::IsDirectory) => return call.unsupported("comparing directories"),
            Err(errno) => return call.fail(2, format!("{}: {errno}", shown(name))),
        }
    }
    let [one, other] = &texts[..] else { return Ok(2) };
    let lines = |text| -> Vec<Bytes> { split(text).into_iter().map(|line| seen(&options, line)).collect() };
    let (keys, other_keys) = (lines(one), lines(other));
    if one == other || keys == other_keys {
        if options.has("s") {
            call.out([b"Files ", names[0].as_slice(), b" and ", &names[1], b" are identical\n"].concat())?;
        }
        return Ok(0);
    }
    if options.has("q") {
        call.out([b"Files ", names[0].as_slice(), b" and ", &names[1], b" differ\n"].concat())?;
        return Ok(1);
    }
    // Where nobody looks, it does not matter which lines differ.
    let unseen = call.shell.descriptor(1).is_none_or(|handle| matches!(*handle.borrow(), Stream::Null));
    if unseen {
        return Ok(1);
    }
    if !options.has("a") && (one.contains(&0) || other.contains(&0)) {
        call.out([b"Binary files ", names[0].as_slice(), b" and ", &names[1], b" differ\n"].concat())?;
        return Ok(2);
    }
    let changes = script::changes(call, &keys, &other_keys)?;
    let output = Output { one: split(one), other: split(other) };
    let context = match options.value("U").map(|text| streams::number(text)) {
        None => options.has("u").then_some(3),
        Some(Some(lines)) => Some(usize::try_from(lines).unwrap_or(usize::MAX)),
        Some(None) => return call.fail(2, "invalid context length"),
    };
    let text = match context {
        Some(context) => [headers(call, &options, &names), output.unified(&changes, context)].concat(),
        None => output.normal(&changes),
    };
    call.out(text)?;
    Ok(1)
}

/// A file compared with a directory is compared with the one of its name there.
fn in_directory(call: &Call, name: &Bytes, other: &[u8]) -> Bytes {
    let is_directory = |name: &[u8]| name != b"-" && call.machine.files.is_directory(&call.path(name));
    if !is_directory(name) || is_directory(other) {
        return name.clone();
    }
    let base = other.rsplit(|byte| *byte == b'/').next().unwrap_or(other);
    let slash: &[u8] = if name.ends_with(b"/") { b"" } else { b"/" };
    [name, slash, base].concat()
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What of a line is compared.
fn seen(options: &Options, line: &[u8]) -> Bytes {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 11;
    let mut line = line.to_vec();
    if options.has("strip-trailing-cr") && line.ends_with(b"\r\n") {
        line.remove(line.len() - 2);
    }
    if options.has("i") {
        line.make_ascii_lowercase();
    }
    if options.has("w") {
        line.retain(|byte| !is_space(*byte));
    } else if options.has("b") {
        let end = line.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        line.truncate(end);
        line.iter_mut().filter(|byte| is_space(**byte)).for_each(|byte| *byte = b' ');
        line.dedup_by(|after, before| *after == b' ' && *before == b' ');
    }
    line
}

/// The names with the times of the files, or the labels in place of both.
fn headers(call: &Call, options: &Options, names: &[Bytes; 2]) -> Bytes {
    let labels: Vec<&Bytes> = options.given.iter().filter(|(name, _)| *name == "L").map(|(_, label)| label).collect();
    let mut out = Bytes::new();
    for (index, mark) in [b"--- ", b"+++ "].into_iter().enumerate() {
        out.extend_from_slice(mark);
        match (labels.get(index), names.get(index)) {
            (Some(label), _) => out.extend_from_slice(label),
            (None, Some(name)) => {
                let time = call.machine.files.facts(&call.path(name), true).map_or(0, |facts| facts.mtime);
                out.extend_from_slice(name);
                out.extend(format!("\t{}", date(time)).bytes());
            }
            (None, None) => {}
        }
        out.push(b'\n');
    }
    out
}

/// A time in UTC, as diff writes it.
fn date(time: i64) -> String {
    let (days, seconds) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    // Years begin with March here, so that the day of a leap year is its last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.000000000 +0000")
}

struct Output<'t> {
    one: Vec<&'t [u8]>,
    other: Vec<&'t [u8]>,
}

impl Output<'_> {
    fn line(&self, out: &mut Bytes, mark: &[u8], line: Option<&&[u8]>) {
        let Some(line) = line else { return };
        out.extend_from_slice(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend(b"\n\\ No newline at end of file\n");
        }
    }

    fn normal(&self, changes: &[Change]) -> Bytes {
        let mut out = Bytes::new();
        let range = |start: usize, end: usize| match end - start {
            0 => start.to_string(),
            1 => (start + 1).to_string(),
            _ => format!("{},{end}", start + 1),
        };
        for Change { one, other } in changes {
            let letter = match (one.is_empty(), other.is_empty()) {
                (true, _) => 'a',
                (_, true) => 'd',
                _ => 'c',
            };
            out.extend(format!("{}{letter}{}\n", range(one.start, one.end), range(other.start, other.end)).bytes());
            one.clone().for_each(|line| self.line(&mut out, b"< ", self.one.get(line)));
            if letter == 'c' {
                out.extend(b"---\n");
            }
            other.clone().for_each(|line| self.line(&mut out, b"> ", self.other.get(line)));
        }
        out
    }

    fn unified(&self, changes: &[Change], context: usize) -> Bytes {
        let mut out = Bytes::new();
        let near = |before: &Change, after: &Change| after.one.start - before.one.end <= context.saturating_mul(2);
        for hunk in changes.chunk_by(near) {
            let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
            let before = first.one.start.min(context);
            let after = (self.one.len() - last.one.end).min(context);
            let range = |start: usize, end: usize| match end - start {
                0 => format!("{start},0"),
                1 => (start + 1).to_string(),
                count => format!("{},{count}", start + 1),
            };
            let old = range(first.one.start - before, last.one.end + after);
            let new = range(first.other.start - before, last.other.end + after);
            out.extend(format!("@@ -{old} +{new} @@\n").bytes());
            let mut at = first.one.start - before;
            for Change { one, other } in hunk {
                (at..one.start).for_each(|line| self.line(&mut out, b" ", self.one.get(line)));
                one.clone().for_each(|line| self.line(&mut out, b"-", self.one.get(line)));
                other.clone().for_each(|line| self.line(&mut out, b"+", self.other.get(line)));
                at = one.end;
            }
            (at..at + after).for_each(|line| self.line(&mut out, b" ", self.one.get(line)));
        }
        out
    }
}

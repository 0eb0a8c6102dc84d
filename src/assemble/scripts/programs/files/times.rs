//! touch, truncate.

use super::complaints::{complain, hint};
use super::operands::{at, has_content, status};
use super::quoting::{named, quoted};
use crate::assemble::scripts::dates::{DAY, Date, days};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Errno, Facts, Kind, Stop, World};
use crate::tree::{Content, Kind as NodeKind};

pub(super) fn touch(call: &mut Call) -> Result<u8, Stop> {
    let known = ["a", "m", "c|no-create", "h|no-dereference", "r|reference=", "d|date=", "t=", "f", "time="];
    let options = parse(call, &known, true)?;
    let mut time = call.machine.files.epoch;
    if let Some(reference) = options.value("r") {
        has_content(call, reference)?;
        match status(call, reference, !options.has("h")) {
            Ok(facts) => time = facts.mtime,
            Err(errno) => {
                return call.fail(1, format!("failed to get attributes of {}: {errno}", quoted(reference)));
            }
        }
    }
    if let Some((name, text)) = options.last_of(&["d", "t"]) {
        if options.has("r") {
            return call.unsupported("-r together with -d or -t");
        }
        let text = String::from_utf8_lossy(text).into_owned();
        let parsed = if name == "d" { date(&text, time) } else { stamp(&text, time) };
        match parsed {
            Some(parsed) => time = parsed,
            None => return call.unsupported(format!("the time `{text}`")),
        }
    }
    if options.operands.is_empty() {
        return hint(call, "missing file operand");
    }
    let access = |time: &[u8]| [b"access".as_slice(), b"atime", b"use"].contains(&time);
    let only_access = (options.has("a") || options.value("time").is_some_and(|time| access(time))) && !options.has("m");
    let lenient = options.has("c") || !options.has("h");
    let wish = Touching {
        time,
        create: !options.has("c") && !options.has("h"),
        lenient,
        follow: !options.has("h"),
        only_access,
    };
    let mut failed = false;
    for word in &options.operands {
        if let Err(text) = touch_one(call, wish, word) {
            complain(call, &mut failed, text)?;
        }
    }
    Ok(failed.into())
}

#[derive(Debug, Clone, Copy)]
struct Touching {
    time: i64,
    create: bool,
    /// Whether what is missing is no failure.
    lenient: bool,
    follow: bool,
    only_access: bool,
}

fn touch_one(call: &mut Call, wish: Touching, word: &[u8]) -> Result<(), String> {
    let path = at(call, word);
    if word == b"-" || call.machine.files.is_later(&path) {
        return Ok(());
    }
    let missing = match call.machine.files.status(&path, wish.follow) {
        Ok(_) => false,
        Err(Errno::NoEntry) if wish.create => {
            let mode = 0o666 & !call.shell.umask;
            let made = match word.ends_with(b"/") {
                true => Err(Errno::NoEntry),
                false => call.machine.files.open_to_write(&path, mode, false, false).map(drop),
            };
            made.map_err(|errno| {
                let what = if word.ends_with(b"/") { "setting times of" } else { "cannot touch" };
                format!("{what} {}: {errno}", quoted(word))
            })?;
            true
        }
        Err(Errno::NoEntry) if wish.lenient => return Ok(()),
        Err(errno) => {
            let what = if wish.create && !word.ends_with(b"/") { "cannot touch" } else { "setting times of" };
            return Err(format!("{what} {}: {errno}", quoted(word)));
        }
    };
    // The time of the last access is not part of an image.
    if wish.only_access && !missing {
        return Ok(());
    }
    let time = if wish.only_access { call.machine.files.epoch } else { wish.time };
    let changed = call.machine.files.update(&path, wish.follow, |inode| inode.mtime = time);
    changed.map_err(|errno| format!("setting times of {}: {errno}", quoted(word)))
}

/// `@SECONDS`, `now`, `YYYY-MM-DD[ HH:MM[:SS]][ UTC|Z]`; the fraction of a second is left out.
pub(super) fn date(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.split('.').next()?.parse().ok().filter(|time: &i64| time.unsigned_abs() < 1 << 40);
    }
    if text == "now" {
        return Some(now);
    }
    let bare = ["UTC", "GMT", "+0000", "+00:00", "Z"].iter().find_map(|zone| text.strip_suffix(zone));
    let text = bare.unwrap_or(text).trim();
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut day = day.split('-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) = (day.next(), day.next(), day.next(), day.next())
    else {
        return None;
    };
    let time = time.trim().split('.').next()?;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        None => 0,
        Some(second) => second?,
    };
    seconds(year, month, day, (hour, minute, second))
}

/// `[[CC]YY]MMDDhhmm[.ss]`
fn stamp(text: &str, now: i64) -> Option<i64> {
    let (text, second) = match text.split_once('.') {
        Some((text, second)) if second.len() == 2 => (text, second.parse().ok()?),
        Some(_) => return None,
        None => (text, 0),
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match text.len() {
        12 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        10 => {
            let short: i64 = text.get(..2)?.parse().ok()?;
            (if short < 69 { 2000 + short } else { 1900 + short }, text.get(2..)?)
        }
        8 => (Date::of(now).year, text),
        _ => return None,
    };
    let part = |from: usize| rest.get(from..from + 2)?.parse::<i64>().ok();
    seconds(year, part(0)?, part(2)?, (part(4)?, part(6)?, second))
}

/// Seconds since 1970 of a day and time in UTC.
fn seconds(year: i64, month: i64, day: i64, (hour, minute, second): (i64, i64, i64)) -> Option<i64> {
    let in_range = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days(year, month + 1, 1) - days(year, month, 1)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    in_range.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

#[derive(Debug, Clone, Copy)]
enum Length {
    To(u64),
    By(i64),
    AtLeast(u64),
    AtMost(u64),
    /// Down or up to a multiple.
    Down(u64),
    Up(u64),
}

pub(super) fn truncate(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["s|size=", "c|no-create", "r|reference=", "o|io-blocks"], true)?;
    let length = match (options.text("s"), options.value("r")) {
        (Some(text), None) if !options.has("o") => match length(&text) {
            Some(length) => length,
            None => return call.fail(1, format!("Invalid number: {}", named(text.as_bytes()))),
        },
        (None, Some(reference)) => match status(call, reference, true) {
            Ok(facts) => Length::To(facts.size),
            Err(errno) => return call.fail(1, format!("cannot stat {}: {errno}", quoted(reference))),
        },
        (None, None) => return hint(call, "you must specify either '--size' or '--reference'"),
        _ => return call.unsupported("these options together"),
    };
    if options.operands.is_empty() {
        return hint(call, "missing file operand");
    }
    let mut failed = false;
    for word in &options.operands {
        truncate_one(call, length, options.has("c"), word, &mut failed)?;
    }
    Ok(failed.into())
}

fn truncate_one(call: &mut Call, length: Length, keep: bool, word: &[u8], failed: &mut bool) -> Result<(), Stop> {
    let path = at(call, word);
    if call.machine.files.is_later(&path) {
        return Ok(());
    }
    let size = match call.machine.files.status(&path, true) {
        Ok(Facts { kind: Kind::File, size, .. }) => size,
        Err(Errno::NoEntry) if keep => return Ok(()),
        Err(Errno::NoEntry) => 0,
        Ok(Facts { kind: Kind::Directory, .. }) => {
            return complain(call, failed, format!("cannot open {} for writing: {}", quoted(word), Errno::IsDirectory));
        }
        Ok(_) => return call.unsupported(format!("the length of {}, which is no file", quoted(word))),
        Err(errno) => return complain(call, failed, format!("cannot open {} for writing: {errno}", quoted(word))),
    };
    let wanted = length.of(size);
    call.machine.spend(wanted / 64)?;
    let mode = 0o666 & !call.shell.umask;
    let content = match wanted {
        0 => Content::inline(Vec::new()),
        _ => {
            let there = call.machine.files.inode(&path, true).map(|inode| inode.kind.clone());
            let mut bytes = match there {
                Some(NodeKind::File(_)) => call.machine.files.read(&path)?.unwrap_or_default(),
                _ => Vec::new(),
            };
            match usize::try_from(wanted) {
                Ok(wanted) if wanted <= 64 << 20 => bytes.resize(wanted, 0),
                _ => return Err(Stop::limit(format!("a file of {wanted} bytes"))),
            }
            Content::inline(bytes)
        }
    };
    if let Err(errno) = call.machine.files.put_content(&path, content, mode) {
        return complain(call, failed, format!("cannot open {} for writing: {errno}", quoted(word)));
    }
    Ok(())
}

impl Length {
    fn of(self, size: u64) -> u64 {
        match self {
            Length::To(to) => to,
            Length::By(by) => size.saturating_add_signed(by),
            Length::AtLeast(least) => size.max(least),
            Length::AtMost(most) => size.min(most),
            Length::Down(to) => size - size % to,
            Length::Up(to) => size.div_ceil(to).saturating_mul(to),
        }
    }
}

fn length(text: &str) -> Option<Length> {
    let (sign, number) = match text.chars().next()? {
        sign @ ('+' | '-' | '<' | '>' | '/' | '%') => (sign, text.get(1..)?),
        _ => ('=', text),
    };
    let number = number_with_unit(number)?;
    let signed = i64::try_from(number).ok();
    Some(match sign {
        '+' => Length::By(signed?),
        '-' => Length::By(-signed?),
        '<' => Length::AtMost(number),
        '>' => Length::AtLeast(number),
        '/' | '%' if number == 0 => return None,
        '/' => Length::Down(number),
        '%' => Length::Up(number),
        _ => Length::To(number),
    })
}

/// `10`, `10K`, `10KiB` and `10KB`, up to exabytes.
pub(super) fn number_with_unit(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = if digits.is_empty() && !unit.is_empty() { 1 } else { digits.parse().ok()? };
    let (letter, base) = match unit.strip_suffix("iB") {
        Some(letter) => (letter, 1024),
        None => match unit.strip_suffix('B') {
            Some(letter) if !letter.is_empty() => (letter, 1000),
            _ => (unit, 1024u64),
        },
    };
    let power = match letter {
        "" => 0,
        "b" => return number.checked_mul(512),
        "c" => 0,
        "w" => return number.checked_mul(2),
        "k" | "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    number.checked_mul(base.checked_pow(power)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date("@0", 5), Some(0));
        assert_eq!(date("1970-01-02", 5), Some(86_400));
        assert_eq!(date("2024-02-29 12:30:01 UTC", 5), Some(1_709_209_801));
        assert_eq!(date("2024-02-30", 5), None);
        assert_eq!(stamp("202402291230.01", 5), Some(1_709_209_801));
        assert_eq!(stamp("7001020000", 5), Some(86_400));
    }
}

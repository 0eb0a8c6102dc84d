//! stat.

use super::complaints::{complain, hint};
use super::modes::shown;
use super::operands::{at, has_content};
use super::owners::{group_name, user_name};
use super::quoting::quoted;
use crate::assemble::scripts::dates::Date;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Facts, Kind, Stop};
use crate::tree::Kind as NodeKind;

pub(super) fn stat(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["c|format=", "printf=", "L|dereference", "t|terse"], true)?;
    let (format, escapes) = match options.last_of(&["c", "printf"]) {
        Some((name, format)) if !options.has("t") => (format.clone(), name == "printf"),
        _ => return call.unsupported("its output without a format"),
    };
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let mut failed = false;
    for word in &options.operands {
        has_content(call, word)?;
        match call.machine.files.status(&at(call, word), options.has("L")) {
            Ok(facts) => {
                let mut text = formatted(call, &format, escapes, word, &facts)?;
                text.extend((!escapes).then_some(b'\n'));
                call.out(text)?;
            }
            Err(errno) => {
                complain(call, &mut failed, format!("cannot statx {}: {errno}", quoted(word)))?;
            }
        }
    }
    Ok(failed.into())
}

fn formatted(call: &Call, format: &[u8], escapes: bool, word: &[u8], facts: &Facts) -> Result<Bytes, Stop> {
    let mut text = Bytes::new();
    let mut bytes = format.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut flags = String::new();
                while let Some(flag) = bytes.next_if(|byte| byte.is_ascii_digit() || b"-#'+ ".contains(byte)) {
                    flags.push(char::from(flag));
                }
                let field = match bytes.next() {
                    Some(b'%') if flags.is_empty() => vec![b'%'],
                    Some(b'a') if flags == "#" => {
                        flags.clear();
                        format!("0{:o}", facts.mode).into_bytes()
                    }
                    Some(letter) => field(call, letter, word, facts)?,
                    None => vec![b'%'],
                };
                text.extend(padded(call, &flags, field)?);
            }
            b'\\' if escapes => text.push(match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'\\') => b'\\',
                Some(b'0') => 0,
                _ => return call.unsupported("a backslash in its format"),
            }),
            byte => text.push(byte),
        }
    }
    Ok(text)
}

/// `%04a` and `%-10n`.
fn padded(call: &Call, flags: &str, field: Bytes) -> Result<Bytes, Stop> {
    let digits = flags.trim_start_matches(['-', '0']);
    let width: usize = match digits {
        "" => 0,
        digits => match digits.parse() {
            Ok(width) if width <= 4096 => width,
            _ => return call.unsupported(format!("the width `{flags}` in its format")),
        },
    };
    let missing = width.saturating_sub(field.len());
    let fill = if flags.starts_with('0') { b'0' } else { b' ' };
    let padding = vec![fill; missing];
    Ok(if flags.starts_with('-') { [field, vec![b' '; missing]].concat() } else { [padding, field].concat() })
}

fn field(call: &Call, letter: u8, word: &[u8], facts: &Facts) -> Result<Bytes, Stop> {
    let machine = &*call.machine;
    let unknown = |name: Option<String>| name.unwrap_or_else(|| "UNKNOWN".to_owned());
    let device = || match machine.files.inode(&at(call, word), true).map(|inode| &inode.kind) {
        Some(NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor }) => (*major, *minor),
        _ => machine.files.device_numbers(&at(call, word)).unwrap_or_default(),
    };
    let text = match letter {
        b'n' => return Ok(word.to_vec()),
        b'N' => {
            let target = if facts.kind == Kind::Symlink { machine.files.target(&at(call, word)).ok() } else { None };
            match target {
                Some(target) => format!("{} -> {}", quoted(word), quoted(&target)),
                None => quoted(word),
            }
        }
        b'F' => description(facts).to_owned(),
        b'f' => format!("{:x}", kind_bits(facts.kind) | u32::from(facts.mode)),
        b'a' => format!("{:o}", facts.mode),
        b'A' => shown(self::letter(facts.kind), facts.mode),
        b'u' => facts.uid.to_string(),
        b'U' => unknown(user_name(machine, facts.uid)),
        b'g' => facts.gid.to_string(),
        b'G' => unknown(group_name(machine, facts.gid)),
        b's' => facts.size.to_string(),
        b'Y' => facts.mtime.to_string(),
        // `2001-09-09 01:46:40.000000000 +0000`
        b'y' => return Ok(Date::of(facts.mtime).gnu_format(b"%F %T.%N %z").unwrap_or_default()),
        // Only good for comparing.
        b'i' => facts.inode.to_string(),
        b'd' => "1".to_owned(),
        b'h' => links_of(call, &at(call, word), facts).to_string(),
        b't' => format!("{:x}", device().0),
        b'T' => format!("{:x}", device().1),
        b'm' => "/".to_owned(),
        other => return call.unsupported(format!("`%{}` in its format", char::from(other))),
    };
    Ok(text.into_bytes())
}

fn description(facts: &Facts) -> &'static str {
    match facts.kind {
        Kind::File if facts.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::CharDevice => "character special file",
        Kind::BlockDevice => "block special file",
        Kind::Fifo => "fifo",
    }
}

/// The letter that ls shows.
pub(super) fn letter(kind: Kind) -> char {
    match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Fifo => 'p',
    }
}

/// The kind in a mode of stat(2).
fn kind_bits(kind: Kind) -> u32 {
    match kind {
        Kind::Fifo => 0o010_000,
        Kind::CharDevice => 0o020_000,
        Kind::Directory => 0o040_000,
        Kind::BlockDevice => 0o060_000,
        Kind::File => 0o100_000,
        Kind::Symlink => 0o120_000,
    }
}

/// How many links ls and find count: a directory has one more for itself and one for each directory in it.
pub(super) fn links_of(call: &Call, path: &[u8], facts: &Facts) -> u64 {
    if facts.kind != Kind::Directory {
        return facts.links;
    }
    let files = &call.machine.files;
    let Ok(resolved) = files.resolve(path, true) else { return facts.links };
    let below = files.tree.children(&resolved).filter(|(_, _, inode)| inode.kind == NodeKind::Directory);
    2 + below.count() as u64
}

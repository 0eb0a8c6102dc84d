//! `find -printf`.

use crate::assemble::scripts::dates::Date;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::files::modes::shown;
use crate::assemble::scripts::programs::files::owners::{group_name, user_name};
use crate::assemble::scripts::programs::files::path_names::last_name;
use crate::assemble::scripts::programs::files::stat;
use crate::assemble::scripts::programs::files::stat::links_of;
use crate::assemble::scripts::programs::files::walk::Entry;
use crate::shell::{Bytes, Kind, Stop};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Bytes),
    /// The letter behind `%`.
    Field(u8),
    /// `%T` with its letter.
    Time(u8),
}

pub(super) fn parse(call: &Call, format: &[u8]) -> Result<Vec<Piece>, Stop> {
    let mut pieces = Vec::new();
    let mut text = Bytes::new();
    let mut bytes = format.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let field = match byte {
            b'\\' => {
                text.push(match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'a') => 7,
                    Some(b'b') => 8,
                    Some(b'f') => 12,
                    Some(b'v') => 11,
                    Some(b'\\') => b'\\',
                    Some(b'0') if !bytes.peek().is_some_and(u8::is_ascii_digit) => 0,
                    _ => return call.unsupported("a backslash in the format of -printf"),
                });
                continue;
            }
            b'%' => match bytes.next() {
                Some(b'%') => {
                    text.push(b'%');
                    continue;
                }
                Some(letter) if b"pfhPHdsmMuUgGlyYn".contains(&letter) => Piece::Field(letter),
                Some(b'T') => match bytes.next() {
                    Some(letter) if b"@sYmdHMSF".contains(&letter) => Piece::Time(letter),
                    _ => return call.unsupported("a time in the format of -printf"),
                },
                _ => return call.unsupported("a field in the format of -printf"),
            },
            byte => {
                text.push(byte);
                continue;
            }
        };
        pieces.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
        pieces.push(field);
    }
    pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
    Ok(pieces)
}

pub(super) fn format(call: &Call, pieces: &[Piece], entry: &Entry) -> Result<Bytes, Stop> {
    let mut text = Bytes::new();
    for piece in pieces {
        match piece {
            Piece::Text(bytes) => text.extend_from_slice(bytes),
            Piece::Field(letter) => text.extend(field(call, *letter, entry)),
            Piece::Time(letter) => text.extend(time(*letter, entry.facts.mtime).into_bytes()),
        }
    }
    Ok(text)
}

fn field(call: &Call, letter: u8, entry: &Entry) -> Bytes {
    let facts = &entry.facts;
    let machine = &*call.machine;
    match letter {
        b'p' => entry.shown.clone(),
        // The operand keeps its slashes.
        b'f' if entry.depth == 0 => {
            let name = last_name(&entry.shown);
            let at = entry.shown.windows(name.len().max(1)).rposition(|part| part == name).unwrap_or(0);
            entry.shown[at..].to_vec()
        }
        b'f' => last_name(&entry.shown).to_vec(),
        b'h' => directory(&entry.shown).to_vec(),
        b'P' => start(entry).1.to_vec(),
        b'H' => start(entry).0.to_vec(),
        b'd' => entry.depth.to_string().into_bytes(),
        b's' => facts.size.to_string().into_bytes(),
        b'm' => format!("{:o}", facts.mode).into_bytes(),
        b'M' => shown(stat::letter(facts.kind), facts.mode).into_bytes(),
        b'u' => user_name(machine, facts.uid).unwrap_or_else(|| facts.uid.to_string()).into_bytes(),
        b'U' => facts.uid.to_string().into_bytes(),
        b'g' => group_name(machine, facts.gid).unwrap_or_else(|| facts.gid.to_string()).into_bytes(),
        b'G' => facts.gid.to_string().into_bytes(),
        b'l' if facts.kind == Kind::Symlink => machine.files.target(&entry.path).unwrap_or_default(),
        b'l' => Bytes::new(),
        b'n' => links_of(call, &entry.path, facts).to_string().into_bytes(),
        b'y' => vec![letter_of(facts.kind)],
        _ => vec![behind(call, entry)],
    }
}

/// Everything before the last slash; `.` if there is none.
fn directory(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &path[..slash],
        None => b".",
    }
}

/// The operand under which the entry was found, and the rest.
fn start(entry: &Entry) -> (&[u8], &[u8]) {
    let (start, rest) = entry.shown.split_at(entry.operand.min(entry.shown.len()));
    (start, rest.strip_prefix(b"/").unwrap_or(rest))
}

fn letter_of(kind: Kind) -> u8 {
    match stat::letter(kind) {
        '-' => b'f',
        letter => u8::try_from(letter).unwrap_or(b'?'),
    }
}

/// The kind of what a link points to: `N` if nothing is there, `L` in a circle.
fn behind(call: &Call, entry: &Entry) -> u8 {
    if entry.facts.kind != Kind::Symlink {
        return letter_of(entry.facts.kind);
    }
    match call.machine.files.status(&entry.path, true) {
        Ok(_) => letter_of(other_kind(call, entry)),
        Err(crate::shell::Errno::Loop) => b'L',
        Err(_) => b'N',
    }
}

/// The kind of a link's target where links are themselves, and the other way round.
pub(super) fn other_kind(call: &Call, entry: &Entry) -> Kind {
    let other = call.machine.files.facts(&entry.path, !entry.followed);
    other.map_or(entry.facts.kind, |facts| facts.kind)
}

fn time(letter: u8, time: i64) -> String {
    match letter {
        b'@' => format!("{time}.0000000000"),
        b'S' => format!("{:02}.0000000000", time.rem_euclid(60)),
        letter => Date::of(time).letter(letter.into()).unwrap_or_default(),
    }
}

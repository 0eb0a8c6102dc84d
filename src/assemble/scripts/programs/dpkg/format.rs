//! The formats of `dpkg-query --show`, and stanzas of the database.

use super::md5sum::md5sum;
use super::packages::Known;
use crate::assemble::scripts::machine::Machine;
use crate::shell::{Bytes, Stop};

/// Fields of a stanza in dpkg's order; everything else comes behind them.
const FIELDS: [&str; 25] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
];

/// What one package is shown in at most, in bytes.
const LONGEST: usize = 8 << 20;

/// A piece of a format.
enum Piece {
    Text(Bytes),
    Field { name: String, width: i32 },
}

pub(super) struct Format(Vec<Piece>);

impl Format {
    /// `${NAME}` and `${NAME;WIDTH}` between text with `\n`, `\t`, `\r` and `\\`.
    pub(super) fn parse(text: &[u8]) -> Result<Format, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(field) = rest.strip_prefix(b"${") {
                let end = field.iter().position(|byte| *byte == b'}').ok_or("missing closing brace")?;
                pieces.push(field_piece(&field[..end])?);
                rest = &field[end + 1..];
            } else {
                let end = rest[1..].windows(2).position(|pair| pair == b"${").map_or(rest.len(), |at| at + 1);
                pieces.push(Piece::Text(unescape(&rest[..end])));
                rest = &rest[end..];
            }
        }
        if pieces.is_empty() { Err("may not be empty string".to_owned()) } else { Ok(Format(pieces)) }
    }

    pub(super) fn show(&self, machine: &Machine, package: &Known) -> Result<Bytes, Stop> {
        let mut shown = Bytes::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => shown.extend_from_slice(text),
                Piece::Field { name, width } => {
                    if let Some(value) = value(machine, package, name)? {
                        shown.extend(padded(&value, *width));
                    }
                }
            }
            if shown.len() > LONGEST {
                return Err(Stop::limit(format!("a package shown in more than {LONGEST} bytes")));
            }
        }
        Ok(shown)
    }
}

fn field_piece(field: &[u8]) -> Result<Piece, String> {
    let field = String::from_utf8_lossy(field).into_owned();
    let Some((name, width)) = field.split_once(';') else { return Ok(Piece::Field { name: field, width: 0 }) };
    let digits = width.trim_start_matches(['-', '+']);
    if let Some(letter) = digits.chars().find(|letter| !letter.is_ascii_digit()) {
        return Err(format!("invalid character '{letter}' in field width"));
    }
    // Nobody's terminal is that wide.
    let width = width.parse().ok().filter(|width: &i32| width.unsigned_abs() <= 1000);
    Ok(Piece::Field { name: name.to_owned(), width: width.ok_or("field width is out of range")? })
}

fn unescape(text: &[u8]) -> Bytes {
    let mut plain = Bytes::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(other) => *other,
                // The end of the text is taken for a character of it.
                None => 0,
            },
            byte => *byte,
        });
    }
    plain.retain(|byte| *byte != 0);
    plain
}

/// Filled up and cut to a width: on the left, or on the right if it is negative.
fn padded(value: &[u8], width: i32) -> Bytes {
    if width == 0 {
        return value.to_vec();
    }
    let size = usize::try_from(width.unsigned_abs()).unwrap_or(0);
    let fill = vec![b' '; size.saturating_sub(value.len())];
    let mut text = if width < 0 { [value, &fill].concat() } else { [&fill, value].concat() };
    text.truncate(size);
    text
}

/// The value of a field or a virtual one; nothing if there is no such field.
fn value(machine: &Machine, package: &Known, name: &str) -> Result<Option<Bytes>, Stop> {
    if let Some(value) = virtual_field(package, name) {
        return Ok(Some(value.into_bytes()));
    }
    if name.eq_ignore_ascii_case("Conffiles") {
        return Ok(Some(conffiles(machine, package)?.into_bytes()));
    }
    let stored = package.field(name).filter(|_| package.state != "half-installed");
    let known = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    Ok(match stored {
        Some(value) => Some(value.as_bytes().to_vec()),
        // What a package does not say of itself, dpkg knows.
        None if known(&["Essential", "Protected", "Multi-Arch"]) => Some(b"no".to_vec()),
        None => known(&FIELDS).then(Bytes::new),
    })
}

fn virtual_field(package: &Known, name: &str) -> Option<String> {
    let status = package.status();
    let mut words = status.split(' ');
    let (want, error) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let lower = name.to_ascii_lowercase();
    Some(match lower.as_str() {
        "package" => package.name.to_owned(),
        "status" => status,
        "binary:package" => package.full_name(),
        "binary:synopsis" | "binary:summary" => synopsis(package).to_owned(),
        "db:status-abbrev" => abbreviation(package),
        "db:status-want" => want.to_owned(),
        "db:status-status" => package.state.to_owned(),
        "db:status-eflag" => error.to_owned(),
        "db-fsys:files" => package.files().iter().fold(String::new(), |text, file| {
            format!("{text} {}\n", String::from_utf8_lossy(&shown_path(file.path.as_bytes())))
        }),
        "db-fsys:last-modified" => String::new(),
        "source:package" => {
            let source = package.field("Source").unwrap_or(package.name);
            source.split(' ').next().unwrap_or_default().to_owned()
        }
        "source:version" => source_version(package).to_owned(),
        "source:upstream-version" => {
            let version = source_version(package);
            let version = version.split_once(':').map_or(version, |(_, rest)| rest);
            version.rsplit_once('-').map_or(version, |(upstream, _)| upstream).to_owned()
        }
        _ => return None,
    })
}

/// `name (version)` may stand in the field `Source`.
fn source_version<'a>(package: &Known<'a>) -> &'a str {
    let source = package.field("Source").unwrap_or_default();
    let version = source.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    version.or(package.field("Version")).unwrap_or_default()
}

/// The first line of the description.
pub(super) fn synopsis<'a>(package: &Known<'a>) -> &'a str {
    let description = package.field("Description").unwrap_or("(no description available)");
    description.lines().next().unwrap_or_default()
}

/// Two letters and a blank, or an `R` for what must be installed again.
pub(super) fn abbreviation(package: &Known) -> String {
    let (want, state, error) = match package.state {
        "not-installed" => ('u', 'n', ' '),
        "half-installed" => ('i', 'H', 'R'),
        "half-configured" => ('i', 'F', ' '),
        "unpacked" => ('i', 'U', ' '),
        _ => ('i', 'i', ' '),
    };
    format!("{want}{state}{error}")
}

/// The path as dpkg's lists have it: the root is `/.`.
pub(super) fn shown_path(path: &[u8]) -> Bytes {
    if path.is_empty() { b"/.".to_vec() } else { path.to_vec() }
}

/// ` PATH MD5` by lines; what is not configured yet has no sum.
fn conffiles(machine: &Machine, package: &Known) -> Result<String, Stop> {
    let list = package.package.and_then(|package| package.members.get("conffiles"));
    let list = String::from_utf8_lossy(list.map_or(&[][..], Vec::as_slice)).into_owned();
    let mut lines = Vec::new();
    for path in list.lines().map(str::trim_end).filter(|path| path.starts_with('/')) {
        let sum = match package.state {
            "installed" | "half-configured" => sum(machine, path)?,
            _ => "newconffile".to_owned(),
        };
        lines.push(format!(" {path} {sum}"));
    }
    Ok(lines.join("\n"))
}

/// Of the file, which is as the package brought it until somebody edits it.
fn sum(machine: &Machine, path: &str) -> Result<String, Stop> {
    let text = machine.files.read(path.as_bytes())?;
    Ok(text.map_or_else(|_| "newconffile".to_owned(), |text| md5sum(&text)))
}

/// A stanza as `dpkg --status` shows it.
pub(super) fn stanza(machine: &Machine, package: &Known) -> Result<String, Stop> {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| match value.strip_prefix('\n') {
        Some(value) => text.push_str(&format!("{name}:\n{value}\n")),
        None => text.push_str(&format!("{name}: {value}\n")),
    };
    for name in FIELDS {
        match name {
            "Package" => line(name, package.name),
            "Status" => line(name, &package.status()),
            "Conffiles" => match conffiles(machine, package)?.as_str() {
                "" => {}
                list => line(name, &format!("\n{list}")),
            },
            _ => package.field(name).into_iter().for_each(|value| line(name, value)),
        }
    }
    let control = package.package.map(|package| package.control.as_slice()).unwrap_or_default();
    let behind = |name: &str| !FIELDS.iter().any(|known| known.eq_ignore_ascii_case(name));
    let description = |name: &String| !name.eq_ignore_ascii_case("Description");
    let mut rest: Vec<&(String, String)> = control.iter().filter(|(name, _)| behind(name)).collect();
    rest.sort_by_key(|(name, _)| description(name));
    rest.iter().for_each(|(name, value)| line(name, value));
    Ok(text)
}

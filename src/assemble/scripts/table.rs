//! The shipped table of hand-written scripts: `table.yaml` of Debian's packages, `table_rpm.yaml` of RPMs.
//!
//! An entry stands for the residue of one script, whose lines a person read, and says what it does on a fresh root.
//! One `*` in a package's name stands for any text, and the same text in the script counts as `*`: kernels carry their
//! release in both. `lines` holds eight digits of the hash of every line, so that a new version of a script can be
//! shown by its new lines, without shipping the old one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;

use super::Effect;
use super::residue::{self, Line};
use crate::tree::Digest;

/// Lines of a changed script that an error shows at most.
const SHOWN: usize = 6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) package: String,
    pub(super) script: String,
    /// The version whose script was read; the text decides, not this.
    pub(super) version: String,
    pub(super) sha256: String,
    pub(super) lines: String,
    #[serde(default)]
    pub(super) effects: Vec<Effect>,
    /// Why nothing is to be done; an entry has either this or effects.
    #[serde(default)]
    pub(super) nothing: Option<String>,
}

pub(super) fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    let read = |text| serde_saphyr::from_str::<Vec<Entry>>(text).expect("a test reads the shipped tables");
    let texts = [include_str!("table.yaml"), include_str!("table_rpm.yaml")];
    ENTRIES.get_or_init(|| texts.into_iter().flat_map(read).collect())
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Effects(Vec<Effect>),
    Nothing(String),
    /// The script is known in another text.
    Other(Difference),
    Unknown,
}

/// How a script differs from one that the table knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) version: String,
    pub(super) new: Vec<Line>,
    pub(super) gone: usize,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { version, new, gone } = self;
        write!(f, "version {version} is known: this one has {} new lines and lost {gone}", new.len())?;
        for line in new.iter().take(SHOWN) {
            write!(f, "\n  line {}: {}", line.number, line.text)?;
        }
        if new.len() > SHOWN { f.write_str("\n  …") } else { Ok(()) }
    }
}

/// Looks a script up by package, name and text.
pub(super) fn lookup(package: &str, script: &str, residue: &[Line]) -> Found {
    let mut other = None;
    for entry in entries().iter().filter(|entry| entry.script == script) {
        let Some(star) = matched(&entry.package, package) else { continue };
        let residue = starred(residue, star);
        if residue::digest(&residue).to_string() == entry.sha256 {
            return match &entry.nothing {
                Some(reason) => Found::Nothing(reason.clone()),
                None => Found::Effects(entry.effects.clone()),
            };
        }
        other = Some(difference(entry, &residue));
    }
    other.map_or(Found::Unknown, Found::Other)
}

/// What the pattern's `*` stands for in `name`; empty without one. Nothing if they do not match.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => (pattern == name).then_some(""),
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
    }
}

fn starred(residue: &[Line], star: &str) -> Vec<Line> {
    let replaced = |line: &Line| Line { number: line.number, text: line.text.replace(star, "*") };
    if star.is_empty() { residue.to_vec() } else { residue.iter().map(replaced).collect() }
}

/// Eight digits that stand for a line.
pub(super) fn short(line: &str) -> String {
    Digest::of(line).to_string()[..8].to_owned()
}

fn difference(entry: &Entry, residue: &[Line]) -> Difference {
    let known: BTreeSet<&str> = entry.lines.split_whitespace().collect();
    let now: BTreeSet<String> = residue.iter().map(|line| short(&line.text)).collect();
    Difference {
        version: entry.version.clone(),
        new: residue.iter().filter(|line| !known.contains(short(&line.text).as_str())).cloned().collect(),
        gone: known.iter().filter(|line| !now.contains(**line)).count(),
    }
}

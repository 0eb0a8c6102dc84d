//! The programs that a script itself starts, under the real shell and here.

use std::collections::BTreeMap;

pub(crate) struct Compared {
    /// Started under the real shell.
    pub(crate) real: usize,
    /// Started with the same arguments here.
    pub(crate) same: usize,
    pub(crate) other: Vec<String>,
}

/// The recorder's lines (level, status, arguments, path) against the calls here.
pub(crate) fn compare(exec: &str, ours: &[Vec<String>]) -> Compared {
    let mut counts: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    let mut real = 0;
    for line in exec.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let ["1", _, words, _] = fields.as_slice() else { continue };
        let words: Vec<String> = serde_json::from_str(words).unwrap();
        real += 1;
        *counts.entry(plain(&words)).or_default() += 1;
    }
    for words in ours {
        *counts.entry(plain(words)).or_default() -= 1;
    }
    let mut other = Vec::new();
    for (words, count) in &counts {
        let side = if *count > 0 { "really" } else { "here" };
        other.extend((0..count.unsigned_abs()).map(|_| format!("{side} {}", words.join(" "))));
    }
    let missing: usize =
        counts.values().filter(|count| **count > 0).map(|count| usize::try_from(*count).unwrap()).sum();
    Compared { real, same: real - missing, other }
}

/// The name without its directory, and the arguments.
fn plain(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut() {
        *first = first.rsplit('/').next().unwrap_or_default().to_owned();
    }
    words
}

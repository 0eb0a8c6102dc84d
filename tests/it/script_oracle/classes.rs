//! The differences that follow from the table of programs: each with the programs that must have been used for it.

use std::collections::BTreeSet;

use super::Facts;

pub(crate) struct Difference<'d> {
    pub(crate) path: &'d str,
    /// Nothing: untouched; `Some(None)`: removed.
    pub(crate) theirs: Option<&'d Option<Facts>>,
    pub(crate) ours: Option<&'d Option<Facts>>,
    pub(crate) their_text: Option<String>,
    pub(crate) our_text: Option<String>,
}

struct Class {
    name: &'static str,
    /// One of these must have been used; any script may have the difference if there is none.
    programs: &'static [&'static str],
    paths: &'static [&'static str],
}

const CLASSES: &[Class] =
    &[Class { name: "debconf's database is kept in memory", programs: &[], paths: &["/var/cache/debconf/*"] }];

/// Why this difference is as it should be.
pub(crate) fn class(difference: &Difference, used: &BTreeSet<String>) -> Option<&'static str> {
    let fits = |class: &&Class| {
        (class.programs.is_empty() || class.programs.iter().any(|program| used.contains(*program)))
            && class
                .paths
                .iter()
                .any(|pattern| nodesmith::shell::matches(pattern.as_bytes(), difference.path.as_bytes()))
    };
    CLASSES.iter().find(fits).map(|class| class.name)
}

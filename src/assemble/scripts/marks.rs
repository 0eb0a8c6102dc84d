//! Words that stand in a root for what only a node knows, until its first boot replaces them.

use super::results::FirstBoot;

/// A word in place of what a program prints on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub word: String,
    /// Whether no two nodes may have the same: a key or an identity, not a name.
    pub is_secret: bool,
    /// Of the program, without a file.
    pub wanted: FirstBoot,
    pub script: String,
}

/// The mark of this number. Both spellings have letters and digits at the same places.
pub(super) fn word(number: usize, other: bool) -> String {
    match other {
        false => format!("nodesmith0first0boot0{:04}", number % 10_000),
        // By thirteen letters on, and digits to nine: no character stays.
        true => format!("abqrfzvgu9svefg9obbg9{:04}", 9_999 - number % 10_000),
    }
}

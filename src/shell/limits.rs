//! How much of anything a script may have, in one place.

/// Longest text that is parsed, in bytes: Debian has a script of 2.2 million.
pub(super) const TEXT: usize = 4 << 20;
/// Constructs inside of one another in one text. No script of Debian has 16; a build for debugging takes 20 KiB of the
/// stack for each, and threads have 2 MiB.
pub(super) const NESTING: usize = 60;
/// Functions, `eval`, `.`, substitutions and compound commands inside of one another while a script runs.
pub(super) const DEPTH: usize = 150;
/// Longest value or field, in bytes.
pub(super) const VALUE: usize = 8 << 20;
/// Most fields of one command.
pub(super) const FIELDS: usize = 100_000;
/// Most words that one `{a,b}` becomes.
pub(super) const BRACES: usize = 10_000;
/// Operators inside of one another in one arithmetic expression, and variables that lead to expressions.
pub(super) const ARITHMETIC: usize = 60;
/// Highest file descriptor of a redirection.
pub(super) const DESCRIPTOR: u32 = 255;

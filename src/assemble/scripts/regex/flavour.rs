//! Whose regular expressions, and how they are to be read.

/// Whose regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// grep's and expr's.
    Basic,
    /// `grep -E`'s, and those of `[[ =~ ]]`.
    Extended,
    /// What is common of Perl's (`grep -P`).
    Perl,
    /// With the escapes for single bytes that sed knows, as the next.
    SedBasic,
    SedExtended,
    /// Extended, with escapes between brackets too.
    Awk,
    /// Nothing but the bytes themselves.
    Fixed,
}

/// How patterns are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub flavour: Flavour,
    pub ignore_case: bool,
    /// `^` and `$` mean the start and end of each line.
    pub lines: bool,
    pub extent: Extent,
}

/// What a match must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Anything,
    AtStart,
    Word,
    WholeText,
}

impl Reading {
    pub fn new(flavour: Flavour, ignore_case: bool) -> Reading {
        Reading { flavour, ignore_case, lines: false, extent: Extent::Anything }
    }
}

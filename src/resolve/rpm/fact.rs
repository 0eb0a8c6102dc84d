//! What has to hold, with who says so: of this contradictions are made.

use super::rules::{Clause, Kind};
use crate::package::Relation;

/// Something that has to hold.
#[derive(Debug, Clone)]
pub(super) struct Fact<'a> {
    pub(super) source: Source<'a>,
    /// Without the asker's own literal.
    pub(super) clause: Clause,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// By its number.
    Request(usize),
    Package {
        asker: u32,
        kind: Kind,
        origin: &'a Relation,
    },
}

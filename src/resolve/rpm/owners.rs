//! Who has which files, as far as somebody had to ask.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Digest;

/// What file lists say about paths that the indexes do not have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owners {
    /// The paths that were looked for.
    pub(crate) known: BTreeSet<String>,
    /// Package's digest → those of them that it has.
    pub(crate) paths: BTreeMap<Digest, Vec<String>>,
}

//! Repositories: what they offer, and how it gets here.
//!
//! `apt`, `rpmmd` and `rpm_directory` turn what a repository says into an [`Index`]; `store` keeps bytes by their digest, `fetch` fills it,
//! `trust` says whose signatures count, `host` knows which mirror this machine uses.

pub mod apt;
pub(crate) mod date;
pub(crate) mod decompressed;
pub mod fetch;
pub mod host;
pub mod pick;
mod refused;
mod relation;
mod rpm_capabilities;
pub mod rpm_directory;
pub mod rpmmd;
mod stanza;
pub mod store;
#[cfg(test)]
pub(crate) mod testkey;
#[cfg(test)]
pub(crate) mod testserver;
pub mod trust;

use crate::package::{Family, PackageId};
use crate::tree::Digest;
pub use refused::Refused;

/// Every package that a recipe's repositories offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    pub offers: Vec<Offer>,
}

/// One version of one package in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub id: PackageId,
    pub family: Family,
    /// The recipe's name of the repository.
    pub repository: String,
    /// Below the repository's base URL.
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
    pub essential: bool,
    /// Debian's priority: required 0, important 1, standard 2, optional 3, extra 4.
    pub priority: u8,
    /// Pre-Depends and Depends; every one of them must be met.
    pub depends: Vec<Dependency>,
    /// Conflicts and Breaks.
    pub conflicts: Vec<Relation>,
    /// Packages, by their names only, that an RPM takes the place of.
    pub obsoletes: Vec<Relation>,
    /// Of an RPM also the paths that its repository's index lists.
    pub provides: Vec<Provided>,
    pub weak: Weak,
}

/// What an RPM would like and does not need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weak {
    /// Packages that belong to it.
    pub recommends: Vec<Relation>,
    /// Packages that it prefers.
    pub suggests: Vec<Relation>,
    /// Packages that it belongs to.
    pub supplements: Vec<Relation>,
    /// Packages that would prefer it.
    pub enhances: Vec<Relation>,
}

/// What a repository was when it was read: what it offers, and enough to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub offers: Vec<Offer>,
    /// Why files are not offered, some of them: whoever misses a package may find it here.
    pub left_out: Vec<String>,
    /// The day that the repository gives itself: `2026-09-12`; empty if it gives none.
    pub date: String,
    /// Fingerprint of the primary key that signed the metadata; empty if that is not signed, or not looked at.
    pub signer: String,
    /// SHA-256 of the entry point as it was served: `InRelease`, `repomd.xml`.
    pub sha256: Digest,
    /// Of an RPM-md repository: its other files, for who needs them ([`rpmmd::filelists`]), and its modules.
    pub metadata: Option<rpmmd::Metadata>,
}

/// Alternatives in the order written; one of them must be met.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dependency(pub Vec<Relation>);

/// `libc6 (>= 2.38)`; an architecture qualifier (`:any`) says nothing on a single-architecture node and is left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    pub name: String,
    pub constraint: Option<(Operator, String)>,
}

/// A name that a package stands in for, with the version it counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    pub name: String,
    pub version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

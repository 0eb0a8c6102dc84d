//! What repositories offer.

use crate::package::{Dependency, Family, PackageId, Provided, Relation, WeakDependencies};
use crate::tree::Digest;

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
    pub weak: WeakDependencies,
}

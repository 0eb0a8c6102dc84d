//! What an RPM says about other packages → an [`Offer`].

use std::collections::BTreeSet;

use super::{Dependency, Offer, Provided};
use crate::package::rpm::{Capabilities, RPMLIB_FEATURES};
use crate::package::{Family, PackageId};
use crate::tree::Digest;

/// Where an RPM is.
pub(super) struct Place {
    /// The recipe's name of the repository.
    pub(super) repository: String,
    /// Below the repository's base.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// `x86_64` and `noarch`; other architectures' packages lie in the same repositories.
pub(super) fn fits(arch: &str, wanted: &str) -> bool {
    arch == wanted || arch == "noarch"
}

pub(super) fn offer(id: PackageId, capabilities: Capabilities, place: Place) -> Offer {
    let Capabilities { requires, mut provides, conflicts, obsoletes, weak, files } = capabilities;
    provides.extend(files.into_iter().map(|name| Provided { name, version: None }));
    let own: BTreeSet<&str> = provides.iter().map(|provided| provided.name.as_str()).collect();
    // Features of rpm that this reader has, and what the package brings itself, ask nothing of others. An unknown
    // feature stays: nothing provides it, and an explanation shows it.
    let known = |name: &str| RPMLIB_FEATURES.contains(&name) || (name.starts_with('/') && own.contains(name));
    let mut seen = BTreeSet::new();
    let depends: Vec<Dependency> = requires
        .into_iter()
        .filter(|relation| !known(&relation.name) && seen.insert(relation.clone()))
        .map(|relation| Dependency(vec![relation]))
        .collect();
    let Place { repository, path, size, sha256 } = place;
    Offer {
        id,
        family: Family::Rpm,
        repository,
        path,
        size,
        sha256,
        essential: false,
        // RPM has no priorities.
        priority: 3,
        depends,
        conflicts,
        obsoletes,
        provides,
        weak,
    }
}

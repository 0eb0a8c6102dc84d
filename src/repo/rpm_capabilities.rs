//! What an RPM says about other packages → an [`Offer`].

use std::collections::BTreeSet;

use anyhow::Result;

use super::Offer;
use crate::bounded::quote;
use crate::package::rpm::{Capabilities, RPMLIB_FEATURES};
use crate::package::{Dependency, Family, PackageId, Provided};
use crate::tree::Digest;
use crate::trust::Refused;

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

/// # Errors
/// A name or version with control characters, which nobody's package has: they would steer the terminal of whoever is
/// told about it, or forge a line of a log.
pub(super) fn offer(id: PackageId, capabilities: Capabilities, place: Place) -> Result<Offer> {
    plain(&id, &capabilities)?;
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
    Ok(Offer {
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
    })
}

fn plain(id: &PackageId, capabilities: &Capabilities) -> Result<()> {
    let Capabilities { requires, provides, conflicts, obsoletes, weak, .. } = capabilities;
    let lists = [requires, conflicts, obsoletes, &weak.recommends, &weak.suggests, &weak.supplements, &weak.enhances];
    let relations = lists.into_iter().flatten();
    let related = relations.flat_map(|it| [Some(&it.name), it.constraint.as_ref().map(|(_, version)| version)]);
    let provided = provides.iter().flat_map(|it| [Some(&it.name), it.version.as_ref()]);
    let mut words = related.chain(provided).flatten().chain([&id.name, &id.version, &id.arch]);
    let text = |word: &String| format!("the name or version `{}` has control characters", quote(word));
    words
        .find(|word| word.contains(char::is_control))
        .map_or(Ok(()), |word| Err(Refused::new("control-character", text(word)).into()))
}

//! How the versions of packages compare, among themselves and with what is asked for.

use std::cmp::Ordering;

use crate::package::evr::compare_to_wanted;
use crate::package::version::compare_versions;
use crate::package::{Family, Relation};
use crate::repo::Offer;

/// By family, then by version.
pub(super) fn newer(a: &Offer, b: &Offer) -> Ordering {
    a.family.cmp(&b.family).then_with(|| a.family.compare(&a.id.version, &b.id.version))
}

/// Whether an offer is of this version as a request writes it. An RPM's release may be left out.
pub(super) fn has_version(offer: &Offer, version: &str) -> bool {
    let have = offer.id.version.as_str();
    have == version
        || offer.family == Family::Rpm && !have.is_empty() && compare_to_wanted(have, version) == Ordering::Equal
}

/// Whether what a package of a family has satisfies what a package of another asks for. A deb's provision without a
/// version meets only relations without one; an RPM's meets them all.
pub(super) fn meets(family: Family, version: Option<&str>, relation: &Relation, asker: Family) -> bool {
    let Some((operator, wanted)) = &relation.constraint else { return true };
    let Some(version) = version else { return family == Family::Rpm };
    let order = match (family, asker) {
        (Family::Deb, Family::Deb) => compare_versions(version, wanted),
        (Family::Rpm, Family::Rpm) => compare_to_wanted(version, wanted),
        (Family::Rpm, Family::Deb) => compare_to_wanted(without_epoch(version), without_epoch(wanted)),
        (Family::Deb, Family::Rpm) => {
            let (mut version, wanted) = (without_epoch(version), without_epoch(wanted));
            if !wanted.contains('-') {
                version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
            }
            compare_versions(version, wanted)
        }
    };
    operator.holds(order)
}

pub(super) fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

//! What the author of a recipe is told about requests that cannot be fulfilled.

use std::collections::BTreeSet;

use super::versions::{has_version, newer};
use crate::diag::{Diagnostic, Diagnostics};
use crate::package::Family;
use crate::recipe::PackageRequest;
use crate::repo::{Index, Offer};
use crate::spelling::nearest;

/// Names that are shown as meant, at most.
const NEAREST: usize = 3;
/// Versions that are shown, at most.
pub(super) const OFFERED: usize = 8;
/// Places of a mistake that are shown beside the first, at most.
const PLACES: usize = 7;

/// The requests, if there is an offer for each of them.
pub(super) fn all_offered<'a>(
    requests: &'a [&'a PackageRequest],
    index: &Index,
) -> Result<&'a [&'a PackageRequest], Diagnostics> {
    let mut found = Diagnostics::default();
    requests.iter().for_each(|request| offered(request, index, &mut found));
    found.or(requests)
}

/// Notes a request for a package or a version that no repository has.
fn offered(request: &PackageRequest, index: &Index, found: &mut Diagnostics) {
    let mut offers: Vec<&Offer> = index.offers.iter().filter(|offer| offer.id.name == request.name).collect();
    offers.sort_by(|a, b| newer(b, a));
    offers.dedup_by(|a, b| a.id.version == b.id.version);
    match &request.version {
        None if offers.is_empty() => {}
        None => {
            let of = |family| offers.iter().find(|offer| offer.family == family);
            if let (Some(deb), Some(rpm)) = (of(Family::Deb), of(Family::Rpm)) {
                let both = [deb, rpm].map(|it| format!("{} from {}", it.id.version, it.repository));
                found.push(
                    Diagnostic::new("two-families", format!("`{}` is on offer as a deb and as an RPM", request.name))
                        .at(&request.location, "either would do")
                        .help(format!("name the version: {}", both.join(", or "))),
                );
            }
            return;
        }
        Some(version) if offers.iter().any(|offer| has_version(offer, version)) => return,
        Some(_) => {}
    }
    match &request.version {
        Some(version) if !offers.is_empty() => {
            let all: Vec<&str> = offers.iter().map(|offer| offer.id.version.as_str()).collect();
            let shown = match all.len() > OFFERED {
                true => {
                    format!("nearest versions on offer: {}", nearest(version, all.iter().copied(), OFFERED).join(", "))
                }
                false => format!("offered: {}", all.join(", ")),
            };
            found.push(
                Diagnostic::new(
                    "unknown-version",
                    format!("no repository has `{}` in version {version}", request.name),
                )
                .at(&request.location, "not offered")
                .help(shown),
            );
        }
        _ => {
            let provided = |offer: &&Offer| offer.provides.iter().any(|it| it.name == request.name);
            let standing_in: BTreeSet<&str> =
                index.offers.iter().filter(provided).map(|offer| offer.id.name.as_str()).collect();
            let help = if standing_in.is_empty() {
                let names = index.offers.iter().map(|offer| offer.id.name.as_str());
                format!("nearest names: {}", nearest(&request.name, names, NEAREST).join(", "))
            } else {
                let names: Vec<&str> = standing_in.into_iter().take(8).collect();
                format!("packages that provide it: {}", names.join(", "))
            };
            found.push(
                Diagnostic::new("unknown-package", format!("no repository has a package `{}`", request.name))
                    .at(&request.location, "not offered")
                    .help(help),
            );
        }
    }
}

/// At the places of the requests that cannot be fulfilled together.
pub(super) fn incompatible<'a>(requests: impl IntoIterator<Item = &'a PackageRequest>, chain: &str) -> Diagnostic {
    let mut requests = requests.into_iter();
    let mut diagnostic = Diagnostic::new("unsatisfiable", "these packages cannot be installed together");
    if let Some(first) = requests.next() {
        diagnostic = diagnostic.at(&first.location, "asked for here");
    }
    for other in requests.take(PLACES) {
        diagnostic = diagnostic.related(&other.location, "and here");
    }
    diagnostic.help(chain.trim_end())
}

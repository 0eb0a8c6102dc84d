//! `kubernetes:` of a recipe → [`Kubernetes`], and the packages that come with it.
//!
//! kubelet and kubeadm are always roots. An RPM pin without a release (`1.36.2`) leaves that to the resolver; a pin in
//! `packages:` of the recipe itself stands for one in this section.

use super::{Kubernetes, Version, table};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::recipe::PackageRequest;
use crate::recipe::read::{add_request, entries, text};
use crate::words;
use crate::yaml::Value;

/// Reads the section and adds its packages to the requests.
pub(crate) fn read(recipe: &Value, packages: &mut Vec<PackageRequest>, found: &mut Diagnostics) -> Option<Kubernetes> {
    let section = recipe.get("kubernetes")?;
    let (written, location) = text(section, "version")?;
    let version = version(written, location, found);
    for (name, pin) in entries(section.get("packages")) {
        let Some(text) = pin.text() else { continue };
        let version = words::check(&words::PACKAGE_VERSION, (text, &pin.location), found);
        let request =
            PackageRequest { name: name.text.clone(), version: Some(version), location: pin.location.clone() };
        add_request(packages, request, found);
    }
    let version = version?;
    for name in ["kubelet", "kubeadm"] {
        if !packages.iter().any(|request| request.name == name && request.version.is_some()) {
            let version = Some(version.to_string());
            add_request(packages, PackageRequest { name: name.to_owned(), version, location: location.clone() }, found);
        }
    }
    Some(Kubernetes {
        version,
        pull_sandbox_image: section.get("pull-sandbox-image").is_some_and(|flag| flag.flag() == Some(true)),
        location: location.clone(),
    })
}

fn version(text: &str, location: &Location, found: &mut Diagnostics) -> Option<Version> {
    let Some(version) = Version::parse(text) else {
        found.push(
            Diagnostic::new("bad-kubernetes-version", format!("`{text}` is not a version of Kubernetes"))
                .at(location, "not one")
                .help("write all three numbers, without `v`: 1.36.2"),
        );
        return None;
    };
    let known = &table::table().known;
    if !(known.oldest..=known.newest).contains(&version.minor) {
        let side = if version.minor < known.oldest { "older" } else { "newer" };
        found.push(
            Diagnostic::new("unknown-kubernetes", format!("Kubernetes {version} is {side} than what is known here"))
                .at(location, "what fits together with it is not known")
                .help(format!("this program knows 1.{} to 1.{}", known.oldest, known.newest)),
        );
        return None;
    }
    Some(version)
}

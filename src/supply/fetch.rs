//! A lock → its packages, unpacked.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use rayon::prelude::*;

use super::access::Access;
use super::{keys, servers};
use crate::lock::{Lock, LockedPackage};
use crate::package::{Family, Package, PackageId, deb, rpm};
use crate::recipe::{Recipe, Repository, RepositoryKind};
use crate::repo::fetch::Wanted;
use crate::store::Store;
use crate::tree::Digest;
use crate::trust::Keyring;

/// The unpacked packages of a lock.
#[derive(Debug)]
pub struct Packages {
    pub root: Vec<Package>,
    pub tools: Vec<Package>,
}

/// Every package of the lock, downloaded, verified and unpacked. What the store has already is not asked for again.
pub fn fetch(recipe: &Recipe, lock: &Lock, access: &Access<'_>) -> anyhow::Result<Packages> {
    let store = access.store;
    let dropped = |package: &&LockedPackage| recipe.drop.iter().any(|drop| drop.name == package.name);
    let root: Vec<&LockedPackage> = lock.packages.iter().filter(|package| !dropped(package)).collect();
    let tools: Vec<&LockedPackage> = lock.tools.iter().collect();
    let mut wanted: BTreeMap<&str, Vec<(&str, Wanted)>> = BTreeMap::new();
    for package in root.iter().chain(&tools) {
        let digest = package.digest()?;
        // A package that is unpacked already, or that is in the store, needs no download and no look at the mirror,
        // which may be the host's apt configuration.
        let unpacked = match package.family {
            Family::Deb => deb::unpacked(store, &digest)?,
            Family::Rpm => rpm::unpacked(store, &digest, &package.signers())?,
        };
        if unpacked.is_none() && store.verified(&digest)?.is_none() {
            wanted.entry(&package.repository).or_default().push((&package.path, want(package, digest)));
        }
    }
    for (name, mut wanted) in wanted {
        let servers = servers::locate(repository(recipe, name)?, recipe.arch, access)?;
        for (path, package) in wanted.iter_mut() {
            package.urls = servers.urls(path).with_context(|| format!("fetching {}", package.what))?;
        }
        let wanted: Vec<Wanted> = wanted.into_iter().map(|(_, package)| package).collect();
        servers.fetcher(access).blobs(&wanted, access.progress)?;
    }
    let mut keyrings = BTreeMap::new();
    for package in root.iter().chain(&tools).filter(|package| package.family == Family::Rpm) {
        if !keyrings.contains_key(package.repository.as_str()) {
            let repository = repository(recipe, &package.repository)?;
            let RepositoryKind::Rpm(rpm) = &repository.kind else {
                bail!("{} is in the lock as an RPM, and its repository has other packages", named(package))
            };
            let keyring = keys::of_packages(repository, rpm, None, access)?;
            keyrings.insert(package.repository.as_str(), keyring);
        }
    }
    let unpack = |packages: &[&LockedPackage]| -> anyhow::Result<Vec<Package>> {
        packages.par_iter().map(|package| load(package, store, &keyrings)).collect()
    };
    Ok(Packages { root: unpack(&root)?, tools: unpack(&tools)? })
}

fn repository<'a>(recipe: &'a Recipe, name: &str) -> anyhow::Result<&'a Repository> {
    let repository = recipe.repositories.iter().find(|repository| repository.name == name);
    repository.with_context(|| format!("the lock names repository {name}, the recipe does not"))
}

fn load(package: &LockedPackage, store: &Store, keyrings: &BTreeMap<&str, Option<Keyring>>) -> anyhow::Result<Package> {
    let (digest, named) = (package.digest()?, named(package));
    let LockedPackage { name, version, arch, .. } = package;
    let id = PackageId { name: name.clone(), version: version.clone(), arch: arch.clone() };
    match keyrings.get(package.repository.as_str()).filter(|_| package.family == Family::Rpm) {
        None => deb::load(store, &digest, &named),
        Some(None) => rpm::load(store, &digest, &named, &id, None),
        // The key that signed it when it was locked, not any that the recipe may trust since.
        Some(Some(keyring)) => rpm::load(store, &digest, &named, &id, Some(&keyring.clone().only(&[&package.signer])?)),
    }
}

fn named(package: &LockedPackage) -> String {
    format!("{} {} from repository {}", package.name, package.version, package.repository)
}

fn want(package: &LockedPackage, digest: Digest) -> Wanted {
    Wanted {
        what: named(package),
        urls: Vec::new(),
        size: package.size,
        digest,
        if_gone: "mirrors delete superseded packages: run nodesmith lock --update",
    }
}

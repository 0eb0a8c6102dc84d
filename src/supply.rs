//! Where packages come from in a build: repositories → lock, lock → unpacked packages.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context, anyhow};
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::formats::erofs::ExtentCache;
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::package::{Package, deb};
use crate::recipe::{AptRepository, Mirror, PackageRequest, Recipe, RepositoryKind, print};
use crate::repo::fetch::{Fetcher, Network, Progress, Wanted, below};
use crate::repo::store::Store;
use crate::repo::{Index, apt, host};
use crate::resolve::{newest, resolve};
use crate::tree::Digest;

/// Packages that only the build needs: systemd's EFI stub and boot loader.
const TOOLS: &[&str] = &["systemd-boot-efi"];

/// The unpacked packages of a lock.
#[derive(Debug)]
pub struct Packages {
    pub root: Vec<Package>,
    pub tools: Vec<Package>,
}

/// Reads the repositories and fixes every package of the recipe. Dates of repositories and keys are judged by `as_of`.
pub fn lock(
    recipe: &Recipe,
    store: &Store,
    offline: bool,
    as_of: NaiveDate,
    progress: &dyn Progress,
) -> anyhow::Result<Lock> {
    let mut index = Index::default();
    let mut repositories = Vec::new();
    for repository in &recipe.repositories {
        let RepositoryKind::Apt(apt) = &repository.kind;
        let base = base_url(apt)?;
        let fetcher = Fetcher::new(store, network(offline, base.proxy.clone()));
        let archive = apt::Archive {
            name: &repository.name,
            base_url: &base.url,
            suite: &apt.suite,
            components: &apt.components,
            arch: recipe.arch.debian(),
            keyring: &apt.keyring,
        };
        let snapshot = apt::read(&archive, &fetcher, as_of, progress)
            .with_context(|| format!("reading repository {}", repository.name))?;
        index.offers.extend(snapshot.offers);
        repositories.push(LockedRepository {
            name: repository.name.clone(),
            mirror: match &apt.mirror {
                Mirror::Host => "host".to_owned(),
                Mirror::Url(url) => url.clone(),
            },
            suite: apt.suite.clone(),
            date: snapshot.date,
            signer: snapshot.signer,
            sha256: snapshot.sha256.to_string(),
        });
    }
    let requests: Vec<&PackageRequest> = recipe.packages.iter().chain([&recipe.kernel.package]).collect();
    let chosen = resolve(&requests, &index)?;
    let tools = TOOLS.iter().map(|name| {
        newest(name, &index).ok_or_else(|| anyhow!("no repository of the recipe has `{name}`, which the build needs"))
    });
    let tools = tools.collect::<anyhow::Result<Vec<usize>>>()?;
    let locked = |numbers: Vec<usize>| numbers.into_iter().map(|it| LockedPackage::of(&index.offers[it])).collect();
    Ok(Lock::new(&print::package_inputs(recipe), repositories, locked(chosen), locked(tools)))
}

/// Every package of the lock, downloaded, verified and unpacked. What the store has already is not asked for again.
pub fn fetch(
    recipe: &Recipe,
    lock: &Lock,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<Packages> {
    let dropped = |package: &&LockedPackage| recipe.drop.iter().any(|drop| drop.name == package.name);
    let root: Vec<&LockedPackage> = lock.packages.iter().filter(|package| !dropped(package)).collect();
    let tools: Vec<&LockedPackage> = lock.tools.iter().collect();
    let mut wanted: BTreeMap<&str, Vec<Wanted>> = BTreeMap::new();
    for package in root.iter().chain(&tools) {
        let digest = package.digest()?;
        // A package that is unpacked already needs no download, and no look at the mirror.
        if deb::unpacked(store, &digest)?.is_none() {
            wanted.entry(&package.repository).or_default().push(want(package, digest));
        }
    }
    for (name, mut wanted) in wanted {
        let repository = recipe.repositories.iter().find(|repository| repository.name == name);
        let repository =
            repository.with_context(|| format!("the lock names repository {name}, the recipe does not"))?;
        let RepositoryKind::Apt(apt) = &repository.kind;
        let base = base_url(apt)?;
        for package in &mut wanted {
            package.urls = package.urls.iter().map(|path| below(&base.url, path)).collect::<anyhow::Result<_>>()?;
        }
        Fetcher::new(store, network(offline, base.proxy)).blobs(&wanted, progress)?;
    }
    let unpack = |packages: &[&LockedPackage]| -> anyhow::Result<Vec<Package>> {
        let load = |package: &&LockedPackage| deb::load(store, &package.digest()?, &named(package));
        packages.par_iter().map(load).collect()
    };
    Ok(Packages { root: unpack(&root)?, tools: unpack(&tools)? })
}

fn named(package: &LockedPackage) -> String {
    format!("{} {} from repository {}", package.name, package.version, package.repository)
}

fn want(package: &LockedPackage, digest: Digest) -> Wanted {
    Wanted {
        what: named(package),
        urls: vec![package.path.clone()],
        size: package.size,
        digest,
        if_gone: "mirrors delete superseded packages: run nodesmith lock --update",
    }
}

/// Where a repository is, and how its server is reached.
struct Base {
    url: String,
    proxy: Option<String>,
}

fn base_url(apt: &AptRepository) -> anyhow::Result<Base> {
    match &apt.mirror {
        Mirror::Url(url) => Ok(Base { url: url.clone(), proxy: None }),
        Mirror::Host => {
            let mirror = host::debian_mirror().context("finding the mirror of this machine's apt")?;
            Ok(Base { url: mirror.url, proxy: mirror.proxy })
        }
    }
}

fn network(offline: bool, proxy: Option<String>) -> Network {
    Network { offline, proxy, ..Network::default() }
}

/// Compressed forms of files, kept in the store. The writer verifies what it gets back.
impl ExtentCache for Store {
    fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        // A cache that cannot be read costs time, not correctness.
        self.derived("extents", key).ok().flatten()
    }

    fn put(&self, key: &Digest, form: &[u8]) -> io::Result<()> {
        self.put_derived("extents", key, form).map_err(|error| io::Error::other(format!("{error:#}")))
    }
}

//! Where packages come from in a build: repositories → lock, lock → unpacked packages.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context, anyhow, bail};
use chrono::NaiveDate;
use rayon::prelude::*;

use crate::formats::erofs::ExtentCache;
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::package::{Family, Package, deb, rpm};
use crate::recipe::{
    AptRepository, Arch, Mirror, PackageRequest, Recipe, Repository, RepositoryKind, RpmRepository, RpmSource, print,
};
use crate::repo::fetch::{Fetcher, Network, Progress, Wanted, below};
use crate::repo::store::Store;
use crate::repo::trust::Keyring;
use crate::repo::{Index, Offer, Snapshot, apt, host, rpm_directory, rpmmd};
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
        let snapshot = read(repository, recipe.arch, store, offline, as_of, progress)
            .with_context(|| format!("reading repository {}", repository.name))?;
        let (mirror, suite) = match &repository.kind {
            RepositoryKind::Apt(AptRepository { mirror: Mirror::Host, suite, .. }) => {
                ("host".to_owned(), suite.clone())
            }
            RepositoryKind::Apt(AptRepository { mirror: Mirror::Url(url), suite, .. }) => (url.clone(), suite.clone()),
            RepositoryKind::Rpm(rpm) => (rpm.source.print(), String::new()),
        };
        index.offers.extend(snapshot.offers);
        repositories.push(LockedRepository {
            name: repository.name.clone(),
            mirror,
            suite,
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
    let locked = |numbers: Vec<usize>| -> anyhow::Result<Vec<LockedPackage>> {
        let offers: Vec<&Offer> = numbers.into_iter().map(|it| &index.offers[it]).collect();
        let signers = signers(recipe, &offers, store, offline, progress)?;
        let package = |offer: &Offer| LockedPackage::of(offer, signers.get(&offer.sha256).cloned().unwrap_or_default());
        Ok(offers.into_iter().map(package).collect())
    };
    let (packages, tools) = (locked(chosen)?, locked(tools)?);
    Ok(Lock::new(&print::package_inputs(recipe), repositories, packages, tools))
}

fn read(
    repository: &Repository,
    arch: Arch,
    store: &Store,
    offline: bool,
    as_of: NaiveDate,
    progress: &dyn Progress,
) -> anyhow::Result<Snapshot> {
    let name = repository.name.as_str();
    match &repository.kind {
        RepositoryKind::Apt(apt) => {
            let base = base_url(&repository.kind)?;
            let archive = apt::Archive {
                name,
                base_url: &base.url,
                suite: &apt.suite,
                components: &apt.components,
                arch: arch.debian(),
                keyring: &apt.keyring,
            };
            apt::read(&archive, &Fetcher::new(store, network(offline, base.proxy.clone())), as_of, progress)
        }
        RepositoryKind::Rpm(rpm) => {
            let keyring = keyring(rpm)?;
            match &rpm.source {
                RpmSource::Directory(directory) => rpm_directory::read(name, directory, arch.rpm()),
                RpmSource::Url(url) => {
                    let metadata_key = rpm.signed_metadata.then_some(&keyring);
                    let rpm = rpmmd::Repository { name, base_url: url, arch: arch.rpm(), metadata_key };
                    rpmmd::read(&rpm, &Fetcher::new(store, network(offline, None)), progress)
                }
            }
        }
    }
}

/// The key that a repository's packages have to be signed with.
fn keyring(rpm: &RpmRepository) -> anyhow::Result<Keyring> {
    Keyring::load(&rpm.key)?.only(&rpm.fingerprint)
}

/// Who signed each of the RPMs among the offers. They are fetched for it: a lock is not made of packages that a build
/// would refuse.
fn signers(
    recipe: &Recipe,
    offers: &[&Offer],
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<BTreeMap<Digest, String>> {
    let mut signers = BTreeMap::new();
    for repository in &recipe.repositories {
        let RepositoryKind::Rpm(rpm) = &repository.kind else { continue };
        let offers: Vec<&&Offer> = offers.iter().filter(|offer| offer.repository == repository.name).collect();
        let base = base_url(&repository.kind)?;
        let named = |offer: &Offer| format!("{} from repository {}", offer.id, repository.name);
        let mut wanted = Vec::new();
        for offer in &offers {
            wanted.push(Wanted {
                what: named(offer),
                urls: vec![below(&base.url, &offer.path)?],
                size: offer.size,
                digest: offer.sha256,
                if_gone: "the repository is being updated: try again in a few minutes",
            });
        }
        Fetcher::new(store, network(offline, base.proxy)).blobs(&wanted, progress)?;
        let keyring = keyring(rpm)?;
        for offer in offers {
            let signer = rpm::signer(store, &offer.sha256, &named(offer), &keyring)?;
            signers.insert(offer.sha256, signer);
        }
    }
    Ok(signers)
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
        let unpacked = match package.family {
            Family::Deb => deb::unpacked(store, &digest)?,
            Family::Rpm => rpm::unpacked(store, &digest)?,
        };
        if unpacked.is_none() {
            wanted.entry(&package.repository).or_default().push(want(package, digest));
        }
    }
    for (name, mut wanted) in wanted {
        let base = base_url(&repository(recipe, name)?.kind)?;
        for package in &mut wanted {
            package.urls = package.urls.iter().map(|path| below(&base.url, path)).collect::<anyhow::Result<_>>()?;
        }
        Fetcher::new(store, network(offline, base.proxy)).blobs(&wanted, progress)?;
    }
    let unpack = |packages: &[&LockedPackage]| -> anyhow::Result<Vec<Package>> {
        packages.par_iter().map(|package| load(recipe, package, store)).collect()
    };
    Ok(Packages { root: unpack(&root)?, tools: unpack(&tools)? })
}

fn repository<'a>(recipe: &'a Recipe, name: &str) -> anyhow::Result<&'a Repository> {
    let repository = recipe.repositories.iter().find(|repository| repository.name == name);
    repository.with_context(|| format!("the lock names repository {name}, the recipe does not"))
}

fn load(recipe: &Recipe, package: &LockedPackage, store: &Store) -> anyhow::Result<Package> {
    let (digest, named) = (package.digest()?, named(package));
    match (package.family, &repository(recipe, &package.repository)?.kind) {
        (Family::Deb, RepositoryKind::Apt(_)) => deb::load(store, &digest, &named),
        (Family::Rpm, RepositoryKind::Rpm(repository)) => {
            // The key that signed it when it was locked, not any that the recipe may trust since.
            rpm::load(store, &digest, &named, &keyring(repository)?.only(&package.signer)?)
        }
        (family, _) => bail!("{named} is in the lock as {family}, and its repository has other packages"),
    }
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

fn base_url(kind: &RepositoryKind) -> anyhow::Result<Base> {
    let plain = |url: String| Base { url, proxy: None };
    match kind {
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Url(url), .. }) => Ok(plain(url.clone())),
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Host, .. }) => {
            let mirror = host::debian_mirror().context("finding the mirror of this machine's apt")?;
            Ok(Base { url: mirror.url, proxy: mirror.proxy })
        }
        RepositoryKind::Rpm(RpmRepository { source: RpmSource::Url(url), .. }) => Ok(plain(url.clone())),
        RepositoryKind::Rpm(RpmRepository { source: RpmSource::Directory(directory), .. }) => {
            let whole = std::fs::canonicalize(directory).with_context(|| format!("opening {}", directory.display()))?;
            let url = below("file://", whole.to_string_lossy().trim_start_matches('/'))?;
            Ok(plain(url))
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

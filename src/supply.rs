//! Where packages come from in a build: repositories → lock, lock → unpacked packages.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use chrono::{NaiveDate, NaiveTime};
use rayon::prelude::*;

use crate::diag::{Diagnostic, Diagnostics};
use crate::formats::erofs::ExtentCache;
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::package::{Family, Package, PackageId, deb, rpm};
use crate::recipe::{
    AptRepository, Arch, Dropped, KeySource, Mirror, PackageRequest, Recipe, Repository, RepositoryKind, RpmRepository,
    RpmSource, print,
};
use crate::repo::fetch::{Fetcher, Gone, Network, Progress, Wanted, below, beside};
use crate::repo::pick::pick;
use crate::repo::rpmmd::mirrors::{self, Mirrors, Source};
use crate::repo::rpmmd::modules::filter;
use crate::repo::store::Store;
use crate::repo::trust::{Keyring, Refusal};
use crate::repo::{Index, Offer, Snapshot, apt, host, rpm_directory, rpmmd};
use crate::resolve::{Preferences, keep_line, newest, resolve_with};
use crate::spelling;
use crate::tree::Digest;
use crate::yaml::Located;

/// Packages that only the build needs, by their names in one family of distributions or the other: systemd's EFI stub
/// and boot loader.
const TOOLS: &[&[&str]] = &[&["systemd-boot-efi", "systemd-boot-unsigned"]];

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
    let mut bases = BTreeMap::new();
    let (mut metadata, mut enabled, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut preferences = Preferences { weak_dependencies: recipe.weak_dependencies, ..Preferences::default() };
    for repository in &recipe.repositories {
        let reading = || format!("reading repository {}", repository.name);
        let base = base(repository, recipe.arch, store, offline, progress).with_context(reading)?;
        let mut snapshot =
            read(repository, &base, recipe.arch, store, offline, as_of, progress).with_context(reading)?;
        bases.insert(repository.name.as_str(), base);
        metadata.extend(snapshot.metadata.map(|metadata| (repository.name.as_str(), metadata)));
        if let RepositoryKind::Rpm(rpm) = &repository.kind {
            enabled.extend(rpm.modules.iter().cloned());
            preferences.priorities.insert(repository.name.clone(), rpm.priority);
            let patterns = |list: &[Located<String>]| list.iter().map(|it| it.value.clone()).collect::<Vec<String>>();
            pick(&mut snapshot.offers, &patterns(&rpm.only), &patterns(&rpm.exclude));
        }
        let (mirror, suite) = match &repository.kind {
            RepositoryKind::Apt(AptRepository { mirror: Mirror::Host, suite, .. }) => {
                ("host".to_owned(), suite.clone())
            }
            RepositoryKind::Apt(AptRepository { mirror: Mirror::Url(url), suite, .. }) => (url.clone(), suite.clone()),
            RepositoryKind::Rpm(rpm) => (rpm.source.print(), String::new()),
        };
        index.offers.extend(snapshot.offers);
        let name = &repository.name;
        left_out.extend(snapshot.left_out.iter().map(|why| format!("left out of repository {name}: {why}")));
        repositories.push(LockedRepository {
            name: repository.name.clone(),
            mirror,
            suite,
            date: snapshot.date,
            signer: snapshot.signer,
            sha256: snapshot.sha256.to_string(),
        });
    }
    let modules: Vec<_> = metadata.iter().map(|(_, metadata)| &metadata.modules).collect();
    filter(&mut index.offers, &modules, &enabled)?;
    let file_lists = |paths: &BTreeSet<String>| -> anyhow::Result<BTreeMap<Digest, Vec<String>>> {
        let mut found = BTreeMap::new();
        for (name, metadata) in &metadata {
            let Some(base) = bases.get(name) else { continue };
            found.extend(rpmmd::filelists(metadata, paths, &Fetcher::new(store, base.network(offline)), progress)?);
        }
        Ok(found)
    };
    let requests: Vec<&PackageRequest> = recipe.packages.iter().chain([&recipe.kernel.package]).collect();
    let told = |error| with_left_out(error, &left_out);
    keep_line(&recipe.kernel, &requests, &mut index).map_err(|mistakes| told(mistakes.into()))?;
    let chosen = resolve_with(&requests, &index, &preferences, &file_lists).map_err(told)?;
    let tools = TOOLS.iter().map(|names| {
        let found = names.iter().find_map(|name| newest(name, &index));
        let names = names.join("` or `");
        found.ok_or_else(|| anyhow!("no repository of the recipe has `{names}`, which the build needs"))
    });
    let tools = tools.collect::<anyhow::Result<Vec<usize>>>()?;
    let locked = |numbers: Vec<usize>| -> anyhow::Result<Vec<LockedPackage>> {
        let offers: Vec<&Offer> = numbers.into_iter().map(|it| &index.offers[it]).collect();
        let signers = signers(recipe, &bases, &offers, as_of, store, offline, progress)?;
        let package = |offer: &Offer| LockedPackage::of(offer, signers.get(&offer.sha256).cloned().unwrap_or_default());
        Ok(offers.into_iter().map(package).collect())
    };
    let (packages, tools) = (locked(chosen)?, locked(tools)?);
    Ok(Lock::new(&print::package_inputs(recipe), repositories, packages, tools))
}

/// Files that are left out and shown where packages are missing, at most.
const LEFT_OUT: usize = 3;

/// Mistakes about what is on offer, with what could not be offered: it may be what is missing.
fn with_left_out(error: anyhow::Error, left_out: &[String]) -> anyhow::Error {
    match error.downcast::<Diagnostics>() {
        Ok(mut mistakes) => {
            if let Some(first) = mistakes.0.first_mut() {
                first.help.extend(left_out.iter().take(LEFT_OUT).cloned());
            }
            mistakes.into()
        }
        Err(other) => other,
    }
}

fn read(
    repository: &Repository,
    base: &Base,
    arch: Arch,
    store: &Store,
    offline: bool,
    as_of: NaiveDate,
    progress: &dyn Progress,
) -> anyhow::Result<Snapshot> {
    let name = repository.name.as_str();
    match &repository.kind {
        RepositoryKind::Apt(apt) => {
            let archive = apt::Archive {
                name,
                base_url: base.mirrors.bases.first().map_or("", String::as_str),
                suite: &apt.suite,
                components: &apt.components,
                arch: arch.debian(),
                keyring: &apt.keyring,
            };
            let snapshot = apt::read(&archive, &Fetcher::new(store, base.network(offline)), as_of, progress);
            snapshot.map_err(|error| {
                let expired = |cause: &Refusal| matches!(cause, Refusal::ReleaseExpired { .. });
                if error.chain().any(|cause| cause.is::<Gone>()) {
                    return anyhow!("{error:#}; {}", without_suite(apt, base));
                }
                match error.chain().any(|cause| cause.downcast_ref().is_some_and(expired)) {
                    true => {
                        anyhow!("{error:#}; the mirror stands still: take another, or --as-of a day when it was valid")
                    }
                    false => error,
                }
            })
        }
        RepositoryKind::Rpm(rpm) => {
            let keyring = keyring(repository, rpm, Some(as_of), store, offline, progress)?;
            match &rpm.source {
                RpmSource::Directory(directory) => rpm_directory::read(name, directory, arch.rpm(), progress),
                RpmSource::Url(_) | RpmSource::Mirrorlist(_) | RpmSource::Metalink(_) => {
                    let metadata_key = keyring.as_ref().filter(|_| rpm.signed_metadata);
                    let rpm = rpmmd::Repository { name, mirrors: &base.mirrors, arch: arch.rpm(), metadata_key };
                    rpmmd::read(&rpm, &Fetcher::new(store, base.network(offline)), progress)
                }
            }
        }
    }
}

/// What to write where an archive does not have a suite.
fn without_suite(apt: &AptRepository, base: &Base) -> String {
    let suite = apt.suite.trim_end_matches('/');
    let Some(main) = host::security_of(suite) else { return format!("so this archive has no suite `{suite}`") };
    let why = match base.guessed {
        true => {
            "this machine's apt names no mirror of Debian's security archive, and there is none beside its main one"
        }
        false => "Debian has its security suites in an archive of their own, and this mirror is none of it",
    };
    let write = host::PUBLIC_SECURITY;
    format!("{why}: write `mirror: {write}`, or your own mirror of it; `suite: {main}` does without its fixes")
}

/// Largest file of keys that is fetched, in bytes.
const KEY_MAX: u64 = 1 << 20;

/// The keys that sign what the recipe wants to be signed; nothing if that is nothing. Signatures have to count on the day
/// `as_of`: that is when a lock is made, and what fits the lock is built on any day.
fn keyring(
    repository: &Repository,
    rpm: &RpmRepository,
    as_of: Option<NaiveDate>,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Keyring>> {
    if rpm.keys.is_empty() {
        return Ok(None);
    }
    let load = |source: &KeySource| match source {
        KeySource::File(path) => Keyring::load(path),
        KeySource::Url(url) => {
            let what = format!("the key of repository {}", repository.name);
            let bytes = Fetcher::new(store, network(offline, None)).text(&what, url, KEY_MAX, progress)?;
            Keyring::parse(&format!("of repository {}", repository.name), &bytes)
        }
    };
    let keyrings = rpm.keys.iter().map(load).collect::<anyhow::Result<_>>()?;
    let as_of = as_of.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp());
    Ok(Some(Keyring::joined(keyrings).only(&rpm.fingerprints)?.forgiving(&rpm.weak).as_of(as_of)))
}

/// The keys of which one has to have signed each package.
fn package_keyring(
    repository: &Repository,
    rpm: &RpmRepository,
    as_of: Option<NaiveDate>,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Keyring>> {
    if rpm.signed_packages { keyring(repository, rpm, as_of, store, offline, progress) } else { Ok(None) }
}

/// Who signed each of the RPMs among the offers. They are fetched for it: a lock is not made of packages that a build
/// would refuse.
fn signers(
    recipe: &Recipe,
    bases: &BTreeMap<&str, Base>,
    offers: &[&Offer],
    as_of: NaiveDate,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<BTreeMap<Digest, String>> {
    let mut signers = BTreeMap::new();
    for repository in &recipe.repositories {
        let RepositoryKind::Rpm(rpm) = &repository.kind else { continue };
        let offers: Vec<&&Offer> = offers.iter().filter(|offer| offer.repository == repository.name).collect();
        let Some(base) = bases.get(repository.name.as_str()) else { continue };
        let named = |offer: &Offer| format!("{} from repository {}", offer.id, repository.name);
        let mut wanted = Vec::new();
        for offer in &offers {
            wanted.push(Wanted {
                what: named(offer),
                urls: base.urls(&offer.path).with_context(|| format!("fetching {}", named(offer)))?,
                size: offer.size,
                digest: offer.sha256,
                if_gone: "the repository is being updated: try again in a few minutes",
            });
        }
        Fetcher::new(store, base.network(offline)).blobs(&wanted, progress)?;
        let keyring = package_keyring(repository, rpm, Some(as_of), store, offline, progress)?;
        for offer in offers {
            let signer = rpm::signer(store, &offer.sha256, &named(offer), &offer.id, keyring.as_ref())?;
            signers.insert(offer.sha256, signer);
        }
    }
    Ok(signers)
}

/// Packages that the recipe at `path` drops and nothing brings: most likely the name of another one. What a base drops
/// need not be in every image.
pub fn unused_drops(recipe: &Recipe, path: &Path, lock: &Lock) -> Diagnostics {
    let names = || lock.packages.iter().map(|package| package.name.as_str());
    let path = path.display().to_string();
    let unused =
        recipe.drop.iter().filter(|drop| drop.location.source.name == path && names().all(|name| name != drop.name));
    let mistake = |drop: &Dropped| {
        let near: Vec<String> =
            spelling::nearest(&drop.name, names(), 3).into_iter().map(|name| format!("`{name}`")).collect();
        Diagnostic::new("unused-drop", format!("nothing brings the package `{}` that is dropped", drop.name))
            .at(&drop.location, "not in the lock")
            .help(format!("take the entry out, or name one of the lock's packages: {}", near.join(", ")))
    };
    Diagnostics(unused.map(mistake).collect())
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
        let base = base(repository(recipe, name)?, recipe.arch, store, offline, progress)?;
        for (path, package) in wanted.iter_mut() {
            package.urls = base.urls(path).with_context(|| format!("fetching {}", package.what))?;
        }
        let wanted: Vec<Wanted> = wanted.into_iter().map(|(_, package)| package).collect();
        Fetcher::new(store, base.network(offline)).blobs(&wanted, progress)?;
    }
    let mut keyrings = BTreeMap::new();
    for package in root.iter().chain(&tools).filter(|package| package.family == Family::Rpm) {
        if !keyrings.contains_key(package.repository.as_str()) {
            let repository = repository(recipe, &package.repository)?;
            let RepositoryKind::Rpm(rpm) = &repository.kind else {
                bail!("{} is in the lock as an RPM, and its repository has other packages", named(package))
            };
            let keyring = package_keyring(repository, rpm, None, store, offline, progress)?;
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

/// Where a repository is, and how its servers are reached.
struct Base {
    mirrors: Mirrors,
    proxy: Option<String>,
    /// Whether nothing but the connection says that what comes is right.
    https_only: bool,
    /// Whether nobody says that a mirror is there, and it only is as a rule.
    guessed: bool,
}

impl Base {
    /// Every place of a file that the repository has by this path.
    fn urls(&self, path: &str) -> anyhow::Result<Vec<String>> {
        self.mirrors.bases.iter().map(|base| beside(base, path)).collect()
    }

    /// Where there are more mirrors, the next one helps sooner than patience.
    fn network(&self, offline: bool) -> Network {
        let network = network(offline, self.proxy.clone());
        let tries = if self.mirrors.bases.len() > 1 { 2 } else { network.tries };
        Network { tries, https_only: self.https_only, ..network }
    }
}

fn base(
    repository: &Repository,
    arch: Arch,
    store: &Store,
    offline: bool,
    progress: &dyn Progress,
) -> anyhow::Result<Base> {
    let one = |url: &str| Ok(Base { mirrors: Mirrors::of(url), proxy: None, https_only: false, guessed: false });
    match &repository.kind {
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Url(url), .. }) => one(url),
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Host, suite, .. }) => {
            let mirror = host::debian_mirror(suite).context("finding the mirror of this machine's apt")?;
            let mirrors = Mirrors::of(&mirror.url);
            Ok(Base { mirrors, proxy: mirror.proxy, https_only: false, guessed: !mirror.named })
        }
        RepositoryKind::Rpm(rpm) => {
            let source = match &rpm.source {
                RpmSource::Directory(directory) => {
                    let whole = std::fs::canonicalize(directory);
                    let whole = whole.with_context(|| format!("opening {}", directory.display()))?;
                    return one(&below("file://", whole.to_string_lossy().trim_start_matches('/'))?);
                }
                RpmSource::Url(url) => Source::Url(url),
                RpmSource::Mirrorlist(url) => Source::Mirrorlist(url),
                RpmSource::Metalink(url) => Source::Metalink(url),
            };
            let authentic = !rpm.signed_packages && !rpm.signed_metadata;
            let network = Network { https_only: authentic, ..network(offline, None) };
            let fetcher = Fetcher::new(store, network);
            let mirrors = mirrors::locate(&repository.name, source, arch.rpm(), authentic, &fetcher, progress)?;
            // A metalink that is right says itself what its mirrors may have.
            let https_only = authentic && !matches!(source, Source::Metalink(_));
            Ok(Base { mirrors, proxy: None, https_only, guessed: false })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::deb::tests::DebBuilder;

    /// A recipe with these drops, the store, and a lock of the packages `one` and `two`, which are in the store.
    fn world(drop: &str) -> (tempfile::TempDir, Recipe, Store, Lock) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("k.gpg"), "").unwrap();
        std::fs::write(directory.path().join("base.yaml"), "nodesmith: 1\ndrop: {nowhere: a base may\x20}\n").unwrap();
        let text = format!(
            "nodesmith: 1\nname: x\nextends: [base.yaml]\nkernel: {{package: linux, line: \"6.12\"}}\n\
             packages: [e2fsprogs]\ndrop: {{{drop}}}\n\
             repositories: {{d: {{apt: {{mirror: host, suite: s, keyring: k.gpg}}}}}}\n"
        );
        let path = directory.path().join("x.yaml");
        std::fs::write(&path, text).unwrap();
        let value = crate::recipe::load::load(&path).unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let recipe = crate::recipe::check::check(&value, day).map_err(|mistakes| mistakes.to_string()).unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let package = |name: &str| {
            let deb = DebBuilder::new(name, "1").build();
            LockedPackage {
                name: name.into(),
                version: "1".into(),
                arch: "amd64".into(),
                family: Family::Deb,
                // Whoever asks where this is gets an error.
                repository: "gone".into(),
                path: format!("{name}.deb"),
                size: deb.len() as u64,
                sha256: store.put(&deb).unwrap().to_string(),
                signer: String::new(),
            }
        };
        let lock = Lock::new(&print::package_inputs(&recipe), vec![], vec![package("one"), package("two")], vec![]);
        (directory, recipe, store, lock)
    }

    #[test]
    fn a_security_suite_beside_no_mirror_is_told_that_it_was_looked_for() {
        let (_directory, recipe, _, _) = world("two: not wanted here");
        let RepositoryKind::Apt(apt) = &recipe.repositories[0].kind else { panic!("apt's") };
        let apt = AptRepository { suite: "trixie-security".into(), ..apt.clone() };
        let base = |guessed| Base { mirrors: Mirrors::of("http://x"), proxy: None, https_only: false, guessed };
        let text = without_suite(&apt, &base(true));
        assert!(text.starts_with("this machine's apt names no mirror of Debian's security archive, and"), "{text}");
        assert!(text.contains("write `mirror: https://security.debian.org/debian-security`"), "{text}");
        assert!(without_suite(&apt, &base(false)).starts_with("Debian has its security suites in an archive"));
    }

    #[test]
    fn packages_in_the_store_are_unpacked_without_a_look_at_the_mirror() {
        let (_directory, recipe, store, lock) = world("two: not wanted here");
        let packages = fetch(&recipe, &lock, &store, true, &()).unwrap();
        let names: Vec<&str> = packages.root.iter().map(|package| package.id.name.as_str()).collect();
        assert_eq!(names, ["one"]);
    }

    #[test]
    fn where_packages_are_missing_files_that_were_left_out_are_shown() {
        let left_out: Vec<String> = (0..9).map(|number| format!("file {number}")).collect();
        let mistakes = Diagnostics(vec![Diagnostic::new("unknown-package", "no"); 2]);
        let error = with_left_out(mistakes.into(), &left_out).downcast::<Diagnostics>().unwrap();
        assert_eq!((error.0[0].help.len(), error.0[1].help.len()), (LEFT_OUT, 0));
        let failure = with_left_out(anyhow!("the disk"), &left_out);
        assert_eq!(failure.to_string(), "the disk");
    }

    #[test]
    fn a_lock_is_of_a_kernel_line_unless_the_kernel_is_pinned() {
        let (_directory, mut recipe, _, _) = world("two: not wanted here");
        let mut other = recipe.clone();
        other.kernel.line = "6.6".into();
        assert_ne!(print::package_inputs(&recipe), print::package_inputs(&other));
        for kernel in [&mut recipe.kernel, &mut other.kernel] {
            kernel.package.version = Some("6.12.9".into());
        }
        assert_eq!(print::package_inputs(&recipe), print::package_inputs(&other));
    }

    #[test]
    fn a_drop_that_drops_nothing_is_a_mistake_where_the_recipe_itself_says_it() {
        let (directory, recipe, _, lock) = world("two: not wanted here, twoo: not wanted either");
        let text = unused_drops(&recipe, &directory.path().join("x.yaml"), &lock).to_string();
        assert!(
            text.contains("x.yaml:6:30: nothing brings the package `twoo` that is dropped [unused-drop]"),
            "{text}"
        );
        assert!(text.contains("packages: `two`, `one`") && text.lines().count() == 1, "{text}");
    }
}

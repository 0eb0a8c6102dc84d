//! A recipe → its lock: every repository read, every package chosen and, of RPMs, its signature looked at.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow};

use super::access::Access;
use super::keys;
use super::servers::{self, Servers};
use crate::arch::Arch;
use crate::diag::Diagnostics;
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::package::rpm;
use crate::recipe::{AptRepository, Mirror, PackageRequest, Recipe, Repository, RepositoryKind, RpmSource, print};
use crate::repo::fetch::{Gone, Wanted};
use crate::repo::pick::pick;
use crate::repo::rpmmd::modules::filter;
use crate::repo::{Index, Offer, Snapshot, apt, host, rpm_directory, rpmmd};
use crate::resolve::{Preferences, keep_line, newest, resolve_with};
use crate::tree::Digest;
use crate::trust::Refusal;
use crate::yaml::Located;

/// Packages that only the build needs, by their names in one family of distributions or the other: systemd's EFI stub
/// and boot loader.
const TOOLS: &[&[&str]] = &[&["systemd-boot-efi", "systemd-boot-unsigned"]];
/// The same, for a disk that starts under a BIOS.
const BIOS_TOOLS: &[&[&str]] = &[&["grub-pc-bin", "grub2-pc-modules"]];

/// Reads the repositories and fixes every package of the recipe.
pub fn lock(recipe: &Recipe, access: &Access<'_>) -> anyhow::Result<Lock> {
    let mut index = Index::default();
    let mut repositories = Vec::new();
    let mut by_name = BTreeMap::new();
    let (mut metadata, mut enabled, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut preferences = Preferences { weak_dependencies: recipe.weak_dependencies, ..Preferences::default() };
    for repository in &recipe.repositories {
        let reading = || format!("reading repository {}", repository.name);
        let servers = servers::locate(repository, recipe.arch, access).with_context(reading)?;
        let mut snapshot = read(repository, &servers, recipe.arch, access).with_context(reading)?;
        by_name.insert(repository.name.as_str(), servers);
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
            let Some(servers) = by_name.get(name) else { continue };
            found.extend(rpmmd::filelists(metadata, paths, &servers.fetcher(access), access.progress)?);
        }
        Ok(found)
    };
    let requests: Vec<&PackageRequest> = recipe.packages.iter().chain([&recipe.kernel.package]).collect();
    let told = |error| with_left_out(error, &left_out);
    keep_line(&recipe.kernel, &requests, &mut index).map_err(|mistakes| told(mistakes.into()))?;
    let chosen = resolve_with(&requests, &index, &preferences, &file_lists).map_err(told)?;
    let bios = if recipe.bios { BIOS_TOOLS } else { &[] };
    let tools = TOOLS.iter().chain(bios).map(|names| {
        let found = names.iter().find_map(|name| newest(name, &index));
        let names = names.join("` or `");
        found.ok_or_else(|| anyhow!("no repository of the recipe has `{names}`, which the build needs"))
    });
    let tools = tools.collect::<anyhow::Result<Vec<usize>>>()?;
    let locked = |numbers: Vec<usize>| -> anyhow::Result<Vec<LockedPackage>> {
        let offers: Vec<&Offer> = numbers.into_iter().map(|it| &index.offers[it]).collect();
        let signers = signers(recipe, &by_name, &offers, access)?;
        let package = |offer: &Offer| LockedPackage::of(offer, signers.get(&offer.sha256).cloned().unwrap_or_default());
        Ok(offers.into_iter().map(package).collect())
    };
    let (packages, tools) = (locked(chosen)?, locked(tools)?);
    Ok(Lock::new(&print::package_inputs(recipe), repositories, packages, tools))
}

/// Files that are left out and shown where packages are missing, at most.
pub(super) const LEFT_OUT: usize = 3;

/// Mistakes about what is on offer, with what could not be offered: it may be what is missing.
pub(super) fn with_left_out(error: anyhow::Error, left_out: &[String]) -> anyhow::Error {
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

fn read(repository: &Repository, servers: &Servers, arch: &Arch, access: &Access<'_>) -> anyhow::Result<Snapshot> {
    let name = repository.name.as_str();
    match &repository.kind {
        RepositoryKind::Apt(apt) => {
            let archive = apt::Archive {
                name,
                base_url: servers.mirrors.bases.first().map_or("", String::as_str),
                suite: &apt.suite,
                components: &apt.components,
                arch: arch.debian,
                keyring: &apt.keyring,
            };
            let snapshot = apt::read(&archive, &servers.fetcher(access), access.as_of, access.progress);
            snapshot.map_err(|error| {
                let expired = |cause: &Refusal| matches!(cause, Refusal::ReleaseExpired { .. });
                if error.chain().any(|cause| cause.is::<Gone>()) {
                    return anyhow!("{error:#}; {}", without_suite(apt, servers));
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
            let keyring = keys::keyring(repository, rpm, Some(access.as_of), access)?;
            match &rpm.source {
                RpmSource::Directory(directory) => rpm_directory::read(name, directory, arch.name, access.progress),
                RpmSource::Url(_) | RpmSource::Mirrorlist(_) | RpmSource::Metalink(_) => {
                    let metadata_key = keyring.as_ref().filter(|_| rpm.signed_metadata);
                    let rpm = rpmmd::Repository { name, mirrors: &servers.mirrors, arch: arch.name, metadata_key };
                    rpmmd::read(&rpm, &servers.fetcher(access), access.progress)
                }
            }
        }
    }
}

/// What to write where an archive does not have a suite.
pub(super) fn without_suite(apt: &AptRepository, servers: &Servers) -> String {
    let suite = apt.suite.trim_end_matches('/');
    let Some(main) = host::security_of(suite) else { return format!("so this archive has no suite `{suite}`") };
    let why = match servers.guessed {
        true => {
            "this machine's apt names no mirror of Debian's security archive, and there is none beside its main one"
        }
        false => "Debian has its security suites in an archive of their own, and this mirror is none of it",
    };
    let write = host::PUBLIC_SECURITY;
    format!("{why}: write `mirror: {write}`, or your own mirror of it; `suite: {main}` does without its fixes")
}

/// Who signed each of the RPMs among the offers. They are fetched for it: a lock is not made of packages that a build
/// would refuse.
fn signers(
    recipe: &Recipe,
    by_name: &BTreeMap<&str, Servers>,
    offers: &[&Offer],
    access: &Access<'_>,
) -> anyhow::Result<BTreeMap<Digest, String>> {
    let mut signers = BTreeMap::new();
    for repository in &recipe.repositories {
        let RepositoryKind::Rpm(rpm) = &repository.kind else { continue };
        let offers: Vec<&&Offer> = offers.iter().filter(|offer| offer.repository == repository.name).collect();
        let Some(servers) = by_name.get(repository.name.as_str()) else { continue };
        let named = |offer: &Offer| format!("{} from repository {}", offer.id, repository.name);
        let mut wanted = Vec::new();
        for offer in &offers {
            wanted.push(Wanted {
                what: named(offer),
                urls: servers.urls(&offer.path).with_context(|| format!("fetching {}", named(offer)))?,
                size: offer.size,
                digest: offer.sha256,
                if_gone: "the repository is being updated: try again in a few minutes",
            });
        }
        servers.fetcher(access).blobs(&wanted, access.progress)?;
        let keyring = keys::of_packages(repository, rpm, Some(access.as_of), access)?;
        for offer in offers {
            let signer = rpm::signer(access.store, &offer.sha256, &named(offer), &offer.id, keyring.as_ref())?;
            signers.insert(offer.sha256, signer);
        }
    }
    Ok(signers)
}

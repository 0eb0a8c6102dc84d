//! An RPM-md repository → what it offers.
//!
//! `repodata/repomd.xml` names the other files with their digests, `primary.xml` lists the packages. Both are streamed:
//! a distribution's primary.xml has 150 MB. `repomd.xml.asc` is a detached signature, looked at where the recipe says so.
//! Of several mirrors the first that has the right `repomd.xml` decides, and every other file may come from any of them.
//! Forms: createrepo_c is right in doubt; there is no specification.

mod filelists;
mod index_cache;
pub mod metadata;
pub mod metalink;
pub mod mirrors;
pub mod modules;
pub mod primary;
pub mod repomd;
mod repository;
mod unpack;
mod xml;

use std::io::{BufReader, Read};

use anyhow::{Context, Error, Result, anyhow, ensure};

use super::fetch::Fetcher;
use super::index::Offer;
use super::snapshot::Snapshot;
use super::url::{below, shown};
use crate::date::show_day;
use crate::progress::Progress;
use crate::tree::Digest;
use crate::trust::Refused;
pub use filelists::filelists;
pub use metadata::Metadata;
use modules::{MODULES_MAX, Modules};
use repomd::{Listed, Repomd};
pub use repository::Repository;

/// Largest `repomd.xml` and signature; Fedora's have 10 KB.
const REPOMD_MAX: u64 = 4 << 20;
/// Largest `primary.xml`, unpacked; Fedora's has 150 MB.
const PRIMARY_MAX: u64 = 512 << 20;

/// Reads a repository. Metadata that is not trusted is a [`Refusal`](crate::trust::Refusal) or a [`Refused`] in the
/// chain of the error.
pub fn read(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Snapshot> {
    let Entry { base, bytes, repomd, signer } = entry(repository, fetcher, progress)?;
    let others = repository.mirrors.bases.iter().filter(|other| **other != base).cloned();
    let bases = [base.clone()].into_iter().chain(others).collect();
    // Revisions are times by custom only, and some count them in microseconds.
    let seconds = repomd.revision.parse::<u32>().ok();
    let date = seconds.map(|seconds| show_day(seconds.into())).unwrap_or_default();
    let mut metadata = Metadata { name: repository.name.to_owned(), repomd, bases, modules: Modules::default() };

    let none = || Refused::new("no-primary", "it names no primary.xml");
    let primary = metadata.repomd.file("primary").ok_or_else(none).context("reading repomd.xml")?;
    let offers = offers(&metadata, primary, repository, fetcher, progress)?;

    if let Some(listed) = metadata.repomd.file("modules") {
        let path = metadata.fetch(listed, fetcher, progress)?;
        let modules = || -> Result<Modules> {
            let mut file = unpack::open(&path, listed, MODULES_MAX)?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            file.finish()?;
            modules::parse(&listed.href, &text)
        };
        metadata.modules = modules().with_context(|| format!("reading {}", listed.href))?;
    }
    let sha256 = Digest::of(&bytes);
    Ok(Snapshot { offers, left_out: Vec::new(), date, signer, sha256, metadata: Some(metadata) })
}

/// The packages of `primary.xml`, which is fetched and parsed only if the store does not know what it says.
fn offers(
    metadata: &Metadata,
    primary: &Listed,
    repository: &Repository<'_>,
    fetcher: &Fetcher<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Offer>> {
    if let Some(offers) = index_cache::load(fetcher.store(), &primary.digest, repository) {
        return Ok(offers);
    }
    let path = metadata.fetch(primary, fetcher, progress)?;
    let parse = || -> Result<Vec<Offer>> {
        let mut text = unpack::open(&path, primary, PRIMARY_MAX)?;
        let offers = primary::parse(BufReader::with_capacity(1 << 17, &mut text), repository)?;
        text.finish()?;
        Ok(offers)
    };
    let offers = parse().with_context(|| format!("reading {}", primary.href))?;
    index_cache::keep(fetcher.store(), &primary.digest, repository, &offers);
    Ok(offers)
}

/// `repomd.xml` as the mirror at `base` has it.
struct Entry {
    base: String,
    bytes: Vec<u8>,
    repomd: Repomd,
    signer: String,
}

/// From the first mirror that has one which is believed.
fn entry(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Entry> {
    let mut failures: Vec<(String, Error)> = Vec::new();
    for base in &repository.mirrors.bases {
        match entry_of(base, repository, fetcher, progress) {
            Ok(entry) => return Ok(entry),
            Err(error) => {
                if repository.mirrors.bases.len() > 1 {
                    progress.note(&format!("leaving out the mirror {}: {error:#}", shown(base)));
                }
                failures.push((shown(base), error));
            }
        }
    }
    let tried = failures.len();
    let (_, last) = failures.pop().ok_or_else(|| anyhow!("no mirror of repository {} is known", repository.name))?;
    let others: String = failures.iter().map(|(base, error)| format!("; {base}: {error:#}")).collect();
    Err(if tried == 1 { last } else { last.context(format!("none of {tried} mirrors can be used{others}; the last")) })
}

fn entry_of(base: &str, repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Entry> {
    let get = |path: &str| {
        let what = format!("{path} of repository {}", repository.name);
        fetcher.text(&what, &below(base, path)?, REPOMD_MAX, progress)
    };
    let bytes = get("repodata/repomd.xml")?;
    let other = || Refused::new("metalink-mismatch", "it is not one of those that the metalink lists");
    ensure!(repository.mirrors.accepts(&bytes), Error::new(other()).context("comparing repomd.xml"));
    let signer = match repository.metadata_key {
        None => String::new(),
        Some(keyring) => {
            let signature = get("repodata/repomd.xml.asc")?;
            keyring.verify_detached(&bytes, &[signature]).context("verifying repomd.xml by repomd.xml.asc")?.0
        }
    };
    // A mirror may answer everything with a page about something else.
    let repomd = repomd::parse(&bytes).context("reading repomd.xml")?;
    Ok(Entry { base: base.to_owned(), bytes, repomd, signer })
}

#[cfg(test)]
mod tests;

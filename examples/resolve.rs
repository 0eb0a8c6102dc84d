//! Package sets and RPM-md repositories → what the resolver takes for each set, one `name-EVR.arch` a line.
//!
//! A lock needs the packages themselves, because it says who signed them; this needs metadata only. `ci/dnf-closure`
//! compares it with dnf, `ci/bench` measures it.
//! usage: resolve STORE SETS|NAME,NAME… NAME=URL…

#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use nodesmith::diag::{Diagnostics, Location, Source};
use nodesmith::recipe::PackageRequest;
use nodesmith::repo::fetch::{Fetcher, Network};
use nodesmith::repo::rpmmd::mirrors::Mirrors;
use nodesmith::repo::rpmmd::{self, modules};
use nodesmith::repo::{Index, Snapshot};
use nodesmith::resolve::{Preferences, resolve_with};
use nodesmith::store::Store;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, sets, repositories @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: resolve STORE SETS|NAME,NAME… NAME=URL…")
    };
    let store = Store::open(Path::new(store))?;
    let fetcher = Fetcher::new(&store, Network::default());
    let mut snapshots = Vec::new();
    for repository in repositories {
        let (name, url) = repository.split_once('=').context("a repository is NAME=URL")?;
        snapshots.push(read(name, url, &fetcher).with_context(|| format!("reading repository {name}"))?);
    }
    let mut index = Index::default();
    for snapshot in &mut snapshots {
        index.offers.append(&mut snapshot.offers);
    }
    let modules: Vec<_> = snapshots.iter().filter_map(|it| Some(&it.metadata.as_ref()?.modules)).collect();
    modules::filter(&mut index.offers, &modules, &[])?;
    let file_lists = |paths: &BTreeSet<String>| -> Result<BTreeMap<_, _>> {
        let mut found = BTreeMap::new();
        for metadata in snapshots.iter().filter_map(|it| it.metadata.as_ref()) {
            found.extend(rpmmd::filelists(metadata, paths, &fetcher, &())?);
        }
        Ok(found)
    };
    let sets = if Path::new(sets).is_file() { std::fs::read_to_string(sets)? } else { sets.replace(',', " ") };
    let weak = std::env::var_os("WEAK").is_some();
    for set in sets.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        println!("== {set}");
        let preferences = Preferences { weak_dependencies: weak, ..Preferences::default() };
        let requests: Vec<PackageRequest> = set.split_whitespace().map(request).collect();
        match resolve_with(&requests.iter().collect::<Vec<_>>(), &index, &preferences, &file_lists) {
            Ok(chosen) => {
                for id in chosen.into_iter().map(|it| &index.offers[it].id) {
                    println!("{}-{}.{}", id.name, id.version, id.arch);
                }
            }
            Err(error) => match error.downcast::<Diagnostics>() {
                Ok(mistakes) => mistakes.to_string().lines().for_each(|line| println!("! {line}")),
                Err(error) => return Err(error),
            },
        }
    }
    Ok(())
}

fn request(name: &str) -> PackageRequest {
    let source = Source::new("set", name);
    PackageRequest { name: name.to_owned(), version: None, location: Location::new(&source, 0..name.len()) }
}

fn read(name: &str, url: &str, fetcher: &Fetcher<'_>) -> Result<Snapshot> {
    rpmmd::read(
        &rpmmd::Repository { name, mirrors: &Mirrors::of(url), arch: "x86_64", metadata_key: None },
        fetcher,
        &(),
    )
}

//! Debian as the shipped recipes ask for it, on the mirror that this machine's apt uses.
//!
//! Tests that build from it judge dates by the day that the mirror gives itself, not by the clock: a mirror that stands
//! still for a week (`Valid-Until`) or a machine whose clock is wrong says nothing about this project.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::{NaiveDate, NaiveDateTime};
use nodesmith::recipe::{AptRepository, RepositoryKind, check, load};
use nodesmith::repo::fetch::{Fetcher, Network};
use nodesmith::repo::host::{self, HostMirror};
use nodesmith::repo::url::below;
use nodesmith::store::Store;

/// A repository of `recipes/base/debian-13.yaml`.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) apt: AptRepository,
    pub(crate) mirror: HostMirror,
}

/// All of them, in the order in which a lock reads them.
pub(crate) fn suites() -> Result<Vec<Suite>> {
    // Of a recipe that is checked on the clock's day, kernels would end.
    let day = NaiveDate::from_ymd_opt(2026, 11, 1).context("a day")?;
    let recipe = check::check(&load::load(Path::new("recipes/quickstart.yaml"))?, day)?;
    let mut suites = Vec::new();
    for repository in recipe.repositories {
        let RepositoryKind::Apt(apt) = repository.kind else { continue };
        let mirror = host::debian_mirror(&apt.suite)?;
        suites.push(Suite { name: repository.name, apt, mirror });
    }
    Ok(suites)
}

/// The newest day that one of the suites gives itself.
pub(crate) fn day(store: &Store) -> Result<NaiveDate> {
    let days = suites()?.iter().map(|suite| suite.day(store)).collect::<Result<Vec<NaiveDate>>>()?;
    days.into_iter().max().context("the recipe names no suite")
}

impl Suite {
    pub(crate) fn fetcher<'a>(&self, store: &'a Store, offline: bool) -> Fetcher<'a> {
        let proxy = self.mirror.proxy.clone();
        Fetcher::new(store, Network { proxy, offline, ..Network::default() })
    }

    /// Offline, the signed text that the store has kept.
    pub(crate) fn in_release(&self, store: &Store, offline: bool) -> Result<String> {
        let url = below(&self.mirror.url, &format!("dists/{}/InRelease", self.apt.suite))?;
        let what = format!("InRelease of {}", self.apt.suite);
        Ok(String::from_utf8(self.fetcher(store, offline).text(&what, &url, 64 << 20, &())?)?)
    }

    /// The day that the suite gives itself.
    pub(crate) fn day(&self, store: &Store) -> Result<NaiveDate> {
        let text = self.in_release(store, false)?;
        let date = text.lines().find_map(|line| line.strip_prefix("Date: ")?.strip_suffix(" UTC"));
        let date = date.with_context(|| format!("{} has no date", self.apt.suite))?;
        Ok(NaiveDateTime::parse_from_str(date, "%a, %d %b %Y %H:%M:%S")?.date())
    }
}

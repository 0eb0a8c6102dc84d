//! What a repository's entry point says of its other files.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::modules::Modules;
use super::repomd::{Listed, Repomd};
use crate::progress::Progress;
use crate::repo::fetch::{Fetcher, Wanted};
use crate::repo::url::beside;

/// A repository's `repomd.xml`, believed: what else of the repository is read later on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub(super) name: String,
    pub(super) repomd: Repomd,
    /// Base URLs, the one that served `repomd.xml` first.
    pub(super) bases: Vec<String>,
    /// What it says about modules; it may be about packages of other repositories.
    pub modules: Modules,
}

impl Metadata {
    /// Sees to it that the store has this file of the repository; its path there.
    pub(super) fn fetch(&self, listed: &Listed, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<PathBuf> {
        let what = format!("{} of repository {}", listed.href, self.name);
        let urls = self.bases.iter().map(|base| beside(base, &listed.href)).collect::<Result<_>>();
        let wanted = Wanted {
            urls: urls.with_context(|| format!("fetching {what}"))?,
            what,
            size: listed.size,
            digest: listed.digest,
            if_gone: "the repository is being updated: try again in a few minutes",
        };
        fetcher.blob(&wanted, progress)?;
        Ok(fetcher.store().blob_path(&listed.digest))
    }
}

//! Where a repository of a recipe is, and how its servers are reached.

use anyhow::Context;

use super::access::Access;
use crate::arch::Arch;
use crate::recipe::{AptRepository, Mirror, Repository, RepositoryKind, RpmSource};
use crate::repo::fetch::{Fetcher, Network};
use crate::repo::host;
use crate::repo::rpmmd::mirrors::{self, Mirrors, Source};
use crate::repo::url::{below, beside};

/// Where a repository is, and how its servers are reached.
pub(super) struct Servers {
    pub(super) mirrors: Mirrors,
    pub(super) proxy: Option<String>,
    /// Whether nothing but the connection says that what comes is right.
    pub(super) https_only: bool,
    /// Whether nobody says that a mirror is there, and it only is as a rule.
    pub(super) guessed: bool,
}

impl Servers {
    /// Every place of a file that the repository has by this path.
    pub(super) fn urls(&self, path: &str) -> anyhow::Result<Vec<String>> {
        self.mirrors.bases.iter().map(|base| beside(base, path)).collect()
    }

    /// Where there are more mirrors, the next one helps sooner than patience.
    pub(super) fn fetcher<'a>(&self, access: &Access<'a>) -> Fetcher<'a> {
        let network = access.network(self.proxy.clone());
        let tries = if self.mirrors.bases.len() > 1 { 2 } else { network.tries };
        Fetcher::new(access.store, Network { tries, https_only: self.https_only, ..network })
    }
}

/// Where the repository can be had from here, by now.
pub(super) fn locate(repository: &Repository, arch: &Arch, access: &Access<'_>) -> anyhow::Result<Servers> {
    let one = |url: &str| Ok(Servers { mirrors: Mirrors::of(url), proxy: None, https_only: false, guessed: false });
    match &repository.kind {
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Url(url), .. }) => one(url),
        RepositoryKind::Apt(AptRepository { mirror: Mirror::Host, suite, .. }) => {
            let mirror = host::debian_mirror(suite).context("finding the mirror of this machine's apt")?;
            let mirrors = Mirrors::of(&mirror.url);
            Ok(Servers { mirrors, proxy: mirror.proxy, https_only: false, guessed: !mirror.named })
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
            let network = Network { https_only: authentic, ..access.network(None) };
            let fetcher = Fetcher::new(access.store, network);
            let mirrors = mirrors::locate(&repository.name, source, arch.name, authentic, &fetcher, access.progress)?;
            // A metalink that is right says itself what its mirrors may have.
            let https_only = authentic && !matches!(source, Source::Metalink(_));
            Ok(Servers { mirrors, proxy: None, https_only, guessed: false })
        }
    }
}

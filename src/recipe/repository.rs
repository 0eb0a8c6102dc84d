//! Where the packages of a recipe come from, and who may sign them.

use std::path::PathBuf;

use crate::diag::Location;
use crate::trust::Weakness;
use crate::yaml::Located;

/// Of a repository without a priority, as in dnf: the smaller the number, the more it counts.
pub const DEFAULT_PRIORITY: u32 = 99;

#[derive(Debug, Clone)]
pub struct Repository {
    pub name: String,
    pub kind: RepositoryKind,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub enum RepositoryKind {
    Apt(AptRepository),
    Rpm(RpmRepository),
}

#[derive(Debug, Clone)]
pub struct AptRepository {
    pub mirror: Mirror,
    pub suite: String,
    pub components: Vec<String>,
    /// Keyring files, tried in order.
    pub keyring: PathBuf,
}

#[derive(Debug, Clone)]
pub struct RpmRepository {
    pub source: RpmSource,
    /// Where the keys are, perhaps among others; nothing where nothing is signed.
    pub keys: Vec<KeySource>,
    /// Of the primary keys that may sign: upper-case hexadecimal. Empty without a key.
    pub fingerprints: Vec<String>,
    /// Whether one of those keys has to have signed each package.
    pub signed_packages: bool,
    /// Whether one of those keys has to have signed the metadata too.
    pub signed_metadata: bool,
    /// What is forgiven of keys and signatures.
    pub weak: Vec<Weakness>,
    /// Module streams that are enabled: `nodejs:20`.
    pub modules: Vec<Located<String>>,
    /// From 1 to [`DEFAULT_PRIORITY`], the smaller the better: packages of other repositories count only where this one
    /// has none.
    pub priority: u32,
    /// Patterns of the names of the only packages that count; nothing is all.
    pub only: Vec<Located<String>>,
    /// Patterns of the names of packages that do not count.
    pub exclude: Vec<Located<String>>,
    /// Whether the packages fit every distribution, and may be put on a base of the other family.
    pub neutral: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    /// Fetched when it is needed; the fingerprint says whether it is the right one.
    Url(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpmSource {
    /// Of a repository with `repodata/repomd.xml`.
    Url(String),
    /// Of a text with such URLs.
    Mirrorlist(String),
    /// Of a metalink to such repositories.
    Metalink(String),
    /// A directory of `.rpm` files.
    Directory(PathBuf),
}

impl RpmSource {
    /// As locks and manifests have it: where something lies on this machine must not change them.
    pub fn print(&self) -> String {
        let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        match self {
            RpmSource::Url(url) | RpmSource::Mirrorlist(url) | RpmSource::Metalink(url) if url.starts_with("file:") => {
                format!("file:{}", last(url))
            }
            RpmSource::Url(url) | RpmSource::Mirrorlist(url) | RpmSource::Metalink(url) => url.clone(),
            RpmSource::Directory(directory) => format!("directory:{}", last(&directory.to_string_lossy())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// The mirror that this machine's own apt uses.
    Host,
    Url(String),
}

//! Where a repository can be had: one URL, a list of mirrors, or a metalink.
//!
//! A mirrorlist is plain text, a base URL a line, `#` before comments; it says nothing about the files. In its lines
//! `$basearch` and `$arch` stand for the image's architecture, as for dnf. What a metalink says about `repomd.xml`
//! counts ([`super::metalink`]).

use anyhow::{Context, Result, ensure};

use super::metalink::{self, Version};
use crate::progress::Progress;
use crate::repo::fetch::Fetcher;
use crate::repo::url::{can_be_fetched, shown};
use crate::trust::Refused;

/// Largest list that is fetched; Fedora's metalinks have 50 KB.
const LIST_MAX: u64 = 1 << 20;
/// Mirrors that are tried at most: when the best ones fail, the trouble is here.
const TRIED_MAX: usize = 8;

/// What the recipe says about where a repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// The directory above `repodata`.
    Url(&'a str),
    Mirrorlist(&'a str),
    Metalink(&'a str),
}

/// Places of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// Base URLs in order of preference; at least one.
    pub bases: Vec<String>,
    /// What `repomd.xml` may be; anything if nothing is said.
    versions: Vec<Version>,
}

impl Mirrors {
    /// The one place.
    pub fn of(url: &str) -> Mirrors {
        Mirrors { bases: vec![url.to_owned()], versions: Vec::new() }
    }

    pub(super) fn accepts(&self, repomd: &[u8]) -> bool {
        self.versions.is_empty() || self.versions.iter().any(|version| version.fits(repomd))
    }
}

/// Finds the mirrors of the repository that the recipe calls `name`, for an image of the architecture `arch` as RPM
/// names it. `authentic` is whether what it says has to come
/// from whom it should, because nothing is signed: then mirrors by plain `http:` are left out, but for those of a
/// metalink, which says what they have.
pub fn locate(
    name: &str,
    source: Source<'_>,
    arch: &str,
    authentic: bool,
    fetcher: &Fetcher<'_>,
    progress: &dyn Progress,
) -> Result<Mirrors> {
    let (kind, url) = match source {
        Source::Url(url) => return Ok(Mirrors::of(url)),
        Source::Mirrorlist(url) => ("mirrorlist", url),
        Source::Metalink(url) => ("metalink", url),
    };
    let bytes = fetcher.text(&format!("the {kind} of repository {name}"), url, LIST_MAX, progress)?;
    let read = || -> Result<Mirrors> {
        let (mut bases, versions) = if let Source::Metalink(_) = source {
            let metalink = metalink::parse(&bytes)?;
            (metalink.bases, metalink.versions)
        } else {
            let mut bases = parse_list(&bytes, arch)?;
            bases.retain(|base| !authentic || !base.starts_with("http:"));
            (bases, Vec::new())
        };
        // Whoever is elsewhere does not say what to read here.
        bases.retain(|base| url.starts_with("file:") || !base.starts_with("file:"));
        let none = || Refused::new("no-mirror", "it names no mirror that can be used: only https, http and file are");
        ensure!(!bases.is_empty(), none());
        bases.truncate(TRIED_MAX);
        Ok(Mirrors { bases, versions })
    };
    read().with_context(|| format!("reading the {kind} {}", shown(url)))
}

/// The base URLs in a mirrorlist. Mirrors of kinds that are not known (`ftp:`, `rsync:`) are left out. What is no URL at
/// all is a page that says why there is no list.
pub fn parse_list(bytes: &[u8], arch: &str) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::new("bad-mirrorlist", "it is not UTF-8"))?;
    let mut bases: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let start: String = line.chars().take(60).collect();
        let text = format!("line {} is no URL: `{}`", index + 1, start.escape_debug());
        ensure!(line.contains("://") && !line.starts_with('<'), Refused::new("bad-mirrorlist", text));
        let base = fill(line, arch).with_context(|| format!("line {}", index + 1))?;
        if can_be_fetched(&base) && !bases.contains(&base) {
            bases.push(base);
        }
    }
    Ok(bases)
}

/// The line with its variables replaced. Which ones a line may have depends on who reads it; the architecture is all
/// that is known here.
fn fill(line: &str, arch: &str) -> Result<String> {
    let mut parts = line.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = match part.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or((part, "")),
            None => part.split_at(part.find(|c| !is_letter(c)).unwrap_or(part.len())),
        };
        let text = || format!("the variable `{}` is not known, only $basearch and $arch", name.escape_debug());
        ensure!(["basearch", "arch"].contains(&name), Refused::new("bad-mirrorlist", text()));
        filled.push_str(arch);
        filled.push_str(rest);
    }
    Ok(filled)
}

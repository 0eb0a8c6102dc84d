//! An apt repository → what it offers.
//!
//! `InRelease` is fetched, its signature and dates are judged, and the Packages files it names by SHA-256 are read:
//! `dists/SUITE/COMPONENT/binary-ARCH/Packages.xz`, by hash where the repository has that. A suite that ends in `/` is
//! a flat repository, whose files lie beside each other. Form: Debian's RepositoryFormat; in doubt, apt is right.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use chrono::{NaiveDate, NaiveTime};
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

use super::fetch::{Fetcher, Wanted};
use super::{Offer, Snapshot};
use crate::date::{CLOCK_TOLERANCE, parse_release_date, show_day};
use crate::package::deb::control::{self, Stanza};
use crate::package::deb::relations;
use crate::package::version::version_problem;
use crate::package::{Family, PackageId, WeakDependencies};
use crate::progress::Progress;
use crate::repo::url::below;
use crate::tree::Digest;
use crate::trust::{Keyring, Refusal, Signed};

/// Largest `InRelease`; Debian's have 150 KB.
const RELEASE_MAX: u64 = 32 << 20;
/// Largest Packages file, unpacked; Debian's main has 60 MB.
const PACKAGES_MAX: u64 = 2 << 30;
/// Forms of a Packages file, in order of preference.
const FORMS: [&str; 4] = [".xz", ".zst", ".gz", ""];

/// A repository as the recipe names it.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    /// `mirror: host` has been resolved (`host.rs`).
    pub base_url: &'a str,
    /// `trixie`, `trixie-updates`; a flat repository's ends in `/`.
    pub suite: &'a str,
    /// None for a flat repository.
    pub components: &'a [String],
    /// The image's architecture, as Debian names it: `amd64`.
    pub arch: &'a str,
    /// File of the keys that may sign it.
    pub keyring: &'a Path,
}

/// Reads a repository. Its dates and its key are judged by the day `as_of`. Metadata that is not trusted is a
/// [`Refusal`] in the chain of the error.
pub fn read(
    archive: &Archive<'_>,
    fetcher: &Fetcher<'_>,
    as_of: NaiveDate,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let as_of = as_of.and_time(NaiveTime::MIN).and_utc().timestamp();
    let keyring = Keyring::load(archive.keyring)?;
    let flat = archive.suite.ends_with('/');
    let suite = archive.suite.trim_matches('/');
    let base = match (flat, suite) {
        (true, "" | ".") => archive.base_url.to_owned(),
        (true, _) => below(archive.base_url, suite)?,
        (false, _) => below(archive.base_url, &format!("dists/{suite}"))?,
    };
    let what = format!("InRelease of repository {}", archive.name);
    let bytes = fetcher.text(&what, &below(&base, "InRelease")?, RELEASE_MAX, progress)?;
    let signed = keyring.verify_cleartext(&bytes, Some(as_of)).context("verifying InRelease")?;
    let release = parse_release(&signed).context("reading InRelease")?;
    release.judge((!flat).then_some(suite), as_of).context("checking InRelease")?;
    let mut offers = Vec::new();
    for directory in release.directories(archive, flat)? {
        let (path, file) = release.packages_file(&directory).with_context(|| {
            let archs = release.archs.join(" ");
            format!("it has no `{directory}Packages`, only components {} for {archs}", release.components)
        })?;
        let by_hash = format!("{directory}by-hash/SHA256/{}", file.digest);
        let paths = if release.by_hash { vec![by_hash, path.clone()] } else { vec![path.clone()] };
        let wanted = Wanted {
            what: format!("{path} of repository {}", archive.name),
            urls: paths.iter().map(|path| below(&base, path)).collect::<Result<_>>()?,
            size: file.size,
            digest: file.digest,
            if_gone: "the mirror is being updated: try again in a few minutes",
        };
        fetcher.blob(&wanted, progress)?;
        let blob = fetcher.store().blob_path(&file.digest);
        let blob = File::open(&blob).with_context(|| format!("opening {}", blob.display()))?;
        let text = decompress(BufReader::with_capacity(1 << 16, blob), &path)?;
        read_packages(text, archive, &mut offers).with_context(|| format!("reading {path}"))?;
    }
    let sha256 = Digest::of(&bytes);
    let date = show_day(release.date);
    Ok(Snapshot { offers, left_out: Vec::new(), date, signer: signed.signer, sha256, metadata: None })
}

/// The fields of a Release file that count.
#[derive(Debug)]
pub struct Release {
    suite: String,
    codename: String,
    date: i64,
    valid_until: Option<i64>,
    by_hash: bool,
    components: String,
    archs: Vec<String>,
    /// Whether packages for every architecture stand only in a list of their own.
    all_apart: bool,
    files: BTreeMap<String, ListedFile>,
}

#[derive(Debug, Clone, Copy)]
struct ListedFile {
    size: u64,
    digest: Digest,
}

/// Reads the text of a Release file.
///
/// # Errors
/// A field that is missing or malformed, with its line.
pub fn parse_release(signed: &Signed) -> Result<Release> {
    let names = [
        "Suite",
        "Codename",
        "Date",
        "Valid-Until",
        "Acquire-By-Hash",
        "Components",
        "Architectures",
        "No-Support-for-Architecture-all",
        "SHA256",
    ];
    let mut releases = Vec::new();
    control::read(signed.text.as_bytes(), &names, |stanza| {
        let date = |name: &str| -> Result<Option<i64>> {
            let Some(text) = stanza.get(name) else { return Ok(None) };
            parse_release_date(text).map(Some).with_context(|| format!("`{name}: {text}` is no date in UTC"))
        };
        let text = |name: &str| stanza.get(name).unwrap_or_default().to_owned();
        let archs: Vec<String> = text("Architectures").split_ascii_whitespace().map(str::to_owned).collect();
        releases.push(Release {
            suite: text("Suite"),
            codename: text("Codename"),
            date: date("Date")?.context("the field `Date` is missing")?,
            valid_until: date("Valid-Until")?,
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            components: text("Components"),
            all_apart: archs.iter().any(|arch| arch == "all")
                && stanza.get("No-Support-for-Architecture-all") != Some("Packages"),
            archs,
            files: stanza
                .need("SHA256")?
                .lines()
                .filter(|line| !line.is_empty())
                .map(listed_file)
                .collect::<Result<_>>()?,
        });
        Ok(())
    })?;
    ensure!(releases.len() == 1, "it has {} stanzas instead of one", releases.len());
    Ok(releases.remove(0))
}

/// ` DIGEST SIZE PATH`
fn listed_file(line: &str) -> Result<(String, ListedFile)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let parsed = match words[..] {
        [digest, size, path] => Digest::parse(digest).zip(size.parse().ok()).zip(Some(path)),
        _ => None,
    };
    let ((digest, size), path) =
        parsed.with_context(|| format!("`{}` is no `SHA256 SIZE PATH`", line.escape_debug()))?;
    Ok((path.to_owned(), ListedFile { size, digest }))
}

impl Release {
    /// `suite` is the one asked for; a flat repository has none.
    fn judge(&self, suite: Option<&str>, as_of: i64) -> Result<(), Refusal> {
        if let Some(asked) = suite
            && ![&self.suite, &self.codename].contains(&&asked.to_owned())
        {
            let found = format!("`{}` (codename `{}`)", self.suite, self.codename);
            return Err(Refusal::WrongSuite { asked: format!("`{asked}`"), found });
        }
        if let Some(at) = self.valid_until.filter(|until| *until < as_of) {
            return Err(Refusal::ReleaseExpired { at, judged: as_of });
        }
        if self.date > as_of + CLOCK_TOLERANCE {
            return Err(Refusal::ReleaseFromFuture { at: self.date });
        }
        Ok(())
    }

    /// Where the Packages files lie that concern the image.
    fn directories(&self, archive: &Archive<'_>, flat: bool) -> Result<Vec<String>> {
        if flat {
            return Ok(vec![String::new()]);
        }
        ensure!(!archive.components.is_empty(), "no component is named (the suite has: {})", self.components);
        let mut directories = Vec::new();
        for component in archive.components {
            directories.push(format!("{component}/binary-{}/", archive.arch));
            let all = format!("{component}/binary-all/");
            if self.all_apart && self.packages_file(&all).is_some() {
                directories.push(all);
            }
        }
        Ok(directories)
    }

    fn packages_file(&self, directory: &str) -> Option<(String, ListedFile)> {
        let mut paths = FORMS.iter().map(|form| format!("{directory}Packages{form}"));
        paths.find_map(|path| self.files.get(&path).map(|file| (path.clone(), *file)))
    }
}

fn decompress(file: BufReader<File>, path: &str) -> Result<Box<dyn BufRead>> {
    let text: Box<dyn Read> = match path.rsplit_once('.').map(|(_, form)| form) {
        Some("xz") => Box::new(XzDecoder::new(file)),
        Some("gz") => Box::new(MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    };
    Ok(Box::new(BufReader::with_capacity(1 << 17, text.take(PACKAGES_MAX))))
}

/// Appends what a Packages file offers for the archive's architecture.
///
/// # Errors
/// The first stanza that is malformed, by its line and package; what came before it has been appended.
pub fn read_packages(text: impl BufRead, archive: &Archive<'_>, offers: &mut Vec<Offer>) -> Result<()> {
    let names = [
        "Package",
        "Version",
        "Architecture",
        "Essential",
        "Priority",
        "Pre-Depends",
        "Depends",
        "Conflicts",
        "Breaks",
        "Provides",
        "Filename",
        "Size",
        "SHA256",
    ];
    control::read(text, &names, |stanza| {
        let arch = stanza.need("Architecture")?;
        if arch == archive.arch || arch == "all" {
            let offer = offer(stanza, archive);
            offers.push(offer.with_context(|| format!("package `{}`", stanza.get("Package").unwrap_or("?")))?);
        }
        Ok(())
    })
}

fn offer(stanza: &Stanza, archive: &Archive<'_>) -> Result<Offer> {
    let text = |name: &str| stanza.need(name).map(str::to_owned);
    let id = PackageId { name: text("Package")?, version: text("Version")?, arch: text("Architecture")? };
    version_problem(&id.version).map_or(Ok(()), |problem| Err(anyhow!("version `{}`: {problem}", id.version)))?;
    let field = |name: &'static str| (stanza.get(name).unwrap_or_default(), move || format!("field `{name}`"));
    let dependencies = |name| {
        let (text, what) = field(name);
        relations::dependencies(text, archive.arch).with_context(what)
    };
    let relations = |name| {
        let (text, what) = field(name);
        relations::relations(text, archive.arch).with_context(what)
    };
    let (provides, what) = field("Provides");
    let path = stanza.need("Filename")?;
    Ok(Offer {
        id,
        family: Family::Deb,
        repository: archive.name.to_owned(),
        path: path.strip_prefix("./").unwrap_or(path).to_owned(),
        size: stanza.need("Size")?.parse().context("field `Size`")?,
        sha256: Digest::parse(stanza.need("SHA256")?).context("field `SHA256`")?,
        essential: stanza.get("Essential") == Some("yes"),
        // Third parties invent words; the priority only decides between packages that would both do.
        priority: match stanza.get("Priority") {
            Some("required") => 0,
            Some("important") => 1,
            Some("standard") => 2,
            Some("extra") => 4,
            _ => 3,
        },
        depends: [dependencies("Pre-Depends")?, dependencies("Depends")?].concat(),
        conflicts: [relations("Conflicts")?, relations("Breaks")?].concat(),
        obsoletes: Vec::new(),
        provides: relations::provided(provides, archive.arch).with_context(what)?,
        weak: WeakDependencies::default(),
    })
}

#[cfg(test)]
mod tests;

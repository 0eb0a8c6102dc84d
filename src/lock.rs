//! The lock: every package of an image, exact enough to build it again from nothing else.
//!
//! Goals, in order: complete (name, version, architecture, repository, path, size, digest, and who signed); canonical (one
//! text for one content: a lock that is printed again is the same bytes); diffable (a line a package, sorted);
//! readable by anything (JSON); versioned. It holds the mirror as the recipe writes it, so that a lock made with
//! `mirror: host` names no host.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diag::{Diagnostic, Diagnostics, Location, Source};
use crate::package::Family;
use crate::repo::Offer;
use crate::tree::Digest;

/// Version of the form below.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    #[serde(rename = "nodesmith-lock")]
    version: u32,
    /// SHA-256 of what the recipe says about packages: when it differs, the lock is stale.
    pub inputs: String,
    /// By name.
    pub repositories: Vec<LockedRepository>,
    /// What the root is made of, by name.
    pub packages: Vec<LockedPackage>,
    /// What only the build needs, by name.
    pub tools: Vec<LockedPackage>,
}

/// A repository as it was when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    pub name: String,
    /// `host` or a URL, as in the recipe.
    pub mirror: String,
    /// Of an apt repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// The day that the repository gives itself, if it gives one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// Fingerprint of the key that signed the metadata, if that is signed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signer: String,
    /// SHA-256 of the metadata's entry point (`InRelease`, `repomd.xml`).
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    pub name: String,
    /// The family's whole version: `1:2.3-4`.
    pub version: String,
    pub arch: String,
    #[serde(default)]
    pub family: Family,
    pub repository: String,
    /// Below the repository's base URL, or beside it (`../pool/x.rpm`).
    pub path: String,
    pub size: u64,
    pub sha256: String,
    /// Fingerprint of the key that signed the package itself: RPMs are signed, debs are not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signer: String,
}

impl LockedPackage {
    /// `signer` is empty for a deb.
    pub fn of(offer: &Offer, signer: String) -> LockedPackage {
        LockedPackage {
            name: offer.id.name.clone(),
            version: offer.id.version.clone(),
            arch: offer.id.arch.clone(),
            family: offer.family,
            repository: offer.repository.clone(),
            path: offer.path.clone(),
            size: offer.size,
            sha256: offer.sha256.to_string(),
            signer,
        }
    }

    /// The key that signed it; none of a package that nobody had to sign.
    pub fn signers(&self) -> Vec<String> {
        Some(self.signer.clone()).into_iter().filter(|signer| !signer.is_empty()).collect()
    }

    /// The digest, which [`parse`] has seen to be one.
    pub fn digest(&self) -> anyhow::Result<Digest> {
        Digest::parse(&self.sha256).with_context(|| format!("reading the digest of {} in the lock", self.name))
    }
}

impl Lock {
    /// A lock in canonical order.
    pub fn new(
        inputs: &Value,
        mut repositories: Vec<LockedRepository>,
        mut packages: Vec<LockedPackage>,
        mut tools: Vec<LockedPackage>,
    ) -> Lock {
        repositories.sort_by(|a, b| a.name.cmp(&b.name));
        packages.sort();
        tools.sort();
        Lock { version: VERSION, inputs: inputs_digest(inputs), repositories, packages, tools }
    }

    /// Whether the lock was made for these inputs.
    pub fn fits(&self, inputs: &Value) -> bool {
        self.inputs == inputs_digest(inputs)
    }

    /// Name → version of what the root is made of.
    pub fn versions(&self) -> BTreeMap<&str, &str> {
        self.packages.iter().rev().map(|package| (package.name.as_str(), package.version.as_str())).collect()
    }

    /// The canonical text: JSON with a line an entry.
    pub fn print(&self) -> anyhow::Result<String> {
        let mut text = String::from("{\n");
        writeln!(text, "\"nodesmith-lock\": {VERSION},\n\"inputs\": {},", serde_json::to_string(&self.inputs)?)?;
        lines(&mut text, "repositories", &self.repositories)?;
        text.push_str(",\n");
        lines(&mut text, "packages", &self.packages)?;
        text.push_str(",\n");
        lines(&mut text, "tools", &self.tools)?;
        text.push_str("\n}\n");
        Ok(text)
    }
}

fn lines<T: Serialize>(text: &mut String, name: &str, entries: &[T]) -> anyhow::Result<()> {
    let entries = entries.iter().map(serde_json::to_string).collect::<Result<Vec<String>, _>>()?;
    let inner = if entries.is_empty() { String::new() } else { format!("\n{}\n", entries.join(",\n")) };
    write!(text, "\"{name}\": [{inner}]")?;
    Ok(())
}

fn inputs_digest(inputs: &Value) -> String {
    // serde_json's maps are sorted, so equal inputs have one text.
    Digest::of(inputs.to_string()).to_string()
}

/// Reads a lock. Damage is a mistake at its line.
pub fn parse(name: &str, text: &str) -> Result<Lock, Diagnostics> {
    let source = Source::new(name, text);
    let lock: Lock = serde_json::from_str(text).map_err(|error| damaged(&source, &error))?;
    let mut found = Diagnostics::default();
    if lock.version != VERSION {
        found.push(
            Diagnostic::new("lock-version", format!("this lock has version {}", lock.version))
                .at(&place(&source, "\"nodesmith-lock\""), format!("this program reads version {VERSION}"))
                .help("lock again: nodesmith lock --update"),
        );
    }
    for package in lock.packages.iter().chain(&lock.tools) {
        if Digest::parse(&package.sha256).is_none() {
            found.push(
                Diagnostic::new("lock-digest", format!("`{}` has no SHA-256 in the lock", package.name))
                    .at(&place(&source, &format!("\"{}\"", package.name)), "in this line")
                    .help("lock again: nodesmith lock --update"),
            );
        }
        // Packages of RPM-md repositories may lie beside them: whether they may is seen where they are fetched.
        let up = package.family == Family::Deb && package.path.split('/').any(|part| part == "..");
        let escapes = up || package.path.starts_with('/');
        if escapes || !lock.repositories.iter().any(|repository| repository.name == package.repository) {
            found.push(
                Diagnostic::new("lock-path", format!("`{}` does not say where it comes from", package.name))
                    .at(&place(&source, &format!("\"{}\"", package.name)), "in this line")
                    .help("lock again: nodesmith lock --update"),
            );
        }
    }
    found.or(lock)
}

/// The lock at `path`, or `None` if there is no file.
pub fn read(path: &Path) -> anyhow::Result<Option<Lock>> {
    match crate::bounded::read_text(path) {
        Ok(text) => Ok(Some(parse(&path.display().to_string(), &text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes the lock whole or not at all.
pub fn write(lock: &Lock, path: &Path) -> anyhow::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { bail!("`{}` is not the name of a file", path.display()) };
    let mut unfinished = tempfile::Builder::new()
        .prefix(&format!(".{}", name.to_string_lossy()))
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .with_context(|| format!("writing a lock in {}", directory.display()))?;
    std::io::Write::write_all(&mut unfinished, lock.print()?.as_bytes()).context("writing the lock")?;
    unfinished.persist(path).with_context(|| format!("naming {}", path.display()))?;
    Ok(())
}

fn damaged(source: &std::sync::Arc<Source>, error: &serde_json::Error) -> Diagnostics {
    let line_start: usize = source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(source.text.len());
    let text = error.to_string();
    let cause = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Diagnostic::new("lock-damaged", "this is not a lock")
        .at(&Location::new(source, at..at), cause)
        .help("locks are not edited by hand: nodesmith lock --update makes a new one")
        .into()
}

fn place(source: &std::sync::Arc<Source>, text: &str) -> Location {
    let start = source.text.find(text).unwrap_or(0);
    Location::new(source, start..start + text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Lock {
        let package = |name: &str| LockedPackage {
            name: name.into(),
            version: "1:2~3".into(),
            arch: "amd64".into(),
            family: Family::Deb,
            repository: "debian".into(),
            path: format!("pool/{name}.deb"),
            size: 7,
            sha256: Digest::of(name).to_string(),
            signer: String::new(),
        };
        let repository = LockedRepository {
            name: "debian".into(),
            mirror: "host".into(),
            suite: "trixie".into(),
            date: "2026-09-12".into(),
            signer: "ABCD".into(),
            sha256: Digest::of("release").to_string(),
        };
        Lock::new(&json!({"packages": ["b"]}), vec![repository], vec![package("b"), package("a")], vec![])
    }

    #[test]
    fn print_and_parse_are_inverse_and_the_text_has_a_line_a_package() {
        let lock = sample();
        let text = lock.print().unwrap();
        assert_eq!(parse("x.lock", &text).unwrap(), lock);
        assert_eq!(parse("x.lock", &text).unwrap().print().unwrap(), text);
        assert_eq!(text.lines().filter(|line| line.contains("pool/")).count(), 2);
        assert!(text.find("pool/a.deb") < text.find("pool/b.deb"));
        assert!(lock.fits(&json!({"packages": ["b"]})) && !lock.fits(&json!({"packages": ["c"]})));
    }

    #[test]
    fn damage_is_shown_at_its_line() {
        let text = sample().print().unwrap();
        let mistake = |text: &str| parse("x.lock", text).unwrap_err().to_string();
        assert!(mistake(&text[..text.len() / 2]).starts_with("x.lock:"), "{}", mistake(&text[..text.len() / 2]));
        assert!(mistake(&text.replace("\"size\":7", "\"size\":\"7\"")).contains("[lock-damaged]"));
        let short = text.replace(&Digest::of("a").to_string(), "beef");
        assert!(mistake(&short).contains("`a` has no SHA-256 in the lock [lock-digest]"));
        assert!(mistake(&text.replace("pool/a.deb", "../../etc/passwd")).contains("[lock-path]"));
        assert!(mistake(&text.replace("-lock\": 1", "-lock\": 9")).contains("[lock-version]"));
    }
}

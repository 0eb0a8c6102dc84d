//! A metalink → mirrors in order of preference, and which `repomd.xml` files they may serve.
//!
//! Version 3.0 (<http://www.metalinker.org/>) as MirrorManager writes it: hashes of today's file, and under
//! `mm0:alternates` those of earlier ones that slow mirrors still have. Whoever believes the metalink (it came by https)
//! can take the file from anybody.

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha512};

use crate::bounded::quote;
use crate::hex;
use crate::repo::rpmmd::xml::{Element, Xml};
use crate::repo::url::can_be_fetched;
use crate::tree::Digest;
use crate::trust::Refused;

/// What a mirror's URL of the file ends in.
const FILE: &str = "/repodata/repomd.xml";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metalink {
    /// Base URLs, the preferred ones first.
    pub bases: Vec<String>,
    /// At least one.
    pub versions: Vec<Version>,
}

/// A version of `repomd.xml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    size: Option<u64>,
    sha256: Option<Digest>,
    sha512: Option<[u8; 64]>,
}

impl Version {
    /// Whether these are the bytes.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let sized = self.size.is_none_or(|size| size == bytes.len() as u64);
        let sha256 = self.sha256.is_none_or(|said| said == Digest::of(bytes));
        let sha512 = self.sha512.is_none_or(|said| said[..] == Sha512::digest(bytes)[..]);
        sized && sha256 && sha512 && self.is_known()
    }

    /// MD5 and SHA-1 say nothing.
    fn is_known(&self) -> bool {
        self.sha256.is_some() || self.sha512.is_some()
    }
}

/// Reads a metalink. Mirrors in ways that this builder does not have (`rsync:`) are left out.
pub fn parse(bytes: &[u8]) -> Result<Metalink> {
    let mut xml = Xml::new(bytes);
    let mut links: Vec<(u32, String)> = Vec::new();
    let mut versions = Vec::new();
    xml.root("metalink", "not-metalink")?;
    while let Some(element) = xml.next()? {
        match element.name.as_str() {
            "files" | "resources" => {}
            "file" if element.attribute("name") == Some("repomd.xml") => {
                let (said, found) = file(&mut xml)?;
                versions.extend(said);
                links.extend(found);
            }
            _ => xml.skip()?,
        }
    }
    versions.retain(Version::is_known);
    ensure!(!versions.is_empty(), Refused::new("metalink-hash", "it has no SHA-256 or SHA-512 of repomd.xml"));
    // Of equal ones those by https, then in the order written.
    links.sort_by_key(|(preference, base)| (u32::MAX - preference, !base.starts_with("https:")));
    Ok(Metalink { bases: links.into_iter().map(|(_, base)| base).collect(), versions })
}

/// What is said about the file: its version and earlier ones, and mirrors with their preference.
type File = (Vec<Version>, Vec<(u32, String)>);

fn file<R: std::io::BufRead>(xml: &mut Xml<R>) -> Result<File> {
    let depth = xml.open.len();
    let (mut version, mut others, mut links) = (Version::default(), Vec::new(), Vec::new());
    while let Some(element) = xml.next_below(depth)? {
        match element.name.as_str() {
            "size" | "hash" => say(xml, &element, &mut version)?,
            "verification" | "resources" | "mm0:alternates" => {}
            "mm0:alternate" => {
                let depth = xml.open.len();
                let mut other = Version::default();
                while let Some(element) = xml.next_below(depth)? {
                    match element.name.as_str() {
                        "size" | "hash" => say(xml, &element, &mut other)?,
                        "verification" => {}
                        _ => xml.skip()?,
                    }
                }
                others.push(other);
            }
            "url" => {
                // What is no number prefers nothing.
                let preference = element.attribute("preference").and_then(|text| text.parse().ok()).unwrap_or(0);
                let url = xml.text()?;
                let base = url.trim().strip_suffix(FILE).filter(|base| can_be_fetched(base));
                links.extend(base.map(|base| (preference, base.to_owned())));
            }
            _ => xml.skip()?,
        }
    }
    others.insert(0, version);
    Ok((others, links))
}

fn say<R: std::io::BufRead>(xml: &mut Xml<R>, element: &Element, version: &mut Version) -> Result<()> {
    let text = xml.text()?.trim().to_ascii_lowercase();
    let wrong =
        || Refused::new("metalink-hash", format!("`{}` is no {} of a file", quote(&text), quote(&element.name)));
    match (element.name.as_str(), element.attribute("type")) {
        ("size", _) => version.size = Some(text.parse().map_err(|_| wrong())?),
        (_, Some("sha256")) => version.sha256 = Some(Digest::parse(&text).ok_or_else(wrong)?),
        (_, Some("sha512")) => version.sha512 = Some(hex::decode(&text).ok_or_else(wrong)?),
        _ => {}
    }
    Ok(())
}

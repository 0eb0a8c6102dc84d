//! `filelists.xml` → which packages have the paths that somebody asks for.
//!
//! It is several times as large as `primary.xml`, which lists the files that are asked for most; so it is fetched only
//! when a path is wanted that `primary.xml` does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

use anyhow::{Context, Result, ensure};

use super::{Metadata, unpack};
use crate::bounded::quote;
use crate::progress::Progress;
use crate::repo::fetch::Fetcher;
use crate::repo::rpmmd::xml::Xml;
use crate::tree::Digest;
use crate::trust::Refused;

/// Largest list, unpacked; Fedora's has 720 MB.
const FILELISTS_MAX: u64 = 8 << 30;

/// The wanted paths that packages of the repository have, by the package's digest (`pkgid`, which is
/// [`Offer::sha256`](crate::repo::Offer)), sorted. Packages without any are left out, and so is everything if the
/// repository has no such list. `wanted` are whole paths as requirements have them: `/usr/bin/perl`.
pub fn filelists(
    metadata: &Metadata,
    wanted: &BTreeSet<String>,
    fetcher: &Fetcher<'_>,
    progress: &dyn Progress,
) -> Result<BTreeMap<Digest, Vec<String>>> {
    let Some(listed) = metadata.repomd.file("filelists").filter(|_| !wanted.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let path = metadata.fetch(listed, fetcher, progress)?;
    let read = || -> Result<BTreeMap<Digest, Vec<String>>> {
        let mut text = unpack::open(&path, listed, FILELISTS_MAX)?;
        let found = parse(&mut text, wanted)?;
        text.finish()?;
        Ok(found)
    };
    read().with_context(|| format!("reading {} of repository {}", listed.href, metadata.name))
}

fn parse(text: &mut dyn Read, wanted: &BTreeSet<String>) -> Result<BTreeMap<Digest, Vec<String>>> {
    let mut found: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    let mut xml = Xml::new(BufReader::with_capacity(1 << 17, text));
    xml.root("filelists", "not-filelists")?;
    let mut package = None;
    while let Some(element) = xml.next()? {
        match element.name.as_str() {
            "package" => {
                let id = element.attribute("pkgid").unwrap_or_default();
                let wrong = || Refused::new("bad-pkgid", format!("the package `{}` is no SHA-256", quote(id)));
                package = Some(Digest::parse(id).ok_or_else(wrong)?);
            }
            "file" => {
                let path = xml.text()?;
                ensure!(package.is_some(), Refused::new("bad-pkgid", "a file without a package"));
                if let Some(package) = package.filter(|_| wanted.contains(&path)) {
                    found.entry(package).or_default().push(path);
                }
            }
            _ => xml.skip()?,
        }
    }
    for paths in found.values_mut() {
        paths.sort();
        paths.dedup();
    }
    Ok(found)
}

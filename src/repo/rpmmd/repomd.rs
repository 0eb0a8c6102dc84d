//! `repomd.xml` → which file of the repository is what, with its size and digests.
//!
//! Files are found by the `href` that stands here, whatever they are called. Databases, copies in zchunk and whatever
//! else there is are left out unread.

use anyhow::{Context, Result, ensure};

use crate::repo::rpmmd::xml::{Element, Xml, checksum, location};
use crate::tree::Digest;
use crate::trust::Refused;

/// The kinds of files that are read.
const KINDS: [&str; 3] = ["primary", "filelists", "modules"];

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repomd {
    /// By custom the seconds since 1970.
    pub revision: String,
    files: Vec<(String, Listed)>,
}

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Below the repository's base.
    pub href: String,
    pub size: u64,
    pub digest: Digest,
    /// What it is when it is unpacked.
    pub open_size: Option<u64>,
    pub open_digest: Option<Digest>,
}

impl Repomd {
    /// The file of this kind; one that is not in zchunk if there is a choice.
    pub fn file(&self, kind: &str) -> Option<&Listed> {
        let mut files = self.files.iter().filter(|(other, _)| other == kind).map(|(_, listed)| listed);
        let first = files.clone().next();
        files.find(|listed| !listed.href.ends_with(".zck")).or(first)
    }
}

/// Reads `repomd.xml`. Entries of other kinds than those that are used may be of any form.
pub fn parse(bytes: &[u8]) -> Result<Repomd> {
    let mut xml = Xml::new(bytes);
    let mut repomd = Repomd::default();
    xml.root("repomd", "not-repomd")?;
    while let Some(element) = xml.next()? {
        match element.name.as_str() {
            "revision" if xml.inside("repomd") => repomd.revision = xml.text()?,
            "data" => match element.attribute("type").filter(|kind| KINDS.contains(kind)) {
                Some(kind) => {
                    let kind = kind.to_owned();
                    let listed = parse_data(&mut xml).map_err(Refused::kind("bad-repomd"));
                    let listed = listed.with_context(|| format!("the entry of {kind}"))?;
                    repomd.files.push((kind, listed));
                }
                None => xml.skip()?,
            },
            _ => xml.skip()?,
        }
    }
    Ok(repomd)
}

fn parse_data(xml: &mut Xml<&[u8]>) -> Result<Listed> {
    let (mut href, mut size, mut open_size, mut digest, mut open_digest) = (None, None, None, None, None);
    let depth = xml.open.len();
    while let Some(element) = xml.next_below(depth)? {
        match element.name.as_str() {
            "location" => {
                href = location(&element);
                plain_base(&element)?;
                xml.skip()?;
            }
            "size" => size = Some(xml.text()?.trim().parse().context("its size")?),
            "open-size" => open_size = Some(xml.text()?.trim().parse().context("its size when it is unpacked")?),
            "checksum" => digest = Some(checksum(&element, &xml.text()?)?),
            "open-checksum" => open_digest = Some(checksum(&element, &xml.text()?)?),
            _ => xml.skip()?,
        }
    }
    let missing = |what: &str| Refused::new("incomplete-repomd", format!("it has no {what}"));
    Ok(Listed {
        href: href.ok_or_else(|| missing("location"))?,
        size: size.ok_or_else(|| missing("size"))?,
        digest: digest.ok_or_else(|| missing("checksum"))?,
        open_size,
        open_digest,
    })
}

fn plain_base(location: &Element) -> Result<()> {
    let elsewhere = location.attribute("xml:base").is_some();
    ensure!(!elsewhere, Refused::new("other-base", "files at another base are not known (`xml:base`)"));
    Ok(())
}

//! An RPM-md repository → what it offers.
//!
//! `repodata/repomd.xml` names the other files with their digests, `primary.xml` lists the packages. Both are streamed:
//! a distribution's primary.xml has 150 MB. `repomd.xml.asc` is a detached signature, looked at where the recipe says so.
//! Of several mirrors the first that has the right `repomd.xml` decides, and every other file may come from any of them.
//! Forms: createrepo_c is right in doubt; there is no specification.

mod filelists;
pub mod metalink;
pub mod mirrors;
pub mod modules;
pub mod repomd;
mod unpack;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::date::show_day;
use super::fetch::{Fetcher, Progress, Wanted, below, shown};
use super::rpm_capabilities::{Place, fits, offer};
use super::trust::Keyring;
use super::{Offer, Operator, Provided, Refused, Relation, Snapshot};
use crate::package::PackageId;
use crate::package::evr::{part_problem, print_evr};
use crate::package::rpm::Capabilities;
use crate::tree::Digest;
pub use filelists::filelists;
use mirrors::Mirrors;
use modules::{MODULES_MAX, Modules};
use repomd::{Listed, Repomd};

/// Largest `repomd.xml` and signature; Fedora's have 10 KB.
const REPOMD_MAX: u64 = 4 << 20;
/// Largest `primary.xml`, unpacked; Fedora's has 150 MB.
const PRIMARY_MAX: u64 = 2 << 30;
/// Longest text and longest tag; descriptions have a few KB.
const TEXT_MAX: usize = 1 << 20;
/// Deepest nesting of elements; these files have five.
const DEPTH_MAX: usize = 32;
/// Most relations of one package; kernels have 21,000.
const RELATIONS_MAX: usize = 1 << 20;

/// A repository as the recipe names it.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    pub mirrors: &'a Mirrors,
    /// The image's architecture, as RPM names it: `x86_64`.
    pub arch: &'a str,
    /// The key that has to have signed `repomd.xml`; nothing if signatures of packages are enough.
    pub metadata_key: Option<&'a Keyring>,
}

/// A repository's `repomd.xml`, believed: what else of the repository is read later on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    name: String,
    repomd: Repomd,
    /// Base URLs, the one that served `repomd.xml` first.
    bases: Vec<String>,
    /// What it says about modules; it may be about packages of other repositories.
    pub modules: Modules,
}

impl Metadata {
    /// Sees to it that the store has this file of the repository; its path there.
    fn fetch(&self, listed: &Listed, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<PathBuf> {
        let wanted = Wanted {
            what: format!("{} of repository {}", listed.href, self.name),
            urls: self.bases.iter().map(|base| below(base, &listed.href)).collect::<Result<_>>()?,
            size: listed.size,
            digest: listed.digest,
            if_gone: "the repository is being updated: try again in a few minutes",
        };
        fetcher.blob(&wanted, progress)?;
        Ok(fetcher.store().blob_path(&listed.digest))
    }
}

/// Reads a repository. Metadata that is not trusted is a [`Refusal`](super::trust::Refusal) or a [`Refused`] in the
/// chain of the error.
pub fn read(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Snapshot> {
    let Entry { base, bytes, signer } = entry(repository, fetcher, progress)?;
    let repomd = repomd::parse(&bytes).context("reading repomd.xml")?;
    let others = repository.mirrors.bases.iter().filter(|other| **other != base).cloned();
    let bases = [base.clone()].into_iter().chain(others).collect();
    // Revisions are times by custom only, and some count them in microseconds.
    let seconds = repomd.revision.parse::<u32>().ok();
    let date = seconds.map(|seconds| show_day(seconds.into())).unwrap_or_default();
    let mut metadata = Metadata { name: repository.name.to_owned(), repomd, bases, modules: Modules::default() };

    let none = || Refused::new("no-primary", "it names no primary.xml");
    let primary = metadata.repomd.file("primary").ok_or_else(none).context("reading repomd.xml")?;
    let path = metadata.fetch(primary, fetcher, progress)?;
    let offers = || -> Result<Vec<Offer>> {
        let mut text = unpack::open(&path, primary, PRIMARY_MAX)?;
        let offers = read_primary(&mut text, repository)?;
        text.finish()?;
        Ok(offers)
    };
    let offers = offers().with_context(|| format!("reading {}", primary.href))?;

    if let Some(listed) = metadata.repomd.file("modules") {
        let path = metadata.fetch(listed, fetcher, progress)?;
        let modules = || -> Result<Modules> {
            let mut file = unpack::open(&path, listed, MODULES_MAX)?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            file.finish()?;
            modules::parse(&listed.href, &text)
        };
        metadata.modules = modules().with_context(|| format!("reading {}", listed.href))?;
    }
    Ok(Snapshot { offers, date, signer, sha256: Digest::of(&bytes), metadata: Some(metadata) })
}

/// `repomd.xml` as the mirror at `base` has it.
struct Entry {
    base: String,
    bytes: Vec<u8>,
    signer: String,
}

/// From the first mirror that has one which is believed.
fn entry(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Entry> {
    let mut failures: Vec<(String, Error)> = Vec::new();
    for base in &repository.mirrors.bases {
        match entry_of(base, repository, fetcher, progress) {
            Ok((bytes, signer)) => return Ok(Entry { base: base.clone(), bytes, signer }),
            Err(error) => {
                if repository.mirrors.bases.len() > 1 {
                    progress.note(&format!("leaving out the mirror {}: {error:#}", shown(base)));
                }
                failures.push((shown(base), error));
            }
        }
    }
    let tried = failures.len();
    let (_, last) = failures.pop().ok_or_else(|| anyhow!("no mirror of repository {} is known", repository.name))?;
    let others: String = failures.iter().map(|(base, error)| format!("; {base}: {error:#}")).collect();
    Err(if tried == 1 { last } else { last.context(format!("none of {tried} mirrors can be used{others}; the last")) })
}

fn entry_of(
    base: &str,
    repository: &Repository<'_>,
    fetcher: &Fetcher<'_>,
    progress: &dyn Progress,
) -> Result<(Vec<u8>, String)> {
    let get = |path: &str| {
        let what = format!("{path} of repository {}", repository.name);
        fetcher.text(&what, &below(base, path)?, REPOMD_MAX, progress)
    };
    let bytes = get("repodata/repomd.xml")?;
    let other = || Refused::new("metalink-mismatch", "it is not one of those that the metalink lists");
    ensure!(repository.mirrors.accepts(&bytes), Error::new(other()).context("comparing repomd.xml"));
    let signer = match repository.metadata_key {
        None => String::new(),
        Some(keyring) => {
            let signature = get("repodata/repomd.xml.asc")?;
            keyring.verify_detached(&bytes, &[signature]).context("verifying repomd.xml by repomd.xml.asc")?.0
        }
    };
    Ok((bytes, signer))
}

fn checksum(element: &Element, text: &str) -> Result<Digest> {
    let kind = element.attribute("type").unwrap_or("none");
    let unknown = || format!("checksums of type `{}` are not known, only sha256", kind.escape_debug());
    ensure!(kind == "sha256", Refused::new("unknown-checksum", unknown()));
    let wrong = || Refused::new("bad-checksum", format!("`{}` is no SHA-256", text.trim().escape_debug()));
    Ok(Digest::parse(text.trim()).ok_or_else(wrong)?)
}

fn read_primary(text: &mut dyn Read, repository: &Repository<'_>) -> Result<Vec<Offer>> {
    let mut offers = Vec::new();
    let mut xml = Xml::new(BufReader::with_capacity(1 << 17, text));
    while let Some(element) = xml.next()? {
        match element.name.as_str() {
            "metadata" => {}
            "package" => offers.extend(package(&mut xml, repository)?),
            _ => xml.skip()?,
        }
    }
    Ok(offers)
}

/// The package whose element was opened last; nothing if it is of another architecture.
fn package<R: BufRead>(xml: &mut Xml<R>, repository: &Repository<'_>) -> Result<Option<Offer>> {
    let depth = xml.open.len();
    let (mut name, mut arch, mut version) = (String::new(), String::new(), None);
    let (mut path, mut size, mut sha256) = (None, None, None);
    let mut capabilities = Capabilities::default();
    let mut read = |xml: &mut Xml<R>, name: &mut String| -> Result<()> {
        while let Some(element) = xml.next_below(depth)? {
            match element.name.as_str() {
                "name" => *name = xml.text()?,
                "arch" => arch = xml.text()?,
                "version" => {
                    version = Some(evr(&element)?);
                    xml.skip()?;
                }
                "checksum" => sha256 = Some(checksum(&element, &xml.text()?)?),
                "size" => {
                    size = element.attribute("package").map(str::parse).transpose().context("its size")?;
                    xml.skip()?;
                }
                "location" => {
                    ensure!(element.attribute("xml:base").is_none(), "packages at another base are not known");
                    path = element.attribute("href").map(str::to_owned);
                    xml.skip()?;
                }
                "format" => {}
                "rpm:requires" => capabilities.requires = relations(xml)?,
                "rpm:conflicts" => capabilities.conflicts = relations(xml)?,
                "rpm:obsoletes" => capabilities.obsoletes = relations(xml)?,
                "rpm:provides" => capabilities.provides = relations(xml)?.into_iter().map(provided).collect(),
                "file" => {
                    let path = xml.text()?;
                    ensure!(capabilities.files.len() < RELATIONS_MAX, "more than {RELATIONS_MAX} files");
                    capabilities.files.push(path);
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    };
    let done = read(xml, &mut name);
    done.with_context(|| format!("package `{}`", name.escape_debug()))?;
    if !fits(&arch, repository.arch) {
        return Ok(None);
    }
    let complete = || -> Result<Offer> {
        ensure!(!name.is_empty(), "it has no name");
        let place = Place {
            repository: repository.name.to_owned(),
            path: path.context("it has no location")?,
            size: size.context("it has no size")?,
            sha256: sha256.context("it has no checksum")?,
        };
        let id = PackageId { name: name.clone(), version: version.context("it has no version")?, arch };
        Ok(offer(id, capabilities, place))
    };
    complete().map(Some).with_context(|| format!("package `{}`", name.escape_debug()))
}

fn evr(element: &Element) -> Result<String> {
    let part = |name: &str| element.attribute(name).unwrap_or_default();
    for part in [part("ver"), part("rel")] {
        if let Some(problem) = part_problem(part) {
            bail!("version or release `{}`: {problem}", part.escape_debug());
        }
    }
    Ok(print_evr(epoch(element)?, part("ver"), part("rel")))
}

fn epoch(element: &Element) -> Result<u64> {
    let text = element.attribute("epoch").filter(|epoch| !epoch.is_empty()).unwrap_or("0");
    text.parse().with_context(|| format!("the epoch `{}`", text.escape_debug()))
}

/// The entries of the list that was opened last.
fn relations<R: BufRead>(xml: &mut Xml<R>) -> Result<Vec<Relation>> {
    let depth = xml.open.len();
    let mut relations = Vec::new();
    while let Some(element) = xml.next_below(depth)? {
        if element.name == "rpm:entry" {
            let name = element.attribute("name").context("a relation without a name")?.to_owned();
            let operator = match element.attribute("flags") {
                None => None,
                Some("LT") => Some(Operator::Less),
                Some("LE") => Some(Operator::LessOrEqual),
                Some("EQ") => Some(Operator::Equal),
                Some("GE") => Some(Operator::GreaterOrEqual),
                Some("GT") => Some(Operator::Greater),
                Some(other) => bail!("the relation to `{name}` is `{}`", other.escape_debug()),
            };
            let version = element.attribute("ver").unwrap_or_default();
            let release = element.attribute("rel").unwrap_or_default();
            let constraint = match operator.filter(|_| !version.is_empty()) {
                None => None,
                Some(operator) => Some((operator, print_evr(epoch(&element)?, version, release))),
            };
            ensure!(relations.len() < RELATIONS_MAX, "more than {RELATIONS_MAX} relations");
            relations.push(Relation { name, constraint });
        }
        xml.skip()?;
    }
    Ok(relations)
}

/// A range is no version to compare with: as if there were none.
fn provided(relation: Relation) -> Provided {
    let version = relation.constraint.filter(|(operator, _)| *operator == Operator::Equal);
    Provided { name: relation.name, version: version.map(|(_, version)| version) }
}

/// A start tag.
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Start tags of a stream one after the other. Prefixes stand for themselves: everybody writes `rpm:`.
struct Xml<R> {
    reader: Reader<Limited<R>>,
    buffer: Vec<u8>,
    open: Vec<String>,
}

impl<R: BufRead> Xml<R> {
    fn new(text: R) -> Xml<R> {
        let mut reader = Reader::from_reader(Limited { text, since: 0 });
        reader.config_mut().expand_empty_elements = true;
        Xml { reader, buffer: Vec::new(), open: Vec::new() }
    }

    fn cut_off(&self) -> Refused {
        Refused::new("xml-cut-off", format!("the text ends inside `{}`", self.open.join("/")))
    }

    fn inside(&self, parent: &str) -> bool {
        self.open.len() >= 2 && self.open[self.open.len() - 2] == parent
    }

    fn event(&mut self) -> Result<Event<'_>> {
        self.buffer.clear();
        self.reader.get_mut().since = 0;
        let at = self.reader.buffer_position();
        self.reader.read_event_into(&mut self.buffer).with_context(|| format!("at byte {at} of the text"))
    }

    /// The next start tag anywhere; nothing at the end.
    fn next(&mut self) -> Result<Option<Element>> {
        self.next_below(0)
    }

    /// The next start tag below the `depth`-th open element; nothing when that one ends.
    fn next_below(&mut self, depth: usize) -> Result<Option<Element>> {
        loop {
            match self.event()? {
                Event::Start(tag) => {
                    let element = start(&tag)?;
                    let deep =
                        || Refused::new("xml-too-deep", format!("elements are nested more than {DEPTH_MAX} deep"));
                    ensure!(self.open.len() < DEPTH_MAX, deep());
                    self.open.push(element.name.clone());
                    return Ok(Some(element));
                }
                Event::End(_) => {
                    self.open.pop();
                    if self.open.len() < depth {
                        return Ok(None);
                    }
                }
                Event::Eof => {
                    ensure!(self.open.is_empty(), self.cut_off());
                    return Ok(None);
                }
                Event::DocType(_) => bail!(Refused::new("xml-doctype", "a document type is not allowed here")),
                _ => {}
            }
        }
    }

    /// The text of the element opened last, up to its end.
    fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        let depth = self.open.len();
        loop {
            let ended = match self.event()? {
                Event::Text(part) => {
                    text.push_str(&part.xml10_content());
                    false
                }
                Event::CData(part) => {
                    text.push_str(&part.xml10_content());
                    false
                }
                Event::GeneralRef(reference) => {
                    let name = reference.xml10_content();
                    let character = match reference.resolve_char_ref()? {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_xml_entity(&name)
                            .with_context(|| format!("the entity `{}`", name.escape_debug()))?
                            .to_owned(),
                    };
                    text.push_str(&character);
                    false
                }
                Event::End(_) => true,
                Event::Start(_) => bail!("an element inside the text of `{}`", self.open.join("/")),
                Event::Eof => bail!(self.cut_off()),
                _ => false,
            };
            let long = || Refused::new("xml-too-long", format!("a text of more than {TEXT_MAX} bytes"));
            ensure!(text.len() <= TEXT_MAX, long());
            if ended {
                self.open.truncate(depth - 1);
                return Ok(text);
            }
        }
    }

    /// Leaves out the rest of the element opened last.
    fn skip(&mut self) -> Result<()> {
        let depth = self.open.len();
        while self.next_below(depth)?.is_some() {}
        Ok(())
    }
}

fn start(tag: &BytesStart<'_>) -> Result<Element> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0)?;
        attributes.push((attribute.key.0.to_owned(), value.into_owned()));
    }
    Ok(Element { name: tag.name().0.to_owned(), attributes })
}

/// Fails where one tag or text goes on for too long, so that a buffer cannot grow without end.
struct Limited<R> {
    text: R,
    since: usize,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.text.read(buffer)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.since > TEXT_MAX {
            let text = format!("a tag or a text of more than {TEXT_MAX} bytes");
            return Err(std::io::Error::other(Refused::new("xml-too-long", text)));
        }
        self.text.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.since += count;
        self.text.consume(count);
    }
}

#[cfg(test)]
mod tests;

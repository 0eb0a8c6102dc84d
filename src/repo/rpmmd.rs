//! An RPM-md repository → what it offers.
//!
//! `repodata/repomd.xml` names the other files with their digests, `primary.xml` lists the packages. Both are streamed:
//! a distribution's primary.xml has 150 MB. `repomd.xml.asc` is a detached signature, looked at where the recipe says so.
//! Of several mirrors the first that has the right `repomd.xml` decides, and every other file may come from any of them.
//! Forms: createrepo_c is right in doubt; there is no specification.

mod filelists;
mod index_cache;
pub mod metalink;
pub mod mirrors;
pub mod modules;
pub mod primary;
pub mod repomd;
mod unpack;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::date::show_day;
use super::fetch::{Fetcher, Progress, Wanted, below, beside, shown};
use super::trust::Keyring;
use super::{Offer, Refused, Snapshot};
use crate::bounded::quote;
use crate::tree::Digest;
pub use filelists::filelists;
use mirrors::Mirrors;
use modules::{MODULES_MAX, Modules};
use repomd::{Listed, Repomd};

/// Largest `repomd.xml` and signature; Fedora's have 10 KB.
const REPOMD_MAX: u64 = 4 << 20;
/// Largest `primary.xml`, unpacked; Fedora's has 150 MB.
const PRIMARY_MAX: u64 = 512 << 20;
/// Longest text and longest tag; descriptions have a few KB.
const TEXT_MAX: usize = 1 << 20;
/// Deepest nesting of elements; these files have five.
const DEPTH_MAX: usize = 32;
/// Most attributes of an element, which are compared with each other; these files have five.
const ATTRIBUTES_MAX: usize = 64;

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

/// Reads a repository. Metadata that is not trusted is a [`Refusal`](super::trust::Refusal) or a [`Refused`] in the
/// chain of the error.
pub fn read(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Snapshot> {
    let Entry { base, bytes, repomd, signer } = entry(repository, fetcher, progress)?;
    let others = repository.mirrors.bases.iter().filter(|other| **other != base).cloned();
    let bases = [base.clone()].into_iter().chain(others).collect();
    // Revisions are times by custom only, and some count them in microseconds.
    let seconds = repomd.revision.parse::<u32>().ok();
    let date = seconds.map(|seconds| show_day(seconds.into())).unwrap_or_default();
    let mut metadata = Metadata { name: repository.name.to_owned(), repomd, bases, modules: Modules::default() };

    let none = || Refused::new("no-primary", "it names no primary.xml");
    let primary = metadata.repomd.file("primary").ok_or_else(none).context("reading repomd.xml")?;
    let offers = offers(&metadata, primary, repository, fetcher, progress)?;

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
    let sha256 = Digest::of(&bytes);
    Ok(Snapshot { offers, left_out: Vec::new(), date, signer, sha256, metadata: Some(metadata) })
}

/// The packages of `primary.xml`, which is fetched and parsed only if the store does not know what it says.
fn offers(
    metadata: &Metadata,
    primary: &Listed,
    repository: &Repository<'_>,
    fetcher: &Fetcher<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Offer>> {
    if let Some(offers) = index_cache::load(fetcher.store(), &primary.digest, repository) {
        return Ok(offers);
    }
    let path = metadata.fetch(primary, fetcher, progress)?;
    let parse = || -> Result<Vec<Offer>> {
        let mut text = unpack::open(&path, primary, PRIMARY_MAX)?;
        let offers = primary::parse(BufReader::with_capacity(1 << 17, &mut text), repository)?;
        text.finish()?;
        Ok(offers)
    };
    let offers = parse().with_context(|| format!("reading {}", primary.href))?;
    index_cache::keep(fetcher.store(), &primary.digest, repository, &offers);
    Ok(offers)
}

/// `repomd.xml` as the mirror at `base` has it.
struct Entry {
    base: String,
    bytes: Vec<u8>,
    repomd: Repomd,
    signer: String,
}

/// From the first mirror that has one which is believed.
fn entry(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Entry> {
    let mut failures: Vec<(String, Error)> = Vec::new();
    for base in &repository.mirrors.bases {
        match entry_of(base, repository, fetcher, progress) {
            Ok(entry) => return Ok(entry),
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

fn entry_of(base: &str, repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Entry> {
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
    // A mirror may answer everything with a page about something else.
    let repomd = repomd::parse(&bytes).context("reading repomd.xml")?;
    Ok(Entry { base: base.to_owned(), bytes, repomd, signer })
}

/// Where a file is. Whoever indexes what `find` lists has `./` in front of every path.
fn location(element: &Element) -> Option<String> {
    let path = element.attribute("href")?;
    Some(path.strip_prefix("./").unwrap_or(path).to_owned())
}

fn checksum(element: &Element, text: &str) -> Result<Digest> {
    let kind = element.attribute("type").unwrap_or("none");
    let unknown = || format!("checksums of type `{}` are not known, only sha256", quote(kind));
    ensure!(kind == "sha256", Refused::new("unknown-checksum", unknown()));
    let wrong = || Refused::new("bad-checksum", format!("`{}` is no SHA-256", quote(text.trim())));
    Ok(Digest::parse(text.trim()).ok_or_else(wrong)?)
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
    /// Where in the text the last tag or text began.
    at: u64,
}

impl<R: BufRead> Xml<R> {
    fn new(text: R) -> Xml<R> {
        let mut reader = Reader::from_reader(Limited { text, since: 0 });
        reader.config_mut().expand_empty_elements = true;
        Xml { reader, buffer: Vec::new(), open: Vec::new(), at: 0 }
    }

    fn cut_off(&self) -> Refused {
        Refused::new("xml-cut-off", format!("the text ends inside `{}`", quote(&self.open.join("/"))))
    }

    fn inside(&self, parent: &str) -> bool {
        self.open.len() >= 2 && self.open[self.open.len() - 2] == parent
    }

    fn event(&mut self) -> Result<Event<'_>> {
        self.buffer.clear();
        self.reader.get_mut().since = 0;
        self.at = self.reader.buffer_position();
        let at = self.at;
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(inner) => match inner.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
                Some(refused) => Error::from(refused.clone()),
                None => Error::from(quick_xml::Error::Io(inner)),
            },
            wrong => Refused::new("bad-xml", wrong.to_string()).into(),
        });
        event.with_context(|| format!("at byte {at} of the text"))
    }

    /// The document's own tag, which has to be `name`: a server may answer with a page about something else.
    fn root(&mut self, name: &str, slug: &'static str) -> Result<Element> {
        let text = match self.next()? {
            Some(element) if element.name == name => return Ok(element),
            Some(element) => format!("it is a document `{}`", quote(&element.name)),
            None => "it is no XML document".to_owned(),
        };
        Err(Refused::new(slug, text)).with_context(|| self.here())
    }

    fn here(&self) -> String {
        format!("at byte {} of the text", self.at)
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
                    let element = start(&tag).map_err(Refused::kind("bad-xml"))?;
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
                Event::DocType(_) => {
                    let refused = Refused::new("xml-doctype", "a document type is not allowed here");
                    return Err(refused).with_context(|| self.here());
                }
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
                    let unknown = || Refused::new("bad-xml", format!("the entity `{}`", quote(&name)));
                    let character = match reference.resolve_char_ref().map_err(|_| unknown())? {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_xml_entity(&name).ok_or_else(unknown)?.to_owned(),
                    };
                    text.push_str(&character);
                    false
                }
                Event::End(_) => true,
                Event::Start(_) => {
                    let text = format!("an element inside the text of `{}`", quote(&self.open.join("/")));
                    bail!(Refused::new("bad-xml", text))
                }
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
        ensure!(attributes.len() < ATTRIBUTES_MAX, "an element with more than {ATTRIBUTES_MAX} attributes");
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

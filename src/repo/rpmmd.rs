//! An RPM-md repository → what it offers.
//!
//! `repodata/repomd.xml` names the other files with their digests, `primary.xml` lists the packages. Both are streamed:
//! a distribution's primary.xml has 150 MB. `repomd.xml.asc` is a detached signature, looked at where the recipe says so.
//! Forms: createrepo_c is right in doubt; there is no specification.

mod primary;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail, ensure};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use sha2::{Digest as _, Sha256};

use super::date::show_day;
use super::fetch::{Fetcher, Progress, Wanted, below};
use super::trust::Keyring;
use super::{Offer, Snapshot};
use crate::tree::Digest;

/// Largest `repomd.xml` and signature; Fedora's have 10 KB.
const REPOMD_MAX: u64 = 4 << 20;
/// Largest `primary.xml`, unpacked; Fedora's has 150 MB.
const PRIMARY_MAX: u64 = 2 << 30;
/// Longest text and longest tag; descriptions have a few KB.
const TEXT_MAX: usize = 1 << 20;
/// Deepest nesting of elements; these files have five.
const DEPTH_MAX: usize = 32;

/// A repository as the recipe names it.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    pub base_url: &'a str,
    /// The image's architecture, as RPM names it: `x86_64`.
    pub arch: &'a str,
    /// The key that has to have signed `repomd.xml`; nothing if signatures of packages are enough.
    pub metadata_key: Option<&'a Keyring>,
}

/// Reads a repository. Metadata that is not trusted is a [`Refusal`](super::trust::Refusal) in the chain of the error.
pub fn read(repository: &Repository<'_>, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Snapshot> {
    let get = |path: &str| {
        let what = format!("{path} of repository {}", repository.name);
        fetcher.text(&what, &below(repository.base_url, path)?, REPOMD_MAX, progress)
    };
    let bytes = get("repodata/repomd.xml")?;
    let signer = match repository.metadata_key {
        None => String::new(),
        Some(keyring) => {
            let signature = get("repodata/repomd.xml.asc")?;
            keyring.verify_detached(&bytes, &[signature]).context("verifying repomd.xml by repomd.xml.asc")?.0
        }
    };
    let repomd = parse_repomd(&bytes).context("reading repomd.xml")?;
    let primary = repomd.primary.context("reading repomd.xml: it names no primary.xml")?;
    let wanted = Wanted {
        what: format!("{} of repository {}", primary.href, repository.name),
        urls: vec![below(repository.base_url, &primary.href)?],
        size: primary.size,
        digest: primary.digest,
        if_gone: "the repository is being updated: try again in a few minutes",
    };
    fetcher.blob(&wanted, progress)?;
    let path = fetcher.store().blob_path(&primary.digest);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let offers = read_primary(BufReader::with_capacity(1 << 16, file), &primary, repository)
        .with_context(|| format!("reading {}", primary.href))?;
    // Revisions are times by custom only.
    let date = repomd.revision.parse().map(show_day).unwrap_or_default();
    Ok(Snapshot { offers, date, signer, sha256: Digest::of(&bytes) })
}

#[derive(Debug, Default)]
struct Repomd {
    revision: String,
    primary: Option<Listed>,
}

#[derive(Debug)]
struct Listed {
    href: String,
    size: u64,
    digest: Digest,
    open_digest: Option<Digest>,
}

fn parse_repomd(bytes: &[u8]) -> Result<Repomd> {
    let mut xml = Xml::new(bytes);
    let mut repomd = Repomd::default();
    while let Some(element) = xml.next()? {
        match element.name.as_str() {
            "revision" if xml.inside("repomd") => repomd.revision = xml.text()?,
            "data" if element.attribute("type") == Some("primary") => {
                repomd.primary = Some(parse_data(&mut xml).context("the entry of primary.xml")?);
            }
            "repomd" => {}
            _ => xml.skip()?,
        }
    }
    Ok(repomd)
}

fn parse_data(xml: &mut Xml<&[u8]>) -> Result<Listed> {
    let (mut href, mut size, mut digest, mut open_digest) = (None, None, None, None);
    let depth = xml.open.len();
    while let Some(element) = xml.next_below(depth)? {
        match element.name.as_str() {
            "location" => {
                ensure!(element.attribute("xml:base").is_none(), "files at another base are not known (`xml:base`)");
                href = element.attribute("href").map(str::to_owned);
                xml.skip()?;
            }
            "size" => size = Some(xml.text()?.trim().parse().context("its size")?),
            "checksum" => digest = Some(checksum(&element, &xml.text()?)?),
            "open-checksum" => open_digest = Some(checksum(&element, &xml.text()?)?),
            _ => xml.skip()?,
        }
    }
    Ok(Listed {
        href: href.context("it has no location")?,
        size: size.context("it has no size")?,
        digest: digest.context("it has no checksum")?,
        open_digest,
    })
}

fn checksum(element: &Element, text: &str) -> Result<Digest> {
    let kind = element.attribute("type").unwrap_or("none");
    ensure!(kind == "sha256", "checksums of type `{}` are not known, only sha256", kind.escape_debug());
    Digest::parse(text.trim()).with_context(|| format!("`{}` is no SHA-256", text.trim().escape_debug()))
}

fn read_primary(file: BufReader<File>, listed: &Listed, repository: &Repository<'_>) -> Result<Vec<Offer>> {
    let form = listed.href.rsplit_once('.').map_or("", |(_, form)| form);
    let text: Box<dyn Read> = match form {
        "gz" => Box::new(MultiGzDecoder::new(file)),
        "xz" => Box::new(XzDecoder::new(file)),
        "bz2" => Box::new(MultiBzDecoder::new(file)),
        "zst" => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        "xml" => Box::new(file),
        other => bail!("the compression `{}` is not known, only gz, xz, bz2, zst", other.escape_debug()),
    };
    let mut hashed = Hashed { stream: text.take(PRIMARY_MAX), hasher: Sha256::new() };
    let offers = primary::parse(BufReader::with_capacity(1 << 17, &mut hashed), repository)?;
    std::io::copy(&mut hashed, &mut std::io::sink())?;
    let found = Digest(hashed.hasher.finalize().into());
    if let Some(said) = listed.open_digest.filter(|said| *said != found) {
        bail!("unpacked, its digest is {found}, and repomd.xml says {said}");
    }
    Ok(offers)
}

/// What passes through is hashed.
struct Hashed<R> {
    stream: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
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
                    ensure!(self.open.len() < DEPTH_MAX, "elements are nested more than {DEPTH_MAX} deep");
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
                    ensure!(self.open.is_empty(), "the text ends inside `{}`", self.open.join("/"));
                    return Ok(None);
                }
                Event::DocType(_) => bail!("a document type is not allowed here"),
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
                Event::Eof => bail!("the text ends inside `{}`", self.open.join("/")),
                _ => false,
            };
            ensure!(text.len() <= TEXT_MAX, "a text of more than {TEXT_MAX} bytes");
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
            return Err(std::io::Error::other(format!("a tag or a text of more than {TEXT_MAX} bytes")));
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

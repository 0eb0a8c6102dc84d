//! XML of repositories, streamed and bounded: start tags one after the other, their texts, and what several files have
//! in common.

use std::io::{self, BufRead, Read};

use anyhow::{Context, Error, Result, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::bounded::quote;
use crate::tree::Digest;
use crate::trust::Refused;

/// Longest text and longest tag; descriptions have a few KB.
pub(super) const TEXT_MAX: usize = 1 << 20;
/// Deepest nesting of elements; these files have five.
const DEPTH_MAX: usize = 32;
/// Most attributes of an element, which are compared with each other; these files have five.
const ATTRIBUTES_MAX: usize = 64;

/// A start tag.
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Start tags of a stream one after the other. Prefixes stand for themselves: everybody writes `rpm:`.
pub(super) struct Xml<R> {
    reader: Reader<Limited<R>>,
    buffer: Vec<u8>,
    /// Names of the open elements.
    pub(super) open: Vec<String>,
    /// Where in the text the last tag or text began.
    at: u64,
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(text: R) -> Xml<R> {
        let mut reader = Reader::from_reader(Limited { text, since: 0 });
        reader.config_mut().expand_empty_elements = true;
        Xml { reader, buffer: Vec::new(), open: Vec::new(), at: 0 }
    }

    fn cut_off(&self) -> Refused {
        Refused::new("xml-cut-off", format!("the text ends inside `{}`", quote(&self.open.join("/"))))
    }

    pub(super) fn inside(&self, parent: &str) -> bool {
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
    pub(super) fn root(&mut self, name: &str, slug: &'static str) -> Result<Element> {
        let text = match self.next()? {
            Some(element) if element.name == name => return Ok(element),
            Some(element) => format!("it is a document `{}`", quote(&element.name)),
            None => "it is no XML document".to_owned(),
        };
        Err(Refused::new(slug, text)).with_context(|| self.here())
    }

    pub(super) fn here(&self) -> String {
        format!("at byte {} of the text", self.at)
    }

    /// The next start tag anywhere; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element>> {
        self.next_below(0)
    }

    /// The next start tag below the `depth`-th open element; nothing when that one ends.
    pub(super) fn next_below(&mut self, depth: usize) -> Result<Option<Element>> {
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
    pub(super) fn text(&mut self) -> Result<String> {
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
    pub(super) fn skip(&mut self) -> Result<()> {
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
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text.read(buffer)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since > TEXT_MAX {
            let text = format!("a tag or a text of more than {TEXT_MAX} bytes");
            return Err(io::Error::other(Refused::new("xml-too-long", text)));
        }
        self.text.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.since += count;
        self.text.consume(count);
    }
}

/// Where a file is. Whoever indexes what `find` lists has `./` in front of every path.
pub(super) fn location(element: &Element) -> Option<String> {
    let path = element.attribute("href")?;
    Some(path.strip_prefix("./").unwrap_or(path).to_owned())
}

pub(super) fn checksum(element: &Element, text: &str) -> Result<Digest> {
    let kind = element.attribute("type").unwrap_or("none");
    let unknown = || format!("checksums of type `{}` are not known, only sha256", quote(kind));
    ensure!(kind == "sha256", Refused::new("unknown-checksum", unknown()));
    let wrong = || Refused::new("bad-checksum", format!("`{}` is no SHA-256", quote(text.trim())));
    Ok(Digest::parse(text.trim()).ok_or_else(wrong)?)
}

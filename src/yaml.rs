//! YAML as a value that knows where each part stands.
//!
//! A reader that stops at the first wrong type can show one mistake a run. So the text is first read into a [`Value`],
//! which keeps the location of every key and value, and its meaning is judged afterwards by code that collects
//! (`shape`). Scalars stay as they are written: `0644` is a mode, not the number 644. Only a syntax error ends the
//! reading. The YAML library's types do not leave this file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::diag::{Diagnostic, Diagnostics, Location, Source};

/// What was made of a part of a document, and where that part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub location: Location,
}

impl<T> Located<T> {
    pub fn new(value: T, location: &Location) -> Located<T> {
        Located { value, location: location.clone() }
    }
}

/// Most events that aliases repeat: a text of a few lines could grow to a million of them (a list of ten aliases of a
/// list of ten aliases …).
const REPEATED_MAX: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub kind: Kind,
    pub location: Location,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Null,
    /// `true` or `false` in any case, unquoted.
    Flag(String),
    /// An unquoted number: `1.10` stays `1.10`.
    Number(String),
    Text(String),
    List(Vec<Value>),
    /// In the order written; no key twice.
    Map(Vec<(Key, Value)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub location: Location,
}

impl Kind {
    /// What a person calls it.
    pub fn noun(&self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Flag(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

impl Value {
    /// A scalar as it is written; `None` for null, lists and maps.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Flag(text) | Kind::Number(text) | Kind::Text(text) => Some(text),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The scalar with its place.
    pub fn located(&self) -> Option<Located<String>> {
        self.text().map(|text| Located::new(text.to_owned(), &self.location))
    }

    /// `true`, `false`, and the words of YAML 1.1 for them, in any case.
    pub fn flag(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<u32> {
        self.text()?.parse().ok()
    }

    /// The value of a key. A key with nothing behind it counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let (_, value) = self.entries().iter().find(|(other, _)| other.text == key)?;
        (value.kind != Kind::Null).then_some(value)
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[(Key, Value)] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Value] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }
}

/// Reads one document. An empty one is null.
pub fn parse(source: &Arc<Source>) -> Result<Value, Diagnostics> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED_MAX },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&source.text, options) {
        Ok(raw) => Ok(lower(raw, source)),
        Err(serde_saphyr::Error::Eof { .. }) if source.text.lines().all(is_blank) => {
            Ok(Value { kind: Kind::Null, location: Location::new(source, 0..0) })
        }
        Err(error) => Err(diagnostic(&error, source).into()),
    }
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---"
}

fn diagnostic(error: &serde_saphyr::Error, source: &Arc<Source>) -> Diagnostic {
    let span = error.location().map_or(0..0, |location| span(location, source));
    let location = Location::new(source, span);
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_deref().unwrap_or("?");
        return Diagnostic::new("duplicate-key", format!("the key `{key}` is given twice"))
            .at(&location, "second time here")
            .help("keep one of the two");
    }
    // The message is one for people; its place stands before it already.
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    let cause = line.split(" at line ").next().unwrap_or(line).trim_end_matches('.');
    Diagnostic::new("yaml-syntax", format!("this is not valid YAML: {cause}")).at(&location, "the reading stops here")
}

fn span(location: serde_saphyr::Location, source: &Source) -> Range<usize> {
    let span = location.span();
    let offset = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    let (start, length) = match (offset(span.byte_offset()), offset(span.byte_len())) {
        (Some(start), Some(length)) => (start, length),
        _ => (byte_offset(location, source), 0),
    };
    let start = start.min(source.text.len());
    start..start.saturating_add(length).min(source.text.len())
}

/// Some syntax errors come with line and column only.
fn byte_offset(location: serde_saphyr::Location, source: &Source) -> usize {
    let index = |value: u64| usize::try_from(value.saturating_sub(1)).unwrap_or(0);
    let start: usize = source.text.split_inclusive('\n').take(index(location.line())).map(str::len).sum();
    let column: usize = source.text[start..].chars().take(index(location.column())).map(char::len_utf8).sum();
    start + column
}

enum Raw {
    Null,
    Flag,
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn lower(raw: Spanned<Raw>, source: &Arc<Source>) -> Value {
    let location = Location::new(source, span(raw.referenced, source));
    // An alias stands where it is used, its text where it was defined.
    let written = |defined| source.text.get(span(defined, source)).unwrap_or_default().trim().to_owned();
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Flag => Kind::Flag(written(raw.defined)),
        Raw::Number => Kind::Number(written(raw.defined)),
        Raw::Text(text) => Kind::Text(text),
        Raw::List(items) => Kind::List(items.into_iter().map(|item| lower(item, source)).collect()),
        Raw::Map(entries) => {
            let key = |key: Spanned<String>| Key {
                location: Location::new(source, span(key.referenced, source)),
                text: key.value,
            };
            Kind::Map(entries.into_iter().map(|(name, value)| (key(name), lower(value, source))).collect())
        }
    };
    Value { kind, location }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Flag)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(value: &Value, out: &mut Vec<String>) {
        let at = value.location.to_string();
        match &value.kind {
            Kind::List(items) => items.iter().for_each(|item| show(item, out)),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    out.push(format!("{} {}", key.location, key.text));
                    show(value, out);
                }
            }
            kind => out.push(format!("{at} {kind:?}")),
        }
    }

    #[test]
    fn every_part_keeps_its_place_and_its_spelling() {
        let text = "# café ☃\nwörker: {a: 1.10, b: [yes, 0x10, \"x y\"]}\nempty:\nblock: |\n  one\nmode: &m 0644\nalias: *m\nflag: TRUE\n";
        let value = parse(&Source::new("r", text)).unwrap();
        let mut lines = Vec::new();
        show(&value, &mut lines);
        assert_eq!(
            lines,
            [
                "r:2:1 wörker",
                "r:2:10 a",
                "r:2:13 Number(\"1.10\")",
                "r:2:19 b",
                "r:2:23 Text(\"yes\")",
                "r:2:28 Number(\"0x10\")",
                "r:2:34 Text(\"x y\")",
                "r:3:1 empty",
                "r:3:6 Null",
                "r:4:1 block",
                "r:5:3 Text(\"one\\n\")",
                "r:6:1 mode",
                "r:6:10 Number(\"0644\")",
                "r:7:1 alias",
                "r:7:8 Number(\"0644\")",
                "r:8:1 flag",
                "r:8:7 Flag(\"TRUE\")",
            ]
        );
        assert_eq!(parse(&Source::new("r", "# nothing\n")).unwrap().kind, Kind::Null);
    }

    #[test]
    fn syntax_errors_say_where() {
        let error = |text: &str| parse(&Source::new("r", text)).unwrap_err();
        let duplicate = error("a: 1\nb: 2\na: 3\n");
        assert_eq!(duplicate.to_string(), "r:3:1: the key `a` is given twice [duplicate-key]; keep one of the two");
        let broken = error("a: [1, 2\nb: 3\n");
        assert_eq!(broken.0[0].slug, "yaml-syntax");
        assert!(broken.to_string().starts_with("r:2:"), "{broken}");
        assert!(!error("a: *unknown\n").to_string().contains("Debug"));
    }

    #[test]
    fn aliases_repeat_but_do_not_explode() {
        let tens = |levels: usize| {
            let line = |level: usize| format!("l{level}: &l{level} [{}]\n", format!("*l{}, ", level - 1).repeat(10));
            format!("l0: &l0 x\n{}", (1..=levels).map(line).collect::<String>())
        };
        let value = parse(&Source::new("r", tens(3))).unwrap();
        assert_eq!(value.get("l3").unwrap().items()[9].items()[9].items()[9].text(), Some("x"));
        let error = parse(&Source::new("r", tens(6))).unwrap_err();
        assert_eq!(error.0[0].slug, "yaml-syntax", "{error}");
    }
}

//! YAML as a tree whose every node knows where it stands, and readers that collect mistakes instead of stopping.
//!
//! Metadata is written by people and by programs that people configured: all mistakes must show at once. serde's
//! `deny_unknown_fields` stops at the first, so the text becomes a [`Node`] here and is read field by field. Scalars
//! stay text (`0644` is a mode, not the number 644); only a quoted or tagged text differs from what stands in the file.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::diag::{Diagnostic, Diagnostics, Location, Source};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub at: Location,
}

impl<T> Located<T> {
    pub fn new(value: T, at: &Location) -> Located<T> {
        Located { value, at: at.clone() }
    }
}

pub type Node = Located<Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file; the YAML library refuses duplicate keys.
    Map(Vec<(Located<String>, Node)>),
}

/// Parses one YAML document. An empty one is [`Value::Null`].
///
/// # Errors
/// A syntax error: the only mistake after which nothing more can be found.
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { value: Value::Null, at: Location::new(source, 0..0) });
    }
    match serde_saphyr::from_str::<Spanned<Raw>>(&source.text) {
        Ok(raw) => Ok(locate(raw, source)),
        Err(error) => {
            let error = error.without_snippet();
            let span = error.location().map_or(0..0, |location| bytes_of(&location, source));
            let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let title = text.lines().next().unwrap_or("not YAML").trim_end_matches('.');
            // The place stands before the title already.
            let title = title.split_once(" at line ").map_or(title, |(title, _)| title).to_owned();
            Err(Diagnostic::new("yaml-syntax", title).at(&Location::new(source, span), "here").into())
        }
    }
}

/// What the library gives: scalars that it took for numbers or booleans are read from the source instead.
enum Raw {
    Null,
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
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

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn locate(raw: Spanned<Raw>, source: &Arc<Source>) -> Node {
    let span = bytes_of(&raw.referenced, source);
    let at = Location::new(source, span.clone());
    let value = match raw.value {
        Raw::Null => Value::Null,
        // An alias stands where it is used, its text where it was defined.
        Raw::Plain => {
            let defined = bytes_of(&raw.defined, source);
            Value::Scalar(source.text.get(defined).unwrap_or_default().trim().to_owned())
        }
        Raw::Text(text) => Value::Scalar(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| locate(item, source)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let at = Location::new(source, bytes_of(&key.referenced, source));
                    (Located { value: key.value, at }, locate(value, source))
                })
                .collect(),
        ),
    };
    Node { value, at }
}

/// Byte range of the library's location; an unknown one is the start of the file.
fn bytes_of(location: &serde_saphyr::Location, source: &Source) -> std::ops::Range<usize> {
    let span = location.span();
    // Syntax errors have a line and a column only.
    let offset = span.byte_offset().and_then(|offset| usize::try_from(offset).ok());
    let start = offset.unwrap_or_else(|| offset_of(location, source)).min(source.text.len());
    let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    start..start.saturating_add(length).min(source.text.len())
}

fn offset_of(location: &serde_saphyr::Location, source: &Source) -> usize {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let before: usize = source.text.split_inclusive('\n').take(count(location.line())).map(|line| line.len()).sum();
    let line = source.text.split_inclusive('\n').nth(count(location.line())).unwrap_or_default();
    let within = line.char_indices().nth(count(location.column())).map_or(line.trim_end().len(), |(index, _)| index);
    before + within
}

/// The fields of a map that were read by [`Reader::fields`].
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(&'a Located<String>, &'a Node)>);

impl<'a> Fields<'a> {
    /// A field that is there and not null.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        let field = self.0.iter().find(|(key, _)| key.value == name);
        field.map(|(_, node)| *node).filter(|node| node.value != Value::Null)
    }
}

/// A key that cloud-init has and a node does not, with what to do instead.
pub type Unsupported = (&'static str, &'static str);

/// Reads nodes into values and keeps what was wrong.
#[derive(Debug, Default)]
pub struct Reader {
    pub mistakes: Diagnostics,
}

impl Reader {
    pub fn mistake(&mut self, slug: &'static str, title: impl Into<String>, at: &Location) {
        self.mistakes.push(Diagnostic::new(slug, title).at(at, "here"));
    }

    pub fn mistake_with_help(&mut self, slug: &'static str, title: impl Into<String>, at: &Location, help: String) {
        self.mistakes.push(Diagnostic::new(slug, title).at(at, "here").help(help));
    }

    /// The fields of a map; keys other than `allowed` are mistakes that list the allowed ones.
    pub fn fields<'a>(&mut self, node: &'a Node, allowed: &[&str], unsupported: &[Unsupported]) -> Fields<'a> {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return Fields::default(),
            _ => {
                self.mistake("wrong-type", format!("expected a map with the keys {}", listed(allowed)), &node.at);
                return Fields::default();
            }
        };
        for (key, _) in entries.iter().filter(|(key, _)| !allowed.contains(&key.value.as_str())) {
            if let Some((_, instead)) = unsupported.iter().find(|(name, _)| *name == key.value) {
                let title = format!("`{}` is not done on this node", key.value);
                self.mistake_with_help("unsupported-key", title, &key.at, (*instead).to_owned());
                continue;
            }
            let near = allowed.iter().find(|name| distance(name, &key.value) <= 2);
            let help = match near {
                Some(near) => format!("did you mean `{near}`? allowed: {}", listed(allowed)),
                None => format!("allowed: {}", listed(allowed)),
            };
            self.mistake_with_help("unknown-key", format!("unknown key `{}`", key.value), &key.at, help);
        }
        Fields(entries.iter().map(|(key, node)| (key, node)).collect())
    }

    pub fn text(&mut self, node: &Node) -> Option<Located<String>> {
        match &node.value {
            Value::Scalar(text) => Some(Located::new(text.clone(), &node.at)),
            _ => {
                self.mistake("wrong-type", "expected a text", &node.at);
                None
            }
        }
    }

    /// `true`/`false` and the YAML 1.1 forms that cloud-init accepts.
    pub fn boolean(&mut self, node: &Node) -> Option<Located<bool>> {
        let text = match &node.value {
            Value::Scalar(text) => text.as_str(),
            _ => "",
        };
        let value = match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => true,
            "false" | "no" | "off" => false,
            _ => {
                self.mistake("wrong-type", "expected `true` or `false`", &node.at);
                return None;
            }
        };
        Some(Located::new(value, &node.at))
    }

    /// A whole number in this range.
    pub fn number(&mut self, node: &Node, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let value = match &node.value {
            Value::Scalar(text) => text.parse().ok().filter(|value| range.contains(value)),
            _ => None,
        };
        if value.is_none() {
            let title = format!("expected a whole number from {} to {}", range.start(), range.end());
            self.mistake("wrong-number", title, &node.at);
        }
        value
    }

    pub fn list<'a>(&mut self, node: &'a Node) -> &'a [Node] {
        match &node.value {
            Value::List(items) => items,
            _ => {
                self.mistake("wrong-type", "expected a list", &node.at);
                &[]
            }
        }
    }

    pub fn texts(&mut self, node: &Node) -> Vec<Located<String>> {
        self.list(node).iter().filter_map(|item| self.text(item)).collect()
    }
}

pub fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Edit distance (Levenshtein), one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        parse(&Source::new("t", text)).unwrap()
    }

    #[test]
    fn scalars_stay_as_they_were_written_and_know_their_place() {
        let node = node("# é\na: 0644\nb: 'null'\nc: [yes, 52:54:00:12:34:56, 1.10]\nd:\ne: &x 010\nf: *x\n");
        let Value::Map(entries) = &node.value else { unreachable!() };
        let shown: Vec<String> = entries
            .iter()
            .map(|(key, node)| match &node.value {
                Value::Null => format!("{} {} null", key.at, key.value),
                Value::Scalar(text) => format!("{} {} {text} {}", key.at, key.value, node.at),
                Value::List(items) => {
                    let items: Vec<String> = items
                        .iter()
                        .map(|item| match &item.value {
                            Value::Scalar(text) => format!("{text} {}", item.at),
                            _ => unreachable!(),
                        })
                        .collect();
                    format!("{} {} {items:?}", key.at, key.value)
                }
                Value::Map(_) => unreachable!(),
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        t:2:1 a 0644 t:2:4
        t:3:1 b null t:3:4
        t:4:1 c ["yes t:4:5", "52:54:00:12:34:56 t:4:10", "1.10 t:4:29"]
        t:5:1 d null
        t:6:1 e 010 t:6:7
        t:7:1 f 010 t:7:4
        "#);
    }

    #[test]
    fn a_syntax_error_and_a_duplicate_key_are_located() {
        for text in ["a: [1\nb: 2\n", "a: 1\nb: 2\na: 3\n", "a: \"x\n", "- a\nb: c\n"] {
            let error = parse(&Source::new("user-data", text)).unwrap_err();
            assert_eq!(error.0[0].slug, "yaml-syntax");
            assert!(error.to_string().starts_with("user-data:"), "{error}");
        }
    }

    #[test]
    fn an_empty_text_is_null_and_unknown_keys_are_all_reported() {
        assert_eq!(node("#cloud-config\n\n").value, Value::Null);
        let node = node("hostnam: x\nzzz: y\n");
        let mut reader = Reader::default();
        reader.fields(&node, &["hostname", "users"], &[("zzz", "leave it out")]);
        insta::assert_snapshot!(reader.mistakes, @r"
        t:1:1: unknown key `hostnam` [unknown-key]; did you mean `hostname`? allowed: `hostname`, `users`
        t:2:1: `zzz` is not done on this node [unsupported-key]; leave it out
        ");
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(
            [("a", "a"), ("ab", "ba"), ("hostname", "hostnam"), ("", "abc")].map(|(a, b)| distance(a, b)),
            [0, 2, 1, 3]
        );
    }
}

//! Mistakes in what people write: where they are, what is wrong, what is allowed.
//!
//! A [`Diagnostic`] points into a [`Source`] by byte offsets; line and column are computed when it is printed, 1-based,
//! columns in code points. Mistakes are collected in [`Diagnostics`] so that one run shows all of them. Failures of
//! the environment (disk, network) are not diagnostics: they are `anyhow` chains.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text that a person wrote, and the name it is shown under.
#[derive(PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// The text may hold secrets: messages name places in it and quote no line.
    pub is_secret: bool,
}

/// Without the text, which every location would repeat, and which may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.text.len())
    }
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into(), is_secret: false })
    }

    /// A text of which no line is shown.
    pub fn secret(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into(), is_secret: true })
    }

    /// Line and column of a byte offset, both from 1, the column in code points. Offsets past the end, or inside a
    /// character, count as the nearest position before them.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Lines and columns of many places in one text, which is gone through once.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    /// Line and column of every [`MARK`]th byte, both from 0.
    marks: Vec<(usize, usize)>,
}

/// Bytes between two marks.
const MARK: usize = 1024;

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Lines<'a> {
        let (mut marks, mut at) = (Vec::new(), (0, 0));
        for part in text.as_bytes().chunks(MARK) {
            marks.push(at);
            at = advanced(at, part);
        }
        Lines { text, marks }
    }

    /// The same as [`Source::line_column`].
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let mark = (offset / MARK).min(self.marks.len().saturating_sub(1));
        let before = self.marks.get(mark).copied().unwrap_or_default();
        let (line, column) = advanced(before, &self.text.as_bytes()[mark * MARK..offset]);
        (line + 1, column + 1)
    }
}

/// Line and column behind some bytes; a character counts with its first byte.
fn advanced((line, column): (usize, usize), bytes: &[u8]) -> (usize, usize) {
    bytes.iter().fold((line, column), |(line, column), byte| match byte {
        b'\n' => (line + 1, 0),
        0x80..0xc0 => (line, column),
        _ => (line, column + 1),
    })
}

/// A range of bytes in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub source: Arc<Source>,
    pub span: Range<usize>,
}

impl Location {
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Location {
        Location { source: source.clone(), span }
    }
}

/// `file:line:column`, the form that editors and CI systems link.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.span.start);
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

/// One mistake. Title and label follow the message grammar: lower case, no full stop, literals in backticks. What they
/// quote may be other people's and of any length, so they end ([`bounded`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable kebab-case name of the kind of mistake: greppable, and the name of its test.
    pub slug: &'static str,
    pub title: String,
    /// Where, with the few words that stand under the caret.
    pub location: Option<(Location, String)>,
    /// Other places that belong to the mistake (the first of two duplicates, the other side of a contradiction).
    pub related: Vec<(Location, String)>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn new(slug: &'static str, title: impl Into<String>) -> Diagnostic {
        Diagnostic { slug, title: bounded(title.into()), location: None, related: Vec::new(), help: Vec::new() }
    }

    #[must_use]
    pub fn at(mut self, location: &Location, label: impl Into<String>) -> Diagnostic {
        self.location = Some((location.clone(), bounded(label.into())));
        self
    }

    #[must_use]
    pub fn related(mut self, location: &Location, label: impl Into<String>) -> Diagnostic {
        self.related.push((location.clone(), bounded(label.into())));
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(bounded(help.into()));
        self
    }
}

/// Most characters of a line, and most lines, of a title, label or help. No sentence of ours has as many.
const LINE: usize = 800;
const LINES: usize = 200;

/// A text with the middle of long lines left out, which keeps what is said of a long quotation, and without further
/// lines when it has too many.
fn bounded(text: String) -> String {
    // A text with more lines is longer, too.
    if text.len() <= LINES {
        return text;
    }
    let count = text.split('\n').count();
    let mut lines: Vec<String> = text.split('\n').take(LINES).map(shortened).collect();
    if count > LINES {
        lines.push(format!("… and {} more lines", count - LINES));
    }
    lines.join("\n")
}

fn shortened(line: &str) -> String {
    if line.len() <= LINE || line.chars().count() <= LINE {
        return line.to_owned();
    }
    let before: String = line.chars().take(LINE / 2).collect();
    let after = line.char_indices().rev().nth(LINE - LINE / 2 - 2).map_or(0, |(at, _)| at);
    format!("{before}…{}", &line[after..])
}

/// One line: `file:line:column: title [slug]`. The builder renders more (`report.rs`); the agent prints this.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((location, _)) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{} [{}]", self.title, self.slug)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

/// All mistakes of one run, in the order they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order in which people mend them: by source (the first one that has a mistake comes first) and place, and
    /// behind these what has no place, as it was found.
    pub fn in_order(&self) -> Vec<&Diagnostic> {
        let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
        for (location, _) in self.0.iter().filter_map(|mistake| mistake.location.as_ref()) {
            let next = sources.len();
            sources.entry(&location.source.name).or_insert(next);
        }
        let place = |mistake: &&Diagnostic| match &mistake.location {
            Some((location, _)) => (sources.get(&*location.source.name).copied(), location.span.start),
            None => (Some(sources.len()), 0),
        };
        let mut mistakes: Vec<&Diagnostic> = self.0.iter().collect();
        mistakes.sort_by_key(place);
        mistakes
    }

    /// `value` if nothing was found, else everything that was.
    pub fn or<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

/// So that mistakes can travel through `anyhow` and be told from failures by `downcast_ref`.
impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_code_points_and_never_split_one() {
        let source = Source::new("a.yaml", "# café ☃\nwörker: x\n");
        let offset = source.text.find("x").unwrap();
        assert_eq!(source.line_column(offset), (2, 9));
        assert_eq!(source.line_column(offset - 7), source.line_column(offset - 8));
        assert_eq!(source.line_column(9999), (3, 1));
    }

    #[test]
    fn lines_of_many_places_are_those_of_each() {
        for text in
            [String::new(), "x".to_owned(), "\n".repeat(3000), "añ☃\n".repeat(700) + &"ä".repeat(3000) + "\nend"]
        {
            let source = Source::new("a", text.clone());
            let lines = Lines::new(&text);
            for offset in (0..text.len() + 3).step_by(7).chain(1020..1030) {
                assert_eq!(lines.line_column(offset), source.line_column(offset), "{offset} of {}", text.len());
            }
        }
    }

    #[test]
    fn mistakes_stand_by_source_and_place_and_those_without_one_behind() {
        let (one, other) = (Source::new("b", "x\ny\n"), Source::new("a", "x\n"));
        let at = |slug, source, start| Diagnostic::new(slug, "t").at(&Location::new(source, start..start + 1), "l");
        let nowhere = |slug| Diagnostic::new(slug, "t");
        let mistakes = [
            nowhere("z"),
            at("b-2", &one, 2),
            at("a-0", &other, 0),
            nowhere("y"),
            at("b-0", &one, 0),
            at("b-2-too", &one, 2),
        ];
        let slugs: Vec<&str> = Diagnostics(mistakes.to_vec()).in_order().iter().map(|mistake| mistake.slug).collect();
        assert_eq!(slugs, ["b-0", "b-2", "b-2-too", "a-0", "z", "y"]);
    }

    #[test]
    fn no_title_label_or_help_goes_on_for_ever() {
        let source = Source::new("a", "x\n");
        let quoted = format!("`{}` is not known", "ä".repeat(6000));
        let mistake = Diagnostic::new("slug", quoted.clone())
            .at(&Location::new(&source, 0..1), quoted.clone())
            .related(&Location::new(&source, 0..1), quoted.clone())
            .help(quoted.clone());
        let (label, related) = (&mistake.location.as_ref().unwrap().1, &mistake.related[0].1);
        for text in [&mistake.title, label, related, &mistake.help[0]] {
            assert_eq!(text.chars().count(), LINE);
            assert!(text.starts_with("`ää") && text.contains("ä…ä") && text.ends_with("ä` is not known"), "{text}");
        }
        let story = Diagnostic::new("slug", "t").help("└─ name\n".repeat(300));
        assert_eq!(story.help[0].lines().count(), LINES + 1);
        assert!(story.help[0].ends_with("name\n… and 101 more lines"), "{}", story.help[0]);
        let whole = format!("{}\n{}", "a".repeat(LINE), "ä".repeat(LINE));
        assert_eq!(Diagnostic::new("slug", whole.clone()).title, whole);
    }
}

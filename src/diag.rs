//! Mistakes in what people write: where they are, what is wrong, what is allowed.
//!
//! A [`Diagnostic`] points into a [`Source`] by byte offsets; line and column are computed when it is printed, 1-based,
//! columns in code points. Mistakes are collected in [`Diagnostics`] so that one run shows all of them. Failures of
//! the environment (disk, network) are not diagnostics: they are `anyhow` chains.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text that a person wrote, and the name it is shown under.
#[derive(PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// Without the text, which every location would repeat, and which may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.text.len())
    }
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
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

/// One mistake. Title and label follow the message grammar: lower case, no full stop, literals in backticks.
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
        Diagnostic { slug, title: title.into(), location: None, related: Vec::new(), help: Vec::new() }
    }

    #[must_use]
    pub fn at(mut self, location: &Location, label: impl Into<String>) -> Diagnostic {
        self.location = Some((location.clone(), label.into()));
        self
    }

    #[must_use]
    pub fn related(mut self, location: &Location, label: impl Into<String>) -> Diagnostic {
        self.related.push((location.clone(), label.into()));
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }
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
}

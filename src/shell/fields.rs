//! Splitting what was expanded into fields.

use super::Bytes;
use super::pattern::Marked;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As the script has it: not split, but a pattern.
    Plain,
    Quoted,
    /// Comes out of an expansion: split, and a pattern.
    Split,
    /// Nothing, between the fields of `$@`.
    Break,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) text: Bytes,
}

/// The bytes of a piece as a pattern sees them.
pub(super) fn marked(piece: &Piece) -> impl Iterator<Item = Marked> + '_ {
    piece.text.iter().map(|byte| (*byte, piece.kind == Kind::Quoted))
}

/// The text of pieces without any splitting.
pub(super) fn joined(pieces: Vec<Piece>) -> Bytes {
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return Bytes::new() };
    pieces.fold(first.text, |mut text, piece| {
        text.extend_from_slice(&piece.text);
        text
    })
}

/// Fields of pieces; without separators they are blank, tab and newline. To dash, what comes between the fields of `$@`
/// takes a separator behind it with it.
pub(super) fn split(pieces: Vec<Piece>, separators: Option<&[u8]>, dash: bool) -> Vec<Vec<Piece>> {
    let separators = separators.unwrap_or(b" \t\n");
    let mut splitter = Splitter::default();
    for piece in pieces {
        match piece.kind {
            Kind::Break => {
                let ended = splitter.field.is_some();
                splitter.end();
                splitter.after_white = dash && ended;
            }
            Kind::Split => splitter.split(&piece.text, separators),
            kind => splitter.add(kind, &piece.text),
        }
    }
    splitter.end();
    splitter.fields
}

#[derive(Default)]
struct Splitter {
    fields: Vec<Vec<Piece>>,
    /// The field that is being collected.
    field: Option<Vec<Piece>>,
    /// White space has just ended a field: a separator behind it belongs to it.
    after_white: bool,
}

impl Splitter {
    fn add(&mut self, kind: Kind, text: &[u8]) {
        let field = self.field.get_or_insert_default();
        match field.last_mut() {
            Some(last) if last.kind == kind => last.text.extend_from_slice(text),
            _ => field.push(Piece { kind, text: text.to_vec() }),
        }
        self.after_white = false;
    }

    fn end(&mut self) {
        self.fields.extend(self.field.take());
        self.after_white = false;
    }

    fn split(&mut self, text: &[u8], separators: &[u8]) {
        let mut rest = text;
        while let Some(byte) = rest.first() {
            if !separators.contains(byte) {
                let length = rest.iter().position(|byte| separators.contains(byte)).unwrap_or(rest.len());
                let (run, after) = rest.split_at(length);
                self.add(Kind::Split, run);
                rest = after;
                continue;
            }
            rest = rest.get(1..).unwrap_or_default();
            if matches!(byte, b' ' | b'\t' | b'\n') {
                if self.field.is_some() {
                    self.end();
                    self.after_white = true;
                }
            } else if self.field.is_none() && self.after_white {
                self.after_white = false;
            } else {
                let field = self.field.take().unwrap_or_default();
                self.fields.push(field);
            }
        }
    }
}

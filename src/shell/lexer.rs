//! Text to tokens: operators, and words with the structure of their quotes and expansions.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::syntax::{Aliases, Part, Substitution, Word};
use super::{Bytes, Dialect, Stop, StopKind, limits};

#[derive(Debug, Clone)]
pub(super) enum Token {
    Word(Word),
    Operator(&'static str),
    /// Digits right before `<` or `>`.
    Number(u32),
    Newline,
    End,
}

/// A here-document whose text has not come yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) text: Rc<OnceCell<Word>>,
    pub(super) delimiter: Bytes,
    pub(super) quoted: bool,
    pub(super) tabs: bool,
}

/// Reads one text, as far as it is asked to.
#[derive(Debug)]
pub(super) struct Parser {
    pub(super) text: Rc<[u8]>,
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) dialect: Dialect,
    pub(super) depth: usize,
    /// The next token, with where it starts and in which line.
    pub(super) ahead: Option<(Token, usize, usize)>,
    pub(super) pending: Vec<Pending>,
    /// What single words stand for where a command's name is.
    pub(super) aliases: Aliases,
    /// Where `((` turned out not to begin arithmetic, so that nothing is tried twice.
    pub(super) not_arithmetic: BTreeSet<usize>,
}

/// Longest first.
const OPERATORS: [&str; 16] =
    [";;", "&&", "||", "<<-", "<<", "<&", "<>", "<", ">>", ">|", ">&", ">", "|", "&", ";", "("];
const BASH_OPERATORS: [&str; 6] = [";;&", ";&", "&>>", "&>", "<<<", "|&"];

pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| is_name_start(*byte)) && text.iter().all(|byte| is_name_byte(*byte))
}

/// Parts of a word while it is read: neighbouring bytes become one literal.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    literal: Bytes,
}

impl Parts {
    pub(super) fn byte(&mut self, byte: u8) {
        self.literal.push(byte);
    }

    pub(super) fn push(&mut self, part: Part) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
        self.parts.push(part);
    }

    /// A quoted byte, joined to the one before it.
    pub(super) fn quoted(&mut self, bytes: &[u8]) {
        match self.parts.last_mut() {
            Some(Part::Quoted(before)) if self.literal.is_empty() => before.extend_from_slice(bytes),
            _ => self.push(Part::Quoted(bytes.to_vec())),
        }
    }

    pub(super) fn literal(&self) -> Option<&[u8]> {
        self.parts.is_empty().then_some(&self.literal)
    }

    pub(super) fn finish(mut self) -> Vec<Part> {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(self.literal));
        }
        self.parts
    }
}

impl Parser {
    pub(super) fn new(text: Rc<[u8]>, line: usize, dialect: Dialect, depth: usize) -> Result<Parser, Stop> {
        if text.len() > limits::TEXT {
            return Err(Stop::limit(format!("a script of {} bytes", text.len())));
        }
        let not_arithmetic = BTreeSet::new();
        let (aliases, pending) = Default::default();
        Ok(Parser { text, at: 0, line, dialect, depth, ahead: None, pending, aliases, not_arithmetic })
    }

    pub(super) fn mistake(&self, what: impl Into<String>) -> Stop {
        Stop::new(StopKind::Syntax(what.into())).at(self.line)
    }

    pub(super) fn bash(&self) -> bool {
        self.dialect == Dialect::Bash
    }

    /// One level deeper; every construct that can hold itself goes through here.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth >= limits::NESTING {
            return Err(
                Stop::limit(format!("more than {} constructs inside of one another", limits::NESTING)).at(self.line)
            );
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn byte_after(&self, distance: usize) -> Option<u8> {
        self.text.get(self.at + distance).copied()
    }

    pub(super) fn next_byte(&mut self) -> Option<u8> {
        let byte = self.byte()?;
        self.at += 1;
        if byte == b'\n' {
            self.line += 1;
        }
        Some(byte)
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes `\` with a newline behind it, which is nothing anywhere but between single quotes.
    pub(super) fn skip_continuations(&mut self) {
        while self.rest().starts_with(b"\\\n") {
            self.at += 2;
            self.line += 1;
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.skip_continuations();
            match self.byte() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'#') => {
                    let end = self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
                    self.at += end;
                }
                _ => return,
            }
        }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Result<&Token, Stop> {
        if self.ahead.is_none() {
            self.skip_blanks();
            let (start, line) = (self.at, self.line);
            let token = self.token()?;
            self.ahead = Some((token, start, line));
        }
        Ok(self.ahead.as_ref().map_or(&Token::End, |(token, ..)| token))
    }

    pub(super) fn next(&mut self) -> Result<Token, Stop> {
        self.peek()?;
        Ok(self.ahead.take().map_or(Token::End, |(token, ..)| token))
    }

    /// Start and line of the next token.
    pub(super) fn place(&mut self) -> Result<(usize, usize), Stop> {
        self.peek()?;
        Ok(self.ahead.as_ref().map_or((self.at, self.line), |(_, start, line)| (*start, *line)))
    }

    fn token(&mut self) -> Result<Token, Stop> {
        let Some(byte) = self.byte() else {
            self.here_documents()?;
            return Ok(Token::End);
        };
        if byte == b'\n' {
            self.next_byte();
            self.here_documents()?;
            return Ok(Token::Newline);
        }
        if byte == b')' {
            self.at += 1;
            return Ok(Token::Operator(")"));
        }
        let rest = self.rest();
        if self.bash() && (rest.starts_with(b"<(") || rest.starts_with(b">(")) {
            return Ok(Token::Word(self.word()?));
        }
        let bash = BASH_OPERATORS.iter().filter(|_| self.bash());
        if let Some(operator) = bash.chain(&OPERATORS).find(|operator| rest.starts_with(operator.as_bytes())) {
            self.at += operator.len();
            return Ok(Token::Operator(operator));
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && matches!(rest.get(digits), Some(b'<' | b'>')) {
            let number = rest
                .iter()
                .take(digits)
                .fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
            self.at += digits;
            return Ok(Token::Number(number));
        }
        Ok(Token::Word(self.word()?))
    }

    /// A word, from its first byte on.
    pub(super) fn word(&mut self) -> Result<Word, Stop> {
        let mut parts = Parts::default();
        loop {
            self.skip_continuations();
            let Some(byte) = self.byte() else { break };
            match byte {
                b'<' | b'>' if self.bash() && self.byte_after(1) == Some(b'(') && parts.literal() == Some(b"") => {
                    self.at += 2;
                    self.nested(|parser| parser.substitution())?;
                    parts.push(Part::Unsupported("process substitution"));
                }
                b'(' if self.bash() && parts.literal().is_some_and(ends_assignment) => {
                    self.at += 1;
                    let elements = self.nested(|parser| parser.array())?;
                    parts.push(Part::Array(Rc::new(elements)));
                }
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                _ => self.word_byte(&mut parts)?,
            }
        }
        Ok(Word { parts: parts.finish() })
    }

    /// One byte, quotation or expansion of a word outside of double quotes.
    pub(super) fn word_byte(&mut self, parts: &mut Parts) -> Result<(), Stop> {
        let Some(byte) = self.next_byte() else { return Ok(()) };
        match byte {
            b'\\' => match self.next_byte() {
                Some(b'\n') => {}
                Some(byte) => parts.quoted(&[byte]),
                None => parts.quoted(b"\\"),
            },
            b'\'' => {
                let text = self.single_quoted()?;
                parts.quoted(&text);
            }
            b'"' => {
                let inner = self.nested(|parser| parser.double_quoted())?;
                parts.push(Part::Double(inner));
            }
            b'$' => self.dollar(parts, false)?,
            b'`' => {
                let part = self.nested(|parser| parser.backquotes(false))?;
                parts.push(part);
            }
            byte => parts.byte(byte),
        }
        Ok(())
    }

    fn single_quoted(&mut self) -> Result<Bytes, Stop> {
        let line = self.line;
        let Some(length) = self.rest().iter().position(|byte| *byte == b'\'') else {
            return Err(self.mistake("a quotation that does not end").at(line));
        };
        let text = self.rest().get(..length).unwrap_or_default().to_vec();
        self.line += text.iter().filter(|byte| **byte == b'\n').count();
        self.at += length + 1;
        Ok(text)
    }

    /// Up to the closing `"`, which is passed.
    pub(super) fn double_quoted(&mut self) -> Result<Vec<Part>, Stop> {
        let mut parts = Parts::default();
        loop {
            match self.byte() {
                None => return Err(self.mistake("a quotation that does not end")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(parts.finish());
                }
                Some(_) => self.quoted_byte(&mut parts, b"$`\"\\")?,
            }
        }
    }

    /// One byte or expansion between double quotes, in a here-document or in arithmetic; `\` only quotes `escapes`.
    pub(super) fn quoted_byte(&mut self, parts: &mut Parts, escapes: &[u8]) -> Result<(), Stop> {
        let Some(byte) = self.next_byte() else { return Ok(()) };
        match byte {
            b'\\' => match self.byte() {
                Some(b'\n') => {
                    self.next_byte();
                }
                Some(byte) if escapes.contains(&byte) => {
                    self.at += 1;
                    // In pieces of their own, so that a pattern sees that they are quoted.
                    parts.quoted(&[byte]);
                }
                _ => parts.byte(b'\\'),
            },
            b'$' => self.dollar(parts, true)?,
            b'`' => {
                let part = self.nested(|parser| parser.backquotes(true))?;
                parts.push(part);
            }
            byte => parts.byte(byte),
        }
        Ok(())
    }

    /// The whole text as that of a here-document.
    fn document(&mut self) -> Result<Word, Stop> {
        let mut parts = Parts::default();
        while self.byte().is_some() {
            self.quoted_byte(&mut parts, b"$`\\")?;
        }
        Ok(Word { parts: vec![Part::Double(parts.finish())] })
    }

    /// Behind a `$`.
    fn dollar(&mut self, parts: &mut Parts, double: bool) -> Result<(), Stop> {
        self.skip_continuations();
        let Some(byte) = self.byte() else {
            parts.byte(b'$');
            return Ok(());
        };
        match byte {
            b'(' => {
                let part = self.nested(|parser| parser.parenthesis())?;
                parts.push(part);
            }
            b'{' => {
                self.at += 1;
                let parameter = self.nested(|parser| parser.braces(double))?;
                parts.push(Part::Parameter(Rc::new(parameter)));
            }
            b'\'' if self.bash() && !double => {
                self.at += 1;
                let text = self.escaped_quotation()?;
                parts.quoted(&text);
            }
            b'"' if self.bash() && !double => {
                self.at += 1;
                let inner = self.nested(|parser| parser.double_quoted())?;
                parts.push(Part::Double(inner));
            }
            b'[' if self.bash() => parts.push(Part::Unsupported("arithmetic as $[…]")),
            _ => match self.short_parameter() {
                Some(parameter) => parts.push(Part::Parameter(Rc::new(parameter))),
                None => parts.byte(b'$'),
            },
        }
        Ok(())
    }

    /// `$(`: arithmetic or commands.
    fn parenthesis(&mut self) -> Result<Part, Stop> {
        let (start, line) = (self.at, self.line);
        if self.rest().starts_with(b"((") && !self.not_arithmetic.contains(&start) {
            let pending = self.pending.clone();
            self.at += 2;
            match self.arithmetic_text()? {
                Some(word) => return Ok(Part::Arithmetic(Rc::new(word))),
                None if !self.bash() => return Err(self.mistake("`$((` without `))`").at(line)),
                None => {
                    self.not_arithmetic.insert(start);
                    self.at = start;
                    self.line = line;
                    self.pending = pending;
                }
            }
        }
        self.at += 1;
        Ok(Part::Command(Rc::new(self.substitution()?)))
    }

    /// The text of an arithmetic expression up to `))`; nothing if a parenthesis closes alone.
    pub(super) fn arithmetic_text(&mut self) -> Result<Option<Word>, Stop> {
        let mut parts = Parts::default();
        let mut open = 0_usize;
        loop {
            match self.byte() {
                None => return Ok(None),
                Some(b'(') => {
                    open += 1;
                    self.at += 1;
                    parts.byte(b'(');
                }
                Some(b')') if open > 0 => {
                    open -= 1;
                    self.at += 1;
                    parts.byte(b')');
                }
                Some(b')') => {
                    self.at += 1;
                    self.skip_continuations();
                    if self.byte() != Some(b')') {
                        return Ok(None);
                    }
                    self.at += 1;
                    return Ok(Some(Word { parts: vec![Part::Double(parts.finish())] }));
                }
                Some(b'"') => {
                    self.at += 1;
                    let inner = self.nested(|parser| parser.double_quoted())?;
                    parts.push(Part::Double(inner));
                }
                Some(_) => self.quoted_byte(&mut parts, b"$`\"\\")?,
            }
        }
    }

    /// Commands up to the `)` that ends a substitution, which is passed.
    fn substitution(&mut self) -> Result<Substitution, Stop> {
        let ahead = self.ahead.take();
        let pending = std::mem::take(&mut self.pending);
        let body = self.list(false)?;
        match self.next()? {
            Token::Operator(")") => {}
            _ => return Err(self.mistake("`$(` without `)`")),
        }
        self.pending.splice(0..0, pending);
        self.ahead = ahead;
        Ok(Substitution { body })
    }

    /// Behind a backquote: the text up to the next one, without one layer of backslashes, is a text of its own.
    fn backquotes(&mut self, double: bool) -> Result<Part, Stop> {
        let line = self.line;
        let mut text = Bytes::new();
        loop {
            match self.next_byte() {
                None => return Err(self.mistake("a backquote that nothing closes").at(line)),
                Some(b'`') => break,
                Some(b'\\') => match self.next_byte() {
                    Some(byte @ (b'`' | b'\\' | b'$')) => text.push(byte),
                    Some(b'"') if double => text.push(b'"'),
                    Some(b'\n') if self.dialect == Dialect::Dash => {}
                    Some(byte) => text.extend([b'\\', byte]),
                    None => return Err(self.mistake("a backquote that nothing closes").at(line)),
                },
                Some(byte) => text.push(byte),
            }
        }
        let mut inner = Parser::new(text.into(), line, self.dialect, self.depth)?;
        inner.aliases = self.aliases.clone();
        let body = inner.list(false)?;
        match inner.next()? {
            Token::End => Ok(Part::Command(Rc::new(Substitution { body }))),
            token => Err(inner.unexpected(&token)),
        }
    }

    /// `$'…'`, behind its opening quote.
    fn escaped_quotation(&mut self) -> Result<Bytes, Stop> {
        let start = self.at;
        loop {
            match self.next_byte() {
                None => return Err(self.mistake("a quotation that does not end")),
                Some(b'\'') => break,
                Some(b'\\') => {
                    self.next_byte();
                }
                Some(_) => {}
            }
        }
        let text = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(super::escapes::quotation(text))
    }

    /// Reads the here-documents of the line that has just ended.
    fn here_documents(&mut self) -> Result<(), Stop> {
        for pending in std::mem::take(&mut self.pending) {
            let line = self.line;
            let text = self.here_document(&pending);
            let word = if pending.quoted {
                Word { parts: vec![Part::Quoted(text)] }
            } else {
                Parser::new(text.into(), line, self.dialect, self.depth)?.document()?
            };
            // A cell is filled once: the list was taken.
            let _ = pending.text.set(word);
        }
        Ok(())
    }

    fn here_document(&mut self, pending: &Pending) -> Bytes {
        let mut text = Bytes::new();
        // A line that `\` joins to the next one, without what joins them, and where it starts in the text.
        let mut joined = Bytes::new();
        let mut start = 0;
        while self.at < self.text.len() {
            let rest = self.rest();
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |newline| newline + 1);
            let mut line = rest.get(..end).unwrap_or_default();
            if pending.tabs && joined.is_empty() {
                let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                line = line.get(tabs..).unwrap_or_default();
            }
            text.extend_from_slice(line);
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let backslashes = bare.iter().rev().take_while(|byte| **byte == b'\\').count();
            let goes_on = !pending.quoted && backslashes % 2 == 1 && bare.len() < line.len();
            joined.extend_from_slice(bare.get(..bare.len() - usize::from(goes_on)).unwrap_or_default());
            self.at += end;
            self.line += 1;
            if goes_on {
                continue;
            }
            if joined == pending.delimiter {
                text.truncate(start);
                break;
            }
            joined.clear();
            start = text.len();
        }
        text
    }
}

/// `name=` or `name+=`: a parenthesis behind it opens an array.
fn ends_assignment(text: &[u8]) -> bool {
    text.strip_suffix(b"=").is_some_and(|name| is_name(name.strip_suffix(b"+").unwrap_or(name)))
}

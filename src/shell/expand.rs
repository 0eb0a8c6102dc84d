//! Words to values: parameters, substitutions, tildes, fields.

use super::fields::{Kind, Piece};
use super::file::How;
use super::halt::Outcome;
use super::lexer::is_name;
use super::pattern::{Marked, Pattern};
use super::syntax::{Part, Substitution, Word};
use super::{Bytes, Dialect, Shell, Stop, Stream, World, limits};

/// What is expanded for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// Between double quotes.
    pub(super) quoted: bool,
    /// What literal text is: plain, but open to splitting inside of `${x:-…}`.
    pub(super) literal: Kind,
    /// Fields are wanted; else one value, into which `$@` is joined.
    pub(super) split: bool,
    /// The text of a here-document.
    pub(super) document: bool,
}

const FIELDS: Context = Context { quoted: false, literal: Kind::Plain, split: true, document: false };
const SINGLE: Context = Context { split: false, ..FIELDS };

impl Shell {
    /// The fields of words, with pathnames matched.
    pub(super) fn fields(&mut self, world: &mut dyn World, words: &[Word]) -> Outcome<Vec<Bytes>> {
        let mut fields = Vec::new();
        for word in words {
            self.add_fields(world, word, &mut fields)?;
        }
        Ok(fields)
    }

    pub(super) fn add_fields(&mut self, world: &mut dyn World, word: &Word, fields: &mut Vec<Bytes>) -> Outcome<()> {
        // Most words are one literal.
        if let [Part::Literal(text)] = word.parts.as_slice()
            && !text.iter().any(|byte| matches!(byte, b'~' | b'*' | b'?' | b'['))
        {
            fields.push(text.clone());
            return Ok(());
        }
        let mut pieces = Vec::new();
        self.parts(world, &word.parts, FIELDS, &mut pieces, true)?;
        let size: usize = pieces.iter().map(|piece| piece.text.len()).sum();
        world.spend(1 + size as u64 / 64)?;
        let separators = self.get(b"IFS").cloned();
        let split = super::fields::split(pieces, separators.as_deref(), self.dialect == Dialect::Dash);
        for field in split {
            world.spend(1)?;
            if fields.len() >= limits::FIELDS {
                return Err(Stop::limit(format!("more than {} fields", limits::FIELDS)).into());
            }
            if self.options.noglob || !super::glob::is_pattern(&field) {
                fields.push(super::fields::joined(field));
            } else {
                self.match_pathnames(world, field, fields)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, world: &mut dyn World, parts: &[Part], tilde: bool) -> Outcome<Vec<Piece>> {
        let mut pieces = Vec::new();
        self.parts(world, parts, SINGLE, &mut pieces, tilde)?;
        Ok(pieces)
    }

    /// One value: of a redirection, a `case`, a here-document.
    pub(super) fn single(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Bytes> {
        Ok(super::fields::joined(self.value(world, &word.parts, true)?))
    }

    pub(super) fn document(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Bytes> {
        let mut pieces = Vec::new();
        self.parts(world, &word.parts, Context { document: true, ..SINGLE }, &mut pieces, false)?;
        Ok(super::fields::joined(pieces))
    }

    /// The text of an arithmetic expression.
    pub(super) fn joined_text(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Bytes> {
        Ok(super::fields::joined(self.value(world, &word.parts, false)?))
    }

    /// The value of an assignment: a tilde may stand behind every colon.
    pub(super) fn assigned(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Bytes> {
        let mut value = Bytes::new();
        let last = word.parts.len().saturating_sub(1);
        for (number, part) in word.parts.iter().enumerate() {
            let Part::Literal(text) = part else {
                value.extend(super::fields::joined(self.value(world, std::slice::from_ref(part), false)?));
                continue;
            };
            for (piece, text) in text.split(|byte| *byte == b':').enumerate() {
                if piece > 0 {
                    value.push(b':');
                }
                // Something quoted or expanded right behind a name makes it no name.
                let whole = number == last || text.contains(&b'/') || part_continues(part, piece);
                let starts = piece > 0 || number == 0;
                match starts.then(|| self.tilde(world, text, whole)).transpose()?.flatten() {
                    Some((home, passed)) => {
                        value.extend(home);
                        value.extend_from_slice(text.get(passed..).unwrap_or_default());
                    }
                    None => value.extend_from_slice(text),
                }
            }
        }
        self.bounded(value)
    }

    /// A pattern, in which quoted text stands for itself.
    pub(super) fn pattern(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Pattern> {
        let pieces = self.value(world, &word.parts, true)?;
        let marked: Vec<Marked> = pieces.iter().flat_map(super::fields::marked).collect();
        Ok(Pattern::new(&marked))
    }

    pub(super) fn bounded(&self, value: Bytes) -> Outcome<Bytes> {
        if value.len() > limits::VALUE {
            return Err(Stop::limit(format!("a value of {} bytes", value.len())).into());
        }
        Ok(value)
    }

    pub(super) fn parts(
        &mut self,
        world: &mut dyn World,
        parts: &[Part],
        context: Context,
        pieces: &mut Vec<Piece>,
        tilde: bool,
    ) -> Outcome<()> {
        for (number, part) in parts.iter().enumerate() {
            let unquoted = if context.quoted { Kind::Quoted } else { Kind::Split };
            match part {
                Part::Literal(text) => {
                    let kind = if context.quoted { Kind::Quoted } else { context.literal };
                    let whole = parts.len() == 1 || text.contains(&b'/');
                    let home =
                        if tilde && number == 0 && !context.quoted { self.tilde(world, text, whole)? } else { None };
                    match home {
                        Some((home, passed)) => {
                            pieces.push(Piece { kind: Kind::Quoted, text: home });
                            let rest = text.get(passed..).unwrap_or_default();
                            pieces.push(Piece { kind, text: rest.to_vec() });
                        }
                        None => pieces.push(Piece { kind, text: text.clone() }),
                    }
                }
                Part::Quoted(text) => pieces.push(Piece { kind: Kind::Quoted, text: text.clone() }),
                Part::Double(inner) => self.double(world, inner, context, pieces)?,
                Part::Parameter(parameter) => self.parameter(world, parameter, context, pieces)?,
                Part::Command(substitution) => {
                    let text = self.substitute(world, substitution)?;
                    pieces.push(Piece { kind: unquoted, text });
                }
                Part::Arithmetic(word) => {
                    let text = self.joined_text(world, word)?;
                    let number = self.arithmetic(world, &text)?;
                    pieces.push(Piece { kind: unquoted, text: number.to_string().into_bytes() });
                }
                Part::Array(_) => return Err(Stop::unsupported("", "an array as a word").into()),
                Part::Unsupported(what) => return Err(Stop::unsupported("", *what).into()),
            }
        }
        Ok(())
    }

    /// Between double quotes there is a field even of nothing, unless a `$@` without arguments took it away.
    fn double(
        &mut self,
        world: &mut dyn World,
        inner: &[Part],
        context: Context,
        pieces: &mut Vec<Piece>,
    ) -> Outcome<()> {
        let start = pieces.len();
        let before = std::mem::take(&mut self.vanished);
        self.parts(world, inner, Context { quoted: true, ..context }, pieces, false)?;
        let vanished = std::mem::replace(&mut self.vanished, before);
        let added = pieces.get(start..).unwrap_or_default();
        if added.is_empty() {
            if !vanished {
                pieces.push(Piece { kind: Kind::Quoted, text: Bytes::new() });
            } else if context.quoted {
                self.vanished = true;
            }
        } else if vanished && self.dialect == Dialect::Bash && added.iter().all(|piece| piece.text.is_empty()) {
            pieces.truncate(start);
        }
        Ok(())
    }

    /// The output of commands, without the newlines at its end.
    pub(super) fn substitute(&mut self, world: &mut dyn World, substitution: &Substitution) -> Outcome<Bytes> {
        let mut child = self.subshell();
        // Dash forgets here that somebody looks at the status, bash in the words of `for` and the like.
        child.tested = self.tested && self.in_simple && self.dialect == Dialect::Bash;
        // Bash only has `set -e` there in its sh mode.
        child.options.errexit &= self.posix;
        let output = Stream::output();
        child.descriptors.insert(1, output.clone());
        let status = self.fork(world, child, |child, world| child.list(world, &substitution.body))?;
        self.substituted = Some(status);
        if self.dialect == Dialect::Bash {
            self.status = status;
        }
        let mut text = output.borrow_mut().take();
        world.spend(1 + text.len() as u64 / 64)?;
        text.retain(|byte| *byte != 0);
        while text.last() == Some(&b'\n') {
            text.pop();
        }
        self.bounded(text)
    }

    /// The home directory for a tilde at the start, and the length of what it stands for; nothing if none is known.
    fn tilde(&mut self, world: &mut dyn World, text: &[u8], whole: bool) -> Outcome<Option<(Bytes, usize)>> {
        let Some(rest) = text.strip_prefix(b"~").filter(|_| whole) else { return Ok(None) };
        let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let bash = self.dialect == Dialect::Bash;
        let home = match name {
            b"" => self.get(b"HOME").cloned(),
            b"+" if bash => self.get(b"PWD").cloned(),
            b"-" if bash => self.get(b"OLDPWD").cloned(),
            name if name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':') => self.home(world, name)?,
            _ => None,
        };
        Ok(home.map(|home| (home, length + 1)))
    }

    /// The sixth field of the user's line in `/etc/passwd`.
    fn home(&mut self, world: &mut dyn World, name: &[u8]) -> Outcome<Option<Bytes>> {
        let Ok(handle) = world.open(b"/etc/passwd", How::Read, 0)? else { return Ok(None) };
        let text = handle.borrow_mut().rest();
        world.spend(1 + text.len() as u64 / 64)?;
        let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':'));
        Ok(lines.find_map(|mut fields| {
            let found = fields.next() == Some(name);
            fields.nth(4).filter(|_| found).map(<[u8]>::to_vec)
        }))
    }

    /// Gives a variable a value; one that is read-only ends the shell.
    pub(super) fn assign(&mut self, world: &mut dyn World, name: &[u8], value: impl Into<Bytes>) -> Outcome<()> {
        if self.variables.get(name).is_some_and(|variable| variable.read_only) {
            let name = String::from_utf8_lossy(name).into_owned();
            let message = match self.dialect {
                Dialect::Dash => format!("{name}: is read only"),
                Dialect::Bash => format!("{name}: readonly variable"),
            };
            return self.fail(world, &message);
        }
        if !is_name(name) {
            let name = super::quote(name, 60);
            return self.fail(world, &format!("{name}: bad variable name"));
        }
        let value = self.bounded(value.into())?;
        world.spend(1 + value.len() as u64 / 64)?;
        if let Some(array) = self.arrays.get_mut(name) {
            array.insert(0, value.clone());
        }
        if name == b"OPTIND" {
            let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
            self.next_option = (number, 0);
        }
        self.set(name, value);
        if self.options.allexport
            && let Some(variable) = self.variables.get_mut(name)
        {
            variable.exported = true;
        }
        Ok(())
    }
}

/// Whether a colon behind this piece of the literal ends a name.
fn part_continues(part: &Part, piece: usize) -> bool {
    matches!(part, Part::Literal(text) if text.split(|byte| *byte == b':').count() > piece + 1)
}

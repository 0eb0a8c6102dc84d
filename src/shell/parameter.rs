//! Reading `${…}`.

use super::lexer::{Parser, Parts, is_name_byte, is_name_start};
use super::syntax::{Index, Operation, Parameter, Part, Place, Subject, Word};
use super::{Stop, lexer::Token};

const SPECIAL: &[u8] = b"@*#?-$!";

fn plain(subject: Subject) -> Parameter {
    Parameter { subject, index: None, indirect: false, operation: Operation::Plain }
}

impl Parser {
    /// The parameter right behind a `$`: `$name`, `$1`, `$@`.
    pub(super) fn short_parameter(&mut self) -> Option<Parameter> {
        let byte = self.byte()?;
        if byte.is_ascii_digit() {
            self.at += 1;
            return Some(plain(match byte {
                b'0' => Subject::Special(b'0'),
                digit => Subject::Argument(usize::from(digit - b'0')),
            }));
        }
        self.subject().map(plain)
    }

    fn subject(&mut self) -> Option<Subject> {
        let byte = self.byte()?;
        if is_name_start(byte) {
            let mut name = Vec::new();
            loop {
                self.skip_continuations();
                let Some(byte) = self.byte().filter(|byte| is_name_byte(*byte)) else { break };
                self.at += 1;
                name.push(byte);
            }
            return Some(Subject::Variable(name));
        }
        if byte.is_ascii_digit() {
            let mut number = 0_usize;
            while let Some(digit) = self.byte().filter(u8::is_ascii_digit) {
                self.at += 1;
                number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            }
            return Some(if number == 0 { Subject::Special(b'0') } else { Subject::Argument(number) });
        }
        SPECIAL.contains(&byte).then(|| {
            self.at += 1;
            Subject::Special(byte)
        })
    }

    /// Behind `${`, up to and with the `}`.
    pub(super) fn braces(&mut self, double: bool) -> Result<Parameter, Stop> {
        self.skip_continuations();
        if self.byte() == Some(b'#')
            && let Some(length) = self.length()?
        {
            return Ok(length);
        }
        let named = self.byte_after(1).is_some_and(|byte| is_name_byte(byte) || matches!(byte, b'@' | b'*' | b'#'));
        let indirect = self.bash() && self.byte() == Some(b'!') && named;
        if indirect {
            self.at += 1;
        }
        let Some(subject) = self.subject() else { return self.bad(Subject::Special(b'#')) };
        let index = self.index(&subject)?;
        let operation = self.operation(indirect, index.as_ref(), double)?;
        self.skip_continuations();
        if self.byte() != Some(b'}') {
            return self.bad(subject);
        }
        self.at += 1;
        Ok(Parameter { subject, index, indirect, operation })
    }

    /// What is no parameter is passed up to its end, and is an error when it is expanded.
    fn bad(&mut self, subject: Subject) -> Result<Parameter, Stop> {
        self.brace_word(false, b"")?;
        self.at += 1;
        Ok(Parameter { subject, index: None, indirect: false, operation: Operation::Bad })
    }

    /// `${#x}`; nothing, and nothing passed, if the `#` is a parameter itself.
    fn length(&mut self) -> Result<Option<Parameter>, Stop> {
        let (start, line) = (self.at, self.line);
        self.at += 1;
        if self.byte() != Some(b'}')
            && let Some(subject) = self.subject()
        {
            let index = self.index(&subject)?;
            if self.byte() == Some(b'}') {
                self.at += 1;
                return Ok(Some(Parameter { subject, index, indirect: false, operation: Operation::Length }));
            }
        }
        self.at = start;
        self.line = line;
        Ok(None)
    }

    fn index(&mut self, subject: &Subject) -> Result<Option<Index>, Stop> {
        if !self.bash() || self.byte() != Some(b'[') || !matches!(subject, Subject::Variable(_)) {
            return Ok(None);
        }
        self.at += 1;
        for (text, index) in [(b"@]", Index::Each), (b"*]", Index::Joined)] {
            if self.rest().starts_with(text) {
                self.at += 2;
                return Ok(Some(index));
            }
        }
        let word = self.brace_word(true, b"]")?;
        if self.byte() != Some(b']') {
            return Err(self.mistake("`[` without `]`"));
        }
        self.at += 1;
        Ok(Some(Index::At(word)))
    }

    fn operation(&mut self, indirect: bool, index: Option<&Index>, double: bool) -> Result<Operation, Stop> {
        self.skip_continuations();
        let Some(byte) = self.byte() else { return Err(self.mistake("`${` without `}`")) };
        if indirect {
            match byte {
                b'@' | b'*' if self.byte_after(1) == Some(b'}') => {
                    self.at += 1;
                    return Ok(Operation::Names(byte == b'@'));
                }
                b'}' if matches!(index, Some(Index::Each | Index::Joined)) => return Ok(Operation::Keys),
                _ => {}
            }
        }
        let colon = byte == b':';
        let sign = if colon { self.byte_after(1) } else { Some(byte) };
        match sign {
            Some(sign @ (b'-' | b'=' | b'?' | b'+')) => {
                self.at += 1 + usize::from(colon);
                let empty = self.byte() == Some(b'}');
                let word = self.brace_word(double, b"")?;
                Ok(match sign {
                    b'-' => Operation::Default(colon, word),
                    b'=' => Operation::Assign(colon, word),
                    b'+' => Operation::Alternative(colon, word),
                    _ => Operation::Error(colon, (!empty).then_some(word)),
                })
            }
            _ if colon && self.bash() => {
                self.at += 1;
                let offset = self.brace_word(true, b":")?;
                let length = match self.byte() {
                    Some(b':') => {
                        self.at += 1;
                        Some(self.brace_word(true, b"")?)
                    }
                    _ => None,
                };
                Ok(Operation::Slice(offset, length))
            }
            Some(b'#' | b'%') if !colon => {
                self.at += 1;
                let longest = self.byte() == Some(byte);
                self.at += usize::from(longest);
                let pattern = self.brace_word(false, b"")?;
                Ok(Operation::Remove { suffix: byte == b'%', longest, pattern })
            }
            Some(b'/') if self.bash() => self.replacement(),
            Some(b'^' | b',') if self.bash() => {
                self.at += 1;
                let all = self.byte() == Some(byte);
                self.at += usize::from(all);
                let pattern = self.brace_word(false, b"")?;
                Ok(Operation::Case { upper: byte == b'^', all, pattern })
            }
            Some(b'@') if self.bash() => {
                self.brace_word(false, b"")?;
                Ok(Operation::Unsupported("a transformation ${…@…}"))
            }
            Some(b'}') => Ok(Operation::Plain),
            _ => Ok(Operation::Bad),
        }
    }

    fn replacement(&mut self) -> Result<Operation, Stop> {
        self.at += 1;
        let place = match self.byte() {
            Some(b'/') => Place::All,
            Some(b'#') => Place::Start,
            Some(b'%') => Place::End,
            _ => Place::First,
        };
        self.at += usize::from(place != Place::First);
        let pattern = self.brace_word(false, b"/")?;
        let with = match self.byte() {
            Some(b'/') => {
                self.at += 1;
                self.brace_word(false, b"")?
            }
            _ => Word::default(),
        };
        Ok(Operation::Replace { pattern, with, place })
    }

    /// Text inside of `${…}` up to its `}` or one of `stops`, none of which is passed.
    fn brace_word(&mut self, double: bool, stops: &[u8]) -> Result<Word, Stop> {
        let mut parts = Parts::default();
        loop {
            match self.byte() {
                None => return Err(self.mistake("`${` without `}`")),
                Some(b'}') => break,
                Some(byte) if stops.contains(&byte) => break,
                Some(b'"') if double => {
                    self.at += 1;
                    let inner = self.nested(|parser| parser.double_quoted())?;
                    parts.push(Part::Double(inner));
                }
                Some(_) if double => self.quoted_byte(&mut parts, b"$`\"\\}")?,
                Some(_) => self.word_byte(&mut parts)?,
            }
        }
        Ok(Word { parts: parts.finish() })
    }

    /// The elements of `name=(…)` and its `)`.
    pub(super) fn array(&mut self) -> Result<Vec<(Option<Word>, Word)>, Stop> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                Token::Newline => {}
                Token::Operator(")") => return Ok(elements),
                Token::Word(word) => match super::assignment::element(&word) {
                    Some((index, value)) => elements.push((Some(index), value)),
                    None => elements.extend(super::braces::expand(word)?.into_iter().map(|word| (None, word))),
                },
                token => return Err(self.unexpected(&token)),
            }
        }
    }
}

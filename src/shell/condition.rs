//! Bash's `[[ … ]]`: reading and evaluating it.

use super::halt::Outcome;
use super::lexer::{Parser, Parts, Token};
use super::parse::bare;
use super::syntax::{Condition, Part, Word};
use super::{Bytes, Shell, Stop, World};

const BINARY: [&[u8]; 13] =
    [b"=", b"==", b"!=", b"=~", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt", b"-ot", b"-ef"];

impl Parser {
    /// Behind `[[`, up to and with `]]`.
    pub(super) fn condition(&mut self) -> Result<Condition, Stop> {
        let condition = self.any_of()?;
        match self.next()? {
            Token::Word(word) if bare(&word) == Some(b"]]") => Ok(condition),
            Token::Operator("(") => Err(Stop::unsupported("", "patterns with parentheses in `[[`").at(self.line)),
            token => Err(self.unexpected(&token)),
        }
    }

    fn newlines(&mut self) -> Result<(), Stop> {
        while matches!(self.peek()?, Token::Newline) {
            self.next()?;
        }
        Ok(())
    }

    fn any_of(&mut self) -> Result<Condition, Stop> {
        let first = self.all_of()?;
        let mut conditions = vec![first];
        while matches!(self.peek()?, Token::Operator("||")) {
            self.next()?;
            conditions.push(self.all_of()?);
        }
        Ok(if conditions.len() == 1 { conditions.remove(0) } else { Condition::Or(conditions) })
    }

    fn all_of(&mut self) -> Result<Condition, Stop> {
        let first = self.one_of()?;
        let mut conditions = vec![first];
        while matches!(self.peek()?, Token::Operator("&&")) {
            self.next()?;
            conditions.push(self.one_of()?);
        }
        Ok(if conditions.len() == 1 { conditions.remove(0) } else { Condition::And(conditions) })
    }

    fn one_of(&mut self) -> Result<Condition, Stop> {
        self.newlines()?;
        let condition = match self.next()? {
            Token::Operator("(") => {
                let inner = self.nested(Parser::any_of)?;
                self.newlines()?;
                match self.next()? {
                    Token::Operator(")") => inner,
                    token => return Err(self.unexpected(&token)),
                }
            }
            Token::Word(word) if bare(&word) == Some(b"!") => Condition::Not(Box::new(self.nested(Parser::one_of)?)),
            Token::Word(word) if bare(&word) == Some(b"]]") => return Err(self.mistake("`[[` without a condition")),
            Token::Word(word) => self.primary(word)?,
            token => return Err(self.unexpected(&token)),
        };
        self.newlines()?;
        Ok(condition)
    }

    fn primary(&mut self, first: Word) -> Result<Condition, Stop> {
        let unary = bare(&first).filter(|text| matches!(text, [b'-', letter] if letter.is_ascii_alphabetic()));
        if let Some(operator) = unary.map(<[u8]>::to_vec) {
            return match self.next()? {
                Token::Word(word) if bare(&word) != Some(b"]]") => Ok(Condition::Unary(operator, word)),
                token => Err(self.unexpected(&token)),
            };
        }
        let operator = match self.peek()? {
            Token::Operator(operator @ ("<" | ">")) => operator.as_bytes().to_vec(),
            Token::Word(word) => match bare(word).filter(|text| BINARY.contains(text)) {
                Some(text) => text.to_vec(),
                None => return Ok(Condition::Word(first)),
            },
            _ => return Ok(Condition::Word(first)),
        };
        self.next()?;
        let second = if operator == b"=~" {
            self.expression_word()?
        } else {
            match self.next()? {
                Token::Word(word) => word,
                token => return Err(self.unexpected(&token)),
            }
        };
        Ok(Condition::Binary(first, operator, second))
    }

    /// The regular expression behind `=~`, in which parentheses and `|` are no operators.
    fn expression_word(&mut self) -> Result<Word, Stop> {
        while matches!(self.byte(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let mut parts = Parts::default();
        let mut open = 0_usize;
        loop {
            match self.byte() {
                None | Some(b'\n') => break,
                Some(b' ' | b'\t') if open == 0 => break,
                Some(byte @ (b'(' | b')' | b'|' | b'<' | b'>' | b'&' | b';' | b' ' | b'\t')) => {
                    match byte {
                        b'(' => open += 1,
                        b')' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    self.at += 1;
                    parts.byte(byte);
                }
                Some(_) => self.word_byte(&mut parts)?,
            }
        }
        Ok(Word { parts: parts.finish() })
    }
}

impl Shell {
    pub(super) fn holds(&mut self, world: &mut dyn World, condition: &Condition) -> Outcome<bool> {
        world.spend(1)?;
        match condition {
            Condition::Word(word) => Ok(!self.single(world, word)?.is_empty()),
            Condition::Not(inner) => Ok(!self.holds(world, inner)?),
            Condition::And(all) => {
                for inner in all {
                    if !self.holds(world, inner)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(any) => {
                for inner in any {
                    if self.holds(world, inner)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Unary(operator, word) => {
                let value = self.single(world, word)?;
                match super::builtins::test::unary(self, world, operator, &value)? {
                    Some(holds) => Ok(holds),
                    None => Err(unknown(operator)),
                }
            }
            Condition::Binary(left, operator, right) => self.compare(world, left, operator, right),
        }
    }

    fn compare(&mut self, world: &mut dyn World, left: &Word, operator: &[u8], right: &Word) -> Outcome<bool> {
        let value = self.single(world, left)?;
        match operator {
            b"=" | b"==" | b"!=" => {
                let pattern = self.pattern(world, right)?;
                world.spend(pattern.cost(value.len()))?;
                Ok(pattern.matches(&value) == (operator != b"!="))
            }
            b"=~" => {
                let expression = self.regular_expression(world, right)?;
                match world.search(&expression, &value)? {
                    Some(groups) => {
                        let elements = groups.into_iter().map(|group| (None, group)).collect();
                        self.assign_array(world, b"BASH_REMATCH", elements, false)?;
                        Ok(true)
                    }
                    None => {
                        self.assign_array(world, b"BASH_REMATCH", Vec::new(), false)?;
                        Ok(false)
                    }
                }
            }
            b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" => {
                let right = self.single(world, right)?;
                let (left, right) = (self.arithmetic_or_zero(world, &value)?, self.arithmetic_or_zero(world, &right)?);
                Ok(super::builtins::test::compares(operator, left, right))
            }
            _ => {
                let right = self.single(world, right)?;
                match super::builtins::test::binary(self, world, &value, operator, &right)? {
                    Some(holds) => Ok(holds),
                    None => Err(unknown(operator)),
                }
            }
        }
    }

    /// A regular expression whose quoted text stands for itself.
    fn regular_expression(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Bytes> {
        let mut text = Bytes::new();
        for part in &word.parts {
            let single = Word { parts: vec![part.clone()] };
            let value = self.single(world, &single)?;
            let quoted = matches!(part, Part::Quoted(_) | Part::Double(_));
            for byte in value {
                if quoted && b".[]()*+?{}|^$\\".contains(&byte) {
                    text.push(b'\\');
                }
                text.push(byte);
            }
        }
        Ok(text)
    }
}

fn unknown(operator: &[u8]) -> super::halt::Halt {
    Stop::unsupported("", format!("`{}` in `[[`", super::quote(operator, 20))).into()
}

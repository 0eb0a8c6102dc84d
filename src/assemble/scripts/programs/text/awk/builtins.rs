//! The functions that awk has itself.

use std::rc::Rc;

use super::arrays::{Array, Cell, Index};
use super::dialect::Dialect;
use super::halt::{Ran, fatal};
use super::record;
use super::run::{Awk, LONGEST, Spot, count, whole};
use super::syntax::{BuiltIn, Expr, Place, Special};
use super::value::Value;
use super::{number, printf};
use crate::assemble::scripts::regex::{Captures, Regex};
use crate::shell::{Bytes, Stop, World};

impl Awk<'_, '_, '_, '_> {
    pub(super) fn built_in(&mut self, built_in: BuiltIn, arguments: &[Expr]) -> Ran<Value> {
        let number = |value: f64| Ok(Value::Number(value));
        match (built_in, arguments) {
            (BuiltIn::Length, []) => {
                let text = self.record_text()?;
                number(count(text.len()))
            }
            (BuiltIn::Length, [of]) => self.length(of),
            (BuiltIn::Substr, [text, start]) => self.substr(text, start, None),
            (BuiltIn::Substr, [text, start, length]) => self.substr(text, start, Some(length)),
            (BuiltIn::Index, [text, wanted]) => {
                let (text, wanted) = (self.eval_text(text)?, self.eval_text(wanted)?);
                self.call.machine.spend(text.len() as u64 / 16)?;
                let at = match wanted.is_empty() {
                    true => Some(0),
                    false => text.windows(wanted.len()).position(|part| part == &*wanted),
                };
                number(at.map_or(0.0, |at| count(at + 1)))
            }
            (BuiltIn::Split, [text, array, rest @ ..]) => self.split(text, array, rest.first()),
            (BuiltIn::Sub | BuiltIn::Gsub, [pattern, replacement, rest @ ..]) => {
                self.substitute(pattern, replacement, rest.first(), built_in == BuiltIn::Gsub)
            }
            (BuiltIn::Gensub, [pattern, replacement, which, rest @ ..]) => {
                self.gensub(pattern, replacement, which, rest.first())
            }
            (BuiltIn::Match, [text, pattern, rest @ ..]) => self.find(text, pattern, rest.first()),
            (BuiltIn::Sprintf, list) => {
                let text = self.formatted(list)?;
                self.made(text)
            }
            (BuiltIn::Tolower, [text]) => {
                let text = self.eval_text(text)?;
                self.made(text.to_ascii_lowercase())
            }
            (BuiltIn::Toupper, [text]) => {
                let text = self.eval_text(text)?;
                self.made(text.to_ascii_uppercase())
            }
            (BuiltIn::Close, [name]) => {
                let name = self.eval_text(name)?;
                number(self.streams.close(self.call, &name)?)
            }
            (BuiltIn::System, [command]) => {
                let command = self.eval_text(command)?;
                number(f64::from(self.streams.system(self.call, &command)?))
            }
            (BuiltIn::Fflush, _) => {
                self.streams.flush(self.call)?;
                self.streams.flush_files(self.call)?;
                number(0.0)
            }
            #[allow(clippy::cast_precision_loss)]
            (BuiltIn::Systime, _) => number(self.call.machine.files.epoch as f64),
            (BuiltIn::Atan2, [y, x]) => {
                let (y, x) = (self.eval(y)?.number(), self.eval(x)?.number());
                number(y.atan2(x))
            }
            (BuiltIn::Strtonum, [text]) => {
                let value = self.eval(text)?;
                number(strtonum(&value, &self.text(&value)))
            }
            (_, [of]) => {
                let value = self.eval(of)?.number();
                number(match built_in {
                    BuiltIn::Cos => value.cos(),
                    BuiltIn::Exp => value.exp(),
                    BuiltIn::Int => value.trunc(),
                    BuiltIn::Log => value.ln(),
                    BuiltIn::Sin => value.sin(),
                    _ => value.sqrt(),
                })
            }
            _ => fatal("a function with other arguments than it has"),
        }
    }

    fn length(&mut self, of: &Expr) -> Ran<Value> {
        if let Expr::Place(place) = of
            && let Place::Variable(name) = &**place
            && let Cell::Array(array) | Cell::Unknown(Some(array)) = self.cell(*name)?
        {
            return Ok(Value::Number(count(array.borrow().len())));
        }
        Ok(Value::Number(count(self.eval_text(of)?.len())))
    }

    /// Numbers lose what is behind their points. What would begin before the text begins with it; mawk makes it longer
    /// by as much.
    fn substr(&mut self, text: &Expr, start: &Expr, length: Option<&Expr>) -> Ran<Value> {
        let text = self.eval_text(text)?;
        let start = number::integer(self.eval(start)?.number());
        let length = match length {
            Some(length) => number::integer(self.eval(length)?.number()),
            None => i64::MAX,
        };
        let length = if start < 1 && self.dialect == Dialect::Mawk { length.saturating_sub(start) } else { length };
        let first = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
        let rest = text.get(first..).unwrap_or_default();
        let part = rest.get(..usize::try_from(length).unwrap_or(0)).unwrap_or(rest);
        self.made(part.to_vec())
    }

    fn array_of(&mut self, expr: &Expr) -> Ran<Array> {
        match expr {
            Expr::Place(place) => match &**place {
                Place::Variable(name) => self.array(*name),
                _ => fatal("no array where one should be"),
            },
            _ => fatal("no array where one should be"),
        }
    }

    fn split(&mut self, text: &Expr, array: &Expr, separator: Option<&Expr>) -> Ran<Value> {
        let text = self.eval_text(text)?;
        let separator = match separator {
            Some(Expr::Regex(regex)) => record::Separator::Regex(regex.clone()),
            Some(expr) => {
                let separator = self.eval_text(expr)?;
                self.separator(&separator)?
            }
            None => {
                let separator = self.special_text(Special::Fs);
                self.separator(&separator)?
            }
        };
        let array = self.array_of(array)?;
        self.clear(&array);
        let parts = record::split(&text, &separator, false)?;
        self.call.machine.spend(parts.len() as u64)?;
        for (index, part) in parts.iter().enumerate() {
            self.set_element(&array, Index::Number(index as u64 + 1), Value::input(part))?;
        }
        Ok(Value::Number(count(parts.len())))
    }

    fn find(&mut self, text: &Expr, pattern: &Expr, groups: Option<&Expr>) -> Ran<Value> {
        let text = self.eval_text(text)?;
        let regex = self.pattern_of(pattern)?;
        self.call.machine.spend(text.len() as u64 / 64)?;
        let captures = regex.find_at(&text, 0)?;
        let span = captures.as_ref().and_then(|captures| captures.first().copied().flatten());
        let (start, length) = span.map_or((0.0, -1.0), |(start, end)| (count(start + 1), count(end - start)));
        self.set_special(Special::Rstart, Value::Number(start));
        self.set_special(Special::Rlength, Value::Number(length));
        if let Some(groups) = groups {
            let array = self.array_of(groups)?;
            self.clear(&array);
            for (number, span) in captures.unwrap_or_default().into_iter().enumerate() {
                if let Some((start, end)) = span {
                    let part = Value::input(text.get(start..end).unwrap_or_default());
                    self.set_element(&array, Index::Number(number as u64), part)?;
                }
            }
        }
        Ok(Value::Number(start))
    }

    fn substitute(&mut self, pattern: &Expr, replacement: &Expr, target: Option<&Expr>, all: bool) -> Ran<Value> {
        let regex = self.pattern_of(pattern)?;
        let replacement = self.eval_text(replacement)?;
        let spot = match target {
            None => Some(Spot::Field(0)),
            Some(Expr::Place(place)) => Some(self.spot(place)?),
            // The result goes nowhere.
            Some(_) => None,
        };
        let text = match (&spot, target) {
            (None, Some(target)) => self.eval(target)?,
            (None, None) => Value::Unset,
            (Some(spot), _) => self.at(spot)?,
        };
        let text = self.text(&text);
        let parts = replacement_parts(&replacement, false);
        let which = if all { Which::All } else { Which::Number(1) };
        let (out, done) = self.replaced(&regex, &parts, &text, which)?;
        if let Some(spot) = spot.filter(|_| done > 0) {
            let value = self.made(out)?;
            self.set_at(spot, value)?;
        }
        Ok(Value::Number(count(done)))
    }

    fn gensub(&mut self, pattern: &Expr, replacement: &Expr, which: &Expr, target: Option<&Expr>) -> Ran<Value> {
        let regex = self.pattern_of(pattern)?;
        let replacement = self.eval_text(replacement)?;
        let which = self.eval(which)?;
        let all = matches!(self.text(&which).first(), Some(b'g' | b'G'));
        let which = if all { Which::All } else { Which::Number(whole(which.number()).max(1)) };
        let text = match target {
            Some(target) => self.eval_text(target)?,
            None => self.record_text()?.into(),
        };
        let (out, _) = self.replaced(&regex, &replacement_parts(&replacement, true), &text, which)?;
        self.made(out)
    }

    fn replaced(&mut self, regex: &Regex, parts: &[Part], text: &[u8], which: Which) -> Ran<(Bytes, usize)> {
        self.call.machine.spend(text.len() as u64 / 64)?;
        let mut out = Bytes::new();
        let (mut at, mut last_end, mut found, mut done) = (0, None, 0, 0);
        while let Some(captures) = regex.find_at(text, at)? {
            self.call.machine.spend(1)?;
            let Some((start, end)) = captures.first().copied().flatten() else { break };
            out.extend_from_slice(text.get(at..start).unwrap_or_default());
            let again = start == end && last_end == Some(start);
            found += usize::from(!again);
            let wanted = match which {
                Which::All => !again,
                Which::Number(number) => !again && found == number,
            };
            if wanted {
                write_parts(parts, text, &captures, &mut out);
                done += 1;
            } else {
                out.extend_from_slice(text.get(start..end).unwrap_or_default());
            }
            if out.len() > LONGEST {
                return Err(Stop::limit(format!("a text of awk of {} bytes", out.len())).into());
            }
            (at, last_end) = (end, Some(end));
            if done > 0 && which != Which::All {
                break;
            }
            if start == end {
                let Some(byte) = text.get(at) else { break };
                out.push(*byte);
                at += 1;
            }
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        Ok((out, done))
    }

    /// A format and what it formats.
    pub(super) fn formatted(&mut self, list: &[Expr]) -> Ran<Bytes> {
        let mut values = Vec::with_capacity(list.len());
        for expr in list {
            values.push(self.eval(expr)?);
        }
        let Some((format, values)) = values.split_first() else { return Ok(Bytes::new()) };
        let format = self.text(format);
        self.call.machine.spend(format.len() as u64 / 64)?;
        let convert: Rc<[u8]> = self.special_text(Special::Convfmt);
        printf::format(&format, values, self.dialect, |value| value.bytes(&convert))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Number(usize),
}

/// A part of a replacement.
#[derive(Debug)]
enum Part {
    Byte(u8),
    Group(usize),
}

/// `&` is what matched, `\&` itself; a backslash before a backslash before `&` is one. gensub knows groups too.
fn replacement_parts(text: &[u8], groups: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'&', _) => parts.push(Part::Group(0)),
            (b'\\', [b'&', behind @ ..]) => {
                parts.push(Part::Byte(b'&'));
                rest = behind;
            }
            (b'\\', [digit @ b'0'..=b'9', behind @ ..]) if groups => {
                parts.push(Part::Group(usize::from(digit - b'0')));
                rest = behind;
            }
            (b'\\', [b'\\', behind @ ..]) if groups || behind.starts_with(b"&") => {
                parts.push(Part::Byte(b'\\'));
                rest = behind;
            }
            (byte, _) => parts.push(Part::Byte(*byte)),
        }
    }
    parts
}

fn write_parts(parts: &[Part], text: &[u8], captures: &Captures, out: &mut Bytes) {
    for part in parts {
        match part {
            Part::Byte(byte) => out.push(*byte),
            Part::Group(group) => {
                let span = captures.get(*group).copied().flatten();
                out.extend_from_slice(span.and_then(|(start, end)| text.get(start..end)).unwrap_or_default());
            }
        }
    }
}

/// gawk's: hexadecimal and octal numbers too.
fn strtonum(value: &Value, text: &[u8]) -> f64 {
    let (Value::Text(_) | Value::Input(_)) = value else { return value.number() };
    let text = text.trim_ascii_start();
    let digits = |text: &[u8], base: u32| {
        let digits = text.iter().map_while(|byte| char::from(*byte).to_digit(base));
        digits.fold(0.0, |value, digit| value * f64::from(base) + f64::from(digit))
    };
    match text {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, 16),
        [b'0', rest @ ..] if !text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'8' | b'9')) => digits(rest, 8),
        _ => value.number(),
    }
}

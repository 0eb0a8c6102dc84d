//! The record and its fields: each is made from the other when it is asked for.

use std::rc::Rc;

use super::value::Value;
use crate::assemble::scripts::regex::Regex;
use crate::shell::{Bytes, Stop};

/// Fields that a record may have.
const MOST: usize = 1 << 20;

/// How a text is split into fields.
#[derive(Debug, Clone)]
pub(super) enum Separator {
    /// Blanks and newlines, also before the first field.
    Blanks,
    Byte(u8),
    Regex(Rc<Regex>),
    /// Every byte is a field.
    Nothing,
}

/// The parts of a text; a newline separates too if `lines`.
pub(super) fn split<'t>(text: &'t [u8], separator: &Separator, lines: bool) -> Result<Vec<&'t [u8]>, Stop> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let is_end = |byte: u8, separator: u8| byte == separator || (lines && byte == b'\n');
    Ok(match separator {
        Separator::Blanks => {
            let parts = text.split(|byte| matches!(byte, b' ' | b'\t' | b'\n'));
            parts.filter(|part| !part.is_empty()).collect()
        }
        Separator::Byte(separator) => text.split(|byte| is_end(*byte, *separator)).collect(),
        Separator::Nothing => text.chunks(1).collect(),
        Separator::Regex(regex) if lines => {
            let mut parts = Vec::new();
            for line in text.split(|byte| *byte == b'\n') {
                parts.extend(split_by(line, regex)?);
            }
            parts
        }
        Separator::Regex(regex) => split_by(text, regex)?,
    })
}

fn split_by<'t>(text: &'t [u8], regex: &Regex) -> Result<Vec<&'t [u8]>, Stop> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some((from, to)) = regex.span_at(text, at)? {
        if from == to {
            // Nothing separates nothing.
            at = to + 1;
            continue;
        }
        parts.push(text.get(start..from).unwrap_or_default());
        (start, at) = (to, to);
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

#[derive(Debug, Default)]
pub(super) struct Record {
    text: Bytes,
    /// The text is older than the fields.
    text_is_old: bool,
    fields: Vec<Value>,
    /// The fields are older than the text.
    fields_are_old: bool,
    count: usize,
}

impl Record {
    pub(super) fn set(&mut self, text: Bytes) {
        self.text = text;
        self.text_is_old = false;
        self.fields_are_old = true;
    }

    pub(super) fn needs_splitting(&self) -> bool {
        self.fields_are_old
    }

    /// Splits the text into the fields.
    pub(super) fn split(&mut self, separator: &Separator, lines: bool) -> Result<(), Stop> {
        let parts = split(&self.text, separator, lines)?;
        if parts.len() > MOST {
            return Err(Stop::limit(format!("a record of awk with {} fields", parts.len())));
        }
        self.fields = parts.into_iter().map(Value::input).collect();
        self.count = self.fields.len();
        self.fields_are_old = false;
        Ok(())
    }

    /// The text, with `between` between the fields if they changed.
    pub(super) fn text(&mut self, between: &[u8], format: &[u8]) -> &Bytes {
        if std::mem::take(&mut self.text_is_old) {
            let fields: Vec<Rc<[u8]>> = self.fields.iter().map(|field| field.text(format)).collect();
            self.text = fields.join(between);
        }
        &self.text
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn field(&self, number: usize) -> Value {
        number.checked_sub(1).and_then(|index| self.fields.get(index)).cloned().unwrap_or_default()
    }

    pub(super) fn set_field(&mut self, number: usize, value: Value) -> Result<(), Stop> {
        if number > self.count {
            self.set_count(number)?;
        }
        if let Some(field) = number.checked_sub(1).and_then(|index| self.fields.get_mut(index)) {
            *field = value;
        }
        self.text_is_old = true;
        Ok(())
    }

    pub(super) fn set_count(&mut self, count: usize) -> Result<(), Stop> {
        if count > MOST {
            return Err(Stop::limit(format!("a record of awk with {count} fields")));
        }
        self.fields.resize(count, Value::input(b""));
        self.count = count;
        self.text_is_old = true;
        Ok(())
    }
}

//! The records that awk reads by itself: of the files among its operands, or of its standard input.

use super::super::streams::{self, shown};
use super::arrays::{Cell, Index};
use super::halt::{Halt, Ran};
use super::lexer;
use super::run::{Awk, whole};
use super::streams::Reader;
use super::syntax::{Name, Special};
use super::value::Value;
use crate::shell::Bytes;

impl Awk<'_, '_, '_, '_> {
    /// The next record, counted.
    pub(super) fn next_record(&mut self) -> Ran<Option<Bytes>> {
        loop {
            if self.input.reader.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let ending = self.ending()?;
            let Some(reader) = &mut self.input.reader else { return Ok(None) };
            if let Some(record) = reader.record(&ending)? {
                self.count_record(&[Special::Nr, Special::Fnr]);
                return Ok(Some(record));
            }
            self.input.reader = None;
        }
    }

    pub(super) fn count_record(&mut self, counters: &[Special]) {
        for counter in counters {
            let number = self.special(*counter).number();
            self.set_special(*counter, Value::Number(number + 1.0));
        }
    }

    /// The next operand that is a file; assignments before it are done.
    fn open_next(&mut self) -> Ran<bool> {
        loop {
            if self.input.finished {
                return Ok(false);
            }
            self.input.operand += 1;
            if self.input.operand >= whole(self.special(Special::Argc).number()) {
                self.input.finished = true;
                return if self.input.opened { Ok(false) } else { self.open(b"-").map(|()| true) };
            }
            let index = Index::Number(self.input.operand as u64);
            let word = match self.globals.get(Special::Argv as usize) {
                Some(Cell::Array(array)) => array.borrow().get(&index).cloned(),
                _ => None,
            };
            let word = word.map(|word| self.text(&word)).unwrap_or_default();
            if !word.is_empty() && !self.assign(&word)? {
                return self.open(&word).map(|()| true);
            }
        }
    }

    fn open(&mut self, name: &[u8]) -> Ran<()> {
        self.input.opened = true;
        let bytes = match streams::read(self.call, name)? {
            Ok(bytes) => bytes,
            Err(errno) => return Err(Halt::Fatal(format!("cannot open {} ({errno})", shown(name)))),
        };
        self.input.reader = Some(Reader::new(bytes));
        self.set_special(Special::Fnr, Value::Number(0.0));
        // The standard input has no name, unless it was asked for.
        let named = !(name == b"-" && self.input.finished);
        self.set_special(Special::Filename, Value::input(if named { name } else { b"" }));
        Ok(())
    }

    /// `name=value`: whether it is one.
    pub(super) fn assign(&mut self, word: &[u8]) -> Ran<bool> {
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else { return Ok(false) };
        let (name, value) = (&word[..equals], &word[equals + 1..]);
        let is_name = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !is_name {
            return Ok(false);
        }
        // What the program does not name it does not read.
        if let Some(global) = self.program.globals.iter().position(|global| global == name) {
            let value = Value::input(&lexer::unescaped(value, self.dialect));
            self.set_variable(Name::Global(global), value)?;
        }
        Ok(true)
    }
}

//! A program of awk at work: rules, statements, variables.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::arrays::{Array, Cell, Index};
use super::dialect::Dialect;
use super::halt::{Halt, Ran, fatal};
use super::number;
use super::record::{Record, Separator};
use super::streams::{Ending, Input, Streams};
use super::syntax::{Block, Expr, Name, Pattern, Place, Program, Special, Statement, Target};
use super::value::Value;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::text::matcher;
use crate::assemble::scripts::regex::{Flavour, Regex};
use crate::shell::{Bytes, Stop, World};

/// Expressions, statements and calls within each other while it runs.
const DEPTH: usize = 120;
/// Elements that all arrays may get together.
const ELEMENTS: usize = 1 << 20;
/// Patterns that were made of texts and are kept.
const PATTERNS: usize = 200;
/// Longest text, in bytes.
pub(super) const LONGEST: usize = 16 << 20;

/// A place while an expression is evaluated.
#[derive(Debug)]
pub(super) enum Spot {
    Variable(Name),
    Element(Array, Index),
    Field(usize),
}

pub(super) struct Awk<'p, 'r, 'c, 'a> {
    pub(super) program: &'p Program,
    pub(super) dialect: Dialect,
    pub(super) call: &'r mut Call<'c, 'a>,
    pub(super) globals: Vec<Cell>,
    /// Of the function that runs.
    pub(super) locals: Vec<Cell>,
    depth: usize,
    pub(super) record: Record,
    pub(super) streams: Streams,
    pub(super) input: Input,
    pub(super) status: u8,
    /// Whether the range of each rule has begun.
    ranges: Vec<bool>,
    patterns: BTreeMap<Bytes, Rc<Regex>>,
    elements: usize,
}

impl<'p, 'r, 'c, 'a> Awk<'p, 'r, 'c, 'a> {
    pub(super) fn new(program: &'p Program, dialect: Dialect, call: &'r mut Call<'c, 'a>, operands: &[Bytes]) -> Self {
        let mut awk = Awk {
            program,
            dialect,
            call,
            globals: program.globals.iter().map(|_| Cell::default()).collect(),
            locals: Vec::new(),
            depth: 0,
            record: Record::default(),
            streams: Streams::default(),
            input: Input::default(),
            status: 0,
            ranges: vec![false; program.rules.len()],
            patterns: BTreeMap::new(),
            elements: 0,
        };
        for (special, text) in [
            (Special::Fs, " "),
            (Special::Ofs, " "),
            (Special::Ors, "\n"),
            (Special::Rs, "\n"),
            (Special::Subsep, "\x1c"),
            (Special::Convfmt, "%.6g"),
            (Special::Ofmt, "%.6g"),
            (Special::Filename, ""),
        ] {
            awk.set_special(special, Value::of(text.as_bytes()));
        }
        for special in [Special::Nr, Special::Fnr, Special::Rstart] {
            awk.set_special(special, Value::Number(0.0));
        }
        awk.set_special(Special::Rlength, Value::Number(-1.0));
        let arguments: Array = Array::default();
        for (index, word) in std::iter::once(b"awk".as_slice()).chain(operands.iter().map(Vec::as_slice)).enumerate() {
            arguments.borrow_mut().insert(Index::Number(index as u64), Value::input(word));
        }
        awk.set_special(Special::Argc, Value::Number(count(operands.len() + 1)));
        awk.set_cell(Special::Argv, Cell::Array(arguments));
        let environment = Array::default();
        for (name, value) in awk.call.shell.environment() {
            environment.borrow_mut().insert(Index::new(&name), Value::input(&value));
        }
        awk.set_cell(Special::Environ, Cell::Array(environment));
        awk
    }

    /// Runs it all; the exit status.
    pub(super) fn run(&mut self) -> Ran<u8> {
        let program = self.program;
        let mut ended = self.main();
        if let Ok(()) | Err(Halt::Exit) = ended {
            ended = program.end.iter().try_for_each(|block| self.block(block));
        }
        match ended {
            Ok(()) | Err(Halt::Exit | Halt::Next | Halt::NextFile) => {}
            Err(halt) => {
                if let Halt::Fatal(_) = halt {
                    self.streams.close_all(self.call)?;
                }
                return Err(halt);
            }
        }
        self.streams.close_all(self.call)?;
        Ok(self.status)
    }

    fn main(&mut self) -> Ran<()> {
        let program = self.program;
        program.begin.iter().try_for_each(|block| self.block(block))?;
        if program.rules.is_empty() && program.end.is_empty() {
            return Ok(());
        }
        while let Some(record) = self.next_record()? {
            self.record.set(record);
            match self.rules() {
                Ok(()) | Err(Halt::Next) => {}
                Err(Halt::NextFile) => self.input.skip_file(),
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> Ran<()> {
        let program = self.program;
        for (index, rule) in program.rules.iter().enumerate() {
            self.call.machine.spend(1)?;
            let applies = match &rule.pattern {
                Pattern::Always => true,
                Pattern::When(expr) => self.eval(expr)?.is_true(),
                Pattern::Range(first, last) => self.in_range(index, first, last)?,
            };
            match &rule.body {
                _ if !applies => {}
                Some(body) => self.block(body)?,
                None => self.print(&[], None)?,
            }
        }
        Ok(())
    }

    fn in_range(&mut self, index: usize, first: &Expr, last: &Expr) -> Ran<bool> {
        let within = self.ranges.get(index).copied().unwrap_or(false);
        if !within && !self.eval(first)?.is_true() {
            return Ok(false);
        }
        let ends = self.eval(last)?.is_true();
        if let Some(within) = self.ranges.get_mut(index) {
            *within = !ends;
        }
        Ok(true)
    }

    pub(super) fn block(&mut self, block: &Block) -> Ran<()> {
        block.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Ran<()> {
        self.call.machine.spend(1)?;
        self.deeper(|awk| awk.any_statement(statement))
    }

    fn any_statement(&mut self, statement: &Statement) -> Ran<()> {
        match statement {
            Statement::Expr(expr) => self.eval(expr).map(drop),
            Statement::Print(list, target) => self.print(list, target.as_ref()),
            Statement::Printf(list, target) => {
                let text = self.formatted(list)?;
                self.write(&text, target.as_ref())
            }
            Statement::If(condition, then, other) => {
                let then = if self.eval(condition)?.is_true() { then } else { other };
                self.block(then)
            }
            Statement::While(condition, body) => {
                while self.condition(Some(condition))? {
                    if !self.round(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Statement::DoWhile(body, condition) => {
                while self.round(body)? && self.condition(Some(condition))? {}
                Ok(())
            }
            Statement::For(first, condition, step, body) => {
                first.iter().try_for_each(|first| self.statement(first))?;
                while self.condition(condition.as_ref())? && self.round(body)? {
                    step.iter().try_for_each(|step| self.statement(step))?;
                }
                Ok(())
            }
            Statement::ForIn(key, array, body) => {
                let keys: Vec<Index> = self.array(*array)?.borrow().keys().cloned().collect();
                for index in keys {
                    self.call.machine.spend(1)?;
                    self.set_variable(*key, Value::input(&index.text()))?;
                    if !self.round(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Statement::Block(block) => self.block(block),
            Statement::Next => Err(Halt::Next),
            Statement::NextFile => Err(Halt::NextFile),
            Statement::Exit(status) => {
                if let Some(status) = status {
                    let status = number::integer(self.eval(status)?.number());
                    self.status = u8::try_from(status & 255).unwrap_or_default();
                }
                Err(Halt::Exit)
            }
            Statement::Return(value) => {
                let value = value.as_ref().map_or(Ok(Value::Unset), |value| self.eval(value))?;
                Err(Halt::Return(value))
            }
            Statement::Break => Err(Halt::Break),
            Statement::Continue => Err(Halt::Continue),
            Statement::Delete(array, index) => {
                let index = self.index(index)?;
                let gone = self.array(*array)?.borrow_mut().remove(&index);
                self.elements = self.elements.saturating_sub(usize::from(gone.is_some()));
                Ok(())
            }
            Statement::DeleteAll(array) => {
                let array = self.array(*array)?;
                self.clear(&array);
                Ok(())
            }
        }
    }

    fn condition(&mut self, condition: Option<&Expr>) -> Ran<bool> {
        self.call.machine.spend(1)?;
        condition.map_or(Ok(true), |condition| Ok(self.eval(condition)?.is_true()))
    }

    /// One round of a loop; whether another may follow.
    fn round(&mut self, body: &Block) -> Ran<bool> {
        match self.block(body) {
            Ok(()) | Err(Halt::Continue) => Ok(true),
            Err(Halt::Break) => Ok(false),
            Err(halt) => Err(halt),
        }
    }

    fn print(&mut self, list: &[Expr], target: Option<&Target>) -> Ran<()> {
        let (between, end) = (self.special_text(Special::Ofs), self.special_text(Special::Ors));
        let mut text = Bytes::new();
        if list.is_empty() {
            text.extend_from_slice(&self.record_text()?);
        }
        for (index, expr) in list.iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(&between);
            }
            let value = self.eval(expr)?;
            let format = self.special_text(Special::Ofmt);
            text.extend_from_slice(&value.text(&format));
        }
        text.extend_from_slice(&end);
        self.write(&text, target)
    }

    fn write(&mut self, text: &[u8], target: Option<&Target>) -> Ran<()> {
        self.call.machine.spend(text.len() as u64 / 64)?;
        let Some(target) = target else { return Ok(self.streams.print(text)?) };
        let name = self.eval(&target.name)?;
        let name = self.text(&name);
        match self.streams.print_to(self.call, target.kind, &name, text)? {
            Ok(()) => Ok(()),
            Err(message) => fatal(message),
        }
    }

    // ---- variables

    pub(super) fn cell(&mut self, name: Name) -> Ran<&mut Cell> {
        let cell = match name {
            Name::Global(index) => self.globals.get_mut(index),
            Name::Local(index) => self.locals.get_mut(index),
        };
        cell.ok_or_else(|| Halt::Fatal("no such variable".to_owned()))
    }

    pub(super) fn variable(&mut self, name: Name) -> Ran<Value> {
        if name == Name::Global(Special::Nf as usize) {
            self.split_record()?;
            return Ok(Value::Number(count(self.record.count())));
        }
        match self.cell(name)? {
            Cell::Scalar(value) => Ok(value.clone()),
            Cell::Unknown(_) => Ok(Value::Unset),
            Cell::Array(_) => fatal("an array where a value should be"),
        }
    }

    pub(super) fn set_variable(&mut self, name: Name, value: Value) -> Ran<()> {
        if name == Name::Global(Special::Nf as usize) {
            self.split_record()?;
            return Ok(self.record.set_count(whole(value.number()))?);
        }
        // The record is split as it was to be when it was read.
        if name == Name::Global(Special::Fs as usize) {
            self.split_record()?;
        }
        match self.cell(name)? {
            Cell::Array(_) => fatal("an array where a variable should be"),
            cell => {
                *cell = Cell::Scalar(value);
                Ok(())
            }
        }
    }

    pub(super) fn set_cell(&mut self, special: Special, cell: Cell) {
        if let Some(known) = self.globals.get_mut(special as usize) {
            *known = cell;
        }
    }

    pub(super) fn set_special(&mut self, special: Special, value: Value) {
        self.set_cell(special, Cell::Scalar(value));
    }

    pub(super) fn special(&self, special: Special) -> Value {
        match self.globals.get(special as usize) {
            Some(Cell::Scalar(value)) => value.clone(),
            _ => Value::Unset,
        }
    }

    pub(super) fn special_text(&self, special: Special) -> Rc<[u8]> {
        let value = self.special(special);
        match &value {
            Value::Number(_) => value.text(b"%.6g"),
            value => value.text(b""),
        }
    }

    /// A value as text.
    pub(super) fn text(&self, value: &Value) -> Rc<[u8]> {
        match value {
            Value::Number(_) => value.text(&self.special_text(Special::Convfmt)),
            value => value.text(b""),
        }
    }

    pub(super) fn array(&mut self, name: Name) -> Ran<Array> {
        let cell = self.cell(name)?;
        let array = match cell {
            Cell::Array(array) => return Ok(array.clone()),
            Cell::Unknown(array) => array.take().unwrap_or_default(),
            Cell::Scalar(_) => return fatal("a variable where an array should be"),
        };
        *cell = Cell::Array(array.clone());
        Ok(array)
    }

    pub(super) fn set_element(&mut self, array: &Array, index: Index, value: Value) -> Ran<()> {
        if array.borrow_mut().insert(index, value).is_none() {
            self.elements += 1;
            if self.elements > ELEMENTS {
                return Err(Stop::limit(format!("more than {ELEMENTS} elements of awk's arrays")).into());
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self, array: &Array) {
        let mut array = array.borrow_mut();
        self.elements = self.elements.saturating_sub(array.len());
        array.clear();
    }

    pub(super) fn index(&mut self, list: &[Expr]) -> Ran<Index> {
        let mut text = Bytes::new();
        for (position, expr) in list.iter().enumerate() {
            if position > 0 {
                text.extend_from_slice(&self.special_text(Special::Subsep));
            }
            let value = self.eval(expr)?;
            text.extend_from_slice(&self.text(&value));
        }
        Ok(Index::new(&text))
    }

    /// Where a place is now: its index or number is evaluated once.
    pub(super) fn spot(&mut self, place: &Place) -> Ran<Spot> {
        Ok(match place {
            Place::Variable(name) => Spot::Variable(*name),
            Place::Element(name, index) => {
                let index = self.index(index)?;
                Spot::Element(self.array(*name)?, index)
            }
            Place::Field(number) => match self.eval(number)?.number() {
                number if number < 0.0 => return fatal("a field with a negative number"),
                number => Spot::Field(whole(number)),
            },
        })
    }

    pub(super) fn at(&mut self, spot: &Spot) -> Ran<Value> {
        match spot {
            Spot::Variable(name) => self.variable(*name),
            Spot::Element(array, index) => {
                let found = array.borrow().get(index).cloned();
                match found {
                    Some(value) => Ok(value),
                    // To ask for an element makes it.
                    None => self.set_element(array, index.clone(), Value::Unset).map(|()| Value::Unset),
                }
            }
            Spot::Field(0) => Ok(Value::input(&self.record_text()?)),
            Spot::Field(number) => {
                self.split_record()?;
                Ok(self.record.field(*number))
            }
        }
    }

    pub(super) fn set_at(&mut self, spot: Spot, value: Value) -> Ran<()> {
        match spot {
            Spot::Variable(name) => self.set_variable(name, value),
            Spot::Element(array, index) => self.set_element(&array, index, value),
            Spot::Field(0) => {
                let text = self.text(&value);
                self.record.set(text.to_vec());
                Ok(())
            }
            Spot::Field(number) => {
                self.split_record()?;
                Ok(self.record.set_field(number, value)?)
            }
        }
    }

    pub(super) fn place(&mut self, place: &Place) -> Ran<Value> {
        let spot = self.spot(place)?;
        self.at(&spot)
    }

    // ---- the record

    pub(super) fn record_text(&mut self) -> Ran<Bytes> {
        let (between, format) = (self.special_text(Special::Ofs), self.special_text(Special::Convfmt));
        Ok(self.record.text(&between, &format).clone())
    }

    fn split_record(&mut self) -> Ran<()> {
        if !self.record.needs_splitting() {
            return Ok(());
        }
        let separator = self.special_text(Special::Fs);
        let separator = self.separator(&separator)?;
        // mawk keeps the newlines of a paragraph in the fields between other separators.
        let lines = self.dialect == Dialect::Gawk && self.special_text(Special::Rs).is_empty();
        Ok(self.record.split(&separator, lines)?)
    }

    pub(super) fn separator(&mut self, text: &[u8]) -> Ran<Separator> {
        Ok(match text {
            b" " => Separator::Blanks,
            b"" => Separator::Nothing,
            [byte] => Separator::Byte(*byte),
            text => Separator::Regex(self.pattern(text)?),
        })
    }

    pub(super) fn ending(&mut self) -> Ran<Ending> {
        let text = self.special_text(Special::Rs);
        Ok(match &*text {
            [] => Ending::Paragraphs,
            [byte] => Ending::Byte(*byte),
            text => Ending::Regex(self.pattern(text)?),
        })
    }

    /// A regular expression that is the value of a text.
    pub(super) fn pattern(&mut self, text: &[u8]) -> Ran<Rc<Regex>> {
        if let Some(regex) = self.patterns.get(text) {
            return Ok(regex.clone());
        }
        let regex = match Regex::new(text, Flavour::Awk, false) {
            Ok(regex) => Rc::new(matcher::supported(self.call, regex)?),
            Err(message) => return fatal(format!("regular expression compile failed ({message})")),
        };
        if self.patterns.len() >= PATTERNS {
            self.patterns.clear();
        }
        self.patterns.insert(text.to_vec(), regex.clone());
        Ok(regex)
    }

    /// Runs something one level deeper, or not at all.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Ran<T>) -> Ran<T> {
        if self.depth >= DEPTH {
            return Err(Stop::limit(format!("{DEPTH} expressions and functions of awk within each other")).into());
        }
        self.depth += 1;
        let ran = run(self);
        self.depth -= 1;
        ran
    }
}

/// A count as a number.
#[allow(clippy::cast_precision_loss)]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}

/// A number as a count: nothing if it is none.
pub(super) fn whole(number: f64) -> usize {
    usize::try_from(number::integer(number)).unwrap_or(0)
}

//! Expressions of awk: their values.

use std::rc::Rc;

use super::arrays::Cell;
use super::dialect::Dialect;
use super::halt::{Halt, Ran, fatal};
use super::run::{Awk, LONGEST};
use super::syntax::{Comparison, Expr, Name, Operator, Place, Source, Special};
use super::value::Value;
use crate::assemble::scripts::regex::Regex;
use crate::shell::{Bytes, Stop, World};

impl Awk<'_, '_, '_, '_> {
    pub(super) fn eval(&mut self, expr: &Expr) -> Ran<Value> {
        match expr {
            Expr::Number(number) => Ok(Value::Number(*number)),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            expr => self.deeper(|awk| awk.any_expr(expr)),
        }
    }

    fn any_expr(&mut self, expr: &Expr) -> Ran<Value> {
        match expr {
            Expr::Number(_) | Expr::Text(_) => self.eval(expr),
            Expr::Regex(regex) => {
                let record = self.record_text()?;
                Ok(Value::truth(self.matches(regex, &record)?))
            }
            Expr::Place(place) => self.place(place),
            Expr::Grouped(expr) => self.eval(expr),
            Expr::Group(_) => fatal("a list where a value should be"),
            Expr::Assign(place, operator, value) => self.assignment(place, *operator, value),
            Expr::Step(place, by, before) => {
                let spot = self.spot(place)?;
                let old = self.at(&spot)?.number();
                self.set_at(spot, Value::Number(old + by))?;
                Ok(Value::Number(if *before { old } else { old + by }))
            }
            Expr::Not(expr) => Ok(Value::truth(!self.eval(expr)?.is_true())),
            Expr::Negative(expr) => Ok(Value::Number(-self.eval(expr)?.number())),
            Expr::Positive(expr) => Ok(Value::Number(self.eval(expr)?.number())),
            Expr::Calculate(first, rest) => {
                let mut value = self.eval(first)?.number();
                for (operator, operand) in rest {
                    let operand = self.eval(operand)?.number();
                    value = self.calculate(*operator, value, operand)?;
                }
                Ok(Value::Number(value))
            }
            Expr::Concatenation(parts) => self.concatenate(parts),
            Expr::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            Expr::Match(text, pattern, negated) => {
                let text = self.eval(text)?;
                let text = self.text(&text);
                let regex = self.pattern_of(pattern)?;
                Ok(Value::truth(self.matches(&regex, &text)? != *negated))
            }
            Expr::In(index, array) => {
                let index = self.index(index)?;
                let array = self.array(*array)?;
                let found = array.borrow().contains_key(&index);
                Ok(Value::truth(found))
            }
            Expr::All(all) => {
                for expr in all {
                    if !self.eval(expr)?.is_true() {
                        return Ok(Value::truth(false));
                    }
                }
                Ok(Value::truth(true))
            }
            Expr::Any(any) => {
                for expr in any {
                    if self.eval(expr)?.is_true() {
                        return Ok(Value::truth(true));
                    }
                }
                Ok(Value::truth(false))
            }
            Expr::Choice(condition, yes, no) => match self.eval(condition)?.is_true() {
                true => self.eval(yes),
                false => self.eval(no),
            },
            Expr::Call(function, arguments) => self.call_function(*function, arguments),
            Expr::BuiltIn(built_in, arguments) => self.built_in(*built_in, arguments),
            Expr::Getline(source, place) => self.getline(source, place.as_deref()),
        }
    }

    pub(super) fn eval_text(&mut self, expr: &Expr) -> Ran<Rc<[u8]>> {
        let value = self.eval(expr)?;
        Ok(self.text(&value))
    }

    fn matches(&mut self, regex: &Regex, text: &[u8]) -> Ran<bool> {
        self.call.machine.spend(text.len() as u64 / 64)?;
        Ok(regex.is_match(text)?)
    }

    /// An expression where a pattern should be.
    pub(super) fn pattern_of(&mut self, expr: &Expr) -> Ran<Rc<Regex>> {
        match expr {
            Expr::Regex(regex) => Ok(regex.clone()),
            expr => {
                let text = self.eval_text(expr)?;
                self.pattern(&text)
            }
        }
    }

    /// A text that was made, if it is not too long.
    pub(super) fn made(&mut self, text: Bytes) -> Ran<Value> {
        self.call.machine.spend(text.len() as u64 / 32)?;
        if text.len() > LONGEST {
            return Err(Stop::limit(format!("a text of awk of {} bytes", text.len())).into());
        }
        Ok(Value::of(text))
    }

    fn concatenate(&mut self, parts: &[Expr]) -> Ran<Value> {
        let mut text = Bytes::new();
        for part in parts {
            text.extend_from_slice(&self.eval_text(part)?);
        }
        self.made(text)
    }

    fn assignment(&mut self, place: &Place, operator: Option<Operator>, value: &Expr) -> Ran<Value> {
        // Whether `a[i++] = i` sees the old or the new number is left open by POSIX.
        let (spot, value) = match self.dialect {
            Dialect::Mawk => {
                let spot = self.spot(place)?;
                (spot, self.eval(value)?)
            }
            Dialect::Gawk => {
                let value = self.eval(value)?;
                (self.spot(place)?, value)
            }
        };
        let value = match operator {
            None => value,
            Some(operator) => {
                let old = self.at(&spot)?.number();
                Value::Number(self.calculate(operator, old, value.number())?)
            }
        };
        self.set_at(spot, value.clone())?;
        Ok(value)
    }

    fn compare(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Ran<Value> {
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        let order = left.compare(&right, &self.special_text(Special::Convfmt));
        // What is not a number is neither less nor equal nor greater.
        let is = |wanted: &dyn Fn(std::cmp::Ordering) -> bool| order.is_some_and(wanted);
        Ok(Value::truth(match comparison {
            Comparison::Less => is(&|order| order.is_lt()),
            Comparison::LessEqual => is(&|order| order.is_le()),
            Comparison::Equal => is(&|order| order.is_eq()),
            Comparison::NotEqual => !is(&|order| order.is_eq()),
            Comparison::Greater => is(&|order| order.is_gt()),
            Comparison::GreaterEqual => is(&|order| order.is_ge()),
        }))
    }

    fn call_function(&mut self, function: usize, arguments: &[Expr]) -> Ran<Value> {
        let program = self.program;
        let Some(function) = program.functions.get(function) else { return fatal("no such function") };
        if arguments.len() > function.parameters {
            return fatal(format!("too many arguments of {}", String::from_utf8_lossy(&function.name)));
        }
        self.call.machine.spend(2)?;
        let mut locals = Vec::with_capacity(function.parameters);
        for argument in arguments {
            locals.push(self.argument(argument)?);
        }
        locals.resize(function.parameters, Cell::default());
        let outer = std::mem::replace(&mut self.locals, locals);
        let result = function.body.as_ref().map_or(Ok(()), |body| self.block(body));
        self.locals = outer;
        match result {
            Ok(()) => Ok(Value::Unset),
            Err(Halt::Return(value)) => Ok(value),
            Err(halt) => Err(halt),
        }
    }

    /// Arrays, and what may become one, are shared with the function.
    fn argument(&mut self, expr: &Expr) -> Ran<Cell> {
        let Expr::Place(place) = expr else { return Ok(Cell::Scalar(self.eval(expr)?)) };
        let Place::Variable(name) = &**place else { return Ok(Cell::Scalar(self.place(place)?)) };
        match self.cell(*name)? {
            Cell::Array(array) => Ok(Cell::Array(array.clone())),
            Cell::Unknown(array) if name != &Name::Global(Special::Nf as usize) => {
                let shared = array.get_or_insert_default().clone();
                Ok(Cell::Unknown(Some(shared)))
            }
            _ => Ok(Cell::Scalar(self.variable(*name)?)),
        }
    }

    fn getline(&mut self, source: &Source, place: Option<&Place>) -> Ran<Value> {
        self.call.machine.spend(1)?;
        let (record, counters): (Option<Bytes>, &[Special]) = match source {
            Source::Main => (self.next_record()?, &[]),
            Source::File(name) => {
                let name = self.eval_text(name)?;
                let ending = self.ending()?;
                self.streams.flush_files(self.call)?;
                let Some(reader) = self.streams.file(self.call, &name)? else { return Ok(Value::Number(-1.0)) };
                (reader.record(&ending)?, &[])
            }
            Source::Program(command) => {
                let command = self.eval_text(command)?;
                let ending = self.ending()?;
                let Some(reader) = self.streams.program(self.call, &command)? else { return Ok(Value::Number(-1.0)) };
                (reader.record(&ending)?, &[Special::Nr])
            }
        };
        let Some(record) = record else { return Ok(Value::Number(0.0)) };
        self.count_record(counters);
        match place {
            Some(place) => {
                let spot = self.spot(place)?;
                self.set_at(spot, Value::input(&record))?;
            }
            None => self.record.set(record),
        }
        Ok(Value::Number(1.0))
    }

    fn calculate(&self, operator: Operator, left: f64, right: f64) -> Ran<f64> {
        Ok(match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide if right == 0.0 && self.dialect == Dialect::Gawk => return fatal("division by zero"),
            Operator::Divide => left / right,
            Operator::Remainder if right == 0.0 => return fatal("division by zero in %"),
            Operator::Remainder => left % right,
            Operator::Power => left.powf(right),
        })
    }
}

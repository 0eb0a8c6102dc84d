//! Values on their way between Lua and the functions here, without any tie to a Lua state: they can be kept and
//! given back when a scriptlet is run again up to a fork.

use crate::shell::{Bytes, Errno, Stop};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nil,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(Bytes),
    /// Pairs in the order in which they are to be set.
    Table(Vec<(Value, Value)>),
    /// A function, a thread: only its kind is known here.
    Other(&'static str),
}

/// Why a call gives no values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trouble {
    /// An error in Lua's sense, with its message: `pcall` catches it.
    Raised(Bytes),
    Stop(Stop),
    /// The process that called has ended: it ran another program, or exited.
    Ended,
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Trouble {
        Trouble::Stop(stop)
    }
}

pub(super) type Answer = Result<Vec<Value>, Trouble>;

/// An error number of the C library, with its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure(pub i32, pub &'static str);

pub(super) const NO_ENTRY: Failure = Failure(2, "No such file or directory");
pub(super) const NO_CHILD: Failure = Failure(10, "No child processes");
pub(super) const DENIED: Failure = Failure(13, "Permission denied");
pub(super) const BAD_DESCRIPTOR: Failure = Failure(9, "Bad file descriptor");
pub(super) const IS_DIRECTORY: Failure = Failure(21, "Is a directory");

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        match errno {
            Errno::NotPermitted => Failure(1, "Operation not permitted"),
            Errno::NoEntry => NO_ENTRY,
            Errno::NoDevice => Failure(6, "No such device or address"),
            Errno::Exists => Failure(17, "File exists"),
            Errno::NotDirectory => Failure(20, "Not a directory"),
            Errno::IsDirectory => IS_DIRECTORY,
            Errno::Invalid => Failure(22, "Invalid argument"),
            Errno::TextBusy => Failure(26, "Text file busy"),
            Errno::NameTooLong => Failure(36, "File name too long"),
            Errno::NotEmpty => Failure(39, "Directory not empty"),
            Errno::Loop => Failure(40, "Too many levels of symbolic links"),
        }
    }
}

impl Value {
    pub(super) fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(text.as_ref().to_vec())
    }

    /// As rpm's libraries give numbers: never as integers.
    pub(super) fn number(number: impl Into<f64>) -> Value {
        Value::Number(number.into())
    }

    /// A number that may be larger than what a float holds exactly, as C converts it.
    #[expect(clippy::cast_precision_loss, reason = "that is what lua_pushnumber does")]
    pub(super) fn large(number: i64) -> Value {
        Value::Number(number as f64)
    }

    pub(super) fn optional(text: Option<impl AsRef<[u8]>>) -> Value {
        text.map_or(Value::Nil, Value::text)
    }

    pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::Table((1..).map(Value::Integer).zip(values).collect())
    }

    pub(super) fn record<'n>(fields: impl IntoIterator<Item = (&'n str, Value)>) -> Value {
        Value::Table(fields.into_iter().map(|(name, value)| (Value::text(name), value)).collect())
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        let Value::Table(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| *key == Value::text(name)).map(|(_, value)| value)
    }

    fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Boolean(_) => "boolean",
            Value::Integer(_) | Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::Table(_) => "table",
            Value::Other(kind) => kind,
        }
    }

    /// Texts, and numbers as texts.
    pub(super) fn as_text(&self) -> Option<Bytes> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string().into_bytes()),
            Value::Number(number) => Some(float_text(*number)),
            _ => None,
        }
    }

    /// Numbers, and texts that are one, without a fraction.
    pub(super) fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Number(number) => whole(*number),
            Value::Text(text) => {
                let text = std::str::from_utf8(text).ok()?.trim();
                text.parse().ok().or_else(|| whole(text.parse().ok()?))
            }
            _ => None,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Value::Text(text) => 32 + text.len() as u64,
            Value::Table(pairs) => 32 + pairs.iter().map(|(key, value)| key.size() + value.size()).sum::<u64>(),
            _ => 32,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within the range")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// A float as Lua shows it, in most cases: 14 digits, and never like an integer.
fn float_text(number: f64) -> Bytes {
    let text = match number {
        _ if number.is_nan() => "nan".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.1}"),
        _ => number.to_string(),
    };
    text.into_bytes()
}

/// What a function was called with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arguments<'v> {
    /// Its name without the library's.
    pub function: &'v str,
    pub values: &'v [Value],
}

impl Arguments<'_> {
    /// Nothing where there are fewer arguments.
    pub(super) fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)
    }

    pub(super) fn is_none_or_nil(&self, index: usize) -> bool {
        matches!(self.get(index), None | Some(Value::Nil))
    }

    /// The error that the C interface raises for a wrong argument.
    pub(super) fn bad<T>(&self, index: usize, why: impl std::fmt::Display) -> Result<T, Trouble> {
        let text = format!("bad argument #{} to '{}' ({why})", index + 1, self.function);
        Err(Trouble::Raised(text.into_bytes()))
    }

    fn wrong<T>(&self, index: usize, wanted: &str) -> Result<T, Trouble> {
        let kind = self.get(index).map_or("no value", Value::kind);
        self.bad(index, format!("{wanted} expected, got {kind}"))
    }

    pub(super) fn bytes(&self, index: usize) -> Result<Bytes, Trouble> {
        match self.get(index).and_then(Value::as_text) {
            Some(text) => Ok(text),
            None => self.wrong(index, "string"),
        }
    }

    /// A text as C sees it: up to the first null byte.
    pub(super) fn text(&self, index: usize) -> Result<Bytes, Trouble> {
        let mut text = self.bytes(index)?;
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
        Ok(text)
    }

    pub(super) fn text_or(&self, index: usize, default: &str) -> Result<Bytes, Trouble> {
        if self.is_none_or_nil(index) { Ok(default.as_bytes().to_vec()) } else { self.text(index) }
    }

    pub(super) fn integer(&self, index: usize) -> Result<i64, Trouble> {
        match self.get(index).and_then(Value::as_integer) {
            Some(number) => Ok(number),
            None => self.wrong(index, "number"),
        }
    }

    pub(super) fn integer_or(&self, index: usize, default: i64) -> Result<i64, Trouble> {
        if self.is_none_or_nil(index) { Ok(default) } else { self.integer(index) }
    }

    /// The table at `index`.
    pub(super) fn table(&self, index: usize) -> Result<&Value, Trouble> {
        match self.get(index) {
            Some(table @ Value::Table(_)) => Ok(table),
            _ => self.wrong(index, "table"),
        }
    }

    /// All fields as a table, or the one that the argument at `index` names.
    pub(super) fn select(&self, index: usize, fields: &[(&str, Value)]) -> Answer {
        if self.get(index).is_none() {
            return Ok(vec![Value::record(fields.iter().cloned())]);
        }
        let wanted = self.text(index)?;
        match fields.iter().find(|(name, _)| name.as_bytes() == wanted) {
            Some((_, value)) => Ok(vec![value.clone()]),
            None => self.bad(index, format!("invalid option '{}'", String::from_utf8_lossy(&wanted))),
        }
    }
}

pub(super) fn raise<T>(message: impl std::fmt::Display) -> Result<T, Trouble> {
    Err(Trouble::Raised(message.to_string().into_bytes()))
}

pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Stop(Stop::unsupported("lua", what)))
}

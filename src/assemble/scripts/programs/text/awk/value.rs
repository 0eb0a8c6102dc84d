//! Values of awk: numbers, texts, and texts that may be numbers.

use std::rc::Rc;

use super::number;

#[derive(Debug, Clone, Default)]
pub(super) enum Value {
    #[default]
    Unset,
    Number(f64),
    Text(Rc<[u8]>),
    /// From outside: it counts as a number where it looks like one.
    Input(Rc<[u8]>),
}

impl Value {
    pub(super) fn of(text: impl Into<Rc<[u8]>>) -> Value {
        Value::Text(text.into())
    }

    pub(super) fn input(text: &[u8]) -> Value {
        Value::Input(text.into())
    }

    pub(super) fn truth(is: bool) -> Value {
        Value::Number(if is { 1.0 } else { 0.0 })
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Number(number) => *number,
            Value::Text(text) | Value::Input(text) => number::prefix(text).0,
        }
    }

    /// Its number if it counts as one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Unset => Some(0.0),
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
            Value::Input(text) => number::whole(text),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Number(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Input(text) => number::whole(text).map_or(!text.is_empty(), |number| number != 0.0),
        }
    }
}

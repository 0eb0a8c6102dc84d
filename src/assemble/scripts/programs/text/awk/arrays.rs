//! Variables of awk: values, arrays, and those of which nobody knows yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::value::Value;
use crate::shell::Bytes;

/// An index. Whole numbers come first, by their value, so that `for (i in a)` has an order that does not depend on how
/// an array is kept; awk leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    Number(u64),
    Text(Bytes),
}

impl Index {
    pub(super) fn new(text: &[u8]) -> Index {
        let plain = text.len() < 19
            && !text.is_empty()
            && text.iter().all(u8::is_ascii_digit)
            && (text.len() == 1 || text[0] != b'0');
        match std::str::from_utf8(text).ok().filter(|_| plain).and_then(|text| text.parse().ok()) {
            Some(number) => Index::Number(number),
            None => Index::Text(text.to_vec()),
        }
    }

    pub(super) fn text(&self) -> Bytes {
        match self {
            Index::Number(number) => number.to_string().into_bytes(),
            Index::Text(text) => text.clone(),
        }
    }
}

/// Shared: a function changes the array that it is called with.
pub(super) type Array = Rc<RefCell<BTreeMap<Index, Value>>>;

#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Not used yet. A function that it was given to may make it an array.
    Unknown(Option<Array>),
    Scalar(Value),
    Array(Array),
}

impl Default for Cell {
    fn default() -> Cell {
        Cell::Unknown(None)
    }
}

//! Values of awk as texts: numbers by a format, which is printf's.

use std::cmp::Ordering;
use std::rc::Rc;

use super::printf;
use super::value::Value;
use crate::assemble::scripts::programs::text::format;
use crate::shell::Bytes;

impl Value {
    /// As text, numbers by this format.
    pub(super) fn text(&self, format: &[u8]) -> Rc<[u8]> {
        match self {
            Value::Unset => Rc::default(),
            Value::Number(number) => text(*number, format).into(),
            Value::Text(text) | Value::Input(text) => text.clone(),
        }
    }

    pub(super) fn bytes(&self, format: &[u8]) -> Bytes {
        self.text(format).to_vec()
    }

    /// As numbers if both count as such, else as texts.
    pub(super) fn compare(&self, other: &Value, format: &[u8]) -> Option<Ordering> {
        match (self.as_number(), other.as_number()) {
            (Some(one), Some(other)) => one.partial_cmp(&other),
            _ => Some(self.text(format).cmp(&other.text(format))),
        }
    }
}

/// A number as text: whole ones as such, others as `format` says.
fn text(value: f64, format: &[u8]) -> Bytes {
    const EXACT: f64 = 18_446_744_073_709_551_616.0;
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { '-' } else { '+' };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" }).into_bytes();
    }
    if value.fract() == 0.0 && value.abs() < EXACT {
        return format!("{:.0}", if value == 0.0 { 0.0 } else { value }).into_bytes();
    }
    if format == b"%.6g" {
        return format::general(value, 6, false, false).into_bytes();
    }
    printf::one(format, value)
}

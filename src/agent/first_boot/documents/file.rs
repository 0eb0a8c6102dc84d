//! One file of the metadata as YAML, its keys and kinds checked.

use std::sync::Arc;

use crate::diag::{Diagnostics, Source};
use crate::shape::{Shape, conform};
use crate::yaml::{self, Value};

/// `None` if it is not YAML.
pub fn read(source: &Arc<Source>, shape: &Shape, found: &mut Diagnostics) -> Option<Value> {
    let value = yaml::parse(source).map_err(|mistakes| found.0.extend(mistakes.0)).ok()?;
    conform(&value, shape, &source.name, found);
    Some(value)
}

//! What a check finds.

use crate::diag::Location;

/// A sentence, and the place in the recipe that it is about, where there is one.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) text: String,
    pub(super) at: Option<Location>,
}

impl From<String> for Finding {
    fn from(text: String) -> Finding {
        Finding { text, at: None }
    }
}

impl Finding {
    pub(super) fn at(text: String, location: &Location) -> Finding {
        Finding { text, at: Some(location.clone()) }
    }
}

/// What a check found; empty if all is well.
pub(super) type Findings = anyhow::Result<Vec<Finding>>;

//! What a repository says and nobody should believe: one type for every such case, each with a slug of its own.
//!
//! Signatures have their own kinds ([`super::trust::Refusal`]); failures of the network are plain errors.

use std::fmt;

/// Metadata that is not used. Found in the chain of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    slug: &'static str,
    text: String,
}

impl Refused {
    pub(crate) fn new(slug: &'static str, text: impl Into<String>) -> Refused {
        Refused { slug, text: text.into() }
    }

    /// Stable name of the kind of refusal.
    pub fn slug(&self) -> &'static str {
        self.slug
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.slug)
    }
}

impl std::error::Error for Refused {}

//! What a repository or a package says and nobody should believe: one type for every such case, each with a slug of its
//! own.
//!
//! Signatures have their own kinds ([`super::trust::Refusal`]); failures of the network are plain errors.

use std::fmt;
use std::io;

use anyhow::Error;

use super::trust::Refusal;

/// What is not used. Found in the chain of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    slug: &'static str,
    text: String,
}

impl Refused {
    pub(crate) fn new(slug: &'static str, text: impl Into<String>) -> Refused {
        Refused { slug, text: text.into() }
    }

    /// Makes errors without a kind refusals of this one: what a reader finds wrong anywhere in its input. Failures to
    /// read the input stay what they are.
    pub(crate) fn kind(slug: &'static str) -> impl Fn(Error) -> Error {
        let has_kind = |cause: &(dyn std::error::Error + 'static)| {
            let of_xml =
                cause.downcast_ref().is_some_and(|error: &quick_xml::Error| matches!(error, quick_xml::Error::Io(_)));
            cause.is::<Refused>() || cause.is::<Refusal>() || cause.is::<io::Error>() || of_xml
        };
        move |error| match error.chain().any(has_kind) {
            true => error,
            false => Refused::new(slug, format!("{error:#}")).into(),
        }
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

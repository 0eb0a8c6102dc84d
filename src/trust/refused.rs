//! What a repository or a package says and nobody should believe: one type for every such case, each with a slug of its
//! own.
//!
//! What speaks against signatures has kinds of its own ([`Refusal`]); failures of the network are plain errors.

use std::fmt;
use std::io;

use anyhow::Error;

use super::weakness::Weakness;
use crate::date::show_day;

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

/// Why a signed text is not trusted or not used. Keys are named by fingerprint; days are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NoSignature {
        why: String,
    },
    TooManySignatures {
        count: usize,
        most: usize,
    },
    UnknownSigner {
        signers: Vec<String>,
        keyring: String,
    },
    BadSignature {
        key: String,
    },
    WeakHash {
        key: String,
        hash: String,
        /// What a recipe could forgive.
        weak: Option<Weakness>,
    },
    WeakKey {
        key: String,
        why: String,
        weak: Option<Weakness>,
    },
    KeyCannotSign {
        key: String,
    },
    KeyRevoked {
        key: String,
    },
    KeyExpired {
        key: String,
        at: i64,
        judged: i64,
    },
    /// The key was made after the day on which it should count.
    KeyFromFuture {
        key: String,
        at: i64,
        judged: i64,
    },
    SignatureExpired {
        key: String,
        at: i64,
    },
    SignatureFromFuture {
        key: String,
        at: i64,
    },
    /// The signed text says itself until when it may be used.
    ReleaseExpired {
        at: i64,
        judged: i64,
    },
    ReleaseFromFuture {
        at: i64,
    },
    /// The signed text is that of another suite.
    WrongSuite {
        asked: String,
        found: String,
    },
}

impl Refusal {
    /// Stable name of the kind of refusal.
    pub fn slug(&self) -> &'static str {
        match self {
            Refusal::NoSignature { .. } => "no-signature",
            Refusal::TooManySignatures { .. } => "too-many-signatures",
            Refusal::UnknownSigner { .. } => "unknown-signer",
            Refusal::BadSignature { .. } => "bad-signature",
            Refusal::WeakHash { .. } => "weak-hash",
            Refusal::WeakKey { .. } => "weak-key",
            Refusal::KeyCannotSign { .. } => "key-cannot-sign",
            Refusal::KeyRevoked { .. } => "key-revoked",
            Refusal::KeyExpired { .. } => "key-expired",
            Refusal::KeyFromFuture { .. } => "key-from-future",
            Refusal::SignatureExpired { .. } => "signature-expired",
            Refusal::SignatureFromFuture { .. } => "signature-from-future",
            Refusal::ReleaseExpired { .. } => "release-expired",
            Refusal::ReleaseFromFuture { .. } => "release-from-future",
            Refusal::WrongSuite { .. } => "wrong-suite",
        }
    }

    /// Of several signatures' refusals, the one that says most is shown.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Refusal::BadSignature { .. } => 0,
            Refusal::KeyRevoked { .. } => 1,
            Refusal::KeyExpired { .. } | Refusal::KeyFromFuture { .. } => 2,
            Refusal::SignatureExpired { .. } | Refusal::SignatureFromFuture { .. } => 3,
            Refusal::WeakHash { .. } | Refusal::WeakKey { .. } => 4,
            Refusal::KeyCannotSign { .. } => 5,
            Refusal::UnknownSigner { .. } => 6,
            Refusal::NoSignature { .. } => 7,
            // Not about one signature.
            Refusal::TooManySignatures { .. }
            | Refusal::ReleaseExpired { .. }
            | Refusal::ReleaseFromFuture { .. }
            | Refusal::WrongSuite { .. } => 8,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoSignature { why } => write!(f, "there is no signature: {why}")?,
            Refusal::TooManySignatures { count, most } => {
                write!(f, "it has {count} signatures, more than {most}")?;
            }
            Refusal::UnknownSigner { signers, keyring } => {
                write!(f, "signed by {}, which the keyring {keyring} does not have", signers.join(" and "))?;
            }
            Refusal::BadSignature { key } => write!(f, "the signature by {key} is not of this text")?,
            Refusal::WeakHash { key, hash, weak } => {
                write!(f, "the signature by {key} uses the weak hash {hash}{}", forgiven_by(*weak))?;
            }
            Refusal::WeakKey { key, why, weak } => write!(f, "the key {key} is too weak: {why}{}", forgiven_by(*weak))?,
            Refusal::KeyCannotSign { key } => write!(f, "the key {key} is not one for signing")?,
            Refusal::KeyRevoked { key } => write!(f, "the key {key} has been revoked")?,
            Refusal::KeyExpired { key, at, judged } => {
                write!(f, "the key {key} expired on {}, before {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::KeyFromFuture { key, at, judged } => {
                write!(f, "the key {key} was made on {}, after {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::SignatureExpired { key, at } => {
                write!(f, "the signature by {key} expired on {}", show_day(*at))?;
            }
            Refusal::SignatureFromFuture { key, at } => {
                write!(f, "the signature by {key} is from the future: {}", show_day(*at))?;
            }
            Refusal::ReleaseExpired { at, judged } => {
                write!(f, "it was valid until {} only, before {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::ReleaseFromFuture { at } => write!(f, "it is from the future: {}", show_day(*at))?,
            Refusal::WrongSuite { asked, found } => write!(f, "it is of the suite {found}, not {asked}")?,
        }
        write!(f, " [{}]", self.slug())
    }
}

/// How a recipe lets it count; apt's repositories cannot.
fn forgiven_by(weak: Option<Weakness>) -> String {
    weak.map_or(String::new(), |weak| format!(", which counts in a repository of RPMs with `weak: [{}]`", weak.name()))
}

impl std::error::Error for Refusal {}

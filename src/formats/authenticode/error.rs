//! Why an image cannot be signed, or its signatures cannot be read.

use std::fmt;

use crate::formats::pe::PeError;
use crate::formats::pkcs7::Pkcs7Error;

/// Why an image cannot be signed, or its signatures cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticodeError {
    Pe(PeError),
    /// A place in the file, and what is wrong there.
    Layout {
        offset: usize,
        problem: &'static str,
    },
    Signature(Pkcs7Error),
}

impl fmt::Display for AuthenticodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthenticodeError::Pe(error) => error.fmt(f),
            AuthenticodeError::Layout { offset, problem } => write!(f, "PE image: offset {offset}: {problem}"),
            AuthenticodeError::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthenticodeError {}

impl From<PeError> for AuthenticodeError {
    fn from(error: PeError) -> AuthenticodeError {
        AuthenticodeError::Pe(error)
    }
}

impl From<Pkcs7Error> for AuthenticodeError {
    fn from(error: Pkcs7Error) -> AuthenticodeError {
        AuthenticodeError::Signature(error)
    }
}

//! Why there is no signature, or why one cannot be read.

use std::fmt;

/// Why there is no signature, or why one cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pkcs7Error {
    Der {
        what: &'static str,
        error: der::Error,
    },
    NoCertificate,
    /// The DER of a certificate is not as it should be, and would come out as other bytes.
    NotCanonical,
    /// The certificate, by its subject, has no key that this signs with, and why.
    Key {
        subject: String,
        problem: String,
    },
    /// What came back as the signature was not made by the key of the certificate with this subject.
    WrongSignature {
        subject: String,
    },
}

impl fmt::Display for Pkcs7Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pkcs7Error::Der { what, error } => write!(f, "{what} is not DER as it should be: {error}"),
            Pkcs7Error::NoCertificate => f.write_str("there is no certificate"),
            Pkcs7Error::NotCanonical => f.write_str("a certificate is written in BER that is not DER"),
            Pkcs7Error::Key { subject, problem } => write!(f, "the key of certificate `{subject}`: {problem}"),
            Pkcs7Error::WrongSignature { subject } => {
                write!(f, "the signature was not made with the key of certificate `{subject}`")
            }
        }
    }
}

impl std::error::Error for Pkcs7Error {}

pub(super) fn der_error(what: &'static str) -> impl Fn(der::Error) -> Pkcs7Error {
    move |error| Pkcs7Error::Der { what, error }
}

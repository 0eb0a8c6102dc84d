//! PKCS#7 signed data (RFC 2315; the part of it that CMS, RFC 5652, still has): one RSA signature over SHA-256, as UEFI
//! firmware reads it, and the signers of what others signed.
//!
//! Signing takes two steps, because the key may live in another machine: [`Unsigned`] says which digest is to be
//! signed, and becomes DER with the signature that comes back. There is no time in it, so the same content and key
//! give the same bytes. Oracles: the tools that `authenticode` and `efi_variable` name.

mod algorithms;
mod certificates;
mod error;
mod read;
mod sign;

pub(in crate::formats) use algorithms::sha_256;
pub use certificates::Certificates;
pub use error::Pkcs7Error;
pub use read::{Signed, Signer};
pub use sign::{Unsigned, content_info};

#[cfg(test)]
pub(crate) mod testkey;
#[cfg(test)]
mod tests;

//! Authenticode signatures of EFI programs (Microsoft's "Windows Authenticode Portable Executable Signature Format";
//! UEFI specification, 32.2): what firmware with Secure Boot wants to see before it starts a program.
//!
//! * `image`: what of a PE file is digested, and where its signatures lie
//! * `content`: what a signature says of the file
//! * `sign`, `read`: the two directions
//!
//! Signatures that are there already stay. Oracles: `sbverify`, `osslsigncode verify`, and EDK2 itself
//! (`boot::secure_boot`).

mod content;
mod error;
mod image;
mod read;
mod sign;

pub use error::AuthenticodeError;
pub use read::{Signature, dump, signatures};
pub use sign::Unsigned;

use crate::tree::Digest;

/// The digest of an image that its signatures are over: all of it but the checksum and the signatures.
///
/// # Errors
/// It is no 64-bit PE image, or of a form that firmware and signing tools digest in different ways.
pub fn digest(image: &[u8]) -> Result<Digest, AuthenticodeError> {
    Ok(image::Image::read(image)?.digest())
}

#[cfg(test)]
mod tests;

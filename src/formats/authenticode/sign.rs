//! An image becomes a signed image, in two steps because the key may be elsewhere.

use super::content;
use super::error::AuthenticodeError;
use super::image::Image;
use crate::formats::pkcs7::{self, Certificates, Pkcs7Error};
use crate::tree::Digest;

/// An image that lacks only a signature.
#[derive(Debug, Clone)]
pub struct Unsigned<'a> {
    image: Image<'a>,
    signature: pkcs7::Unsigned,
}

impl<'a> Unsigned<'a> {
    /// # Errors
    /// As for [`super::digest`]: what is not understood is not signed.
    pub fn new(image: &'a [u8], certificates: &Certificates) -> Result<Unsigned<'a>, AuthenticodeError> {
        let image = Image::read(image)?;
        // Another signature is only added behind those that can be found.
        image.certificates()?;
        let content = content::write(&image.digest());
        let content = content.map_err(|error| Pkcs7Error::Der { what: "the image's digest", error })?;
        let signature = pkcs7::Unsigned::enclosing(content::INDIRECT_DATA, content, certificates)?;
        Ok(Unsigned { image, signature })
    }

    /// What the key is to sign, by RSASSA-PKCS1-v1_5 with SHA-256.
    pub fn digest(&self) -> Digest {
        self.signature.digest()
    }

    /// The image with this signature behind those that it had.
    ///
    /// # Errors
    /// The signature is not by the key of the certificate.
    pub fn finish(self, signature: &[u8]) -> Result<Vec<u8>, AuthenticodeError> {
        let signed_data = self.signature.finish(signature)?;
        self.image.with_signature(&pkcs7::content_info(&signed_data)?)
    }
}

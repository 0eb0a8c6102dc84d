//! Who signed an image.

use super::content;
use super::error::AuthenticodeError;
use super::image::Image;
use crate::formats::pkcs7::{Signed, Signer};
use crate::tree::Digest;

/// A signature of an image: who made it, and whether it is for this image.
pub type Signature = Signer;

/// The signatures in their order. One that is for other bytes, or cannot be checked, says so in its `problem`.
///
/// # Errors
/// The image, or the table of its signatures, cannot be read.
pub fn signatures(image: &[u8]) -> Result<Vec<Signature>, AuthenticodeError> {
    let image = Image::read(image)?;
    let digest = image.digest();
    let (found, _) = image.certificates()?;
    Ok(found.into_iter().flat_map(|signature| read(signature, &digest)).collect())
}

/// The signatures for people, one a line, after the digest that they are for.
pub fn dump(image: &[u8]) -> Result<String, AuthenticodeError> {
    let read = Image::read(image)?;
    let (_, others) = read.certificates()?;
    let mut text = format!("digest sha256:{}\n", read.digest());
    for Signature { name, certificate, problem } in signatures(image)? {
        let verdict = problem.map_or("valid".to_owned(), |problem| format!("not valid: {problem}"));
        let certificate = certificate.map(|digest| format!(" certificate sha256:{digest}")).unwrap_or_default();
        text.push_str(&format!("signed by {name}{certificate} {verdict}\n"));
    }
    if others > 0 {
        text.push_str(&format!("{others} certificates that are no PKCS#7 signatures\n"));
    }
    Ok(text)
}

fn read(signature: &[u8], digest: &Digest) -> Vec<Signer> {
    let unreadable =
        |problem| vec![Signer { name: "nobody known".to_owned(), certificate: None, problem: Some(problem) }];
    let signed = match Signed::read(signature) {
        Ok(signed) => signed,
        Err(error) => return unreadable(error.to_string()),
    };
    let Some(content) = signed.content(content::INDIRECT_DATA) else {
        return unreadable("it is not for a PE image".to_owned());
    };
    let problem = match content::read(content) {
        Ok(signed) if signed == *digest => None,
        Ok(_) => Some("it is for an image with other bytes".to_owned()),
        Err(problem) => Some(problem),
    };
    let mut signers = signed.signers();
    for signer in &mut signers {
        signer.problem = signer.problem.take().or(problem.clone());
    }
    signers
}

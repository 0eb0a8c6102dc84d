//! PEM texts to the certificates of a signer.

use anyhow::{Context, anyhow};

use crate::base64;
use crate::formats::pkcs7::Certificates;
use crate::pem;

/// The certificates of a PEM text: the signer's first, then those between it and one that the firmware trusts.
pub fn certificates(text: &str) -> anyhow::Result<Certificates> {
    let mut certificates = Vec::new();
    let mut digits = String::new();
    for line in pem::certificates(text).map_err(|why| anyhow!(why)).context("reading certificates")? {
        if line.starts_with("-----END") {
            let bytes = base64::decode(&digits).map_err(|why| anyhow!("{why}")).context("reading certificates")?;
            certificates.push(bytes);
            digits.clear();
        } else if !line.starts_with("-----") {
            digits.push_str(&line);
        }
    }
    Certificates::from_der(&certificates).context("reading certificates")
}

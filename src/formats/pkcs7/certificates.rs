//! Certificates (X.509, RFC 5280) and the RSA keys in them.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::signed_data::{CertificateSet, SignerIdentifier};
use der::asn1::SetOfVec;
use der::{Decode, Encode};
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use x509_cert::Certificate;

use super::algorithms::RSA;
use super::error::{Pkcs7Error, der_error};
use crate::tree::Digest;

/// Shortest key that UEFI knows, in bits.
const KEY_MIN: usize = 2048;

/// The certificate whose key signs, and those between it and one that firmware trusts.
#[derive(Debug, Clone)]
pub struct Certificates {
    signer: Certificate,
    between: Vec<Certificate>,
    key: RsaPublicKey,
}

impl Certificates {
    /// From the DER of each certificate, the signer's first.
    ///
    /// # Errors
    /// No certificate at all, one that is none, or a signer's key that is not RSA with 2048 to 4096 bits.
    pub fn from_der(certificates: &[Vec<u8>]) -> Result<Certificates, Pkcs7Error> {
        let mut read = Vec::new();
        for bytes in certificates {
            let certificate = Certificate::from_der(bytes).map_err(der_error("a certificate"))?;
            // Its own signature covers the bytes as they were, and they are written from the parsed value.
            if certificate.to_der().map_err(der_error("a certificate"))? != *bytes {
                return Err(Pkcs7Error::NotCanonical);
            }
            read.push(certificate);
        }
        if read.is_empty() {
            return Err(Pkcs7Error::NoCertificate);
        }
        let signer = read.remove(0);
        let key = public_key(&signer).map_err(|problem| Pkcs7Error::Key { subject: subject(&signer), problem })?;
        Ok(Certificates { signer, between: read, key })
    }

    /// The subject of the signer's certificate, as RFC 4514 writes it.
    pub fn subject(&self) -> String {
        subject(&self.signer)
    }

    /// The last second in which the signer's certificate holds, since 1970. Firmware does not ask.
    pub fn not_after(&self) -> u64 {
        self.signer.tbs_certificate.validity.not_after.to_unix_duration().as_secs()
    }

    /// The key in the signer's certificate.
    pub fn key(&self) -> &RsaPublicKey {
        &self.key
    }

    /// The DER of the signer's certificate.
    pub fn signer_der(&self) -> Result<Vec<u8>, Pkcs7Error> {
        self.signer.to_der().map_err(der_error("a certificate"))
    }

    /// SHA-256 of the DER of the signer's certificate: what `openssl x509 -fingerprint -sha256` shows.
    pub fn fingerprint(&self) -> Result<Digest, Pkcs7Error> {
        self.signer_der().map(Digest::of)
    }

    pub(super) fn set(&self) -> Result<CertificateSet, Pkcs7Error> {
        let all = [&self.signer].into_iter().chain(&self.between);
        let all: Vec<CertificateChoices> = all.cloned().map(CertificateChoices::Certificate).collect();
        SetOfVec::try_from(all).map(CertificateSet).map_err(der_error("the certificates"))
    }

    pub(super) fn signer_identifier(&self) -> SignerIdentifier {
        let body = &self.signer.tbs_certificate;
        SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: body.issuer.clone(),
            serial_number: body.serial_number.clone(),
        })
    }
}

pub(super) fn subject(certificate: &Certificate) -> String {
    certificate.tbs_certificate.subject.to_string()
}

/// The key, or why it is none that signatures are checked with.
pub(super) fn public_key(certificate: &Certificate) -> Result<RsaPublicKey, String> {
    let info = &certificate.tbs_certificate.subject_public_key_info;
    if info.algorithm.oid != RSA {
        return Err(format!("it is not RSA but {}", info.algorithm.oid));
    }
    let bytes = info.to_der().map_err(|error| error.to_string())?;
    let key = RsaPublicKey::from_public_key_der(&bytes).map_err(|error| error.to_string())?;
    match key.n().bits() {
        bits if bits < KEY_MIN => Err(format!("it has {bits} bits, and UEFI wants {KEY_MIN} or more")),
        _ => Ok(key),
    }
}

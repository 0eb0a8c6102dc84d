//! Who signed something.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Reader, SliceReader};
use x509_cert::Certificate;
use x509_cert::attr::Attributes;

use super::algorithms::{CONTENT_TYPE, MESSAGE_DIGEST, RSA, SHA_256, SHA_256_WITH_RSA, SIGNED_DATA, scheme};
use super::certificates::{public_key, subject};
use super::error::{Pkcs7Error, der_error};
use crate::tree::Digest;

/// Who signed, and what is wrong with that signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Subject of the signer's certificate, or the issuer if the certificate is not there.
    pub name: String,
    /// SHA-256 of the certificate's DER: what `openssl x509 -fingerprint -sha256` shows.
    pub certificate: Option<Digest>,
    /// Why the signature does not prove that the certificate's owner signed the content. Whether anybody trusts the
    /// certificate is another question, which the firmware answers.
    pub problem: Option<String>,
}

/// Signed data as read, of anybody's making.
#[derive(Debug, Clone)]
pub struct Signed(pub(super) SignedData);

impl Signed {
    /// From DER, with or without a `ContentInfo` around it; what follows (padding) is left out.
    pub fn read(bytes: &[u8]) -> Result<Signed, Pkcs7Error> {
        let what = der_error("the signed data");
        let one = SliceReader::new(bytes).and_then(|mut reader| reader.tlv_bytes()).map_err(&what)?;
        let signed_data = match ContentInfo::from_der(one) {
            Ok(info) if info.content_type == SIGNED_DATA => info.content.decode_as(),
            _ => SignedData::from_der(one),
        };
        signed_data.map(Signed).map_err(what)
    }

    /// The content that it holds, if it is of this type.
    pub fn content(&self, content_type: ObjectIdentifier) -> Option<&Any> {
        let info = &self.0.encap_content_info;
        info.econtent.as_ref().filter(|_| info.econtent_type == content_type)
    }

    /// The signers of the content that it holds.
    pub fn signers(&self) -> Vec<Signer> {
        let content = self.0.encap_content_info.econtent.as_ref();
        self.signers_of(&Digest::of(content.map_or(&[][..], Any::value)))
    }

    /// The signers of a content that stands elsewhere, by its digest.
    pub fn signers_of(&self, content: &Digest) -> Vec<Signer> {
        self.0.signer_infos.0.iter().map(|info| self.signer(info, content)).collect()
    }

    fn signer(&self, info: &SignerInfo, content: &Digest) -> Signer {
        let Some(certificate) = self.certificate_of(&info.sid) else {
            let name = match &info.sid {
                SignerIdentifier::IssuerAndSerialNumber(id) => format!("{}, number {}", id.issuer, id.serial_number),
                SignerIdentifier::SubjectKeyIdentifier(_) => "a key identifier".to_owned(),
            };
            return Signer { name, certificate: None, problem: Some("its certificate is not there".to_owned()) };
        };
        Signer {
            name: subject(certificate),
            certificate: certificate.to_der().ok().map(Digest::of),
            problem: self.check(info, certificate, content).err(),
        }
    }

    fn certificate_of(&self, id: &SignerIdentifier) -> Option<&Certificate> {
        let SignerIdentifier::IssuerAndSerialNumber(id) = id else { return None };
        let certificates = self.0.certificates.as_ref()?.0.iter().filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        });
        certificates.into_iter().find(|certificate| {
            let body = &certificate.tbs_certificate;
            body.issuer == id.issuer && body.serial_number == id.serial_number
        })
    }

    fn check(&self, info: &SignerInfo, certificate: &Certificate, content: &Digest) -> Result<(), String> {
        if info.digest_alg.oid != SHA_256 || ![RSA, SHA_256_WITH_RSA].contains(&info.signature_algorithm.oid) {
            return Err(format!("{} with {} is not checked", info.signature_algorithm.oid, info.digest_alg.oid));
        }
        let signed = match &info.signed_attrs {
            None => *content,
            Some(attributes) => {
                if octets_of(attributes, MESSAGE_DIGEST).as_deref() != Some(content.0.as_slice()) {
                    return Err("it is for another content".to_owned());
                }
                if type_of(attributes) != Some(self.0.encap_content_info.econtent_type) {
                    return Err("it is for another type of content".to_owned());
                }
                Digest::of(attributes.to_der().map_err(|error| error.to_string())?)
            }
        };
        let key = public_key(certificate)?;
        let verified = key.verify(scheme(), &signed.0, info.signature.as_bytes());
        verified.map_err(|_| "it was not made with the key of its certificate".to_owned())
    }
}

fn octets_of(attributes: &Attributes, oid: ObjectIdentifier) -> Option<Vec<u8>> {
    Some(single(attributes, oid)?.decode_as::<OctetString>().ok()?.into_bytes())
}

fn type_of(attributes: &Attributes) -> Option<ObjectIdentifier> {
    single(attributes, CONTENT_TYPE)?.decode_as().ok()
}

/// The one value of the one attribute of this type.
fn single(attributes: &Attributes, oid: ObjectIdentifier) -> Option<&Any> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (found.next(), found.next()) {
        (Some(attribute), None) if attribute.values.len() == 1 => attribute.values.get(0),
        _ => None,
    }
}

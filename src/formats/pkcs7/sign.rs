//! A content becomes signed data, in two steps because the key may be elsewhere.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerInfo, SignerInfos};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use rsa::RsaPublicKey;
use x509_cert::attr::{Attribute, Attributes};

use super::algorithms::{CONTENT_TYPE, DATA, MESSAGE_DIGEST, RSA, SHA_256, SIGNED_DATA, algorithm, scheme};
use super::certificates::Certificates;
use super::error::{Pkcs7Error, der_error};
use crate::tree::Digest;

/// Signed data that lacks only its signature.
#[derive(Debug, Clone)]
pub struct Unsigned {
    signed_data: SignedData,
    signer_info: SignerInfo,
    digest: Digest,
    key: RsaPublicKey,
    subject: String,
}

impl Unsigned {
    /// Signed data that holds its content. What is signed are attributes that name the content's type and digest.
    pub fn enclosing(
        content_type: ObjectIdentifier,
        content: Any,
        certificates: &Certificates,
    ) -> Result<Unsigned, Pkcs7Error> {
        // RFC 2315, 9.3: of the content, tag and length are not digested.
        let attributes = signed_attributes(content_type, &Digest::of(content.value()))?;
        let digest = Digest::of(attributes.to_der().map_err(der_error("the signed attributes"))?);
        let content = EncapsulatedContentInfo { econtent_type: content_type, econtent: Some(content) };
        Unsigned::new(content, Some(attributes), digest, certificates)
    }

    /// Signed data for a content that stands elsewhere. The digest of the content is what is signed.
    pub fn detached(content: &Digest, certificates: &Certificates) -> Result<Unsigned, Pkcs7Error> {
        let info = EncapsulatedContentInfo { econtent_type: DATA, econtent: None };
        Unsigned::new(info, None, *content, certificates)
    }

    fn new(
        content: EncapsulatedContentInfo,
        attributes: Option<Attributes>,
        digest: Digest,
        certificates: &Certificates,
    ) -> Result<Unsigned, Pkcs7Error> {
        let algorithms = SetOfVec::try_from([algorithm(SHA_256)]).map_err(der_error("the algorithms"))?;
        let signed_data = SignedData {
            // CMS would count 3 for a content that is not plain data; PKCS#7, and firmware, know only 1.
            version: CmsVersion::V1,
            digest_algorithms: algorithms,
            encap_content_info: content,
            certificates: Some(certificates.set()?),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::default()),
        };
        let signer_info = SignerInfo {
            version: CmsVersion::V1,
            sid: certificates.signer_identifier(),
            digest_alg: algorithm(SHA_256),
            signed_attrs: attributes,
            signature_algorithm: algorithm(RSA),
            signature: OctetString::new([]).map_err(der_error("the signature"))?,
            unsigned_attrs: None,
        };
        let (key, subject) = (certificates.key().clone(), certificates.subject());
        Ok(Unsigned { signed_data, signer_info, digest, key, subject })
    }

    /// What the key is to sign, by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The DER of a `SignedData` with this signature, big-endian and as long as the key's modulus.
    ///
    /// # Errors
    /// The signature is not by the key of the certificate.
    pub fn finish(mut self, signature: &[u8]) -> Result<Vec<u8>, Pkcs7Error> {
        if self.key.verify(scheme(), &self.digest.0, signature).is_err() {
            return Err(Pkcs7Error::WrongSignature { subject: self.subject });
        }
        self.signer_info.signature = OctetString::new(signature).map_err(der_error("the signature"))?;
        let infos = SetOfVec::try_from([self.signer_info]).map_err(der_error("the signature"))?;
        self.signed_data.signer_infos = SignerInfos(infos);
        self.signed_data.to_der().map_err(der_error("the signed data"))
    }
}

/// The DER of a `SignedData` in a `ContentInfo`, as everything but UEFI's variables wants it.
pub fn content_info(signed_data: &[u8]) -> Result<Vec<u8>, Pkcs7Error> {
    let content = Any::from_der(signed_data).map_err(der_error("the signed data"))?;
    ContentInfo { content_type: SIGNED_DATA, content }.to_der().map_err(der_error("the signed data"))
}

fn signed_attributes(content_type: ObjectIdentifier, digest: &Digest) -> Result<Attributes, Pkcs7Error> {
    let what = der_error("the signed attributes");
    let attribute = |oid, value: Any| Ok(Attribute { oid, values: SetOfVec::try_from([value])? });
    let digest = OctetString::new(digest.0).and_then(|octets| Any::encode_from(&octets)).map_err(&what)?;
    let content_type = Any::encode_from(&content_type).map_err(&what)?;
    let attributes: Result<[Attribute; 2], der::Error> =
        attribute(CONTENT_TYPE, content_type).and_then(|first| Ok([first, attribute(MESSAGE_DIGEST, digest)?]));
    attributes.and_then(SetOfVec::try_from).map_err(what)
}

//! `SpcIndirectDataContent`: the digest of an image, as what a signature holds and signs.

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Decode, Sequence};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::formats::pkcs7;
use crate::tree::Digest;

/// `SPC_INDIRECT_DATA_OBJID`.
pub(super) const INDIRECT_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
/// `SPC_PE_IMAGE_DATAOBJ_OBJID`.
const PE_IMAGE_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// `SpcPeImageData` without flags. Its link to a file is the text `<<<Obsolete>>>` in UTF-16, as the specification
/// wants: [0] EXPLICIT, [2] EXPLICIT, [0] IMPLICIT BMPString.
const NO_IMAGE_DATA: &[u8] = b"\x30\x25\x03\x01\x00\xa0\x20\xa2\x1e\x80\x1c\0<\0<\0<\0O\0b\0s\0o\0l\0e\0t\0e\0>\0>\0>";

#[derive(Sequence)]
struct IndirectDataContent {
    data: AttributeTypeAndValue,
    message_digest: DigestInfo,
}

#[derive(Sequence)]
struct AttributeTypeAndValue {
    kind: ObjectIdentifier,
    #[asn1(optional = "true")]
    value: Option<Any>,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

/// The content for an image with this digest.
pub(super) fn write(digest: &Digest) -> Result<Any, der::Error> {
    Any::encode_from(&IndirectDataContent {
        data: AttributeTypeAndValue { kind: PE_IMAGE_DATA, value: Some(Any::from_der(NO_IMAGE_DATA)?) },
        message_digest: DigestInfo { algorithm: pkcs7::sha_256(), digest: OctetString::new(digest.0)? },
    })
}

/// The digest that a content holds, or what it is instead of a SHA-256.
pub(super) fn read(content: &Any) -> Result<Digest, String> {
    let content: IndirectDataContent =
        content.decode_as().map_err(|error| format!("its content is unreadable: {error}"))?;
    let DigestInfo { algorithm, digest } = content.message_digest;
    let digest = <[u8; 32]>::try_from(digest.as_bytes()).ok().filter(|_| algorithm.oid == pkcs7::sha_256().oid);
    digest.map(Digest).ok_or_else(|| format!("its digest is {} and not SHA-256", algorithm.oid))
}

//! Identifiers that both directions use.

use der::asn1::ObjectIdentifier;
use der::{Any, AnyRef};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::sha2;
use x509_cert::spki::AlgorithmIdentifierOwned;

pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(super) const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
pub(super) const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
pub(super) const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
pub(super) const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const SHA_256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// An algorithm with the parameter NULL, which older readers insist on.
pub(super) fn algorithm(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::from(AnyRef::NULL)) }
}

/// SHA-256 as the algorithm of a digest.
pub(in crate::formats) fn sha_256() -> AlgorithmIdentifierOwned {
    algorithm(SHA_256)
}

/// RSASSA-PKCS1-v1_5 with SHA-256.
pub(super) fn scheme() -> Pkcs1v15Sign {
    Pkcs1v15Sign::new::<sha2::Sha256>()
}

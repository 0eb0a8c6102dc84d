//! Keys and self-signed certificates for tests, the same ones in every run.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use der::asn1::{BitString, UtcTime};
use der::pem::LineEnding;
use der::{Any, Encode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::EncodePublicKey;
use rsa::sha2::Sha256;
use rsa::{RsaPrivateKey, RsaPublicKey};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::algorithms::SHA_256_WITH_RSA;
use super::{Certificates, Pkcs7Error};
use crate::tree::Digest;

#[derive(Clone)]
pub(crate) struct TestKey {
    pub(crate) key: RsaPrivateKey,
    pub(crate) certificate: Vec<u8>,
}

impl TestKey {
    /// The key that belongs to this number, with 2048 bits.
    pub(crate) fn new(number: u64) -> TestKey {
        static MADE: Mutex<BTreeMap<u64, TestKey>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(number).or_insert_with(|| TestKey::with_bits(number, 2048)).clone()
    }

    pub(crate) fn with_bits(number: u64, bits: usize) -> TestKey {
        let key = RsaPrivateKey::new(&mut StdRng::seed_from_u64(number), bits).unwrap();
        let info = RsaPublicKey::from(&key).to_public_key_der().unwrap();
        let name = Name::from_str(&format!("CN=Test key {number}")).unwrap();
        let algorithm = AlgorithmIdentifierOwned { oid: SHA_256_WITH_RSA, parameters: Some(Any::null()) };
        let day = |days: u64| Time::UtcTime(UtcTime::from_unix_duration(Duration::from_secs(days * 86_400)).unwrap());
        let body = TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::from(number),
            signature: algorithm.clone(),
            issuer: name.clone(),
            validity: Validity { not_before: day(20_000), not_after: day(28_000) },
            subject: name,
            subject_public_key_info: info.decode_msg::<SubjectPublicKeyInfoOwned>().unwrap(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: None,
        };
        let signature = sign(&key, &Digest::of(body.to_der().unwrap()));
        let signature = BitString::from_bytes(&signature).unwrap();
        let certificate = Certificate { tbs_certificate: body, signature_algorithm: algorithm, signature };
        TestKey { key, certificate: certificate.to_der().unwrap() }
    }

    pub(crate) fn certificates(&self) -> Result<Certificates, Pkcs7Error> {
        Certificates::from_der(std::slice::from_ref(&self.certificate))
    }

    /// The certificate as a file has it.
    pub(crate) fn pem(&self) -> String {
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, &self.certificate).unwrap()
    }

    pub(crate) fn sign(&self, digest: &Digest) -> Vec<u8> {
        sign(&self.key, digest)
    }
}

fn sign(key: &RsaPrivateKey, digest: &Digest) -> Vec<u8> {
    key.sign(Pkcs1v15Sign::new::<Sha256>(), &digest.0).unwrap()
}

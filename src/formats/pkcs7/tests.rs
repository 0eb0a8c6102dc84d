//! Signatures made and read again.

use der::Any;
use der::asn1::{ObjectIdentifier, OctetString};

use super::algorithms::DATA;
use super::testkey::TestKey;
use super::*;
use crate::tree::Digest;

const KIND: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");

fn enclosing(key: &TestKey, text: &[u8]) -> Vec<u8> {
    let content = Any::encode_from(&OctetString::new(text).unwrap()).unwrap();
    let unsigned = Unsigned::enclosing(KIND, content, &key.certificates().unwrap()).unwrap();
    let signature = key.sign(&unsigned.digest());
    unsigned.finish(&signature).unwrap()
}

fn detached(key: &TestKey, content: &[u8]) -> Vec<u8> {
    let unsigned = Unsigned::detached(&Digest::of(content), &key.certificates().unwrap()).unwrap();
    let signature = key.sign(&unsigned.digest());
    unsigned.finish(&signature).unwrap()
}

fn problems(signers: Vec<Signer>) -> Vec<Option<String>> {
    signers.into_iter().map(|signer| signer.problem).collect()
}

#[test]
fn a_signature_names_its_signer_with_and_without_the_outer_shell_and_padding() {
    let key = TestKey::new(1);
    let signer =
        Signer { name: "CN=Test key 1".to_owned(), certificate: Some(Digest::of(&key.certificate)), problem: None };
    let bare = enclosing(&key, b"text");
    let mut shelled = content_info(&bare).unwrap();
    shelled.extend([0; 5]);
    for bytes in [&bare, &shelled] {
        let signed = Signed::read(bytes).unwrap();
        assert_eq!(signed.signers(), std::slice::from_ref(&signer));
        assert_eq!(signed.content(KIND).unwrap().value(), b"text");
        assert_eq!(signed.content(DATA), None);
    }
    let signed = Signed::read(&detached(&key, b"text")).unwrap();
    assert_eq!(signed.signers_of(&Digest::of(b"text")), [signer]);
    assert_eq!(enclosing(&key, b"text"), bare);
}

#[test]
fn a_changed_content_or_signature_is_found() {
    let key = TestKey::new(1);
    let signed = Signed::read(&detached(&key, b"text")).unwrap();
    let other = problems(signed.signers_of(&Digest::of(b"text!")));
    assert_eq!(other, [Some("it was not made with the key of its certificate".to_owned())]);

    let bytes = enclosing(&key, b"a text that stands nowhere else");
    let at = bytes.windows(6).position(|window| window == b"a text").unwrap();
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        problems(Signed::read(&bytes).unwrap().signers())
    };
    assert_eq!(changed(at), [Some("it is for another content".to_owned())]);
    assert_eq!(changed(bytes.len() - 1), [Some("it was not made with the key of its certificate".to_owned())]);
}

#[test]
fn a_certificate_that_is_not_there_is_a_problem() {
    let mut signed = Signed::read(&detached(&TestKey::new(1), b"text")).unwrap();
    signed.0.certificates = None;
    let [signer] = &signed.signers_of(&Digest::of(b"text"))[..] else { panic!("one signer") };
    assert_eq!(signer.name, "CN=Test key 1, number 01");
    assert_eq!(signer.problem.as_deref(), Some("its certificate is not there"));
}

#[test]
fn a_signature_by_another_key_does_not_leave_the_house() {
    let (key, other) = (TestKey::new(1), TestKey::new(2));
    let unsigned = Unsigned::detached(&Digest::of(b"text"), &key.certificates().unwrap()).unwrap();
    for signature in [other.sign(&unsigned.digest()), key.sign(&Digest::of(b"other")), Vec::new(), vec![0xff; 4096]] {
        let error = unsigned.clone().finish(&signature).unwrap_err();
        assert_eq!(error, Pkcs7Error::WrongSignature { subject: "CN=Test key 1".to_owned() });
    }
}

#[test]
fn certificates_that_cannot_sign_are_refused() {
    assert_eq!(Certificates::from_der(&[]).unwrap_err(), Pkcs7Error::NoCertificate);
    let error = Certificates::from_der(&[b"\x30\x03\x02\x01\x01".to_vec()]).unwrap_err();
    assert!(matches!(error, Pkcs7Error::Der { what: "a certificate", .. }), "{error}");
    let error = TestKey::with_bits(3, 1024).certificates().unwrap_err().to_string();
    assert_eq!(error, "the key of certificate `CN=Test key 3`: it has 1024 bits, and UEFI wants 2048 or more");
}

#[test]
fn certificates_in_between_are_brought_along() {
    let (key, between) = (TestKey::new(1), TestKey::new(2));
    let certificates = Certificates::from_der(&[key.certificate.clone(), between.certificate.clone()]).unwrap();
    let unsigned = Unsigned::detached(&Digest::of(b"text"), &certificates).unwrap();
    let signature = key.sign(&unsigned.digest());
    let bytes = unsigned.finish(&signature).unwrap();
    for certificate in [&key.certificate, &between.certificate] {
        assert!(bytes.windows(certificate.len()).any(|window| window == certificate.as_slice()));
    }
    assert_eq!(problems(Signed::read(&bytes).unwrap().signers_of(&Digest::of(b"text"))), [None]);
}

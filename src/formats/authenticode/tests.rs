//! Images signed and read again. Whether others agree is for `it::secure_boot` and `boot::secure_boot`.

use proptest::prelude::*;

use super::*;
use crate::formats::pe::tests::stub;
use crate::formats::pe::{self, NewSection, PeError};
use crate::formats::pkcs7::testkey::TestKey;

/// Where `stub` has its checksum and its directory of certificates.
const CHECKSUM: usize = 88 + 64;
const DIRECTORY: usize = 88 + 112 + 32;

/// A kernel image whose length is no multiple of 8.
fn image() -> Vec<u8> {
    let mut image = pe::append(&stub(0x400), &[NewSection { name: ".linux", content: b"kernel" }]).unwrap();
    image.extend(b"behind the sections");
    image
}

fn sign(image: &[u8], number: u64) -> Vec<u8> {
    let key = TestKey::new(number);
    let unsigned = Unsigned::new(image, &key.certificates().unwrap()).unwrap();
    let signature = key.sign(&unsigned.digest());
    unsigned.finish(&signature).unwrap()
}

fn valid(image: &[u8]) -> Vec<String> {
    let valid = signatures(image).unwrap().into_iter().filter(|signature| signature.problem.is_none());
    valid.map(|signature| signature.name).collect()
}

#[test]
fn a_signed_image_names_its_signer_and_keeps_its_digest() {
    let image = image();
    let signed = sign(&image, 1);
    assert_eq!(valid(&signed), ["CN=Test key 1"]);
    assert_eq!(digest(&signed), digest(&image));
    assert_eq!(sign(&image, 1), signed, "a signature depends on key and image alone");
    assert_eq!(signatures(&image).unwrap(), []);
    assert_eq!(signed.len() % 8, 0);
    let certificate = Digest::of(TestKey::new(1).certificate);
    let expected = format!(
        "digest sha256:{}\nsigned by CN=Test key 1 certificate sha256:{certificate} valid\n",
        digest(&image).unwrap()
    );
    assert_eq!(dump(&signed).unwrap(), expected);
}

#[test]
fn a_second_signature_stands_behind_the_first() {
    let first = sign(&image(), 1);
    let both = sign(&first, 2);
    assert_eq!(valid(&both), ["CN=Test key 1", "CN=Test key 2"]);
    assert!(both[DIRECTORY + 8..].starts_with(&first[DIRECTORY + 8..]));
}

#[test]
fn sections_of_a_signed_image_are_those_of_the_image() {
    assert_eq!(pe::dump(&sign(&image(), 1)).unwrap(), pe::dump(&image()).unwrap());
    // New sections would not be signed: the signature goes.
    let more = pe::append(&sign(&image(), 1), &[NewSection { name: ".cmdline", content: b"quiet" }]).unwrap();
    assert_eq!(signatures(&more).unwrap(), []);
}

#[test]
fn what_tools_and_firmware_would_digest_differently_is_not_signed() {
    let certificates = TestKey::new(1).certificates().unwrap();
    let refused = |image: &[u8]| Unsigned::new(image, &certificates).unwrap_err();
    assert!(matches!(refused(b"#!/bin/sh\n"), AuthenticodeError::Pe(PeError::NotPe { .. })));
    assert!(matches!(refused(b""), AuthenticodeError::Pe(PeError::NotPe { .. })));

    let mut gap = image();
    let first_section = 88 + 240 + 20;
    gap[first_section..first_section + 4].copy_from_slice(&0x500u32.to_le_bytes());
    assert!(refused(&gap).to_string().contains("a section does not follow"), "{}", refused(&gap));

    let mut followed = sign(&image(), 1);
    followed.extend([0; 8]);
    let problem = "the certificates are not the end of the file";
    assert_eq!(refused(&followed), AuthenticodeError::Layout { offset: DIRECTORY, problem });

    let mut within = sign(&image(), 1);
    let length = u32::try_from(within.len()).unwrap();
    within[DIRECTORY..DIRECTORY + 4].copy_from_slice(&0x600u32.to_le_bytes());
    within[DIRECTORY + 4..DIRECTORY + 8].copy_from_slice(&(length - 0x600).to_le_bytes());
    assert!(refused(&within).to_string().contains("begin where they cannot"));

    let mut few_directories = image();
    few_directories[88 + 108] = 4;
    assert!(refused(&few_directories).to_string().contains("no place for certificates"));
}

#[test]
fn a_signature_for_another_image_says_so() {
    let mut signed = sign(&image(), 1);
    let at = signed.windows(6).position(|window| window == b"kernel").unwrap();
    signed[at] ^= 1;
    let [signature] = &signatures(&signed).unwrap()[..] else { panic!("one signature") };
    assert_eq!(signature.problem.as_deref(), Some("it is for an image with other bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_byte_of_an_image_is_believed(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut signed = sign(&image(), 1);
        // Behind the image lies its signature, of which not every byte means something.
        let table = u32::from_le_bytes(signed[DIRECTORY..DIRECTORY + 4].try_into().unwrap());
        let at = at.index(usize::try_from(table).unwrap());
        signed[at] ^= flip;
        let free = (CHECKSUM..CHECKSUM + 4).contains(&at);
        let names = signatures(&signed).map(|_| valid(&signed)).unwrap_or_default();
        prop_assert_eq!(names.len(), usize::from(free));
    }

    #[test]
    fn a_damaged_image_is_an_error_and_no_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut image = sign(&image(), 1);
        for (at, byte) in changes {
            let at = at.index(image.len());
            image[at] = byte;
        }
        let _ = dump(&image);
        image.truncate(cut.index(image.len()));
        let _ = dump(&image);
    }
}

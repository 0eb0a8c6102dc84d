use pgp::composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SubkeyParamsBuilder};
use pgp::packet::KeyFlags;
use pgp::types::{Duration, Password, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::repo::testkey::{BORN, DAY, TestKey, config};

const TEXT: &str = "Suite: test\n- dashed\n\nend\n";

impl TestKey {
    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::parse("test.gpg", &self.public()).unwrap()
    }

    /// A key that was valid for some days from the beginning of 2020.
    pub(crate) fn lasting(seed: u64, days: u32) -> TestKey {
        TestKey::of(seed, KeyType::Ed25519Legacy, Some(true), Some(days))
    }

    fn revoke(&mut self) {
        let config = self.config(SignatureType::KeyRevocation, HashAlgorithm::Sha512, BORN + DAY, Vec::new());
        let (primary, public) = (&self.secret.primary_key, self.secret.primary_key.public_key());
        let revocation = config.sign_key(primary, &Password::empty(), public).unwrap();
        self.secret.details.revocation_signatures.push(revocation);
    }
}

fn slug(keyring: &Keyring, message: &[u8], as_of: Option<u32>) -> &'static str {
    match keyring.verify_cleartext(message, as_of.map(i64::from)) {
        Ok(_) => "good",
        Err(refusal) => refusal.slug(),
    }
}

#[test]
fn the_signed_text_comes_back_exactly_and_names_its_signer() {
    let key = TestKey::new(1);
    let message = String::from_utf8(key.sign(TEXT, i64::from(BORN + DAY))).unwrap();
    // Blanks at line ends, and how lines end, are not signed.
    let message = message.replace("Suite: test\n", "Suite: test \t\r\n");
    let signed = key.keyring().verify_cleartext(message.as_bytes(), None).unwrap();
    assert_eq!(signed.text, TEXT);
    assert_eq!((signed.signer, signed.at), (key.fingerprint(), i64::from(BORN + DAY)));
}

#[test]
fn a_changed_text_or_a_text_around_it_is_refused() {
    let key = TestKey::new(1);
    let message = String::from_utf8(key.sign(TEXT, i64::from(BORN + DAY))).unwrap();
    let check = |text: &str| slug(&key.keyring(), text.as_bytes(), None);
    assert_eq!(check(&message), "good");
    assert_eq!(check(&message.replace("Suite: test", "Suite: best")), "bad-signature");
    assert_eq!(check(TEXT), "no-signature");
    assert_eq!(check(&format!("Suite: best\n{message}")), "no-signature");
    assert_eq!(check(&format!("{message}Suite: best\n")), "no-signature");
    assert_eq!(check(""), "no-signature");
    let (head, _) = message.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    assert_eq!(check(head), "no-signature");
}

#[test]
fn only_keys_of_the_ring_count_and_one_good_signature_is_enough() {
    let (ours, theirs) = (TestKey::new(1), TestKey::new(2));
    let message = theirs.sign(TEXT, i64::from(BORN + DAY));
    let refusal = ours.keyring().verify_cleartext(&message, None).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!("signed by {}, which the keyring test.gpg does not have [unknown-key]", theirs.fingerprint())
    );
    let both = CleartextSignedMessage::new_many(TEXT, |text| {
        let sign = |key: &TestKey| {
            let config = key.config(SignatureType::Text, HashAlgorithm::Sha256, BORN + DAY, Vec::new());
            config.sign(&key.secret.primary_key, &Password::empty(), text.as_bytes())
        };
        Ok(vec![sign(&theirs)?, sign(&ours)?])
    });
    let both = both.unwrap().to_armored_bytes(ArmorOptions::default()).unwrap();
    assert_eq!(ours.keyring().verify_cleartext(&both, None).unwrap().signer, ours.fingerprint());
}

#[test]
fn weak_hashes_and_keys_are_refused() {
    let key = TestKey::of(3, KeyType::Rsa(2048), Some(true), None);
    for hash in [HashAlgorithm::Sha1, HashAlgorithm::Sha224] {
        assert_eq!(slug(&key.keyring(), &key.sign_with(TEXT, hash, BORN + DAY, Vec::new()), None), "weak-hash");
    }
    assert_eq!(slug(&key.keyring(), &key.sign(TEXT, i64::from(BORN + DAY)), None), "good");
    // The crate makes no short keys; the limit is on the bits that it reports.
    assert_eq!(
        weakness(&PublicParams::Unknown { data: Default::default() }).unwrap(),
        "its algorithm is not one for signing"
    );
}

#[test]
fn keys_are_judged_at_the_signature_and_on_the_day_asked_for() {
    let key = TestKey::of(1, KeyType::Ed25519Legacy, Some(true), Some(10));
    let ring = key.keyring();
    let within = key.sign(TEXT, i64::from(BORN + 9 * DAY));
    assert_eq!(slug(&ring, &within, None), "good");
    assert_eq!(slug(&ring, &within, Some(BORN + 9 * DAY)), "good");
    let refusal = ring.verify_cleartext(&within, Some(i64::from(BORN + 11 * DAY))).unwrap_err();
    assert!(refusal.to_string().ends_with("expired on 2020-01-11, before 2020-01-12 [key-expired]"), "{refusal}");
    assert_eq!(slug(&ring, &key.sign(TEXT, i64::from(BORN + 11 * DAY)), None), "key-expired");
    assert_eq!(slug(&ring, &key.sign(TEXT, i64::from(BORN - 9 * DAY)), None), "signature-from-future");
    assert_eq!(slug(&ring, &within, Some(BORN + 6 * DAY)), "signature-from-future");
    let lasting = vec![SubpacketData::SignatureExpirationTime(Duration::from_secs(DAY))];
    let short = key.sign_with(TEXT, HashAlgorithm::Sha512, BORN + DAY, lasting);
    assert_eq!(slug(&ring, &short, Some(BORN + DAY + 1)), "good");
    assert_eq!(slug(&ring, &short, Some(BORN + 3 * DAY)), "signature-expired");
}

#[test]
fn a_key_that_was_prolonged_lasts_as_its_newest_statement_says() {
    let mut key = TestKey::of(1, KeyType::Ed25519Legacy, Some(true), Some(10));
    let old = key.secret.details.users[0].signatures[0].clone();
    key.describe(BORN + 5 * DAY, Some(true), Some(20));
    key.secret.details.users[0].signatures.push(old);
    assert_eq!(slug(&key.keyring(), &key.sign(TEXT, i64::from(BORN + 15 * DAY)), None), "good");
}

#[test]
fn revoked_keys_and_keys_not_for_signing_are_refused() {
    let mut key = TestKey::new(1);
    let message = key.sign(TEXT, i64::from(BORN + 2 * DAY));
    key.revoke();
    assert_eq!(slug(&key.keyring(), &message, None), "key-revoked");
    for (sign, verdict) in [(Some(false), "key-cannot-sign"), (None, "good")] {
        let key = TestKey::of(1, KeyType::Ed25519Legacy, sign, None);
        assert_eq!(slug(&key.keyring(), &key.sign(TEXT, i64::from(BORN + DAY)), None), verdict);
    }
}

#[test]
fn a_subkey_signs_only_if_both_keys_say_so() {
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .created_at(Timestamp::from_secs(BORN))
        .build();
    let mut params = SecretKeyParamsBuilder::default();
    params.key_type(KeyType::Ed25519Legacy).can_certify(true).created_at(Timestamp::from_secs(BORN));
    params.primary_user_id("Test".to_owned()).subkey(subkey.unwrap());
    let secret = params.build().unwrap().generate(StdRng::seed_from_u64(7)).unwrap();
    let mut key = TestKey { secret };
    let subkey = key.secret.secret_subkeys[0].key.clone();
    let config = config(&subkey, SignatureType::Text, HashAlgorithm::Sha256, BORN + DAY, Vec::new());
    let message = CleartextSignedMessage::new(TEXT, config, &subkey, &Password::empty()).unwrap();
    let message = message.to_armored_bytes(ArmorOptions::default()).unwrap();
    let signed = key.keyring().verify_cleartext(&message, None).unwrap();
    assert_eq!(signed.signer, key.fingerprint(), "the primary key is who signs");
    // The same binding without the subkey's own consent.
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    let flags = vec![SubpacketData::KeyFlags(flags)];
    let config = key.config(SignatureType::SubkeyBinding, HashAlgorithm::Sha512, BORN, flags);
    let (primary, public) = (&key.secret.primary_key, key.secret.primary_key.public_key());
    let binding = config.sign_subkey_binding(primary, public, &Password::empty(), subkey.public_key()).unwrap();
    key.secret.secret_subkeys[0].signatures = vec![binding];
    assert_eq!(slug(&key.keyring(), &message, None), "key-cannot-sign");
}

#[test]
fn keyrings_are_binary_or_armored_and_skip_what_they_do_not_know() {
    let (first, second) = (TestKey::new(1), TestKey::new(2));
    let armored =
        |key: &TestKey| SignedPublicKey::from(key.secret.clone()).to_armored_string(ArmorOptions::default()).unwrap();
    let fingerprints = [first.fingerprint(), second.fingerprint()];
    let text = format!("# two keys\n{}\n{}", armored(&first), armored(&second));
    assert_eq!(Keyring::parse("a", text.as_bytes()).unwrap().fingerprints(), fingerprints);
    // A packet of a private kind (60), and a public key of version 99, each with three bytes.
    let unknown = [0xfc, 3, 1, 2, 3, 0xc6, 3, 99, 2, 3];
    let bytes = [&unknown, first.public().as_slice(), &unknown, &second.public(), &unknown].concat();
    assert_eq!(Keyring::parse("a", &bytes).unwrap().fingerprints(), fingerprints);
    for nothing in [b"".as_slice(), &unknown, b"hello", b"\xff\xff\xff"] {
        let error = Keyring::parse("keys/a.gpg", nothing).unwrap_err();
        assert_eq!(error.to_string(), "the keyring keys/a.gpg has no public key that can be read");
    }
    let cut = &first.public()[..20];
    assert!(Keyring::parse("a", cut).is_err());
}

#[test]
fn gpgv_agrees_about_what_we_accept_and_refuse() {
    use std::process::Command;

    let Some(gpgv) = crate::oracle::oracle("gpgv") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (ring, message) = (dir.path().join("ring.gpg"), dir.path().join("InRelease"));
    let key = TestKey::of(3, KeyType::Rsa(2048), Some(true), Some(10));
    fs::write(&ring, key.public()).unwrap();
    let verdict = |bytes: &[u8]| {
        fs::write(&message, bytes).unwrap();
        let output = Command::new(&gpgv).arg("--keyring").arg(&ring).arg(&message).output().unwrap();
        output.status.success()
    };
    let good = key.sign(TEXT, i64::from(BORN + DAY));
    let changed = String::from_utf8(good.clone()).unwrap().replace("end", "start").into_bytes();
    let early = key.sign(TEXT, i64::from(BORN - 9 * DAY));
    let strange = TestKey::of(4, KeyType::Rsa(2048), Some(true), None).sign(TEXT, i64::from(BORN + DAY));
    for bytes in [good, changed, early, strange, TEXT.as_bytes().to_vec()] {
        assert_eq!(verdict(&bytes), slug(&key.keyring(), &bytes, None) == "good");
    }
}

#[test]
fn detached_signatures_are_judged_at_their_own_time_and_by_the_pinned_key_only() {
    let (ours, theirs) = (TestKey::lasting(1, 30), TestKey::new(2));
    let file = [ours.public(), theirs.public()].concat();
    let both = Keyring::parse("both.gpg", &file).unwrap();
    // The library makes no SHA-1 signature with this key, so the algorithm's number in the packet is changed.
    let mut weak = ours.sign_detached(b"data", i64::from(BORN + DAY));
    let sha256 = weak.iter().position(|byte| *byte == u8::from(HashAlgorithm::Sha256)).unwrap();
    weak[sha256] = u8::from(HashAlgorithm::Sha1);
    let signed = |key: &TestKey, day: u32| key.sign_detached(b"data", i64::from(BORN + day * DAY));
    let only = both.clone().only(&ours.fingerprint()).unwrap();
    assert_eq!(only.fingerprints(), [ours.fingerprint()]);
    let slug = |data: &[u8], signatures: &[Vec<u8>]| match only.verify_detached(data, signatures) {
        Ok((signer, _)) => signer,
        Err(refusal) => refusal.slug().to_owned(),
    };
    assert_eq!(slug(b"data", &[signed(&ours, 29)]), ours.fingerprint());
    assert_eq!(slug(b"data", &[signed(&ours, 31)]), "key-expired");
    assert_eq!(slug(b"data", &[signed(&theirs, 1)]), "unknown-key");
    assert_eq!(slug(b"data", &[signed(&theirs, 1), signed(&ours, 1)]), ours.fingerprint());
    assert_eq!(slug(b"date", &[signed(&ours, 1)]), "bad-signature");
    assert_eq!(slug(b"data", &[weak]), "weak-hash");
    assert_eq!(slug(b"data", &[b"nonsense".to_vec()]), "no-signature");
    let error = both.only(&TestKey::new(3).fingerprint()).unwrap_err().to_string();
    assert!(error.starts_with("the key file both.gpg has no key ") && error.contains(&theirs.fingerprint()), "{error}");
}

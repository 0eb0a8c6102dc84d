use std::collections::BTreeSet;
use std::fs;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DsaKeySize, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, Packet, PacketParser, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, KeyVersion, Password, PublicParams, SigningKey, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::keyring::SIGNATURES_MAX;
use super::signer::show_fingerprint;
use super::testkey::{BORN, DAY, TestKey, config};
use super::{Keyring, Weakness, weakness};

const TEXT: &str = "Suite: test\n- dashed\n\nend\n";

impl TestKey {
    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::parse("test.gpg", &self.public()).unwrap()
    }

    /// A key that was valid for some days from the beginning of 2020.
    pub(crate) fn lasting(seed: u64, days: u32) -> TestKey {
        TestKey::of(seed, KeyType::Ed25519Legacy, Some(true), Some(days))
    }

    pub(crate) fn revoke(&mut self) {
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
        format!("signed by {}, which the keyring test.gpg does not have [unknown-signer]", theirs.fingerprint())
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
        weakness::of_key(&PublicParams::Unknown { data: Default::default() }, &BTreeSet::new()).unwrap().0,
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
    let refusal = ring.verify_cleartext(&key.sign(TEXT, i64::from(BORN - 9 * DAY)), None).unwrap_err();
    assert!(refusal.to_string().ends_with("was made on 2020-01-01, after 2019-12-23 [key-from-future]"), "{refusal}");
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
fn a_revocation_that_was_appended_to_a_file_of_keys_counts() {
    let (key, mut revoked, other) = (TestKey::new(1), TestKey::new(1), TestKey::new(2));
    let message = key.sign(TEXT, i64::from(BORN + 2 * DAY));
    revoked.revoke();
    let revocation = Packet::from(revoked.secret.details.revocation_signatures[0].clone()).to_bytes().unwrap();
    let public = [other.public(), key.public()].concat();
    assert_eq!(slug(&Keyring::parse("keys", &public).unwrap(), &message, None), "good");
    let orders = [[&public[..], &revocation].concat(), [&revocation[..], &public].concat()];
    for file in orders.into_iter().chain([[&key.public()[..], &revocation, &other.public()].concat()]) {
        let keyring = Keyring::parse("keys", &file).unwrap();
        assert_eq!(slug(&keyring, &message, None), "key-revoked");
        // Nobody else's.
        assert_eq!(slug(&keyring, &other.sign(TEXT, i64::from(BORN + 2 * DAY)), None), "good");
    }
    // As `gpg --gen-revoke` writes it, with its text.
    let armored = SignedPublicKey::from(key.secret.clone()).to_armored_string(ArmorOptions::default()).unwrap();
    let block = format!(
        "This is a revocation certificate for the OpenPGP key:\n\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\
         Comment: This is a revocation certificate\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        crate::package::rpm::tests::encode(&revocation)
    );
    let keyring = Keyring::parse("keys", format!("{armored}{block}").as_bytes()).unwrap();
    assert_eq!(slug(&keyring, &message, None), "key-revoked");
}

#[test]
fn copies_of_a_key_count_together() {
    let message = TestKey::new(1).sign(TEXT, i64::from(BORN + 2 * DAY));
    let late = TestKey::new(1).sign(TEXT, i64::from(BORN + 40 * DAY));
    let mut revoked = TestKey::new(1);
    revoked.revoke();
    let mut shortened = TestKey::new(1);
    shortened.describe(BORN + DAY, Some(true), Some(30));
    for (copy, message, verdict) in [(&revoked, &message, "key-revoked"), (&shortened, &late, "key-expired")] {
        let copies = [TestKey::new(1).public(), copy.public()];
        assert_eq!(slug(&TestKey::new(1).keyring(), message, None), "good");
        for copies in [copies.concat(), copies.iter().rev().flatten().copied().collect()] {
            let keyring = Keyring::parse("copies.gpg", &copies).unwrap();
            assert_eq!(keyring.fingerprints().len(), 1);
            assert_eq!(slug(&keyring, message, None), verdict);
        }
        // Also in two files.
        let keyring = Keyring::joined(vec![TestKey::new(1).keyring(), copy.keyring()]);
        assert_eq!(slug(&keyring, message, None), verdict);
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
        let error = error.to_string();
        assert!(error.starts_with("the keyring keys/a.gpg has no public key that can be read"), "{error}");
        assert!(error.ends_with(" [no-public-key]"), "{error}");
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
    let only = both.clone().only(&[ours.fingerprint()]).unwrap();
    assert_eq!(only.fingerprints(), [ours.fingerprint()]);
    let slug = |data: &[u8], signatures: &[Vec<u8>]| match only.verify_detached(data, signatures) {
        Ok((signer, _)) => signer,
        Err(refusal) => refusal.slug().to_owned(),
    };
    assert_eq!(slug(b"data", &[signed(&ours, 29)]), ours.fingerprint());
    assert_eq!(slug(b"data", &[signed(&ours, 31)]), "key-expired");
    assert_eq!(slug(b"data", &[signed(&theirs, 1)]), "unknown-signer");
    assert_eq!(slug(b"data", &[signed(&theirs, 1), signed(&ours, 1)]), ours.fingerprint());
    assert_eq!(slug(b"date", &[signed(&ours, 1)]), "bad-signature");
    assert_eq!(slug(b"data", &[weak]), "weak-hash");
    assert_eq!(slug(b"data", &[b"nonsense".to_vec()]), "no-signature");
    assert_eq!(both.clone().only(&[theirs.fingerprint(), ours.fingerprint()]).unwrap().fingerprints().len(), 2);
    let joined = Keyring::joined(vec![ours.keyring(), theirs.keyring()]);
    assert_eq!(joined.name(), "test.gpg and test.gpg");
    assert_eq!(joined.fingerprints(), both.fingerprints());
    let error = both.only(&[ours.fingerprint(), TestKey::new(3).fingerprint()]).unwrap_err().to_string();
    assert!(error.starts_with("the key file both.gpg has no key ") && error.contains(&theirs.fingerprint()), "{error}");
    assert!(error.ends_with(" [key-not-there]"), "{error}");
}

#[test]
fn detached_signatures_have_to_count_on_the_day_asked_for() {
    let key = TestKey::lasting(1, 10);
    let lasting = |days: u32| {
        let lasts = SubpacketData::SignatureExpirationTime(Duration::from_secs(days * DAY));
        let config = key.config(SignatureType::Binary, HashAlgorithm::Sha256, BORN + DAY, vec![lasts]);
        let signature = config.sign(&key.secret.primary_key, &Password::empty(), b"data".as_slice()).unwrap();
        Packet::from(signature).to_bytes().unwrap()
    };
    let verdict = |signature: &[u8], day: Option<u32>| {
        let keyring = key.keyring().as_of(day.map(|day| i64::from(BORN + day * DAY)));
        // Whatever else is asked of the keyring.
        let keyring = keyring.only(&[key.fingerprint()]).unwrap().forgiving(&[]);
        keyring.verify_detached(b"data", &[signature]).map_or_else(|refusal| refusal.slug(), |_| "good")
    };
    let plain = key.sign_detached(b"data", i64::from(BORN + 9 * DAY));
    assert_eq!(verdict(&plain, None), "good");
    // Long after the key expired, which packages outlive.
    assert_eq!(verdict(&plain, Some(4000)), "good");
    assert_eq!(verdict(&plain, Some(7)), "good");
    assert_eq!(verdict(&plain, Some(6)), "signature-from-future");
    assert_eq!(verdict(&lasting(3), Some(3)), "good");
    assert_eq!(verdict(&lasting(3), Some(4)), "signature-expired");
    assert_eq!(verdict(&lasting(3), None), "good");
}

#[test]
fn only_so_many_signatures_are_looked_at() {
    let (ours, theirs) = (TestKey::new(1), TestKey::new(2));
    let signed = |key: &TestKey| key.sign_detached(b"data", i64::from(BORN + DAY));
    let verdict = |signatures: &[Vec<u8>]| match ours.keyring().verify_detached(b"data", signatures) {
        Ok((signer, _)) => signer,
        Err(refusal) => refusal.slug().to_owned(),
    };
    let mut many = vec![signed(&theirs); SIGNATURES_MAX - 1];
    many.push(signed(&ours));
    assert_eq!(verdict(&many), ours.fingerprint());
    // However they are written: each by itself, or one after the other.
    assert_eq!(verdict(&[many.concat()]), ours.fingerprint());
    many.push(signed(&ours));
    assert_eq!(verdict(&many), "too-many-signatures");
    assert_eq!(verdict(&[many.concat()]), "too-many-signatures");
    let both = CleartextSignedMessage::new_many(TEXT, |text| {
        let config = || ours.config(SignatureType::Text, HashAlgorithm::Sha256, BORN + DAY, Vec::new());
        let sign = |_| config().sign(&ours.secret.primary_key, &Password::empty(), text.as_bytes());
        (0..=SIGNATURES_MAX).map(sign).collect()
    });
    let both = both.unwrap().to_armored_bytes(ArmorOptions::default()).unwrap();
    assert_eq!(slug(&ours.keyring(), &both, None), "too-many-signatures");
}

#[test]
fn what_is_weak_counts_where_it_is_forgiven_by_name() {
    let at = BORN + DAY;
    let signed = |key: &TestKey, hash: HashAlgorithm| {
        let config = key.config(SignatureType::Binary, hash, at, Vec::new());
        let signature = config.sign(&key.secret.primary_key, &Password::empty(), b"data".as_slice()).unwrap();
        Packet::from(signature).to_bytes().unwrap()
    };
    let rsa = TestKey::of(3, KeyType::Rsa(2048), Some(true), None);
    let dsa = TestKey::of(4, KeyType::Dsa(DsaKeySize::B1024), Some(true), None);
    let verdict = |key: &TestKey, hash: HashAlgorithm, weak: &[Weakness]| match key
        .keyring()
        .forgiving(weak)
        .verify_detached(b"data", &[signed(key, hash)])
    {
        Ok(_) => "good",
        Err(refusal) => refusal.slug(),
    };
    let (md5, sha1, sha224, sha256) =
        (HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Sha224, HashAlgorithm::Sha256);
    for (key, hash, weak, expected) in [
        (&rsa, sha256, vec![], "good"),
        (&rsa, sha1, vec![], "weak-hash"),
        (&rsa, sha1, vec![Weakness::Md5, Weakness::Rsa1024], "weak-hash"),
        (&rsa, sha1, vec![Weakness::Sha1], "good"),
        (&rsa, md5, vec![Weakness::Sha1], "weak-hash"),
        (&rsa, md5, vec![Weakness::Md5], "good"),
        (&rsa, sha224, vec![Weakness::Md5, Weakness::Sha1], "weak-hash"),
        (&dsa, sha256, vec![], "weak-key"),
        (&dsa, sha256, vec![Weakness::Rsa1024], "weak-key"),
        (&dsa, sha256, vec![Weakness::Dsa1024], "good"),
        (&dsa, sha1, vec![Weakness::Dsa1024], "weak-hash"),
        (&dsa, sha1, vec![Weakness::Dsa1024, Weakness::Sha1], "good"),
    ] {
        assert_eq!(verdict(key, hash, &weak), expected, "{hash} {weak:?}");
    }
    let said =
        |key: &TestKey, hash| key.keyring().verify_detached(b"data", &[signed(key, hash)]).unwrap_err().to_string();
    let word = ", which counts in a repository of RPMs with `weak: [";
    assert!(said(&rsa, sha1).ends_with(&format!("the weak hash SHA1{word}sha1]` [weak-hash]")), "{}", said(&rsa, sha1));
    assert!(said(&rsa, md5).ends_with(&format!("{word}md5]` [weak-hash]")));
    assert!(said(&dsa, sha256).ends_with(&format!("DSA with 1024 bits{word}dsa1024]` [weak-key]")));
    // Nothing lets it count.
    assert!(said(&rsa, sha224).ends_with("the weak hash SHA224 [weak-hash]"), "{}", said(&rsa, sha224));
    // The library makes no such keys.
    let short = |bits: u16, weak: &[Weakness]| {
        weakness::of_key(&rsa_params(bits), &weak.iter().copied().collect())
            .map(|(why, forgiven)| (why, forgiven.is_some()))
    };
    assert_eq!(short(1024, &[Weakness::Dsa1024]), Some(("RSA with 1024 bits".to_owned(), true)));
    assert_eq!(short(1024, &[Weakness::Rsa1024]), None);
    assert_eq!(short(1016, &[Weakness::Rsa1024]), Some(("RSA with 1016 bits".to_owned(), false)));
    assert_eq!(short(2048, &[]), None);
    for weak in [Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024, Weakness::Rsa1024] {
        assert!(Weakness::NAMES.contains(&weak.name()));
        assert_eq!(Weakness::parse(weak.name()), Some(weak));
    }
}

/// An RSA key with a modulus of so many bits, which is no product of anything.
fn rsa_params(bits: u16) -> PublicParams {
    let mut modulus = vec![0xff_u8; usize::from(bits / 8)];
    modulus[0] = 0x80;
    let body = [&[4, 0, 0, 0, 0, 1], &bits.to_be_bytes()[..], &modulus, &[0, 17, 1, 0, 1]].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let packet = [&[0xc6, 0xff], &length[..], &body].concat();
    match PacketParser::new(packet.as_slice()).next() {
        Some(Ok(Packet::PublicKey(key))) => key.public_params().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn signatures_of_version_3_count() {
    let key = TestKey::of(3, KeyType::Rsa(2048), Some(true), Some(10));
    let verdict = |data: &[u8], day: u32| match key.keyring().verify_detached(data, &[key.sign_v3(b"data", day)]) {
        Ok((signer, at)) => format!("{signer} {at}"),
        Err(refusal) => refusal.slug().to_owned(),
    };
    assert_eq!(verdict(b"data", 3), format!("{} {}", key.fingerprint(), BORN + 3 * DAY));
    assert_eq!(verdict(b"date", 3), "bad-signature");
    assert_eq!(verdict(b"data", 11), "key-expired");
}

impl TestKey {
    /// A detached signature of OpenPGP's version 3, some days after the key was made; the library only reads them.
    pub(crate) fn sign_v3(&self, data: &[u8], day: u32) -> Vec<u8> {
        let primary = &self.secret.primary_key;
        let at = Timestamp::from_secs(BORN + day * DAY);
        let covered = [data, &[0], &at.as_secs().to_be_bytes()].concat();
        let digest = HashAlgorithm::Sha256.digest(&covered).unwrap();
        let signature = primary.sign(&Password::empty(), HashAlgorithm::Sha256, &digest).unwrap();
        let kind = SignatureType::Binary;
        let config = SignatureConfig::v3(kind, primary.algorithm(), HashAlgorithm::Sha256, at, primary.legacy_key_id());
        let signature = Signature::from_config(config, [digest[0], digest[1]], signature).unwrap();
        Packet::from(signature).to_bytes().unwrap()
    }
}

/// As distributions have them that sign with a key of tomorrow and with one of today.
#[test]
fn keys_and_signatures_of_version_6_do_no_harm() {
    let ours = TestKey::new(1);
    let mut params = SecretKeyParamsBuilder::default();
    params.version(KeyVersion::V6).key_type(KeyType::Ed25519).can_sign(true).can_certify(true);
    params.created_at(Timestamp::from_secs(BORN)).primary_user_id("Tomorrow".to_owned());
    let modern = params.build().unwrap().generate(StdRng::seed_from_u64(6)).unwrap();
    let armored = |key: SignedPublicKey| key.to_armored_string(ArmorOptions::default()).unwrap();
    let modern_public = SignedPublicKey::from(modern.clone());
    let primary = &modern.primary_key;
    let mut rng = StdRng::seed_from_u64(7);
    let mut config =
        SignatureConfig::v6(&mut rng, SignatureType::Binary, primary.algorithm(), HashAlgorithm::Sha512).unwrap();
    let subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(BORN + DAY)),
        SubpacketData::IssuerFingerprint(primary.fingerprint()),
    ];
    config.hashed_subpackets = subpackets.into_iter().map(|data| Subpacket::regular(data).unwrap()).collect();
    let by_modern = config.sign(primary, &Password::empty(), b"data".as_slice()).unwrap();
    let by_modern = Packet::from(by_modern).to_bytes().unwrap();
    // The same of an algorithm that nobody knows yet: the byte behind version and time (ML-DSA-65 with Ed25519 is 30).
    let unknown = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] = 99;
        bytes
    };
    let key_bytes = modern_public.to_bytes().unwrap();
    let start = key_bytes.windows(5).position(|it| it[0] == 6 && it[1..] == BORN.to_be_bytes()).unwrap();
    let unknown_key = unknown(&key_bytes, start + 5);
    let start = by_modern.windows(2).position(|it| it == [6, u8::from(SignatureType::Binary)]).unwrap();
    let by_unknown = unknown(&by_modern, start + 2);

    let signed = ours.sign_detached(b"data", i64::from(BORN + DAY));
    let verdict = |keyring: &Keyring, signatures: &[&Vec<u8>]| match keyring.verify_detached(b"data", signatures) {
        Ok((signer, _)) => signer,
        Err(refusal) => refusal.slug().to_owned(),
    };
    let both = format!("{}{}", armored(modern_public.clone()), armored(ours.secret.clone().into()));
    let both = Keyring::parse("keys", both.as_bytes()).unwrap();
    assert_eq!(both.fingerprints(), [show_fingerprint(&modern.fingerprint()), ours.fingerprint()]);
    assert_eq!(show_fingerprint(&modern.fingerprint()).len(), 64);
    let beside_unknown = Keyring::parse("keys", &[unknown_key.clone(), ours.public()].concat()).unwrap();
    assert_eq!(beside_unknown.fingerprints(), [ours.fingerprint()]);
    let pinned = both.clone().only(&[ours.fingerprint()]).unwrap();
    for keyring in [&pinned, &beside_unknown] {
        for other in [&by_modern, &by_unknown] {
            assert_eq!(verdict(keyring, &[other, &signed]), ours.fingerprint());
            assert_ne!(verdict(keyring, &[other]), ours.fingerprint());
        }
    }
    // It counts where it is known and pinned.
    assert_eq!(verdict(&both, &[&by_modern]), show_fingerprint(&modern.fingerprint()));
    assert_eq!(verdict(&both, &[&by_unknown]), "bad-signature");
    let error = Keyring::parse("keys", &unknown_key).unwrap_err().to_string();
    assert!(error.ends_with("[no-public-key]"), "{error}");
    let error = Keyring::parse("keys", &key_bytes).unwrap().only(&[ours.fingerprint()]).unwrap_err().to_string();
    assert!(error.ends_with("[key-not-there]"), "{error}");
}

#[test]
fn key_files_are_read_block_by_block() {
    let key = TestKey::new(1);
    let armored = SignedPublicKey::from(key.secret.clone()).to_armored_string(ArmorOptions::default()).unwrap();
    let modern = TestKey::of(2, KeyType::Ed25519, Some(true), None);
    let modern = SignedPublicKey::from(modern.secret.clone()).to_armored_string(ArmorOptions::default()).unwrap();
    // Armor of a key whose primary packet is of an algorithm that nobody knows (99), and of one in no known form.
    let unknown = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxgkEAAAAAGMAAAA=\n-----END PGP PUBLIC KEY BLOCK-----\n";
    let broken = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n";
    let file = format!("caf\u{e9}\n{unknown}{broken}{armored}{broken}{modern}");
    let keyring = Keyring::parse("keys", file.as_bytes()).unwrap();
    assert_eq!(keyring.fingerprints().len(), 2);
    // Text between blocks may look like anything.
    let texts = format!("Key: one\n{armored}This is a comment: \n\npub   rsa2048\n:{modern}\nEnd: x\n\nof it");
    assert_eq!(Keyring::parse("keys", texts.as_bytes()).unwrap().fingerprints().len(), 2);
    assert_eq!(keyring.fingerprints()[0], key.fingerprint());
    let error = keyring.only(&["0".repeat(40)]).unwrap_err().to_string();
    assert!(error.contains("armored block 2 cannot be read"), "{error}");
    let error = Keyring::parse("keys", format!("{unknown}{broken}").as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("the keyring keys has no public key that can be read; "), "{error}");
}

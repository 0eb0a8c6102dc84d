//! Keys that sign repositories in tests, made from a number: the same number, the same key. `tests/it` has this file
//! as a module too, so it uses nothing of ours.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Packet, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// When every key is made: 2020-01-01.
pub(crate) const BORN: u32 = 1_577_836_800;
pub(crate) const DAY: u32 = 86_400;

pub(crate) struct TestKey {
    pub(crate) secret: SignedSecretKey,
}

impl TestKey {
    pub(crate) fn new(seed: u64) -> TestKey {
        TestKey::of(seed, KeyType::Ed25519Legacy, Some(true), None)
    }

    /// `sign` is whether the key says that it may sign, if it says anything; `lasts` is in days.
    pub(crate) fn of(seed: u64, kind: KeyType, sign: Option<bool>, lasts: Option<u32>) -> TestKey {
        let mut rng = StdRng::seed_from_u64(seed);
        let user = format!("Test {seed} <test@example.org>");
        let params = SecretKeyParamsBuilder::default()
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .created_at(Timestamp::from_secs(BORN))
            .primary_user_id(user)
            .build();
        let mut key = TestKey { secret: params.unwrap().generate(&mut rng).unwrap() };
        // The builder knows no expiry and certifies with the present time.
        key.describe(BORN, sign, lasts);
        key
    }

    /// Replaces what the key says about itself.
    pub(crate) fn describe(&mut self, at: u32, sign: Option<bool>, lasts: Option<u32>) {
        let mut data = Vec::new();
        if let Some(sign) = sign {
            let mut flags = KeyFlags::default();
            flags.set_certify(true);
            flags.set_sign(sign);
            data.push(SubpacketData::KeyFlags(flags));
        }
        if let Some(days) = lasts {
            data.push(SubpacketData::KeyExpirationTime(Duration::from_secs(days * DAY)));
        }
        let config = self.config(SignatureType::CertPositive, HashAlgorithm::Sha512, at, data);
        let (primary, public) = (&self.secret.primary_key, self.secret.primary_key.public_key());
        let user = &mut self.secret.details.users[0];
        let signed = config.sign_certification(primary, public, &Password::empty(), Tag::UserId, &user.id);
        user.signatures = vec![signed.unwrap()];
    }

    pub(crate) fn config(
        &self,
        kind: SignatureType,
        hash: HashAlgorithm,
        at: u32,
        more: Vec<SubpacketData>,
    ) -> SignatureConfig {
        config(&self.secret.primary_key, kind, hash, at, more)
    }

    /// A keyring of this key.
    pub(crate) fn public(&self) -> Vec<u8> {
        SignedPublicKey::from(self.secret.clone()).to_bytes().unwrap()
    }

    pub(crate) fn fingerprint(&self) -> String {
        self.secret.fingerprint().as_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// A detached signature in binary form, at a time in seconds since 1970.
    pub(crate) fn sign_detached(&self, data: &[u8], at: i64) -> Vec<u8> {
        let at = u32::try_from(at).unwrap();
        let config = self.config(SignatureType::Binary, HashAlgorithm::Sha256, at, Vec::new());
        let signature = config.sign(&self.secret.primary_key, &Password::empty(), data).unwrap();
        Packet::from(signature).to_bytes().unwrap()
    }

    /// Signs as `InRelease` is signed, at a time in seconds since 1970.
    pub(crate) fn sign(&self, text: &str, at: i64) -> Vec<u8> {
        self.sign_with(text, HashAlgorithm::Sha512, u32::try_from(at).unwrap(), Vec::new())
    }

    pub(crate) fn sign_with(&self, text: &str, hash: HashAlgorithm, at: u32, more: Vec<SubpacketData>) -> Vec<u8> {
        let config = self.config(SignatureType::Text, hash, at, more);
        let message = CleartextSignedMessage::new(text, config, &self.secret.primary_key, &Password::empty()).unwrap();
        message.to_armored_bytes(ArmorOptions::default()).unwrap()
    }
}

/// A signature that is yet to be made, as gpg makes them.
pub(crate) fn config(
    key: &impl SigningKey,
    kind: SignatureType,
    hash: HashAlgorithm,
    at: u32,
    more: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    let always = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        // gpg asks for the short id too.
        SubpacketData::IssuerKeyId(key.legacy_key_id()),
    ];
    config.hashed_subpackets = always.into_iter().chain(more).map(|data| Subpacket::regular(data).unwrap()).collect();
    config
}

//! The key that a signature names, and whether the signature counts.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{Fingerprint, KeyDetails, Tag};

use super::refused::Refusal;
use super::weakness::{self, Weakness};
use crate::date::CLOCK_TOLERANCE;

/// What signatures are over: bytes that can be read again from their beginning.
pub trait Message: Read {
    fn rewind(&mut self) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> Message for Cursor<T> {
    fn rewind(&mut self) -> io::Result<()> {
        self.set_position(0);
        Ok(())
    }
}

/// Days to judge by, in seconds since 1970, in addition to that of the signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub(super) of_keys: Option<i64>,
    pub(super) of_signatures: Option<i64>,
}

/// The key that a signature names: a primary key, or one of its subkeys.
pub(super) struct Signer<'a> {
    pub(super) key: &'a SignedPublicKey,
    subkey: Option<&'a SignedPublicSubKey>,
}

pub(super) fn signers<'a>(key: &'a SignedPublicKey, signature: &Signature) -> Vec<Signer<'a>> {
    let fingerprints = signature.issuer_fingerprint();
    let named = |candidate: &dyn KeyDetails| match fingerprints.is_empty() {
        true => signature.issuer_key_id().contains(&&candidate.legacy_key_id()),
        false => fingerprints.contains(&&candidate.fingerprint()),
    };
    let primary = named(&key.primary_key).then_some(Signer { key, subkey: None });
    let subkeys = key.public_subkeys.iter().filter(|subkey| named(&subkey.key));
    primary.into_iter().chain(subkeys.map(|subkey| Signer { key, subkey: Some(subkey) })).collect()
}

impl Signer<'_> {
    /// When the signature was made, if it counts.
    pub(super) fn judge(
        &self,
        data: &mut dyn Message,
        signature: &Signature,
        days: Days,
        weak: &BTreeSet<Weakness>,
    ) -> Result<i64, Refusal> {
        let key = || match self.subkey {
            Some(subkey) => show_fingerprint(&subkey.key.fingerprint()),
            None => show_fingerprint(&self.key.fingerprint()),
        };
        let hash = signature.hash_alg().unwrap_or(HashAlgorithm::None);
        let strong = [
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
            HashAlgorithm::Sha3_256,
            HashAlgorithm::Sha3_512,
        ];
        let weakness_of_hash = match hash {
            HashAlgorithm::Md5 => Some(Weakness::Md5),
            HashAlgorithm::Sha1 => Some(Weakness::Sha1),
            _ => None,
        };
        if !strong.contains(&hash) && !weakness_of_hash.is_some_and(|it| weak.contains(&it)) {
            return Err(Refusal::WeakHash { key: key(), hash: hash.to_string(), weak: weakness_of_hash });
        }
        data.rewind().map_err(|_| Refusal::BadSignature { key: key() })?;
        let verified = match self.subkey {
            Some(subkey) => signature.verify(&subkey.key, &mut *data),
            None => signature.verify(&self.key.primary_key, &mut *data),
        };
        let of_text = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
        let (true, Ok(()), Some(made)) = (of_text, verified, signature.created()) else {
            return Err(Refusal::BadSignature { key: key() });
        };
        let made = i64::from(made.as_secs());

        let revoked = || Refusal::KeyRevoked { key: key() };
        let primary = &self.key.primary_key;
        if self.key.details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
            return Err(revoked());
        }
        let cannot_sign = || Refusal::KeyCannotSign { key: key() };
        let own = newest_self_signature(self.key).ok_or_else(cannot_sign)?;
        let mut validities = vec![validity(primary, own)];
        match self.subkey {
            None => {
                weakness::of_key(primary.public_params(), weak)
                    .map_or(Ok(()), |(why, weak)| Err(Refusal::WeakKey { key: key(), why, weak }))?;
                may_sign(own).then_some(()).ok_or_else(cannot_sign)?;
            }
            Some(subkey) => {
                for params in [primary.public_params(), subkey.key.public_params()] {
                    weakness::of_key(params, weak)
                        .map_or(Ok(()), |(why, weak)| Err(Refusal::WeakKey { key: key(), why, weak }))?;
                }
                let bound = |binding: &&Signature| binding.verify_subkey_binding(primary, &subkey.key).is_ok();
                let valid = || subkey.signatures.iter().filter(bound);
                if valid().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation)) {
                    return Err(revoked());
                }
                let bindings = valid().filter(|signature| signature.typ() == Some(SignatureType::SubkeyBinding));
                let binding = bindings.max_by_key(|binding| binding.created()).ok_or_else(cannot_sign)?;
                // The subkey's own signature that it belongs to this key: else anybody could claim it.
                let back = binding.embedded_signature();
                let claimed = back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
                (claimed && may_sign(binding)).then_some(()).ok_or_else(cannot_sign)?;
                validities.push(validity(&subkey.key, binding));
            }
        }
        for judged in [Some(made), days.of_keys].into_iter().flatten() {
            for (from, until) in &validities {
                if judged < *from - CLOCK_TOLERANCE {
                    return Err(Refusal::KeyFromFuture { key: key(), at: *from, judged });
                }
                if let Some(at) = until.filter(|until| *until <= judged) {
                    return Err(Refusal::KeyExpired { key: key(), at, judged });
                }
            }
        }
        if let Some(as_of) = days.of_signatures {
            let lasts = signature.signature_expiration_time().map_or(0, |time| i64::from(time.as_secs()));
            if lasts > 0 && made + lasts <= as_of {
                return Err(Refusal::SignatureExpired { key: key(), at: made + lasts });
            }
            if made > as_of + CLOCK_TOLERANCE {
                return Err(Refusal::SignatureFromFuture { key: key(), at: made });
            }
        }
        Ok(made)
    }
}

/// The signature in which the key last described itself: of a user id that is not revoked, or of the key as a whole.
fn newest_self_signature(key: &SignedPublicKey) -> Option<&Signature> {
    let primary = &key.primary_key;
    let direct = key.details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let of_users = key.details.users.iter().filter_map(|user| {
        let own = |signature: &&Signature| signature.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let newest = user.signatures.iter().filter(own).max_by_key(|signature| signature.created())?;
        (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
    });
    direct.chain(of_users).max_by_key(|signature| signature.created())
}

/// From when and until when a key is valid, as a self-signature or a binding says; seconds since 1970.
fn validity(key: &impl KeyDetails, statement: &Signature) -> (i64, Option<i64>) {
    let from = i64::from(key.created_at().as_secs());
    let lasts = statement.key_expiration_time().map(|time| i64::from(time.as_secs()));
    (from, lasts.filter(|seconds| *seconds > 0).map(|seconds| from + seconds))
}

/// Keys from before key flags existed have none and may sign.
fn may_sign(statement: &Signature) -> bool {
    let has_flags = statement.config().is_some_and(|config| {
        config.hashed_subpackets().any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
    });
    !has_flags || statement.key_flags().sign()
}

pub(super) fn show_issuer(signature: &Signature) -> String {
    if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        return show_fingerprint(fingerprint);
    }
    match signature.issuer_key_id().first() {
        Some(id) => id.to_string().to_uppercase(),
        None => "an unnamed key".to_owned(),
    }
}

pub(super) fn show_fingerprint(fingerprint: &Fingerprint) -> String {
    fingerprint.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

//! Who signed a repository's metadata: keyrings, cleartext signatures, and the rules for both.
//!
//! The `pgp` crate parses and computes; what counts is decided here. A signature counts if its hash is SHA-256 or
//! better, its key is in the keyring, may sign, is strong enough, is not revoked, and had not expired when it signed.
//! What is too weak counts only where the recipe allows it by name ([`Weak`]).
//! With a date to judge by, the key must not have expired by then either. Self-signatures may be of any hash: the
//! keyring is the recipe author's own file, so nobody else chose what they cover. Rules: RFC 9580; in doubt, `gpgv`.
//! Every refusal has a slug of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pgp::armor::{BlockType, Dearmor};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, PublicParams, Tag};

use super::Refused;
use super::date::show_day;
use crate::bounded;

/// RSA keys below this are refused, as apt and sequoia do since 2024.
const RSA_BITS_MIN: u16 = 2048;
/// Keys below this are refused whatever the recipe allows.
const WEAK_BITS_MIN: u16 = 1024;
/// Most signatures of one text: every one of them hashes all of it. rpm 6 writes one a key, and archives of
/// distributions have three.
const SIGNATURES_MAX: usize = 16;
/// How far a date may lie after the beginning of the day it is judged by: that day, and one for the time zone in which
/// it was taken from a calendar.
pub(super) const CLOCK_TOLERANCE: i64 = 2 * 86_400;

/// What is too weak to be believed, and counts where a recipe says its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weak {
    /// Signatures over MD5.
    Md5,
    /// Signatures over SHA-1.
    Sha1,
    /// DSA keys from 1024 bits on.
    Dsa1024,
    /// RSA keys from 1024 bits on.
    Rsa1024,
}

impl Weak {
    /// The names, as recipes have them.
    pub const NAMES: [&'static str; 4] = ["md5", "sha1", "dsa1024", "rsa1024"];

    pub fn name(self) -> &'static str {
        match self {
            Weak::Md5 => "md5",
            Weak::Sha1 => "sha1",
            Weak::Dsa1024 => "dsa1024",
            Weak::Rsa1024 => "rsa1024",
        }
    }

    pub fn parse(name: &str) -> Option<Weak> {
        [Weak::Md5, Weak::Sha1, Weak::Dsa1024, Weak::Rsa1024].into_iter().find(|weak| weak.name() == name)
    }
}

/// Public keys that may sign.
#[derive(Debug, Clone)]
pub struct Keyring {
    name: String,
    keys: Vec<SignedPublicKey>,
    /// What else the file has, and why it is no use.
    skipped: Vec<String>,
    weak: BTreeSet<Weak>,
    /// The day on which signatures have to count; their own if nothing is said.
    as_of: Option<i64>,
}

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

/// A text that was signed by a key of the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Exactly what the signature covers, with `\n` line ends.
    pub text: String,
    /// Fingerprint of the primary key, upper-case hexadecimal.
    pub signer: String,
    /// When it was signed, in seconds since 1970.
    pub at: i64,
}

/// Why a signed text is not trusted or not used. Keys are named by fingerprint; days are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NoSignature {
        why: String,
    },
    TooManySignatures {
        count: usize,
    },
    UnknownSigner {
        signers: Vec<String>,
        keyring: String,
    },
    BadSignature {
        key: String,
    },
    WeakHash {
        key: String,
        hash: String,
        /// What a recipe could forgive.
        weak: Option<Weak>,
    },
    WeakKey {
        key: String,
        why: String,
        weak: Option<Weak>,
    },
    KeyCannotSign {
        key: String,
    },
    KeyRevoked {
        key: String,
    },
    KeyExpired {
        key: String,
        at: i64,
        judged: i64,
    },
    /// The key was made after the day on which it should count.
    KeyFromFuture {
        key: String,
        at: i64,
        judged: i64,
    },
    SignatureExpired {
        key: String,
        at: i64,
    },
    SignatureFromFuture {
        key: String,
        at: i64,
    },
    /// The signed text says itself until when it may be used.
    ReleaseExpired {
        at: i64,
        judged: i64,
    },
    ReleaseFromFuture {
        at: i64,
    },
    /// The signed text is that of another suite.
    WrongSuite {
        asked: String,
        found: String,
    },
}

impl Refusal {
    /// Stable name of the kind of refusal.
    pub fn slug(&self) -> &'static str {
        match self {
            Refusal::NoSignature { .. } => "no-signature",
            Refusal::TooManySignatures { .. } => "too-many-signatures",
            Refusal::UnknownSigner { .. } => "unknown-signer",
            Refusal::BadSignature { .. } => "bad-signature",
            Refusal::WeakHash { .. } => "weak-hash",
            Refusal::WeakKey { .. } => "weak-key",
            Refusal::KeyCannotSign { .. } => "key-cannot-sign",
            Refusal::KeyRevoked { .. } => "key-revoked",
            Refusal::KeyExpired { .. } => "key-expired",
            Refusal::KeyFromFuture { .. } => "key-from-future",
            Refusal::SignatureExpired { .. } => "signature-expired",
            Refusal::SignatureFromFuture { .. } => "signature-from-future",
            Refusal::ReleaseExpired { .. } => "release-expired",
            Refusal::ReleaseFromFuture { .. } => "release-from-future",
            Refusal::WrongSuite { .. } => "wrong-suite",
        }
    }

    /// Of several signatures' refusals, the one that says most is shown.
    fn rank(&self) -> u8 {
        match self {
            Refusal::BadSignature { .. } => 0,
            Refusal::KeyRevoked { .. } => 1,
            Refusal::KeyExpired { .. } | Refusal::KeyFromFuture { .. } => 2,
            Refusal::SignatureExpired { .. } | Refusal::SignatureFromFuture { .. } => 3,
            Refusal::WeakHash { .. } | Refusal::WeakKey { .. } => 4,
            Refusal::KeyCannotSign { .. } => 5,
            Refusal::UnknownSigner { .. } => 6,
            Refusal::NoSignature { .. } => 7,
            // Not about one signature.
            Refusal::TooManySignatures { .. }
            | Refusal::ReleaseExpired { .. }
            | Refusal::ReleaseFromFuture { .. }
            | Refusal::WrongSuite { .. } => 8,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoSignature { why } => write!(f, "there is no signature: {why}")?,
            Refusal::TooManySignatures { count } => {
                write!(f, "it has {count} signatures, more than {SIGNATURES_MAX}")?;
            }
            Refusal::UnknownSigner { signers, keyring } => {
                write!(f, "signed by {}, which the keyring {keyring} does not have", signers.join(" and "))?;
            }
            Refusal::BadSignature { key } => write!(f, "the signature by {key} is not of this text")?,
            Refusal::WeakHash { key, hash, weak } => {
                write!(f, "the signature by {key} uses the weak hash {hash}{}", forgiven_by(*weak))?;
            }
            Refusal::WeakKey { key, why, weak } => write!(f, "the key {key} is too weak: {why}{}", forgiven_by(*weak))?,
            Refusal::KeyCannotSign { key } => write!(f, "the key {key} is not one for signing")?,
            Refusal::KeyRevoked { key } => write!(f, "the key {key} has been revoked")?,
            Refusal::KeyExpired { key, at, judged } => {
                write!(f, "the key {key} expired on {}, before {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::KeyFromFuture { key, at, judged } => {
                write!(f, "the key {key} was made on {}, after {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::SignatureExpired { key, at } => {
                write!(f, "the signature by {key} expired on {}", show_day(*at))?;
            }
            Refusal::SignatureFromFuture { key, at } => {
                write!(f, "the signature by {key} is from the future: {}", show_day(*at))?;
            }
            Refusal::ReleaseExpired { at, judged } => {
                write!(f, "it was valid until {} only, before {}", show_day(*at), show_day(*judged))?;
            }
            Refusal::ReleaseFromFuture { at } => write!(f, "it is from the future: {}", show_day(*at))?,
            Refusal::WrongSuite { asked, found } => write!(f, "it is of the suite {found}, not {asked}")?,
        }
        write!(f, " [{}]", self.slug())
    }
}

/// How a recipe lets it count; apt's repositories cannot.
fn forgiven_by(weak: Option<Weak>) -> String {
    weak.map_or(String::new(), |weak| format!(", which counts in a repository of RPMs with `weak: [{}]`", weak.name()))
}

impl std::error::Error for Refusal {}

impl Keyring {
    /// Reads a file of public keys, binary or armored.
    pub fn load(path: &Path) -> Result<Keyring> {
        let bytes = bounded::read(path).with_context(|| format!("reading the keyring {}", path.display()))?;
        Keyring::parse(&path.display().to_string(), &bytes)
    }

    /// Blocks that cannot be read, packets of unknown kinds or versions and keys of unknown algorithms are skipped, as
    /// other programs do; a keyring without any key that can be used is an error. `name` is how messages call it.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Keyring> {
        let (mut keys, mut skipped, mut revocations) = (Vec::new(), Vec::new(), Vec::new());
        for (index, block) in blocks(bytes).into_iter().enumerate() {
            match block {
                Some(block) => keys.extend(parse_keys(&block, &mut skipped, &mut revocations)),
                None => skipped.push(format!("armored block {} cannot be read", index + 1)),
            }
        }
        let (keys, useless): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_of_use);
        skipped.extend(useless.iter().map(|key| {
            let algorithm = u8::from(key.primary_key.algorithm());
            format!("{} is of the unknown algorithm {algorithm}", show_fingerprint(&key.fingerprint()))
        }));
        let mut keys = merged(keys);
        for key in &mut keys {
            let of_key = |revocation: &&Signature| revocation.verify_key(&key.primary_key).is_ok();
            let of_key: Vec<Signature> = revocations.iter().filter(of_key).cloned().collect();
            key.details.revocation_signatures.extend(of_key);
        }
        let keyring = Keyring { name: name.to_owned(), keys, skipped, weak: BTreeSet::new(), as_of: None };
        let left_out = keyring.left_out();
        let text = || format!("the keyring {name} has no public key that can be read{left_out}");
        ensure!(!keyring.keys.is_empty(), Refused::new("no-public-key", text()));
        Ok(keyring)
    }

    /// The same keys, where these weaknesses are forgiven.
    pub fn forgiving(self, weak: &[Weak]) -> Keyring {
        Keyring { weak: weak.iter().copied().collect(), ..self }
    }

    /// The same keys, for detached signatures that have to count on this day (seconds since 1970): not to have expired,
    /// and to have been made. Whether a key has expired is still judged at the time of its signature.
    pub fn as_of(self, day: Option<i64>) -> Keyring {
        Keyring { as_of: day, ..self }
    }

    /// Whether this weakness is forgiven.
    pub fn forgives(&self, weak: Weak) -> bool {
        self.weak.contains(&weak)
    }

    fn left_out(&self) -> String {
        self.skipped.iter().map(|skipped| format!("; {skipped}")).collect()
    }

    /// The keys of several files.
    pub fn joined(keyrings: Vec<Keyring>) -> Keyring {
        let names: Vec<String> = keyrings.iter().map(|keyring| keyring.name.clone()).collect();
        let (mut keys, mut skipped, mut weak) = (Vec::new(), Vec::new(), BTreeSet::new());
        for keyring in keyrings {
            keys.extend(keyring.keys);
            skipped.extend(keyring.skipped);
            weak.extend(keyring.weak);
        }
        Keyring { name: names.join(" and "), keys: merged(keys), skipped, weak, as_of: None }
    }

    /// The keys with these fingerprints (upper-case hexadecimal), every one of which has to be there: a file may hold
    /// more keys than somebody trusts.
    pub fn only(self, fingerprints: &[impl AsRef<str>]) -> Result<Keyring> {
        let (there, left_out) = (self.fingerprints(), self.left_out());
        for fingerprint in fingerprints.iter().map(AsRef::as_ref) {
            let (name, known) = (&self.name, there.join(", "));
            let text = || format!("the key file {name} has no key {fingerprint}; it has {known}{left_out}");
            ensure!(there.iter().any(|there| there == fingerprint), Refused::new("key-not-there", text()));
        }
        let mut keyring = self;
        keyring.keys.retain(|key| {
            let own = show_fingerprint(&key.fingerprint());
            fingerprints.iter().any(|fingerprint| fingerprint.as_ref() == own)
        });
        Ok(keyring)
    }

    /// How messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fingerprints of the primary keys, in the file's order.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|key| show_fingerprint(&key.fingerprint())).collect()
    }

    /// The text of a cleartext-signed message, if a key of this ring signed it. `as_of`, in seconds since 1970, is the
    /// day to judge keys by in addition to the day of the signature.
    pub fn verify_cleartext(&self, message: &[u8], as_of: Option<i64>) -> Result<Signed, Refusal> {
        let no_signature = |why: &str| Refusal::NoSignature { why: why.to_owned() };
        let message = std::str::from_utf8(message).map_err(|_| no_signature("the file is not UTF-8"))?;
        if !message.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
            return Err(no_signature("the file does not start with `-----BEGIN PGP SIGNED MESSAGE-----`"));
        }
        let (message, _) = CleartextSignedMessage::from_string(message)
            .map_err(|error| no_signature(&format!("the signed message does not parse: {error}")))?;
        let text = message.signed_text();
        let (signer, at) = self.judge(&mut Cursor::new(text.as_bytes()), message.signatures(), as_of)?;
        Ok(Signed { text: text.replace("\r\n", "\n"), signer, at })
    }

    /// Fingerprint of the key of this ring that made one of the detached signatures over `data`, and when it did, in
    /// seconds since 1970. Signatures are binary or armored; keys are judged at the time of the signature, signatures on
    /// the day of [`Keyring::as_of`].
    pub fn verify_detached(&self, data: &[u8], signatures: &[impl AsRef<[u8]>]) -> Result<(String, i64), Refusal> {
        self.verify_message(&mut Cursor::new(data), signatures)
    }

    /// The same for data that is not in memory. What cannot be read is not what was signed.
    pub fn verify_message(
        &self,
        data: &mut dyn Message,
        signatures: &[impl AsRef<[u8]>],
    ) -> Result<(String, i64), Refusal> {
        let mut parsed = Vec::new();
        for signature in signatures {
            parsed.extend(parse_signatures(signature.as_ref()));
        }
        if parsed.is_empty() {
            let why = "none is there that can be read".to_owned();
            return Err(Refusal::NoSignature { why });
        }
        self.judge(data, &parsed, None)
    }

    /// One good signature is enough: a repository signs with its old and its new key at once.
    fn judge(
        &self,
        data: &mut dyn Message,
        signatures: &[Signature],
        as_of: Option<i64>,
    ) -> Result<(String, i64), Refusal> {
        if signatures.len() > SIGNATURES_MAX {
            return Err(Refusal::TooManySignatures { count: signatures.len() });
        }
        let days = Days { of_keys: as_of, of_signatures: as_of.or(self.as_of) };
        let mut refusals = Vec::new();
        let mut strangers = Vec::new();
        for signature in signatures {
            let candidates: Vec<Signer> = self.keys.iter().flat_map(|key| signers(key, signature)).collect();
            if candidates.is_empty() {
                strangers.push(show_issuer(signature));
            }
            for signer in candidates {
                match signer.judge(&mut *data, signature, days, &self.weak) {
                    Ok(at) => return Ok((show_fingerprint(&signer.key.fingerprint()), at)),
                    Err(refusal) => refusals.push(refusal),
                }
            }
        }
        if !strangers.is_empty() {
            refusals.push(Refusal::UnknownSigner { signers: strangers, keyring: self.name.clone() });
        }
        let none = || Refusal::NoSignature { why: "the signature block is empty".to_owned() };
        Err(refusals.into_iter().min_by_key(Refusal::rank).unwrap_or_else(none))
    }
}

/// Each key once, with everything that any of its copies says: one that has been revoked or has expired would otherwise
/// still count by an older copy.
fn merged(keys: Vec<SignedPublicKey>) -> Vec<SignedPublicKey> {
    let mut merged: Vec<SignedPublicKey> = Vec::new();
    for key in keys {
        let fingerprint = key.fingerprint();
        match merged.iter_mut().find(|other| other.fingerprint() == fingerprint) {
            None => merged.push(key),
            Some(other) => merge(other, key),
        }
    }
    merged
}

fn merge(key: &mut SignedPublicKey, copy: SignedPublicKey) {
    key.details.revocation_signatures.extend(copy.details.revocation_signatures);
    key.details.direct_signatures.extend(copy.details.direct_signatures);
    for user in copy.details.users {
        match key.details.users.iter_mut().find(|other| other.id.id() == user.id.id()) {
            None => key.details.users.push(user),
            Some(other) => other.signatures.extend(user.signatures),
        }
    }
    for subkey in copy.public_subkeys {
        match key.public_subkeys.iter_mut().find(|other| other.fingerprint() == subkey.fingerprint()) {
            None => key.public_subkeys.push(subkey),
            Some(other) => other.signatures.extend(subkey.signatures),
        }
    }
}

/// Days to judge by, in seconds since 1970, in addition to that of the signature.
#[derive(Debug, Clone, Copy)]
struct Days {
    of_keys: Option<i64>,
    of_signatures: Option<i64>,
}

/// The key that a signature names: a primary key, or one of its subkeys.
struct Signer<'a> {
    key: &'a SignedPublicKey,
    subkey: Option<&'a SignedPublicSubKey>,
}

fn signers<'a>(key: &'a SignedPublicKey, signature: &Signature) -> Vec<Signer<'a>> {
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
    fn judge(
        &self,
        data: &mut dyn Message,
        signature: &Signature,
        days: Days,
        weak: &BTreeSet<Weak>,
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
            HashAlgorithm::Md5 => Some(Weak::Md5),
            HashAlgorithm::Sha1 => Some(Weak::Sha1),
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
                weakness(primary.public_params(), weak)
                    .map_or(Ok(()), |(why, weak)| Err(Refusal::WeakKey { key: key(), why, weak }))?;
                may_sign(own).then_some(()).ok_or_else(cannot_sign)?;
            }
            Some(subkey) => {
                for params in [primary.public_params(), subkey.key.public_params()] {
                    weakness(params, weak)
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

/// Why a key is too weak, and not forgiven; and what would forgive it.
fn weakness(params: &PublicParams, weak: &BTreeSet<Weak>) -> Option<(String, Option<Weak>)> {
    let (name, enough, forgiven) = match params {
        PublicParams::RSA(_) => ("RSA", RSA_BITS_MIN, Weak::Rsa1024),
        PublicParams::DSA(_) => ("DSA", u16::MAX, Weak::Dsa1024),
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            return None;
        }
        _ => return Some(("its algorithm is not one for signing".to_owned(), None)),
    };
    // The first number of the parameters is the modulus; numbers start with their length in bits.
    let bytes = params.to_bytes().unwrap_or_default();
    let bits = bytes.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
    let enough = if weak.contains(&forgiven) { WEAK_BITS_MIN } else { enough };
    (bits < enough).then(|| (format!("{name} with {bits} bits"), Some(forgiven).filter(|_| bits >= WEAK_BITS_MIN)))
}

/// Whether the key is of an algorithm that is known, however weak.
fn is_of_use(key: &SignedPublicKey) -> bool {
    matches!(
        key.primary_key.public_params(),
        PublicParams::RSA(_)
            | PublicParams::DSA(_)
            | PublicParams::ECDSA(_)
            | PublicParams::EdDSALegacy(_)
            | PublicParams::Ed25519(_)
            | PublicParams::Ed448(_)
    )
}

/// The binary keyrings in a file: the file itself, or what its armored blocks hold.
/// Nothing for one that cannot be read.
fn blocks(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    // The first byte of a binary packet has its top bit set, so a binary keyring is no ASCII; comments between blocks
    // may be in any encoding.
    let text = String::from_utf8_lossy(bytes);
    if bytes.first().is_none_or(|first| first & 0x80 != 0) || !text.contains(BEGIN) {
        return vec![Some(bytes.to_vec())];
    }
    let block = |block: &str| -> Option<Vec<u8>> {
        // What people write between blocks is none of the reader's business.
        let (block, _) = block.split_once(END)?;
        let block = format!("{BEGIN}{block}{END}\n");
        let mut armor = Dearmor::new(BufReader::new(block.as_bytes()));
        let mut bytes = Vec::new();
        armor.read_to_end(&mut bytes).ok()?;
        (armor.typ == Some(BlockType::PublicKey)).then_some(bytes)
    };
    text.split(BEGIN).skip(1).map(block).collect()
}

/// Keys from packets. One that does not parse takes the signatures over it along, and is noted in `skipped`. Revocations
/// of keys are gathered wherever they stand: gpg makes them as files of their own, which people append.
fn parse_keys(bytes: &[u8], skipped: &mut Vec<String>, revocations: &mut Vec<Signature>) -> Vec<SignedPublicKey> {
    let mut groups: Vec<Vec<Packet>> = Vec::new();
    let mut skipping = true;
    let mut parser = PacketParser::new(bytes);
    // What follows a broken packet header cannot be found.
    while let Some(Ok(mut body)) = parser.next_ref() {
        let header = body.packet_header();
        let mut bytes = Vec::new();
        if body.read_to_end(&mut bytes).is_err() {
            break;
        }
        let packet = Packet::from_reader(header, bytes.as_slice()).ok();
        if let Some(Packet::Signature(signature)) = &packet
            && signature.typ() == Some(SignatureType::KeyRevocation)
        {
            revocations.push(signature.clone());
            continue;
        }
        match (header.tag(), packet) {
            (Tag::PublicKey, packet) => {
                if packet.is_none() {
                    let version = bytes.first().copied().unwrap_or_default();
                    skipped.push(format!("a key of version {version} cannot be read"));
                }
                // Without its primary key, what follows belongs to nothing.
                groups.push(packet.into_iter().collect());
                skipping = false;
            }
            (Tag::Signature, Some(packet)) if !skipping => {
                groups.last_mut().into_iter().for_each(|group| group.push(packet.clone()))
            }
            (Tag::Signature, _) => {}
            (Tag::UserId | Tag::UserAttribute | Tag::PublicSubkey, Some(packet)) => {
                skipping = false;
                groups.last_mut().into_iter().for_each(|group| group.push(packet.clone()));
            }
            _ => skipping = true,
        }
    }
    let whole = |group: &Vec<Packet>| matches!(group.first(), Some(Packet::PublicKey(_)));
    groups.retain(whole);
    let keys =
        groups.into_iter().map(|group| SignedPublicKey::from_packets(group.into_iter().map(Ok).peekable()).next());
    keys.flatten().filter_map(|key| key.ok()).collect()
}

/// Signatures of kinds and versions that are not known are skipped.
fn parse_signatures(bytes: &[u8]) -> Vec<Signature> {
    let mut binary = Vec::new();
    let bytes = if bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNATURE") {
        let mut armor = Dearmor::new(BufReader::new(bytes));
        // What does not end well has no signature that counts.
        if armor.read_to_end(&mut binary).is_err() {
            return Vec::new();
        }
        binary.as_slice()
    } else {
        bytes
    };
    let mut signatures = Vec::new();
    let mut parser = PacketParser::new(bytes);
    while let Some(Ok(mut body)) = parser.next_ref() {
        let header = body.packet_header();
        let mut bytes = Vec::new();
        if body.read_to_end(&mut bytes).is_err() {
            break;
        }
        if let (Tag::Signature, Ok(Packet::Signature(signature))) =
            (header.tag(), Packet::from_reader(header, bytes.as_slice()))
        {
            signatures.push(signature);
        }
    }
    signatures
}

fn show_issuer(signature: &Signature) -> String {
    if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        return show_fingerprint(fingerprint);
    }
    match signature.issuer_key_id().first() {
        Some(id) => id.to_string().to_uppercase(),
        None => "an unnamed key".to_owned(),
    }
}

fn show_fingerprint(fingerprint: &Fingerprint) -> String {
    fingerprint.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests;

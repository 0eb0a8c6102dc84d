//! Keys that may sign, and whether one of them signed a text.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use pgp::composed::{CleartextSignedMessage, SignedPublicKey};
use pgp::packet::Signature;
use pgp::types::{KeyDetails, PublicParams};

use super::packets::{blocks, parse_keys, parse_signatures};
use super::refused::{Refusal, Refused};
use super::signer::{Days, Message, Signer, show_fingerprint, show_issuer, signers};
use super::weakness::Weakness;
use crate::bounded;

/// Most signatures of one text: every one of them hashes all of it. rpm 6 writes one a key, and archives of
/// distributions have three.
pub(super) const SIGNATURES_MAX: usize = 16;
/// Public keys that may sign.
#[derive(Debug, Clone)]
pub struct Keyring {
    name: String,
    keys: Vec<SignedPublicKey>,
    /// What else the file has, and why it is no use.
    skipped: Vec<String>,
    weak: BTreeSet<Weakness>,
    /// The day on which signatures have to count; their own if nothing is said.
    as_of: Option<i64>,
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
    pub fn forgiving(self, weak: &[Weakness]) -> Keyring {
        Keyring { weak: weak.iter().copied().collect(), ..self }
    }

    /// The same keys, for detached signatures that have to count on this day (seconds since 1970): not to have expired,
    /// and to have been made. Whether a key has expired is still judged at the time of its signature.
    pub fn as_of(self, day: Option<i64>) -> Keyring {
        Keyring { as_of: day, ..self }
    }

    /// Whether this weakness is forgiven.
    pub fn forgives(&self, weak: Weakness) -> bool {
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
            return Err(Refusal::TooManySignatures { count: signatures.len(), most: SIGNATURES_MAX });
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

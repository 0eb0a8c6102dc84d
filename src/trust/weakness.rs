//! Algorithms and lengths of keys that are too weak, and what a recipe may forgive of it.

use std::collections::BTreeSet;

use pgp::ser::Serialize;
use pgp::types::PublicParams;

/// RSA keys below this are refused, as apt and sequoia do since 2024.
const RSA_BITS_MIN: u16 = 2048;
/// Keys below this are refused whatever the recipe allows.
const WEAK_BITS_MIN: u16 = 1024;

/// What is too weak to be believed, and counts where a recipe says its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// Signatures over MD5.
    Md5,
    /// Signatures over SHA-1.
    Sha1,
    /// DSA keys from 1024 bits on.
    Dsa1024,
    /// RSA keys from 1024 bits on.
    Rsa1024,
}

impl Weakness {
    /// The names, as recipes have them.
    pub const NAMES: [&'static str; 4] = ["md5", "sha1", "dsa1024", "rsa1024"];

    pub fn name(self) -> &'static str {
        match self {
            Weakness::Md5 => "md5",
            Weakness::Sha1 => "sha1",
            Weakness::Dsa1024 => "dsa1024",
            Weakness::Rsa1024 => "rsa1024",
        }
    }

    pub fn parse(name: &str) -> Option<Weakness> {
        [Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024, Weakness::Rsa1024]
            .into_iter()
            .find(|weak| weak.name() == name)
    }
}

/// Why a key is too weak, and not forgiven; and what would forgive it.
pub(super) fn of_key(params: &PublicParams, forgiven: &BTreeSet<Weakness>) -> Option<(String, Option<Weakness>)> {
    let (name, enough, weakness) = match params {
        PublicParams::RSA(_) => ("RSA", RSA_BITS_MIN, Weakness::Rsa1024),
        PublicParams::DSA(_) => ("DSA", u16::MAX, Weakness::Dsa1024),
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            return None;
        }
        _ => return Some(("its algorithm is not one for signing".to_owned(), None)),
    };
    // The first number of the parameters is the modulus; numbers start with their length in bits.
    let bytes = params.to_bytes().unwrap_or_default();
    let bits = bytes.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
    let enough = if forgiven.contains(&weakness) { WEAK_BITS_MIN } else { enough };
    (bits < enough).then(|| (format!("{name} with {bits} bits"), Some(weakness).filter(|_| bits >= WEAK_BITS_MIN)))
}

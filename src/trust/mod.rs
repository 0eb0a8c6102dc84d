//! Whom a build believes: keyrings, the signatures that count, and what is refused.
//!
//! The `pgp` crate parses and computes; what counts is decided here. A signature counts if its hash is SHA-256 or
//! better, its key is in the keyring, may sign, is strong enough, is not revoked, and had not expired when it signed.
//! What is too weak counts only where the recipe allows it by name ([`Weakness`]).
//! With a date to judge by, the key must not have expired by then either. Self-signatures may be of any hash: the
//! keyring is the recipe author's own file, so nobody else chose what they cover. Rules: RFC 9580; in doubt, `gpgv`.
//! Every refusal has a slug of its own.

mod keyring;
mod packets;
mod refused;
mod signer;
#[cfg(test)]
pub(crate) mod testkey;
mod weakness;

pub use keyring::{Keyring, Signed};
pub use refused::{Refusal, Refused};
pub use signer::Message;
pub use weakness::Weakness;

#[cfg(test)]
mod tests;

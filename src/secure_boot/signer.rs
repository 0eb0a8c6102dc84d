//! Whoever has a private key: it is in a file, or behind a command that asks a token or a service for it.
//!
//! A signature depends on the key and the digest alone (RSASSA-PKCS1-v1_5), so an image has the same bytes whoever is
//! asked. What comes back is checked against the certificate before it is used (`formats::pkcs7`).

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::OsRng;
use rsa::sha2::Sha256;
use rsa::{RsaPrivateKey, RsaPublicKey};

use crate::formats::pkcs7::Certificates;
use crate::tree::Digest;

/// DER of a `DigestInfo` (RFC 8017, 9.2, note 1) for SHA-256, up to the digest.
const DIGEST_INFO: [u8; 19] = *b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
/// More than the signature of any RSA key, in bytes.
const ANSWER_MAX: u64 = 64 << 10;

/// Signs digests with one RSA key.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The signature by RSASSA-PKCS1-v1_5 with SHA-256, big-endian.
    fn sign(&self, digest: &Digest) -> anyhow::Result<Vec<u8>>;
}

/// A private key in memory.
pub struct PemKey(RsaPrivateKey);

impl PemKey {
    /// From `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1), without a passphrase. No error shows the text.
    pub fn parse(text: &str) -> anyhow::Result<PemKey> {
        if text.contains("ENCRYPTED") {
            bail!("the private key has a passphrase, which nobody could type in a build: use a command");
        }
        let key = match RsaPrivateKey::from_pkcs8_pem(text) {
            Ok(key) => Ok(key),
            Err(_) if text.contains("BEGIN RSA PRIVATE KEY") => {
                RsaPrivateKey::from_pkcs1_pem(text).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match key {
            Ok(key) => Ok(PemKey(key)),
            Err(why) => bail!("it is not the PEM of an RSA private key: {why}"),
        }
    }

    /// Whether it is the key of the signer's certificate.
    pub fn is_of(&self, certificates: &Certificates) -> bool {
        RsaPublicKey::from(&self.0) == *certificates.key()
    }
}

impl Signer for PemKey {
    fn sign(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        // RUSTSEC-2023-0071: the crate's arithmetic takes a time that depends on the key. With blinding the numbers are
        // other ones each time, and the signature is the same.
        let signature = self.0.sign_with_rng(&mut OsRng, Pkcs1v15Sign::new::<Sha256>(), &digest.0);
        signature.context("signing with the private key")
    }
}

impl fmt::Debug for PemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PemKey")
    }
}

/// What a command is given to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToSign {
    /// The digest, 32 bytes: what key services and `openssl pkeyutl -pkeyopt digest:sha256` take.
    Digest,
    /// The `DigestInfo` around it, 51 bytes of DER: what PKCS#11's `CKM_RSA_PKCS` takes.
    DigestInfo,
}

/// A command that is asked for each signature: bytes on its standard input, the signature on its standard output.
#[derive(Debug, Clone)]
pub struct SignCommand {
    pub program: String,
    pub arguments: Vec<String>,
    pub to_sign: ToSign,
}

impl Signer for SignCommand {
    fn sign(&self, digest: &Digest) -> anyhow::Result<Vec<u8>> {
        let context = || format!("signing with `{}`", self.program);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(context)?;
        let input = match self.to_sign {
            ToSign::Digest => digest.0.to_vec(),
            ToSign::DigestInfo => [&DIGEST_INFO[..], &digest.0].concat(),
        };
        let given = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&input));
        let mut signature = Vec::new();
        let taken = child.stdout.take().map_or(Ok(0), |out| out.take(ANSWER_MAX).read_to_end(&mut signature));
        let status = child.wait().with_context(context)?;
        if !status.success() {
            bail!("signing with `{}`: it ended with {status}", self.program);
        }
        match given {
            // A command that does not read its input cannot have signed it: the signature will be found wrong.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).with_context(context)?,
            _ => {}
        }
        taken.with_context(context)?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use rsa::pkcs1::EncodeRsaPrivateKey;
    use rsa::pkcs8::{EncodePrivateKey, LineEnding};

    use super::*;
    use crate::formats::pkcs7::testkey::TestKey;

    #[test]
    fn both_forms_of_a_key_sign_alike_and_every_time_the_same() {
        let test = TestKey::new(1);
        let forms = [test.key.to_pkcs8_pem(LineEnding::LF).unwrap(), test.key.to_pkcs1_pem(LineEnding::LF).unwrap()];
        let digest = Digest::of(b"text");
        for form in forms {
            let key = PemKey::parse(&form).unwrap();
            for _ in 0..2 {
                assert_eq!(key.sign(&digest).unwrap(), test.sign(&digest));
            }
            assert!(key.is_of(&test.certificates().unwrap()));
            assert!(!key.is_of(&TestKey::new(2).certificates().unwrap()));
            assert_eq!(format!("{key:?}"), "PemKey");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let error = |text: &str| PemKey::parse(text).unwrap_err().to_string();
        for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"] {
            let error = error(text);
            assert!(error.starts_with("it is not the PEM of an RSA private key: "), "{error}");
            assert!(!error.contains("secret") && !error.contains("c2Vj"), "{error}");
        }
        let locked = error("-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n");
        assert!(locked.contains("has a passphrase"), "{locked}");
    }
}

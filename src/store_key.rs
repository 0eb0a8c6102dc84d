//! With what a store authenticates what it has derived from blobs: a secret that is kept outside it.
//!
//! Blobs are named by their digests, but what was computed from one (an unpacked package's list of files, compressed
//! extents) has no digest that a lock knows. Whoever can write to a store, such as another job whose cache is restored
//! here, must not decide what an image has in it: derived data without this key's mark counts as absent.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::hex;
use crate::tree::Digest;

const BYTES: usize = 32;

/// A secret of 256 bits.
#[derive(Clone)]
pub struct StoreKey([u8; BYTES]);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey")
    }
}

impl StoreKey {
    /// One that nobody knows: nothing derived outlives the process.
    pub fn ephemeral() -> Result<StoreKey> {
        let mut bytes = [0; BYTES];
        let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        read.context("reading /dev/urandom").map(|()| StoreKey(bytes))
    }

    /// The key in this file, 64 hexadecimal digits, which is made if it is not there.
    ///
    /// # Errors
    /// It is no key, open to others, or cannot be read or made.
    pub fn at(path: &Path) -> Result<StoreKey> {
        let reading = || format!("reading the store's key {}", path.display());
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => make(path)?,
            file => file.with_context(reading)?,
        };
        let mode = file.metadata().with_context(reading)?.permissions().mode();
        ensure!(mode & 0o077 == 0, "the store's key is open to others; run: chmod 600 {}", path.display());
        let mut text = String::new();
        file.take(1024).read_to_string(&mut text).with_context(reading)?;
        hex::decode(text.trim())
            .map(StoreKey)
            .with_context(|| format!("{} is no key of a store: remove it", path.display()))
    }

    /// What authenticates `payload` as the data of this kind that was derived from the blob `of`.
    pub fn mark(&self, kind: &str, of: &Digest, payload: &[u8]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [kind.as_bytes(), &[0], &of.0, payload] {
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }
}

/// Appears whole; another process may be quicker, and then its key is the one.
fn make(path: &Path) -> Result<File> {
    let making = || format!("making the store's key {}", path.display());
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(making)?;
    let mut file = tempfile::Builder::new().prefix(".store-key-").tempfile_in(directory).with_context(making)?;
    let StoreKey(bytes) = StoreKey::ephemeral()?;
    writeln!(file, "{}", hex::encode(&bytes)).with_context(making)?;
    match file.persist_noclobber(path) {
        Err(refused) if refused.error.kind() != ErrorKind::AlreadyExists => Err(refused.error).with_context(making)?,
        _ => OpenOptions::new().read(true).mode(0o600).open(path).with_context(making),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_marks_are_its_own() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state/nodesmith/store-key");
        let of = Digest::of("blob");
        let mark = |key: &StoreKey| key.mark("kind-1", &of, b"payload");
        let first = StoreKey::at(&path).unwrap();
        assert_eq!(mark(&first), mark(&StoreKey::at(&path).unwrap()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(mark(&first), mark(&StoreKey::ephemeral().unwrap()));
        assert_ne!(mark(&first), first.mark("kind-2", &of, b"payload"));
        assert_ne!(mark(&first), first.mark("kind-1", &Digest::of("other"), b"payload"));
        assert_ne!(mark(&first), first.mark("kind-1", &of, b"payload2"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(StoreKey::at(&path).unwrap_err().to_string().contains("open to others"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(StoreKey::at(&path).unwrap_err().to_string().contains("is no key"));
    }
}

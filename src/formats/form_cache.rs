//! Where compressed forms are kept from one build to the next: the store in a build.

use std::io;

use crate::tree::Digest;

/// Forms by keys. A key is the digest of all that decides a form's bytes, its kind and version too.
pub trait FormCache: Sync {
    /// What was last put under this key; `None` if there is nothing that can be read.
    fn get(&self, key: &Digest) -> Option<Vec<u8>>;
    fn put(&self, key: &Digest, form: &[u8]) -> io::Result<()>;
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoCache;

impl FormCache for NoCache {
    fn get(&self, _key: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn put(&self, _key: &Digest, _form: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

//! Sums of files, as dpkg's and ucf's records have them.

use md5::{Digest, Md5};

/// What records of configuration files have of their contents.
pub(super) fn md5sum(bytes: &[u8]) -> String {
    crate::hex::encode(&Md5::digest(bytes))
}

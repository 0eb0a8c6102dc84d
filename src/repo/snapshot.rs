//! A repository at the time when it was read.

use super::index::Offer;
use super::rpmmd::metadata::Metadata;
use crate::tree::Digest;

/// What a repository was when it was read: what it offers, and enough to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub offers: Vec<Offer>,
    /// Why files are not offered, some of them: whoever misses a package may find it here.
    pub left_out: Vec<String>,
    /// The day that the repository gives itself: `2026-09-12`; empty if it gives none.
    pub date: String,
    /// Fingerprint of the primary key that signed the metadata; empty if that is not signed, or not looked at.
    pub signer: String,
    /// SHA-256 of the entry point as it was served: `InRelease`, `repomd.xml`.
    pub sha256: Digest,
    /// Of an RPM-md repository: its other files, for who needs them (`rpmmd::filelists`), and its modules.
    pub metadata: Option<Metadata>,
}

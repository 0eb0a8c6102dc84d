//! The root of this boot as devices, wherever it comes from.

use super::partition_table::Gpt;
use crate::agent::block_device::{BlockDevice, Disk};

/// The two halves that the root hash names, and the disk that they lie on: none for a root that was fetched.
#[derive(Debug)]
pub struct Root {
    pub data: BlockDevice,
    /// Its hash tree.
    pub hash: BlockDevice,
    pub disk: Option<RootDisk>,
}

/// The disk of a root, whose partition table gets `/var`.
#[derive(Debug)]
pub struct RootDisk {
    pub disk: Disk,
    pub gpt: Gpt,
}

//! EROFS: a [`Tree`](crate::tree::Tree) as a compressed read-only file system, and back.
//!
//! ```text
//! block 0      superblock, codec configuration
//! …            file data in the tree's order: extents, whole blocks
//! …            shared xattrs
//! …            directories' whole blocks
//! meta_blkaddr inodes, each followed by its xattrs and by its indexes or the tail of its data
//! ```
//! The metadata comes last because its size and addresses are known only when the data is compressed: the image is
//! written in one go, and only block 0 is filled in at the end. Compressed files use fixed-*input* extents with full
//! indexes: every extent holds the same number of bytes, so that files compress in parallel and each file's compressed
//! form can be cached ([`FormCache`](super::form_cache::FormCache)). The same tree and options give the same bytes with any number of threads.
//!
//! Oracles: the kernel (6.1 for LZ4, 6.12 for zstd) and `fsck.erofs --extract` 1.8. Specification:
//! <https://erofs.docs.kernel.org/en/latest/core_ondisk.html>.

mod cache;
mod compress;
mod data;
mod directory;
pub mod dump;
mod layout;
mod place;
pub mod read;
mod write;
mod xattrs;

use std::num::NonZeroUsize;

pub use write::write;

/// What [`write`] needs to know besides the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub uuid: [u8; 16],
    /// Volume label, NUL-padded: see [`label`].
    pub label: [u8; 16],
    /// Seconds since 1970 in the superblock. Inodes with this mtime can take the compact form, half as large.
    pub epoch: i64,
    pub codec: Codec,
    pub extent: ExtentSize,
    /// Threads that compress. No influence on the bytes.
    pub threads: NonZeroUsize,
}

/// A volume label as [`Options`] takes it; `None` for text longer than 15 bytes (the kernel ends it with a NUL).
pub fn label(text: &str) -> Option<[u8; 16]> {
    let mut label = [0; 16];
    label[..15].get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(label)
}

/// How file data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Kernels from 6.10 on. Levels 1 to 22.
    Zstd {
        level: i32,
    },
    /// Any kernel with EROFS. Levels 3 to 12.
    Lz4hc {
        level: i32,
    },
    None,
}

/// Bytes of input that are compressed together: what one page fault has to decompress, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtentSize(u32);

impl ExtentSize {
    /// Within 6 % of the size that 256 KiB gives, at half the cost of a random read.
    pub const DEFAULT: ExtentSize = ExtentSize(128 << 10);
    /// The kernel's largest physical cluster, and its largest zstd window.
    pub const MAX: ExtentSize = ExtentSize(1 << 20);

    /// A power of two from 4 KiB to 1 MiB.
    pub fn new(bytes: u32) -> Option<ExtentSize> {
        let fits = bytes.is_power_of_two() && bytes >> 12 != 0 && bytes <= ExtentSize::MAX.0;
        fits.then_some(ExtentSize(bytes))
    }

    pub fn bytes(self) -> u32 {
        self.0
    }
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Size of the image, a multiple of 4096.
    pub bytes: u64,
    pub inodes: u64,
    /// Bytes of regular files, hard links counted once.
    pub content_bytes: u64,
    /// Files whose compressed form came from the cache.
    pub cached_files: u64,
}

#[cfg(test)]
mod tests;

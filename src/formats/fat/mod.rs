//! FAT volumes (Microsoft's FAT specification): the EFI system partition (FAT32) and small seeds (FAT12, FAT16).
//!
//! [`write`] makes a volume straight in a region of an image, [`build`] and [`seed`] in memory. A volume is written
//! once, so every file and directory lies in one piece; the same input always gives the same bytes. The writer is our
//! own because the crate `fatfs` 0.3 gives `.` and `..` long names, which `fsck.vfat` (the oracle) takes for damage.
//! [`dump`] and [`files`] read any volume, damaged ones too.

mod dump;
mod error;
mod geometry;
mod names;
mod time;
mod write;

pub use dump::{dump, files};
pub use error::FatError;
pub use write::{Entry, FAT32_MIN_BYTES, Volume, build, seed, write};

#[cfg(test)]
mod tests;

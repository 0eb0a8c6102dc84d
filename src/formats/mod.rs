//! Bytes on disk: file systems, disk images and boot files, written and read in-process.
//!
//! Nothing here knows recipes, locks or the command line; `tests/it/policy.rs` keeps it so.

pub mod erofs;
pub mod verity;

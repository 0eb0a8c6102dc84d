//! Hyper-V's disk format (\[MS-VHDX\], Microsoft's "Virtual Hard Disk v2"), dynamic and with an empty log.
//!
//! Takes a raw file, gives a vhdx file with the same content: only blocks that are not zero are in it. Holes cost
//! nothing. Oracle: `qemu-img check` and `qemu-img compare`. [`Reader`] reads such files back, and those of `qemu-img
//! convert`.
//!
//! ```text
//! 0 identifier, headers, region tables │ 1 MiB log │ 2 MiB metadata │ 3 MiB block allocation table │ blocks …
//! ```

mod read;
mod structure;
mod write;

pub use read::{Reader, dump};
pub use structure::MAGIC;
pub use write::write;

//! VMware's disks as importers take them: one file of compressed grains, called streamOptimized (VMware's "Virtual Disk
//! Format 5.0", hosted sparse extents).
//!
//! Takes a raw file, gives a vmdk file with the same content for any number of threads, in one pass and without going
//! back. Zeros and holes take no room. Oracle: `qemu-img check` and `qemu-img compare`. [`Reader`] reads such files
//! back, and the sparse ones that are not compressed.
//!
//! ```text
//! header │ descriptor │ grains │ grain table │ … │ grain directory │ footer │ end, all but two behind markers
//! ```

mod header;
mod read;
mod write;

pub use header::{MAGIC, dump};
pub use read::Reader;
pub use write::{Image, write};

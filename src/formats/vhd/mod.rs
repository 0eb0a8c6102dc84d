//! Hyper-V's first disk format, which Azure takes (Microsoft's "Virtual Hard Disk Image Format Specification" 1.0).
//!
//! Takes a raw file, gives a vhd file with the same content: fixed is the raw image with a footer, dynamic holds only
//! blocks that are not zero. Holes cost nothing in either. Oracle: `qemu-img compare`. [`Reader`] reads both back.
//!
//! ```text
//! fixed:   disk │ footer
//! dynamic: copy of the footer │ header │ block allocation table │ (sector bitmap, block) … │ footer
//! ```

mod footer;
mod read;
mod write;

pub use footer::{Kind, MAGIC, dump};
pub use read::Reader;
pub use write::write;

//! Compressed qcow2 images (version 3, QEMU's docs/interop/qcow2.rst), written in one pass from a raw image.
//!
//! Takes a raw file, gives a qcow2 file with the same content for any number of threads: clusters are compressed in
//! parallel, written in order. Zero clusters and holes take no room and holes no time. Memory does not grow with the
//! image, but for two bytes a cluster written. No snapshots, backing files or bitmaps. Oracle: `qemu-img check` and
//! `qemu-img compare`. [`Reader`] reads such images back, and those of `qemu-img convert`.
//!
//! ```text
//! header │ compressed clusters, packed │ L2 table │ … │ L2 table │ L1 table │ refcount table │ refcount blocks
//! ```

mod dump;
mod header;
mod read;
mod write;

pub use dump::dump;
pub use header::MAGIC;
pub use read::Reader;
pub use write::{Codec, Summary, write};

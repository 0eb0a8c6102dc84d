//! The disk as data without holes, for nodes that fetch it and installers that write it; its head and index are
//! [`crate::netdisk_index`]'s.
//!
//! Takes a raw disk, gives the same bytes with any number of threads; [`Reader`] reads the disk back.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Reader, dump};
pub use write::{Request, write};

//! Where packages come from in a build: repositories → lock, lock → unpacked packages.

mod access;
mod drops;
mod fetch;
mod keys;
mod lock;
mod servers;

pub use access::Access;
pub use drops::unused_drops;
pub use fetch::{Packages, fetch};
pub use lock::lock;

#[cfg(test)]
mod tests;

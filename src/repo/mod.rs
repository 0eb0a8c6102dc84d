//! Repositories: what they offer, and how it gets here.
//!
//! `apt`, `rpmmd` and `rpm_directory` turn what a repository says into a [`Snapshot`]; `fetch` is the only code that
//! uses the network, `host` knows which mirror this machine uses.

pub mod apt;
pub mod fetch;
pub mod host;
mod index;
pub mod pick;
mod rpm_capabilities;
pub mod rpm_directory;
pub mod rpmmd;
mod snapshot;
#[cfg(test)]
pub(crate) mod testserver;
pub mod url;

pub use index::{Index, Offer};
pub use snapshot::Snapshot;

//! Package repositories: what they offer, who signed it, and the store that keeps what came from them.

pub mod fetch;
pub mod store;
#[cfg(test)]
pub(crate) mod testserver;

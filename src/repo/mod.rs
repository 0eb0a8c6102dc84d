//! Package repositories: what they offer, who signed it, and the store that keeps what came from them.

pub mod store;

//! How far long work is, for whoever watches it.

/// Watches downloads. Called from several threads.
pub trait Progress: Sync {
    /// `done` of `total` bytes of a file are there.
    fn bytes(&self, what: &str, done: u64, total: u64);
    /// Something a person may want to know: a retry, a wait.
    fn note(&self, text: &str);
}

/// Nobody watches.
impl Progress for () {
    fn bytes(&self, _: &str, _: u64, _: u64) {}
    fn note(&self, _: &str) {}
}

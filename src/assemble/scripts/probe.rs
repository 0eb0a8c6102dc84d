//! Looking on while scripts run, and taking programs away from them: for tests and measurements.

use super::files::{Change, Files};
use crate::package::Package;
use crate::shell::Bytes;
use crate::tree::TreePath;

/// When an [`Observer`] is told of a script.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'m> {
    Before,
    /// It ran, changed this, and called these programs itself.
    After(&'m [(TreePath, Change)], &'m [Vec<Bytes>]),
}

/// Told around each script that runs: whose it is, its name, and the files at that moment.
pub type Observer<'o> = &'o mut dyn FnMut(&Package, &str, Moment, &Files);

/// What tests look at while scripts run, and take away from them.
#[derive(Default)]
pub struct Probe<'o> {
    pub observer: Option<Observer<'o>>,
    /// A program that is not known.
    pub without: Option<String>,
}

impl std::fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probe without {:?}", self.without)
    }
}

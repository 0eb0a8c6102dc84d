//! What everything that is supplied is got with.

use std::fmt;

use chrono::NaiveDate;

use crate::progress::Progress;
use crate::repo::fetch::Network;
use crate::store::Store;

/// Every function of supply takes it.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    pub store: &'a Store,
    /// Only the store and files of this machine are used.
    pub offline: bool,
    /// The day that dates of repositories, keys and signatures are judged by when a lock is made. What fits a lock is
    /// built on any day.
    pub as_of: NaiveDate,
    pub progress: &'a dyn Progress,
}

impl Access<'_> {
    pub(super) fn network(&self, proxy: Option<String>) -> Network {
        Network { offline: self.offline, proxy, ..Network::default() }
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Access { store, offline, as_of, progress: _ } = self;
        f.debug_struct("Access")
            .field("store", store)
            .field("offline", offline)
            .field("as_of", as_of)
            .finish_non_exhaustive()
    }
}

//! The keys of a recipe's RPM repositories.

use chrono::{NaiveDate, NaiveTime};

use super::access::Access;
use crate::recipe::{KeySource, Repository, RpmRepository};
use crate::repo::fetch::Fetcher;
use crate::trust::Keyring;

/// Largest file of keys that is fetched, in bytes.
const KEY_MAX: u64 = 1 << 20;

/// The keys that sign what the recipe wants to be signed; nothing if that is nothing. Where a lock is made, signatures
/// have to count `on` a day.
pub(super) fn keyring(
    repository: &Repository,
    rpm: &RpmRepository,
    on: Option<NaiveDate>,
    access: &Access<'_>,
) -> anyhow::Result<Option<Keyring>> {
    if rpm.keys.is_empty() {
        return Ok(None);
    }
    let load = |source: &KeySource| match source {
        KeySource::File(path) => Keyring::load(path),
        KeySource::Url(url) => {
            let what = format!("the key of repository {}", repository.name);
            let fetcher = Fetcher::new(access.store, access.network(None));
            let bytes = fetcher.text(&what, url, KEY_MAX, access.progress)?;
            Keyring::parse(&format!("of repository {}", repository.name), &bytes)
        }
    };
    let keyrings = rpm.keys.iter().map(load).collect::<anyhow::Result<_>>()?;
    let on = on.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp());
    Ok(Some(Keyring::joined(keyrings).only(&rpm.fingerprints)?.forgiving(&rpm.weak).as_of(on)))
}

/// Those of which one has to have signed each package.
pub(super) fn of_packages(
    repository: &Repository,
    rpm: &RpmRepository,
    on: Option<NaiveDate>,
    access: &Access<'_>,
) -> anyhow::Result<Option<Keyring>> {
    if rpm.signed_packages { keyring(repository, rpm, on, access) } else { Ok(None) }
}

//! Metadata that the installer brought along: files in a directory of `/var`.

use std::path::Path;

use anyhow::Result;

use super::nocloud;
use crate::agent::durable;
use crate::agent::first_boot::metadata::{Metadata, Origin};
use crate::contract::INSTALLED_METADATA;

/// Where it is from at every boot.
const PLACE: &str = "installer";

/// # Errors
/// [`crate::diag::Diagnostics`] for a file that is unreadable as text.
pub fn find(only: Option<&str>) -> Result<Option<Metadata>> {
    find_in(Path::new(INSTALLED_METADATA), only)
}

fn find_in(directory: &Path, only: Option<&str>) -> Result<Option<Metadata>> {
    if !directory.is_dir() || only.is_some_and(|only| only != PLACE) {
        return Ok(None);
    }
    let origin = Origin { name: "/var, from the installer".to_owned(), place: PLACE.to_owned() };
    nocloud::read_directory(directory, origin).map(Some)
}

/// Takes it away, once it was applied for good: there may be a token in it, which nobody needs any more.
pub fn forget() -> Result<()> {
    forget_in(Path::new(INSTALLED_METADATA))
}

fn forget_in(directory: &Path) -> Result<()> {
    nocloud::FILES.iter().try_for_each(|name| durable::wipe(&directory.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::first_boot::metadata::META_DATA;

    #[test]
    fn a_node_without_it_has_none_and_other_places_do_not_count() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(find_in(&work.path().join("gone"), None).unwrap(), None);
        std::fs::write(work.path().join(META_DATA), "instance-id: i-1\n").unwrap();
        let found = find_in(work.path(), Some(PLACE)).unwrap().unwrap();
        assert_eq!((found.texts.len(), found.origin.place.as_str()), (1, PLACE));
        assert_eq!(find_in(work.path(), Some("pci0000:00")).unwrap(), None);
        forget_in(work.path()).unwrap();
        assert!(!work.path().join(META_DATA).exists());
        forget_in(&work.path().join("gone")).unwrap();
    }
}

//! Metadata that the initrd fetched for this boot, from where the kernel command line says.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::nocloud;
use crate::agent::first_boot::metadata::{Metadata, Origin};
use crate::contract;

/// # Errors
/// As [`nocloud::read_directory`]'s; and what the initrd left cannot be read.
pub fn find(only: Option<&str>) -> Result<Option<Metadata>> {
    find_in(Path::new(contract::FETCHED_METADATA), only)
}

fn find_in(directory: &Path, only: Option<&str>) -> Result<Option<Metadata>> {
    let path = directory.join(contract::FETCHED_ORIGIN);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("reading {}", path.display()))?,
    };
    let origin: Origin = serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
    if only.is_some_and(|only| only != origin.place) {
        return Ok(None);
    }
    nocloud::read_directory(directory, origin).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::first_boot::metadata::META_DATA;

    #[test]
    fn what_was_fetched_is_found_and_belongs_to_its_address() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(find_in(work.path(), None).unwrap(), None);
        fs::write(work.path().join(META_DATA), "instance-id: i-1\n").unwrap();
        assert_eq!(find_in(work.path(), None).unwrap(), None, "the initrd was cut before it had all");
        let origin = Origin { name: "http://h/m/".to_owned(), place: "http://h/m/".to_owned() };
        fs::write(work.path().join(contract::FETCHED_ORIGIN), serde_json::to_vec(&origin).unwrap()).unwrap();
        let metadata = find_in(work.path(), Some("http://h/m/")).unwrap().unwrap();
        assert_eq!((metadata.texts.len(), &metadata.origin), (1, &origin));
        assert_eq!(find_in(work.path(), Some("http://h/other/")).unwrap(), None);
    }
}

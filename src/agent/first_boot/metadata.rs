//! The metadata's files as texts, whoever brought them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::diag::{Diagnostic, Diagnostics, Source};

pub const META_DATA: &str = "meta-data";
pub const USER_DATA: &str = "user-data";
pub const NETWORK_CONFIG: &str = "network-config";
/// Every file that metadata can have.
pub const FILES: [&str; 3] = [META_DATA, USER_DATA, NETWORK_CONFIG];

/// Larger than any metadata of a node; cloud-init's own sources stop at 16 KiB to 1 MiB.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The metadata's files by name; a missing file is missing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// For messages: `/dev/vdb (vfat)`.
    pub origin: String,
    /// Where the device of it hangs in the machine; empty if it comes from none.
    pub place: String,
    pub files: BTreeMap<&'static str, Arc<Source>>,
}

/// Reads the files of a directory.
///
/// # Errors
/// [`Diagnostics`] for a file that is too large or not UTF-8; anything else is a failure.
pub fn read_directory(directory: &Path, origin: &str) -> Result<Metadata> {
    let mut metadata = Metadata { origin: origin.to_owned(), ..Metadata::default() };
    let mut mistakes = Diagnostics::default();
    for name in FILES {
        let path = directory.join(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            file => file.with_context(|| format!("opening {name} of {origin}"))?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).with_context(|| format!("reading {name} of {origin}"))?;
        match source(name, bytes, origin) {
            Ok(source) => drop(metadata.files.insert(name, source)),
            Err(found) => mistakes.0.extend(found.0),
        }
    }
    Ok(mistakes.or(metadata)?)
}

/// A file of the metadata as text.
///
/// # Errors
/// It is too large or not UTF-8.
pub fn source(name: &str, bytes: Vec<u8>, origin: &str) -> Result<Arc<Source>, Diagnostics> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let title = format!("{name} of {origin} is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return Err(Diagnostic::new("metadata-size", title).into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let title = format!("{name} of {origin} is not UTF-8 (byte {at})");
        Diagnostics::from(Diagnostic::new("metadata-text", title).help("compressed user-data is not read"))
    })?;
    // Editors of one system put a mark before UTF-8 that is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // Tokens, passwords, keys: people put them into any of the files.
    Ok(Source::secret(name, text))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_read_and_others_ignored() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join(META_DATA), "instance-id: i-1\n").unwrap();
        fs::write(work.path().join(USER_DATA), "\u{feff}#cloud-config\n").unwrap();
        fs::write(work.path().join("other"), "x").unwrap();
        let metadata = read_directory(work.path(), "test").unwrap();
        assert_eq!(metadata.files.keys().copied().collect::<Vec<_>>(), [META_DATA, USER_DATA]);
        assert_eq!(metadata.files[USER_DATA].text, "#cloud-config\n");
    }

    #[test]
    fn a_file_that_is_no_text_is_a_mistake() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join(USER_DATA), [0x1f, 0x8b, 8]).unwrap();
        let error = read_directory(work.path(), "test").unwrap_err();
        let mistakes = error.downcast_ref::<Diagnostics>().unwrap();
        assert_eq!((mistakes.0.len(), mistakes.0[0].slug), (1, "metadata-text"));
        let most = usize::try_from(MAX_FILE_BYTES).unwrap();
        source(USER_DATA, vec![b'x'; most], "test").unwrap();
        assert_eq!(source(USER_DATA, vec![b'x'; most + 1], "test").unwrap_err().0[0].slug, "metadata-size");
    }
}

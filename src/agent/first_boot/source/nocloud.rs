//! cloud-init's NoCloud: files on a FAT or ISO 9660 volume labelled `cidata`, or in a directory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::attached;
use crate::agent::first_boot::metadata::{
    MAX_TEXT_BYTES, META_DATA, Metadata, NETWORK_CONFIG, Origin, USER_DATA, text,
};
use crate::diag::{Diagnostic, Diagnostics};

/// Of the volume, in either case.
pub const LABEL: &str = "cidata";
/// Every file that counts, named as its document.
pub const FILES: [&str; 3] = [META_DATA, USER_DATA, NETWORK_CONFIG];

/// # Errors
/// [`Diagnostics`] if there are two volumes or a file is unreadable as text; a volume that cannot be mounted is a
/// failure.
pub fn find(only: Option<&str>) -> Result<Option<Metadata>> {
    match attached::volumes(LABEL, only)?.as_slice() {
        [] => Ok(None),
        [(path, volume)] => attached::read(path, volume, read_directory).map(Some),
        several => {
            let names: Vec<String> = several.iter().map(|(path, _)| path.display().to_string()).collect();
            let title = format!("there are {} metadata volumes: {}", names.len(), names.join(", "));
            Err(Diagnostics::from(Diagnostic::new("two-seeds", title).help("leave only one attached")).into())
        }
    }
}

/// Reads the files of a directory.
///
/// # Errors
/// [`Diagnostics`] for a file that is too large or not UTF-8; anything else is a failure.
pub fn read_directory(directory: &Path, origin: Origin) -> Result<Metadata> {
    let mut metadata = Metadata { origin, ..Metadata::default() };
    let origin = &metadata.origin.name;
    let mut mistakes = Diagnostics::default();
    for name in FILES {
        let path = directory.join(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            file => file.with_context(|| format!("opening {name} of {origin}"))?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).with_context(|| format!("reading {name} of {origin}"))?;
        match text(name, bytes, origin) {
            Ok(text) => drop(metadata.texts.insert(name, text)),
            Err(found) => mistakes.0.extend(found.0),
        }
    }
    Ok(mistakes.or(metadata)?)
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
        let metadata = read_directory(work.path(), Origin::named("test")).unwrap();
        assert_eq!(metadata.texts.keys().copied().collect::<Vec<_>>(), [META_DATA, USER_DATA]);
        assert_eq!(metadata.texts[USER_DATA].text, "#cloud-config\n");
    }

    #[test]
    fn a_file_that_is_no_text_is_a_mistake() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join(USER_DATA), [0x1f, 0x8b, 8]).unwrap();
        let error = read_directory(work.path(), Origin::named("test")).unwrap_err();
        let mistakes = error.downcast_ref::<Diagnostics>().unwrap();
        assert_eq!((mistakes.0.len(), mistakes.0[0].slug), (1, "metadata-text"));
    }
}

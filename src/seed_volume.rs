//! NoCloud volumes on this side: the files of a directory, or of a few words → checked → a volume.
//!
//! What the files may say is judged by the node's own parser (`agent/first_boot/documents`): there a mistake is found
//! at the first boot, and is final.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::agent::first_boot::documents;
use crate::agent::first_boot::metadata::{Metadata, Origin, text};
use crate::agent::first_boot::source::nocloud::{FILES, LABEL};
use crate::agent::first_boot::source::volume;
use crate::bounded;
use crate::diag::Diagnostics;
use crate::formats::{fat, iso9660};

/// The same seed is the same bytes: no clock, no random serial number. 2026-01-01.
const EPOCH: i64 = 1_767_225_600;
const VOLUME_ID: u32 = 0x4e53_4544;

/// The metadata's files by name, at most the three of [`FILES`].
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// The metadata's files that `directory` has.
///
/// # Errors
/// It has none of them, or one cannot be read.
pub fn read(directory: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for name in FILES {
        let path = directory.join(name);
        if path.exists() {
            files.insert(name, bounded::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    ensure!(!files.is_empty(), "`{}` has none of {}", directory.display(), FILES.join(", "));
    Ok(files)
}

/// Every mistake that the node would find in the files.
pub fn check(files: &Files) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::default();
    let mut metadata = Metadata { origin: Origin::named("of this seed"), ..Metadata::default() };
    for (name, bytes) in files {
        match text(name, bytes.clone(), "the seed") {
            Ok(text) => drop(metadata.texts.insert(name, text)),
            Err(mistakes) => found.0.extend(mistakes.0),
        }
    }
    found.or(())?;
    documents::parse(&metadata).map(drop)
}

/// A volume that the node finds: ISO 9660, or FAT.
pub fn volume(files: &Files, iso: bool) -> anyhow::Result<Vec<u8>> {
    let label = LABEL.to_ascii_uppercase();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    if iso {
        iso9660::write(&label, EPOCH, &files).context("making the ISO 9660 volume")
    } else {
        fat::seed(&label, VOLUME_ID, EPOCH, &files).context("making the FAT volume")
    }
}

/// Writes a volume, readable by its owner alone, whole or not at all. A file that is there is replaced only if it is
/// a seed too, or with `force`.
pub fn write(volume: &[u8], path: &Path, force: bool) -> anyhow::Result<()> {
    if let Ok(there) = File::open(path) {
        let metadata = there.metadata().with_context(|| format!("looking at {}", path.display()))?;
        if !metadata.is_file() {
            bail!("{} is not a regular file; make the volume in a file, and copy that", path.display());
        }
        if !force && metadata.len() > 0 && !is_seed(&there) {
            bail!("{} is there and is not a metadata volume; --force replaces it all the same", path.display());
        }
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only its owner may read it: user-data commonly holds secrets. That is how a temporary file is made.
    let mut unfinished = tempfile::Builder::new()
        .prefix(".seed-")
        .tempfile_in(directory)
        .with_context(|| format!("writing in {}", directory.display()))?;
    unfinished.write_all(volume).with_context(|| format!("writing {}", path.display()))?;
    unfinished.persist(path).with_context(|| format!("naming {}", path.display()))?;
    Ok(())
}

fn is_seed(file: &File) -> bool {
    volume::read(file).is_some_and(|volume| volume.label.eq_ignore_ascii_case(LABEL))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files(files: &[(&'static str, &str)]) -> Files {
        files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_the_node_would_refuse_is_refused_here_with_every_mistake() {
        let fine = files(&[("meta-data", "instance-id: a\nlocal-hostname: node-7\n")]);
        assert_eq!(check(&fine), Ok(()));
        let wrong = files(&[
            ("meta-data", "instance-id: a\nlocal-hostname: Node_7\n"),
            ("user-data", "#cloud-config\nruncmd: [ls]\n"),
        ]);
        let text = check(&wrong).unwrap_err().to_string();
        assert!(text.contains("meta-data:2:17: `Node_7` is not a host name"), "{text}");
        assert!(text.contains("user-data:2:1: "), "{text}");
        let binary = Files::from([("user-data", vec![0x1f, 0x8b])]);
        assert_eq!(check(&binary).unwrap_err().0[0].slug, "metadata-text");
    }

    #[test]
    fn only_a_seed_is_replaced_and_only_its_owner_may_read_it() {
        let place = tempfile::tempdir().unwrap();
        let files = files(&[("meta-data", "instance-id: a\n")]);
        for (name, iso) in [("x.img", false), ("x.iso", true)] {
            let path = place.path().join(name);
            let volume = volume(&files, iso).unwrap();
            write(&volume, &path, false).unwrap();
            write(&volume, &path, false).unwrap();
            assert_eq!(fs::read(&path).unwrap(), volume);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let other = place.path().join("quickstart.raw");
        fs::write(&other, "an image").unwrap();
        let error = write(b"volume", &other, false).unwrap_err().to_string();
        assert!(error.contains("is not a metadata volume"), "{error}");
        assert_eq!(fs::read(&other).unwrap(), b"an image");
        write(b"volume", &other, true).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"volume");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
        assert!(write(b"volume", place.path(), true).is_err());
    }
}

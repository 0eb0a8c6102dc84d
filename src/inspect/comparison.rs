//! The files of a root beside those that the manifest of its build lists.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::image::manifest::FileRecord;

/// What the two do not have in common, by path.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Path → the names of what is different, as manifests have them: `mode`, `sha256`.
    pub different: BTreeMap<String, BTreeSet<String>>,
    /// Only in the manifest.
    pub missing: Vec<String>,
    /// Only in the image.
    pub extra: Vec<String>,
}

impl Comparison {
    /// Compares all that an image itself says of its files: not who brought them.
    pub(super) fn of(image: &[FileRecord], manifest: &[FileRecord]) -> anyhow::Result<Comparison> {
        let (ours, theirs) = (by_path(image), by_path(manifest));
        let mut comparison = Comparison::default();
        for (path, file) in &ours {
            let different = theirs.get(path).map(|other| differences(file, other)).transpose()?;
            match different {
                None => comparison.extra.push((*path).to_owned()),
                Some(keys) if keys.is_empty() => {}
                Some(keys) => drop(comparison.different.insert((*path).to_owned(), keys)),
            }
        }
        comparison.missing = theirs.into_keys().filter(|path| !ours.contains_key(path)).map(str::to_owned).collect();
        Ok(comparison)
    }

    pub fn is_empty(&self) -> bool {
        self.different.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }

    /// The last lines of a listing.
    pub(super) fn text(&self) -> String {
        let Comparison { different, missing, extra } = self;
        if self.is_empty() {
            return "manifest: it lists the same files\n".to_owned();
        }
        let counts = (different.len(), missing.len(), extra.len());
        let mut text = format!("manifest: {} different, {} missing, {} extra\n", counts.0, counts.1, counts.2);
        for (path, what) in different {
            let what: Vec<&str> = what.iter().map(String::as_str).collect();
            text.push_str(&format!("different {path}: {}\n", what.join(", ")));
        }
        missing.iter().for_each(|path| text.push_str(&format!("missing {path}\n")));
        extra.iter().for_each(|path| text.push_str(&format!("extra {path}\n")));
        text
    }
}

fn by_path(files: &[FileRecord]) -> BTreeMap<&str, &FileRecord> {
    files.iter().map(|file| (file.path.as_str(), file)).collect()
}

/// The keys of two records whose values are not the same.
fn differences(ours: &FileRecord, theirs: &FileRecord) -> anyhow::Result<BTreeSet<String>> {
    let theirs = FileRecord { origin: ours.origin.clone(), ..theirs.clone() };
    if *ours == theirs {
        return Ok(BTreeSet::new());
    }
    let (ours, theirs) = (serde_json::to_value(ours)?, serde_json::to_value(theirs)?);
    let keys = [&ours, &theirs].into_iter().filter_map(Value::as_object).flat_map(|record| record.keys());
    Ok(keys.filter(|key| ours.get(key.as_str()) != theirs.get(key.as_str())).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::FileKind;
    use crate::image::manifest::tests::manifest;

    #[test]
    fn files_that_differ_miss_or_are_new_are_named() {
        let manifest = manifest().files;
        let mut image = manifest.clone();
        image.iter_mut().for_each(|file| file.origin = "the image".to_owned());
        let same = Comparison::of(&image, &manifest).unwrap();
        assert!(same.is_empty() && same.text() == "manifest: it lists the same files\n", "{}", same.text());
        image[0].mode = "0700".to_owned();
        image[1].kind = FileKind::Directory;
        image[2].path = "/new".to_owned();
        image[6].xattrs.clear();
        let text = Comparison::of(&image, &manifest).unwrap().text();
        assert_eq!(
            text,
            "manifest: 3 different, 1 missing, 1 extra\n\
             different /0: mode\ndifferent /1: kind\ndifferent /6: xattrs\nmissing /2\nextra /new\n"
        );
    }
}

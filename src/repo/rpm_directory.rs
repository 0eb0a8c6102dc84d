//! A plain directory of `.rpm` files as a repository: what an air-gapped build gets on a disk.
//!
//! Files lie in it or below it. Their headers say what they are; nothing is believed that a later check of the
//! signature does not confirm, because the lock is made from packages whose signatures were good. Source packages may
//! lie there too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::rpm_capabilities::{Place, fits, offer};
use super::store::digest_of_file;
use super::{Offer, Refused, Snapshot};
use crate::package::rpm::{self, SOURCE_PACKAGE};
use crate::tree::Digest;

/// Deepest nesting of directories: a link that leads up would never end.
const DEPTH_MAX: usize = 16;

/// Reads the directory. `name` is the repository's in the recipe, `arch` the image's as RPM names it (`x86_64`).
pub fn read(name: &str, directory: &Path, arch: &str) -> Result<Snapshot> {
    let mut files = Vec::new();
    list(directory, 0, &mut files)?;
    files.sort();
    let mut offers: Vec<Offer> = Vec::new();
    let mut lines = String::new();
    for file in files {
        let description = match rpm::describe(&file) {
            Err(error) if error.downcast_ref().is_some_and(|refused: &Refused| refused.slug() == SOURCE_PACKAGE) => {
                continue;
            }
            described => described?,
        };
        if !fits(&description.id.arch, arch) {
            continue;
        }
        let below = file.strip_prefix(directory).unwrap_or(&file);
        let wrong = || Refused::new("bad-path", format!("the name of {} is not UTF-8", file.display()));
        let path = below.to_str().ok_or_else(wrong)?.to_owned();
        let reading = || format!("reading {}", file.display());
        let (sha256, size) = digest_of_file(File::open(&file).with_context(reading)?).with_context(reading)?;
        lines.push_str(&format!("{sha256} {path}\n"));
        let place = Place { repository: name.to_owned(), path, size, sha256 };
        offers.push(offer(description.id, description.capabilities, place).with_context(reading)?);
    }
    let none = || Refused::new("no-packages", format!("{} has no .rpm file for {arch}", directory.display()));
    ensure!(!offers.is_empty(), none());
    Ok(Snapshot { offers, date: String::new(), signer: String::new(), sha256: Digest::of(lines), metadata: None })
}

fn list(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading the directory {}", directory.display());
    let deep = || format!("{}: more than {DEPTH_MAX} directories deep", directory.display());
    ensure!(depth <= DEPTH_MAX, Refused::new("too-deep", deep()));
    for entry in fs::read_dir(directory).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            list(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            // Of a pipe nobody knows when it is read.
            let kind = fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?;
            ensure!(kind.is_file(), Refused::new("not-an-rpm", format!("{} is no regular file", path.display())));
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::rpm::tests::{builder, signed};
    use crate::repo::testkey::TestKey;

    #[test]
    fn source_packages_are_left_out_and_damaged_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let whole = signed(&mut builder("demo", "1", "1"), &TestKey::new(1));
        let names = || -> Vec<String> {
            read("local", dir.path(), "x86_64").unwrap().offers.into_iter().map(|offer| offer.path).collect()
        };
        let slug = || {
            let error = read("local", dir.path(), "x86_64").unwrap_err();
            error.downcast_ref::<Refused>().map(Refused::slug).unwrap_or_default()
        };
        assert_eq!(slug(), "no-packages");
        write("demo.rpm", &whole);
        // The lead's kind: 1 is a source package.
        let mut source = whole.clone();
        source[7] = 1;
        write("demo.src.rpm", &source);
        assert_eq!(names(), ["demo.rpm"]);
        write("cut.rpm", &whole[..200]);
        assert_eq!(slug(), "rpm-cut-off");
        fs::remove_file(dir.path().join("cut.rpm")).unwrap();
        assert_eq!(names(), ["demo.rpm"]);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.rpm")).unwrap();
        assert_eq!(slug(), "not-an-rpm");
    }
}

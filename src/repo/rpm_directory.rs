//! A plain directory of `.rpm` files as a repository: what an air-gapped build gets on a disk.
//!
//! Files lie in it or below it. Their headers say what they are; nothing is believed that a later check of the
//! signature does not confirm, because the lock is made from packages whose signatures were good. Source packages may
//! lie there too. A file that is no package of use, or is damaged, is told and left out: what is asked for may be there
//! all the same, and if not, the resolver says what is missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::rpm_capabilities::{Place, fits, offer};
use super::{Offer, Snapshot};
use crate::package::rpm::{self, SOURCE_PACKAGE};
use crate::progress::Progress;
use crate::store::digest_of_file;
use crate::tree::Digest;
use crate::trust::Refused;

/// Deepest nesting of directories: a link that leads up would never end.
const DEPTH_MAX: usize = 16;

/// Files that are left out are told one by one up to this number.
const TOLD: usize = 8;

/// Reads the directory. `name` is the repository's in the recipe, `arch` the image's as RPM names it (`x86_64`).
pub fn read(name: &str, directory: &Path, arch: &str, progress: &dyn Progress) -> Result<Snapshot> {
    let mut files = Vec::new();
    list(directory, 0, &mut files)?;
    files.sort();
    let (mut offers, mut left_out, mut more): (Vec<Offer>, Vec<String>, usize) = (Vec::new(), Vec::new(), 0);
    for file in files {
        match offer_of(name, directory, &file, arch) {
            Ok(found) => offers.extend(found),
            Err(_) if left_out.len() == TOLD => more += 1,
            Err(error) => {
                let why = format!("{error:#}");
                progress.note(&format!("leaving out a file of repository {name}: {why}"));
                left_out.push(why);
            }
        }
    }
    if more > 0 {
        progress.note(&format!("leaving out {more} more files of repository {name}"));
    }
    let others = left_out.first().map_or(String::new(), |first| format!(" that can be used: {first}"));
    let none = || Refused::new("no-packages", format!("{} has no .rpm file for {arch}{others}", directory.display()));
    ensure!(!offers.is_empty(), none());
    let lines: String = offers.iter().map(|offer| format!("{} {}\n", offer.sha256, offer.path)).collect();
    let sha256 = Digest::of(lines);
    Ok(Snapshot { offers, left_out, date: String::new(), signer: String::new(), sha256, metadata: None })
}

/// What the file offers; nothing if it is a source package, or of another architecture.
fn offer_of(name: &str, directory: &Path, file: &Path, arch: &str) -> Result<Option<Offer>> {
    let reading = || format!("reading {}", file.display());
    // Of a pipe nobody knows when it is read.
    let kind = fs::metadata(file).with_context(reading)?;
    ensure!(kind.is_file(), Refused::new("not-an-rpm", format!("{} is no regular file", file.display())));
    let description = match rpm::describe(file) {
        Err(error) if error.downcast_ref().is_some_and(|refused: &Refused| refused.slug() == SOURCE_PACKAGE) => {
            return Ok(None);
        }
        described => described?,
    };
    if !fits(&description.id.arch, arch) {
        return Ok(None);
    }
    let below = file.strip_prefix(directory).unwrap_or(file);
    let wrong = || Refused::new("bad-path", format!("the name of {} is not UTF-8", file.display()));
    let path = below.to_str().ok_or_else(wrong)?.to_owned();
    let (sha256, size) = digest_of_file(File::open(file).with_context(reading)?).with_context(reading)?;
    let place = Place { repository: name.to_owned(), path, size, sha256 };
    offer(description.id, description.capabilities, place).map(Some).with_context(reading)
}

/// Every `.rpm` in the directory or below it.
fn list(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading the directory {}", directory.display());
    let deep = || format!("{}: more than {DEPTH_MAX} directories deep", directory.display());
    ensure!(depth <= DEPTH_MAX, Refused::new("too-deep", deep()));
    for entry in fs::read_dir(directory).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() {
            list(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::package::rpm::tests::{builder, signed};
    use crate::trust::testkey::TestKey;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn bytes(&self, _: &str, _: u64, _: u64) {}
        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    #[test]
    fn directories_within_each_other_end_somewhere() {
        let dir = tempfile::tempdir().unwrap();
        let deepest = (0..=DEPTH_MAX).fold(dir.path().to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(deepest.parent().unwrap()).unwrap();
        list(dir.path(), 0, &mut Vec::new()).unwrap();
        fs::create_dir(&deepest).unwrap();
        let error = list(dir.path(), 0, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.ends_with("directories deep [too-deep]"), "{error}");
    }

    #[test]
    fn a_file_of_no_use_is_told_and_the_others_are_offered() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let whole = signed(&mut builder("demo", "1", "1"), &TestKey::new(1));
        let read = || {
            let heard = Heard::default();
            let snapshot = super::read("local", dir.path(), "x86_64", &heard);
            let paths = snapshot.map(|it| it.offers.into_iter().map(|offer| offer.path).collect::<Vec<String>>());
            (paths, heard.0.into_inner().unwrap())
        };
        let refused = || format!("{:#}", read().0.unwrap_err());
        assert!(refused().ends_with(" has no .rpm file for x86_64 [no-packages]"));
        write("cut.rpm", &whole[..200]);
        let error = refused();
        assert!(
            error.contains(" has no .rpm file for x86_64 that can be used: reading ") && error.contains("cut.rpm: "),
            "{error}"
        );
        write("demo.rpm", &whole);
        // The lead's kind: 1 is a source package, and nothing to be told.
        let mut source = whole.clone();
        source[7] = 1;
        write("demo.src.rpm", &source);
        let (paths, heard) = read();
        assert_eq!(paths.unwrap(), ["demo.rpm"]);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].starts_with("leaving out a file of repository local: reading "), "{heard:?}");
        assert!(heard[0].contains("cut.rpm: ") && heard[0].ends_with("[rpm-cut-off]"), "{heard:?}");
        fs::remove_file(dir.path().join("cut.rpm")).unwrap();
        let (paths, heard) = read();
        assert_eq!((paths.unwrap(), heard.len()), (vec!["demo.rpm".to_owned()], 0));
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.rpm")).unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("link.rpm")).unwrap();
        (0..9).for_each(|number| write(&format!("page{number}.rpm"), b"<html>"));
        let (paths, heard) = read();
        assert_eq!(paths.unwrap(), ["demo.rpm"]);
        assert_eq!(heard.len(), 9, "{heard:?}");
        assert_eq!(heard[8], "leaving out 3 more files of repository local");
    }
}

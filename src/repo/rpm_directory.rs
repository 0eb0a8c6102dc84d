//! A plain directory of `.rpm` files as a repository: what an air-gapped build gets on a disk.
//!
//! Files lie in it or below it. Their headers say what they are; nothing is believed that a later check of the
//! signature does not confirm, because the lock is made from packages whose signatures were good.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::rpm_capabilities::{Place, fits, offer};
use super::store::digest_of_file;
use super::{Offer, Refused, Snapshot};
use crate::package::rpm;
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
        let description = rpm::describe(&file)?;
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
        offers.push(offer(description.id, description.capabilities, place));
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
            files.push(path);
        }
    }
    Ok(())
}

//! Where the metadata is and what files it has: block devices → [`Seed`].
//!
//! Looks at every disk and partition for a FAT or ISO 9660 volume labelled `cidata` (cloud-init's NoCloud), mounts it
//! read-only and reads its files. The only reader of the outside world in the first boot, beside `facts.rs`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags};

use super::{console, disk, run, volume};
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Source};

pub const META_DATA: &str = "meta-data";
pub const USER_DATA: &str = "user-data";
pub const NETWORK_CONFIG: &str = "network-config";
/// Every file that metadata can have.
pub const FILES: [&str; 3] = [META_DATA, USER_DATA, NETWORK_CONFIG];

/// Larger than any metadata of a node; cloud-init's own sources stop at 16 KiB to 1 MiB.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Of the volume, in either case.
pub const LABEL: &str = "cidata";

/// The metadata's files by name; a missing file is missing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seed {
    /// For messages: `/dev/vdb (vfat)`.
    pub origin: String,
    pub files: BTreeMap<&'static str, Arc<Source>>,
}

/// Reads the files of a directory.
///
/// # Errors
/// [`Diagnostics`] for a file that is too large or not UTF-8; anything else is a failure.
pub fn read_directory(directory: &Path, origin: &str) -> Result<Seed> {
    let mut seed = Seed { origin: origin.to_owned(), files: BTreeMap::new() };
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
            Ok(source) => drop(seed.files.insert(name, source)),
            Err(found) => mistakes.0.extend(found.0),
        }
    }
    Ok(mistakes.or(seed)?)
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

/// How long a volume may take to appear after udev has settled.
const GRACE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// Finds and reads the metadata volume; `None` if the node has none.
///
/// # Errors
/// [`Diagnostics`] if there are two volumes or a file is unreadable as text; a volume that cannot be mounted is a
/// failure, which the unit tries again.
pub fn find() -> Result<Option<Seed>> {
    let mut found = scan()?;
    if found.is_empty() {
        // Drivers may still be loading (a CD's, say). Where udev is not used its absence is not an error.
        if let Err(error) = run::program("/usr/bin/udevadm", &["settle", "--timeout=20"]) {
            console::say(&format!("not waiting for udev: {error:#}"));
        }
        let deadline = Instant::now() + GRACE;
        found = scan()?;
        while found.is_empty() && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
            found = scan()?;
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [(path, volume)] => mount_and_read(path, volume).map(Some),
        several => {
            let names: Vec<String> = several.iter().map(|(path, _)| path.display().to_string()).collect();
            let title = format!("there are {} metadata volumes: {}", names.len(), names.join(", "));
            Err(Diagnostics::from(Diagnostic::new("two-seeds", title).help("leave only one attached")).into())
        }
    }
}

/// Every device with the label, disks and partitions. A whole disk whose partition starts at its first sector (a
/// hybrid CD) would be found twice: the disk then counts.
fn scan() -> Result<Vec<(PathBuf, volume::Volume)>> {
    let mut found = Vec::new();
    for disk in disk::disks()? {
        if let Some(volume) = labelled(&disk.path) {
            found.push((disk.path, volume));
            continue;
        }
        for partition in disk.partitions()? {
            if let Some(volume) = labelled(&partition.path) {
                found.push((partition.path, volume));
            }
        }
    }
    Ok(found)
}

fn labelled(path: &Path) -> Option<volume::Volume> {
    // An empty drive cannot be opened; it holds no metadata.
    let device = File::open(path).ok()?;
    volume::read(&device).filter(|volume| volume.label.eq_ignore_ascii_case(LABEL))
}

fn mount_and_read(path: &Path, volume: &volume::Volume) -> Result<Seed> {
    let target = Path::new(contract::SEED_MOUNT);
    fs::create_dir_all(target).with_context(|| format!("making {}", target.display()))?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let mount = || rustix::mount::mount(path, target, volume.filesystem, flags, None);
    let mut outcome = mount();
    if outcome == Err(rustix::io::Errno::NODEV) {
        // The kernel asks for the module itself only through a modprobe that it finds; this finds it surely.
        let module = if volume.filesystem == "vfat" { "vfat" } else { "isofs" };
        run::program("/usr/sbin/modprobe", &["--all", module])?;
        outcome = mount();
    }
    if outcome == Err(rustix::io::Errno::INVAL) && volume.filesystem == "vfat" {
        // FAT's default character sets are modules of their own.
        run::program("/usr/sbin/modprobe", &["--all", "nls_cp437", "nls_ascii", "nls_iso8859-1"])?;
        outcome = mount();
    }
    outcome.with_context(|| format!("mounting the metadata volume {}", path.display()))?;
    let seed = read_directory(target, &format!("{} ({})", path.display(), volume.filesystem));
    rustix::mount::unmount(target, UnmountFlags::DETACH).context("unmounting the metadata volume")?;
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_others_ignored() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join(META_DATA), "instance-id: i-1\n").unwrap();
        fs::write(work.path().join(USER_DATA), "\u{feff}#cloud-config\n").unwrap();
        fs::write(work.path().join("other"), "x").unwrap();
        let seed = read_directory(work.path(), "test").unwrap();
        assert_eq!(seed.files.keys().copied().collect::<Vec<_>>(), [META_DATA, USER_DATA]);
        assert_eq!(seed.files[USER_DATA].text, "#cloud-config\n");
    }

    #[test]
    fn a_file_that_is_no_text_is_a_mistake() {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join(USER_DATA), [0x1f, 0x8b, 8]).unwrap();
        let error = read_directory(work.path(), "test").unwrap_err();
        let mistakes = error.downcast_ref::<Diagnostics>().unwrap();
        assert_eq!((mistakes.0.len(), mistakes.0[0].slug), (1, "metadata-text"));
    }
}

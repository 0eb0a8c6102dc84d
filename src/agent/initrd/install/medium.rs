//! A CD or a stick with a netdisk: the volume labelled [`MEDIUM_LABEL`], mounted while it is read.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::agent::block_device;
use crate::agent::first_boot::metadata::MAX_TEXT_BYTES;
use crate::agent::first_boot::source::nocloud::FILES;
use crate::agent::first_boot::source::volume::{self, Volume};
use crate::agent::initrd::modules::Modules;
use crate::agent::initrd::netdisk_source::{self, Source};
use crate::agent::report::console;
use crate::agent::wait::Wait;
use crate::contract::{MEDIUM_LABEL, MEDIUM_MOUNT, NETDISK_ENDING};
use crate::netdisk_index::Index;

/// How long to wait for the medium, how often to look, how often to say so.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
const SAY_EACH: Duration = Duration::from_secs(5);

/// A mounted medium with the netdisk on it.
#[derive(Debug)]
pub struct Medium {
    /// `sr0`: the disk that must not be installed to.
    pub disk: String,
    directory: PathBuf,
    netdisk: PathBuf,
    file: File,
}

/// Waits for the medium that has the netdisk with this digest.
///
/// # Errors
/// There is none in time: the message says what the volumes with the label have instead.
pub fn wait(sha256: &[u8; 32], modules: &mut Modules) -> Result<(Medium, Index)> {
    let mut waiting = Wait::new(SAY_EACH);
    loop {
        modules.load_for_devices();
        let mut notes = Vec::new();
        for (disk, path, volume) in volumes()? {
            match open(&disk, &path, &volume, sha256) {
                Ok(found) => return Ok(found),
                Err(error) => notes.push(format!("{error:#}")),
            }
        }
        let seen = if notes.is_empty() { "none is there".to_owned() } else { notes.join("; ") };
        if waiting.is_over(DEADLINE) {
            bail!("no medium labelled {MEDIUM_LABEL} has what is to be installed: {seen}");
        }
        if waiting.wants_word() {
            console::say(&format!("waiting for the medium labelled {MEDIUM_LABEL}: {seen}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The disk, the device and the volume of everything that has the label: whole disks first, of which a hybrid image's
/// partition is only a part.
fn volumes() -> Result<Vec<(String, PathBuf, Volume)>> {
    let labelled = |path: &Path| {
        let volume = volume::read(&File::open(path).ok()?)?;
        volume.label.eq_ignore_ascii_case(MEDIUM_LABEL).then_some(volume)
    };
    let mut found = Vec::new();
    for disk in block_device::disks()? {
        // What goes while it is looked at is simply not there.
        let partitions = disk.partitions().unwrap_or_default().into_iter().map(|partition| partition.device.path);
        for path in [disk.path.clone()].into_iter().chain(partitions) {
            if let Some(volume) = labelled(&path) {
                found.push((disk.name.clone(), path, volume));
            }
        }
    }
    Ok(found)
}

fn open(disk: &str, device: &Path, volume: &Volume, sha256: &[u8; 32]) -> Result<(Medium, Index)> {
    let directory = Path::new(MEDIUM_MOUNT);
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount(device, directory, volume.filesystem, flags, None)
        .with_context(|| format!("mounting {} ({})", device.display(), volume.filesystem))?;
    let mut medium = match netdisk_in(directory) {
        Ok((netdisk, file)) => Medium { disk: disk.to_owned(), directory: directory.to_owned(), netdisk, file },
        Err(error) => {
            leave(directory);
            return Err(error.context(format!("looking at {}", device.display())));
        }
    };
    // The medium unmounts itself if it is not the right one.
    let index = netdisk_source::read_index(&mut medium, Some(sha256))?;
    Ok((medium, index))
}

fn netdisk_in(directory: &Path) -> Result<(PathBuf, File)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).context("listing it")? {
        let path = entry.context("listing it")?.path();
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(NETDISK_ENDING)) {
            found.push(path);
        }
    }
    match found.as_slice() {
        [path] => Ok((path.clone(), File::open(path).with_context(|| format!("opening {}", path.display()))?)),
        [] => bail!("it has no file that ends in .{NETDISK_ENDING}"),
        _ => bail!("it has {} files that end in .{NETDISK_ENDING}", found.len()),
    }
}

fn leave(directory: &Path) {
    // Whoever restarts or starts the system next does not see this mount any more.
    let _ = rustix::mount::unmount(directory, UnmountFlags::DETACH);
}

impl Drop for Medium {
    fn drop(&mut self) {
        leave(&self.directory);
    }
}

impl Source for Medium {
    fn name(&self) -> String {
        format!("{} on {}", self.netdisk.file_name().unwrap_or_default().to_string_lossy(), self.disk)
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], position: u64) -> Result<()> {
        let read = self.file.read_exact_at(buffer, position);
        read.with_context(|| format!("reading {} at {position}", self.name()))
    }

    fn metadata(&mut self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut texts = Vec::new();
        for name in FILES {
            let file = match File::open(self.directory.join(name)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                file => file.with_context(|| format!("opening {name} on {}", self.disk))?,
            };
            let mut bytes = Vec::new();
            // One byte more than counts: what is too large is refused by who reads it.
            let read = file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes);
            read.with_context(|| format!("reading {name} on {}", self.disk))?;
            texts.push((name, bytes));
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Medium>) {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
        let found = netdisk_in(directory.path());
        let path = directory.path().to_owned();
        let medium = found.map(|(netdisk, file)| Medium { disk: "sr0".to_owned(), directory: path, netdisk, file });
        (directory, medium)
    }

    #[test]
    fn a_medium_has_one_netdisk_and_perhaps_metadata() {
        let (_directory, found) =
            medium(&[("WORKER.NETDISK", "no netdisk"), ("user-data", "#cloud-config\n"), ("README.txt", "")]);
        let mut found = found.unwrap();
        assert_eq!(found.name(), "WORKER.NETDISK on sr0");
        assert_eq!(found.metadata().unwrap(), [("user-data", b"#cloud-config\n".to_vec())]);
        let mut part = [0; 4];
        found.read_exact_at(&mut part, 3).unwrap();
        assert_eq!(&part, b"netd");
        let error = format!("{:#}", netdisk_source::read_index(&mut found, Some(&[0; 32])).unwrap_err());
        assert!(error.starts_with("reading the index of WORKER.NETDISK on sr0: reading"), "{error}");
        for (files, expected) in
            [(&[][..], "no file that ends in"), (&[("a.netdisk", ""), ("b.netdisk", "")][..], "2 files")]
        {
            let error = format!("{:#}", medium(files).1.unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}

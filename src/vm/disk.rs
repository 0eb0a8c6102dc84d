//! The disks of a guest: the image under a throw-away overlay or as a kept copy, an empty one, and the metadata volume.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::options::Options;
use crate::formats::container::Container;
use crate::formats::device::ReadAt;
use crate::formats::sparse;

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    /// QEMU's name of the format.
    pub(super) format: &'static str,
    pub(super) bytes: u64,
    /// The disk that is kept, locked: two guests on it would destroy it. A throw-away disk has none.
    pub(super) kept: Option<File>,
}

/// What a guest writes is its owner's alone: there are keys and tokens in it.
const PRIVATE: u32 = 0o600;
/// Bytes of a disk with nothing but a partition table.
const SMALLEST: u64 = 4096;

/// An image as it was opened.
enum Image {
    Raw(File),
    Contained(Container, Box<dyn ReadAt>),
}

impl Image {
    /// # Errors
    /// It cannot be read, or its content is not all in it: an image of somebody else may name any file of this machine
    /// as its backing file, and the guest would see that.
    fn open(path: &Path) -> anyhow::Result<Image> {
        let opening = || format!("opening {}", path.display());
        let file = File::open(path).with_context(opening)?;
        let image = match Container::of(&file).with_context(opening)? {
            Some(container) => Image::Contained(container, container.open(file).with_context(opening)?),
            None => Image::Raw(file),
        };
        let bytes = image.size().with_context(opening)?;
        ensure!(bytes >= SMALLEST, "{} is too short for a disk image", path.display());
        Ok(image)
    }

    /// QEMU's name of it.
    fn format(&self) -> &'static str {
        match self {
            Image::Raw(_) => "raw",
            Image::Contained(container, _) => container.driver(),
        }
    }

    /// Bytes of the disk in it.
    fn size(&self) -> std::io::Result<u64> {
        match self {
            Image::Raw(file) => file.size(),
            Image::Contained(_, disk) => disk.size(),
        }
    }
}

/// The guest's disk, if it has one: an overlay or an empty disk in `place`, or the kept disk.
pub(super) fn prepare(options: &Options, place: &Path) -> anyhow::Result<Option<Disk>> {
    let image = options.image.as_ref().map(|image| {
        let path = fs::canonicalize(image).with_context(|| format!("opening {}", image.display()))?;
        anyhow::Ok((Image::open(&path)?, path))
    });
    let image = image.transpose()?;
    match (&options.disk, image) {
        (Some(kept), image) => open_kept(image.as_ref().map(|(image, _)| image), kept, options.disk_size).map(Some),
        (None, Some((image, path))) => overlay(&image, &path, options.disk_size, place).map(Some),
        (None, None) if options.disk_size == 0 => Ok(None),
        (None, None) => {
            open_kept(None, &place.join("empty.raw"), options.disk_size).map(|disk| Some(Disk { kept: None, ..disk }))
        }
    }
}

fn overlay(image: &Image, path: &Path, bytes: u64, place: &Path) -> anyhow::Result<Disk> {
    let bytes = bytes.max(image.size()?);
    let overlay = place.join("overlay.qcow2");
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", image.format(), "-b"]);
    command.arg(path).arg(&overlay).arg(bytes.to_string());
    run(command)?;
    fs::set_permissions(&overlay, Permissions::from_mode(PRIVATE)).context("closing the overlay to others")?;
    Ok(Disk { path: overlay, format: "qcow2", bytes, kept: None })
}

fn open_kept(image: Option<&Image>, kept: &Path, bytes: u64) -> anyhow::Result<Disk> {
    make_kept(image, kept, bytes)?;
    let file = File::open(kept).with_context(|| format!("opening {}", kept.display()))?;
    file.try_lock().with_context(|| format!("{} is another guest's disk at the moment", kept.display()))?;
    let bytes = file.metadata().with_context(|| format!("measuring {}", kept.display()))?.len();
    Ok(Disk { path: kept.to_owned(), format: "raw", bytes, kept: Some(file) })
}

/// A sparse raw copy of the image (without one, of nothing), at least `bytes` long, if there is none; complete under its
/// name or not there at all.
fn make_kept(image: Option<&Image>, kept: &Path, bytes: u64) -> anyhow::Result<()> {
    let name = kept.file_name().with_context(|| format!("`{}` is not the name of a file", kept.display()))?;
    let unfinished = kept.with_file_name(format!(".{}.unfinished", name.to_string_lossy()));
    // One copy at a time: whoever waits here finds the other's.
    let lock = kept.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lock = File::open(lock).with_context(|| format!("opening {}", lock.display()))?;
    lock.lock().with_context(|| format!("waiting for another copy beside {}", kept.display()))?;
    if kept.exists() {
        return Ok(());
    }
    // What an earlier run left may be open to others.
    let _ = fs::remove_file(&unfinished);
    let to = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&unfinished);
    let to = to.with_context(|| format!("creating {}", unfinished.display()))?;
    let length = image.map_or(Ok(0), Image::size).context("measuring the image")?;
    to.set_len(length.max(bytes)).context("sizing the copy")?;
    let copied = match image {
        None => Ok(()),
        Some(Image::Raw(from)) => sparse::copy(from, length, &to, 0),
        Some(Image::Contained(_, disk)) => copy(disk.as_ref(), length, &to),
    };
    copied.with_context(|| format!("copying to {}", unfinished.display()))?;
    fs::rename(&unfinished, kept).with_context(|| format!("naming {}", kept.display()))
}

/// What is zero stays a hole.
fn copy(from: &dyn ReadAt, length: u64, to: &File) -> std::io::Result<()> {
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    while at < length {
        let count = usize::try_from(length - at).unwrap_or(usize::MAX).min(chunk.len());
        from.read_exact_at(&mut chunk[..count], at)?;
        sparse::write_at(to, at, &chunk[..count])?;
        at += count as u64;
    }
    Ok(())
}

/// The metadata volume: a file as it is, or made from a directory.
pub(super) fn seed(seed: &Path, place: &Path) -> anyhow::Result<PathBuf> {
    if seed.is_file() {
        return Ok(seed.to_owned());
    }
    ensure!(seed.is_dir(), "there is no seed file or directory `{}`", seed.display());
    let path = place.join("seed.img");
    // Not checked: how a node takes wrong metadata is a thing to try, too.
    let volume = crate::seed_volume::volume(&crate::seed_volume::read(seed)?, false)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&path);
    file.and_then(|mut file| file.write_all(&volume)).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// Runs one of QEMU's own tools; its complaint becomes the error.
fn run(mut command: Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {name} (Debian: apt-get install qemu-utils)"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", complaint.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::accelerator::Choice;
    use super::super::disk_bus::DiskBus;
    use super::super::options::{Firmware, Until};
    use super::*;
    use crate::arch::X86_64;

    #[test]
    fn a_kept_disk_has_one_guest_at_a_time_and_its_copy_a_name_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("x.raw"), [7; 8192]).unwrap();
        fs::write(path("kept.unfinished"), "mine").unwrap();
        let options = Options {
            image: Some(path("x.raw")),
            arch: &X86_64,
            firmware: Firmware::Direct,
            accelerator: Choice::Tcg,
            disk: Some(path("kept.img")),
            disk_size: 16384,
            netboot: None,
            disk_bus: DiskBus::Virtio,
            cdrom: None,
            seed: None,
            memory_mib: 64,
            cpus: 1,
            forwards: vec![],
            network: false,
            attached: vec![],
            cmdline: vec![],
            until: Until::Off,
            time_limit: None,
            reboots: 0,
            serial_log: None,
            json: true,
        };
        let disk = prepare(&options, place.path()).unwrap().unwrap();
        assert_eq!((disk.format, disk.bytes), ("raw", 16384));
        assert_eq!(fs::metadata(path("kept.img")).unwrap().permissions().mode() & 0o777, 0o600);
        let error = format!("{:#}", prepare(&options, place.path()).unwrap_err());
        assert!(error.contains("kept.img is another guest's disk"), "{error}");
        drop(disk);
        prepare(&options, place.path()).unwrap();
        assert_eq!(fs::read(path("kept.unfinished")).unwrap(), b"mine");
        // Without an image: the kept disk as it is, an empty one, none.
        let options = Options { image: None, ..options };
        assert_eq!(prepare(&options, place.path()).unwrap().unwrap().bytes, 16384);
        let options = Options { disk: None, disk_size: 1 << 30, ..options };
        let empty = prepare(&options, place.path()).unwrap().unwrap();
        assert_eq!((empty.format, empty.bytes, empty.kept.is_none()), ("raw", 1 << 30, true));
        assert_eq!(fs::metadata(&empty.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(prepare(&Options { disk_size: 0, ..options }, place.path()).unwrap().is_none());
    }
}

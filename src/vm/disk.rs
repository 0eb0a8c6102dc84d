//! The disks of a guest: the image under a throw-away overlay or as a kept copy, and the metadata volume.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::options::Options;
use crate::formats::{qcow2, sparse};

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    /// QEMU's name of the format.
    pub(super) format: &'static str,
    pub(super) bytes: u64,
    /// The disk that is kept, locked: two guests on it would destroy it. A throw-away disk has none.
    pub(super) kept: Option<File>,
}

/// The guest's disk: an overlay in `place`, or the kept disk.
pub(super) fn prepare(options: &Options, place: &Path) -> anyhow::Result<Disk> {
    let image = fs::canonicalize(&options.image).with_context(|| format!("opening {}", options.image.display()))?;
    let format = format_of(&image)?;
    let Some(kept) = &options.disk else {
        let bytes = options.disk_size.max(virtual_size(&image, format)?);
        let path = place.join("overlay.qcow2");
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(&image).arg(&path).arg(bytes.to_string());
        run(command)?;
        return Ok(Disk { path, format: "qcow2", bytes, kept: None });
    };
    make_kept(&image, format, kept, options.disk_size)?;
    let file = File::open(kept).with_context(|| format!("opening {}", kept.display()))?;
    file.try_lock().with_context(|| format!("{} is another guest's disk at the moment", kept.display()))?;
    let bytes = file.metadata().with_context(|| format!("measuring {}", kept.display()))?.len();
    Ok(Disk { path: kept.clone(), format: "raw", bytes, kept: Some(file) })
}

/// A sparse raw copy of the image, at least `bytes` long, if there is none; complete under its name or not there at all.
fn make_kept(image: &Path, format: &str, kept: &Path, bytes: u64) -> anyhow::Result<()> {
    let name = kept.file_name().with_context(|| format!("`{}` is not the name of a file", kept.display()))?;
    let unfinished = kept.with_file_name(format!(".{}.unfinished", name.to_string_lossy()));
    // One copy at a time: whoever waits here finds the other's.
    let lock = kept.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lock = File::open(lock).with_context(|| format!("opening {}", lock.display()))?;
    lock.lock().with_context(|| format!("waiting for another copy beside {}", kept.display()))?;
    if kept.exists() {
        return Ok(());
    }
    if format == "raw" {
        let from = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        let to = File::create(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
        let length = from.metadata().context("measuring the image")?.len();
        to.set_len(length).context("sizing the copy")?;
        sparse::copy(&from, length, &to, 0).with_context(|| format!("copying to {}", unfinished.display()))?;
    } else {
        let mut command = Command::new("qemu-img");
        command.args(["convert", "-f", format, "-O", "raw"]).arg(image).arg(&unfinished);
        run(command)?;
    }
    let file = OpenOptions::new().write(true).open(&unfinished).context("opening the copy")?;
    let length = file.metadata().context("measuring the copy")?.len();
    file.set_len(length.max(bytes)).context("growing the copy")?;
    fs::rename(&unfinished, kept).with_context(|| format!("naming {}", kept.display()))
}

fn format_of(image: &Path) -> anyhow::Result<&'static str> {
    let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).with_context(|| format!("{} is too short for a disk image", image.display()))?;
    Ok(if magic == qcow2::MAGIC { "qcow2" } else { "raw" })
}

fn virtual_size(image: &Path, format: &str) -> anyhow::Result<u64> {
    let file = File::open(image)?;
    if format == "raw" {
        return Ok(file.metadata()?.len());
    }
    qcow2::virtual_size(&file).with_context(|| format!("reading the header of {}", image.display()))
}

/// The metadata volume: a file as it is, or made from a directory.
pub(super) fn seed(seed: &Path, place: &Path) -> anyhow::Result<PathBuf> {
    if seed.is_file() {
        return Ok(seed.to_owned());
    }
    ensure!(seed.is_dir(), "there is no seed file or directory `{}`", seed.display());
    let path = place.join("seed.img");
    // Not checked: how a node takes wrong metadata is a thing to try, too.
    let volume = crate::seed::volume(&crate::seed::read(seed)?, false)?;
    fs::write(&path, volume).with_context(|| format!("writing {}", path.display()))?;
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
    use super::super::options::{Firmware, Until};
    use super::*;

    #[test]
    fn a_kept_disk_has_one_guest_at_a_time_and_its_copy_a_name_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("x.raw"), [7; 8192]).unwrap();
        fs::write(path("kept.unfinished"), "mine").unwrap();
        let options = Options {
            image: path("x.raw"),
            firmware: Firmware::Direct,
            accelerator: Choice::Tcg,
            disk: Some(path("kept.img")),
            disk_size: 16384,
            seed: None,
            memory_mib: 64,
            cpus: 1,
            forwards: vec![],
            cmdline: vec![],
            until: Until::Off,
            time_limit: None,
            reboots: 0,
            serial_log: None,
            json: true,
        };
        let disk = prepare(&options, place.path()).unwrap();
        assert_eq!((disk.format, disk.bytes), ("raw", 16384));
        let error = format!("{:#}", prepare(&options, place.path()).unwrap_err());
        assert!(error.contains("kept.img is another guest's disk"), "{error}");
        drop(disk);
        prepare(&options, place.path()).unwrap();
        assert_eq!(fs::read(path("kept.unfinished")).unwrap(), b"mine");
    }
}

//! The machine's disks and their partitions, as the kernel shows them in `/sys/class/block`.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Unit of `size` and `start` in sysfs, whatever the disk's own sector size is.
const SYSFS_SECTOR: u64 = 512;

/// A block device that is not a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Kernel name, `vda`.
    pub name: String,
    /// `/dev/vda`.
    pub path: PathBuf,
    pub bytes: u64,
    pub sector_bytes: u64,
}

/// A partition that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub number: u32,
    /// `/dev/vda2`.
    pub path: PathBuf,
    /// `major:minor`.
    pub device: String,
    pub start_bytes: u64,
    pub bytes: u64,
}

/// The disks of the machine, by name; empty drives are left out.
pub fn disks() -> Result<Vec<Disk>> {
    let mut disks = Vec::new();
    for name in names_in(Path::new("/sys/class/block"))? {
        let sysfs = Path::new("/sys/class/block").join(&name);
        if sysfs.join("partition").exists() {
            continue;
        }
        // A device can vanish between the listing and here: then it is simply not there.
        let (Ok(sectors), Ok(sector_bytes)) =
            (number_in(&sysfs.join("size")), number_in(&sysfs.join("queue/logical_block_size")))
        else {
            continue;
        };
        if sectors > 0 {
            let bytes = sectors.saturating_mul(SYSFS_SECTOR);
            disks.push(Disk { path: device_path(&name), name, bytes, sector_bytes });
        }
    }
    Ok(disks)
}

impl Disk {
    /// The partition with this number, if the kernel knows it.
    pub fn partition(&self, number: u32) -> Result<Option<Partition>> {
        Ok(self.partitions()?.into_iter().find(|partition| partition.number == number))
    }

    /// All partitions that the kernel knows, by name.
    pub fn partitions(&self) -> Result<Vec<Partition>> {
        let sysfs = Path::new("/sys/class/block").join(&self.name);
        let mut partitions = Vec::new();
        for name in names_in(&sysfs)? {
            let child = sysfs.join(&name);
            let Ok(number) = number_in(&child.join("partition")) else { continue };
            partitions.push(Partition {
                number: u32::try_from(number).context("reading a partition number")?,
                path: device_path(&name),
                device: text_in(&child.join("dev"))?,
                start_bytes: number_in(&child.join("start"))?.saturating_mul(SYSFS_SECTOR),
                bytes: number_in(&child.join("size"))?.saturating_mul(SYSFS_SECTOR),
            });
        }
        Ok(partitions)
    }

    pub fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))
    }

    pub fn open_writable(&self) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .with_context(|| format!("opening {} for writing", self.path.display()))
    }
}

/// In sysfs a `/` in a device name is written `!`.
fn device_path(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

fn names_in(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))? {
        let entry = entry.with_context(|| format!("listing {}", directory.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn text_in(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn number_in(path: &Path) -> Result<u64> {
    text_in(path)?.parse().with_context(|| format!("reading {}", path.display()))
}

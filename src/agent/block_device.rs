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

/// What a file system or a hash tree can lie on: a partition, or a device that is filled otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// `/dev/vda2`.
    pub path: PathBuf,
    /// `major:minor`.
    pub number: String,
    pub bytes: u64,
}

/// A partition that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// From 1: the `2` of `vda2`.
    pub number: u32,
    pub device: BlockDevice,
    /// Where it begins on its disk.
    pub start_bytes: u64,
}

/// The disks of the machine, by name, without those that have no size; an empty CD drive claims some.
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
                device: BlockDevice {
                    path: device_path(&name),
                    number: text_in(&child.join("dev"))?,
                    bytes: number_in(&child.join("size"))?.saturating_mul(SYSFS_SECTOR),
                },
                start_bytes: number_in(&child.join("start"))?.saturating_mul(SYSFS_SECTOR),
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

/// Where a disk or partition (`/dev/vdb`) hangs in the machine, whatever other devices there are.
pub fn place(device: &Path) -> Result<String> {
    let name = device.strip_prefix("/dev").unwrap_or(device).to_string_lossy().replace('/', "!");
    let sysfs = Path::new("/sys/class/block").join(&name);
    let path = fs::canonicalize(&sysfs).with_context(|| format!("looking for {}", device.display()))?;
    let partition = text_in(&sysfs.join("partition")).ok();
    Ok(place_of(&path, partition.as_deref()))
}

/// The way in sysfs without names and numbers that the kernel gives in the order in which it finds things.
fn place_of(sysfs: &Path, partition: Option<&str>) -> String {
    let counted = ["virtio", "host", "target", "nvme", "mmc", "loop", "sr", "sd", "vd", "hd", "xvd"];
    let mut parts = Vec::new();
    for part in sysfs.iter().map(|part| part.to_string_lossy()).skip_while(|part| part != "devices").skip(1) {
        let named = counted
            .iter()
            .any(|prefix| part.strip_prefix(prefix).is_some_and(|rest| *prefix == "target" || !rest.contains(':')));
        if part == "block" || named {
            continue;
        }
        // SCSI's host:channel:target:unit.
        match part.split_once(':') {
            Some((_, rest)) if rest.matches(':').count() == 2 => parts.push(rest.to_owned()),
            _ => parts.push(part.into_owned()),
        }
    }
    parts.extend(partition.map(|number| format!("part{number}")));
    parts.join("/")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_does_not_depend_on_what_else_is_there() {
        for (path, partition, place) in [
            ("/sys/devices/pci0000:00/0000:00:05.0/virtio3/block/vdb", None, "pci0000:00/0000:00:05.0"),
            ("/sys/devices/pci0000:00/0000:00:05.0/virtio3/block/vdb/vdb1", Some("1"), "pci0000:00/0000:00:05.0/part1"),
            (
                "/sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sr0",
                None,
                "pci0000:00/0000:00:1f.2/ata3/0:0:0",
            ),
            ("/sys/devices/pci0000:00/0000:00:04.0/nvme/nvme1/nvme1n1", None, "pci0000:00/0000:00:04.0"),
        ] {
            assert_eq!(place_of(Path::new(path), partition), place);
        }
    }
}

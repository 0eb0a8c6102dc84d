//! Volumes that are attached to the node: found by their label, and read through a mount.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags};

use super::volume::{self, Volume};
use crate::agent::first_boot::metadata::{Metadata, Origin};
use crate::agent::{block_device, run};
use crate::contract;

/// Every device with the label (in either case), disks and partitions; with `only`, those that hang at that place. A
/// whole disk whose partition starts at its first sector (a hybrid CD) would be found twice: the disk then counts.
pub fn volumes(label: &str, only: Option<&str>) -> Result<Vec<(PathBuf, Volume)>> {
    let labelled = |path: &Path| {
        let counts = only.is_none_or(|only| block_device::place(path).is_ok_and(|place| place == only));
        if counts { labelled(path, label) } else { None }
    };
    let mut found = Vec::new();
    for disk in block_device::disks()? {
        if let Some(volume) = labelled(&disk.path) {
            found.push((disk.path, volume));
            continue;
        }
        // What goes while it is looked at is simply not there.
        for partition in disk.partitions().unwrap_or_default() {
            if let Some(volume) = labelled(&partition.device.path) {
                found.push((partition.device.path, volume));
            }
        }
    }
    Ok(found)
}

fn labelled(path: &Path, label: &str) -> Option<Volume> {
    // An empty drive cannot be opened; it holds no metadata.
    let device = File::open(path).ok()?;
    volume::read(&device).filter(|volume| volume.label.eq_ignore_ascii_case(label))
}

/// Mounts the volume read-only while `read` reads its directory.
pub fn read(path: &Path, volume: &Volume, read: impl FnOnce(&Path, Origin) -> Result<Metadata>) -> Result<Metadata> {
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
    let name = format!("{} ({})", path.display(), volume.filesystem);
    let metadata = block_device::place(path).and_then(|place| read(target, Origin { name, place }));
    rustix::mount::unmount(target, UnmountFlags::DETACH).context("unmounting the metadata volume")?;
    metadata
}

//! Where the metadata is: block devices → [`Metadata`].
//!
//! Looks at every disk and partition for a FAT or ISO 9660 volume labelled `cidata` (cloud-init's NoCloud), mounts it
//! read-only and reads its files. The only reader of the outside world in the first boot, beside `facts.rs`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags};

use super::metadata::{Metadata, read_directory};
use crate::agent::report::console;
use crate::agent::{block_device, run};
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics};

pub mod volume;

use volume::Volume;

/// Of the volume, in either case.
pub const LABEL: &str = "cidata";

/// How long a volume may take to appear after udev has settled.
const GRACE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// Finds and reads the metadata volume; `None` if the node has none. With `only`, volumes of other places do not count.
///
/// # Errors
/// [`Diagnostics`] if there are two volumes or a file is unreadable as text; a volume that cannot be mounted is a
/// failure, which the unit tries again.
pub fn find(only: Option<&str>) -> Result<Option<Metadata>> {
    let scan = || scan(only);
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
fn scan(only: Option<&str>) -> Result<Vec<(PathBuf, Volume)>> {
    let labelled = |path: &Path| {
        let counts = only.is_none_or(|only| block_device::place(path).is_ok_and(|place| place == only));
        if counts { labelled(path) } else { None }
    };
    let mut found = Vec::new();
    for disk in block_device::disks()? {
        if let Some(volume) = labelled(&disk.path) {
            found.push((disk.path, volume));
            continue;
        }
        for partition in disk.partitions()? {
            if let Some(volume) = labelled(&partition.device.path) {
                found.push((partition.device.path, volume));
            }
        }
    }
    Ok(found)
}

fn labelled(path: &Path) -> Option<Volume> {
    // An empty drive cannot be opened; it holds no metadata.
    let device = File::open(path).ok()?;
    volume::read(&device).filter(|volume| volume.label.eq_ignore_ascii_case(LABEL))
}

fn mount_and_read(path: &Path, volume: &Volume) -> Result<Metadata> {
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
    let metadata = read_directory(target, &format!("{} ({})", path.display(), volume.filesystem));
    rustix::mount::unmount(target, UnmountFlags::DETACH).context("unmounting the metadata volume")?;
    Ok(Metadata { place: block_device::place(path)?, ..metadata? })
}

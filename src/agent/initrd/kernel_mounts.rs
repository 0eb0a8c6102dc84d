//! The kernel's own file systems: mounted in the initrd, then in the new root, then no more in the initrd.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::agent::sysroot::SYSROOT;

/// The file systems of the kernel, in the order they are mounted.
const KERNEL_MOUNTS: [(&str, &str, &str, MountFlags, Option<&std::ffi::CStr>); 4] = [
    ("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, Some(c"mode=755")),
    ("proc", "/proc", "proc", RESTRICTED, None),
    ("sysfs", "/sys", "sysfs", RESTRICTED, None),
    ("tmpfs", "/run", "tmpfs", MountFlags::NOSUID.union(MountFlags::NODEV), Some(c"mode=755")),
];
const RESTRICTED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

pub fn mount() -> Result<()> {
    for (source, target, kind, flags, data) in KERNEL_MOUNTS {
        fs::create_dir_all(target).with_context(|| format!("making {target}"))?;
        match rustix::mount::mount(source, target, kind, flags, data) {
            // The kernel has mounted /dev itself where it was built to do so.
            Err(rustix::io::Errno::BUSY) => {}
            result => result.with_context(|| format!("mounting {target}"))?,
        }
    }
    fs::create_dir_all(SYSROOT).with_context(|| format!("making {SYSROOT}"))
}

/// In the new root for the image's own programs (mkfs), and later for its init.
pub fn bind() -> Result<()> {
    for (_, target, ..) in KERNEL_MOUNTS {
        let to = format!("{SYSROOT}{target}");
        rustix::mount::mount_bind(target, to.as_str()).with_context(|| format!("binding {target} to {to}"))?;
    }
    Ok(())
}

/// The initrd's own end: it is about to lose its root.
pub fn leave() -> Result<()> {
    for (_, target, ..) in KERNEL_MOUNTS {
        rustix::mount::unmount(target, UnmountFlags::DETACH)
            .with_context(|| format!("leaving the initrd's {target}"))?;
    }
    Ok(())
}

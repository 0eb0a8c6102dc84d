//! Memory as a file system of its own, for files that stay as long as a device reads them.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags};

/// Where it is mounted while it is filled.
const PLACE: &str = "/netdisk";
/// Beside the files' bytes, for what the file system needs itself.
const OWN_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub struct Memory(());

impl Memory {
    /// For files that take so many bytes together, holes left out.
    pub fn mount(bytes: u64) -> Result<Memory> {
        fs::create_dir_all(PLACE).with_context(|| format!("making {PLACE}"))?;
        let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        let size = std::ffi::CString::new(format!("size={},mode=700", bytes + OWN_BYTES)).context("sizing memory")?;
        rustix::mount::mount("tmpfs", PLACE, "tmpfs", flags, Some(size.as_c_str()))
            .with_context(|| format!("mounting memory at {PLACE}"))?;
        Ok(Memory(()))
    }

    /// A new file, for reading and writing.
    pub fn file(&self, name: &str) -> Result<File> {
        let path = Path::new(PLACE).join(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        file.with_context(|| format!("making {}", path.display()))
    }

    /// Takes it out of everybody's sight; it lives on behind the files that are open.
    pub fn hide(self) -> Result<()> {
        rustix::mount::unmount(PLACE, UnmountFlags::DETACH).with_context(|| format!("unmounting {PLACE}"))
    }
}

/// Bytes that programs can still get, from the text of `/proc/meminfo`.
pub fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_is_left() {
        assert_eq!(available("MemTotal: 1 kB\nMemAvailable:    1500 kB\n"), Some(1_536_000));
        for text in ["", "MemAvailable: x kB\n", "MemAvailable: 12\n"] {
            assert_eq!(available(text), None);
        }
    }
}

//! The last of the initrd: its memory is freed, and the image's init takes its place on the verified root.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::kernel_mounts;
use crate::agent::sysroot::SYSROOT;

/// The image's init, first found.
const INITS: [&str; 2] = ["/sbin/init", "/usr/lib/systemd/systemd"];

/// Frees the initrd's memory, makes `/sysroot` the root and becomes its init.
pub fn switch_root(arguments: &[OsString]) -> Result<Infallible> {
    let init = INITS
        .into_iter()
        .find(|init| is_program_in(Path::new(SYSROOT), init))
        .with_context(|| format!("the image has no init ({})", INITS.join(", ")))?;
    empty_initrd()?;
    kernel_mounts::leave()?;
    std::env::set_current_dir(SYSROOT).context("entering the new root")?;
    rustix::mount::mount_move(".", "/").context("moving the new root")?;
    rustix::process::chroot(".").context("entering the new root")?;
    std::env::set_current_dir("/").context("entering the new root")?;
    let error = Command::new(init).args(arguments.iter().skip(1)).exec();
    Err(error).with_context(|| format!("starting {init}"))
}

/// Follows links inside the image by hand: an absolute link means the image's root, not the initrd's.
fn is_program_in(root: &Path, path: &str) -> bool {
    let Ok(root) = File::open(root) else { return false };
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, rustix::fs::Mode::empty(), rustix::fs::ResolveFlags::IN_ROOT).is_ok()
}

/// Removes the files of the initrd: they are memory that the node would never get back. Other file systems mounted
/// below `/` (the new root) are not entered.
fn empty_initrd() -> Result<()> {
    let kind = rustix::fs::statfs("/").context("reading the initrd's root")?.f_type;
    // RAMFS_MAGIC and TMPFS_MAGIC of linux/magic.h; anything else is not an initrd and must keep its files.
    if !matches!(kind, 0x8584_58f6 | 0x0102_1994) {
        bail!("the root is not an initrd (file system type {kind:#x})");
    }
    let device = fs::symlink_metadata("/").context("reading the initrd's root")?.dev();
    remove_below(Path::new("/"), device);
    Ok(())
}

fn remove_below(directory: &Path, device: u64) {
    // What cannot be removed only stays in memory: no reason not to boot.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() {
            remove_below(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}

//! PID 1 of the initrd: from the kernel to systemd on a verified root.
//!
//! [`boot`] is the table of contents. It never returns normally: it becomes the image's init, or it says why not on
//! the console and does what the kernel command line wants done then. Nothing here asks, retries for ever or opens a
//! shell.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::MountFlags;
use rustix::system::RebootCommand;
use serde::Serialize;

use super::cmdline::{self, OnFailure};
use super::var::Var;
use super::{SYSROOT, console, disk, status, var, verity, writable};
use crate::contract;

/// Boots, or tells why not. `arguments` are PID 1's own; what the kernel did not understand of its command line is
/// among them and goes on to the image's init.
pub fn main(arguments: &[OsString]) -> ! {
    panic::set_hook(Box::new(|info| console::complain(&format!("internal error: {info}"))));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| boot(arguments)));
    match outcome {
        Ok(Ok(never)) => match never {},
        Ok(Err(error)) => console::complain(&format!("cannot boot: {error:#}")),
        Err(_) => console::complain("cannot boot: internal error, see above"),
    }
    give_up()
}

fn boot(arguments: &[OsString]) -> Result<Infallible> {
    mount_kernel_file_systems()?;
    let text = fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?;
    let options = cmdline::parse(&text)?;
    let modules = load_modules(Path::new(contract::INITRD_MODULES))?;
    let mut root = disk::wait_for_root(&options.root_hash).map_err(|error| modules.explain(error))?;
    let mapping = verity::open(&root.root, &root.verity, &options.root_hash)?;
    rustix::mount::mount(&mapping.device, SYSROOT, "erofs", MountFlags::RDONLY, None)
        .with_context(|| format!("mounting the root {}", mapping.device.display()))?;
    console::say(&format!("root {} on {}, verified", options.root_hash, root.root.path.display()));
    bind_kernel_file_systems()?;
    let var = var::mount(&mut root, &options)?;
    let sysroot = Path::new(SYSROOT);
    let populated = writable::populate(sysroot)?;
    writable::overlay_etc(sysroot)?;
    writable::bind(sysroot, &writable::declared(sysroot)?)?;
    let new_machine_id = writable::machine_id(sysroot)?;
    let report = Report {
        root_hash: options.root_hash.to_string(),
        disk: root.disk.path.clone(),
        root: root.root.path.clone(),
        verity_uuid: mapping.uuid,
        root_bytes: mapping.data_bytes,
        var,
        populated,
        new_machine_id,
        modules,
        boottime_seconds: status::boottime(),
    };
    write_report(&report)?;
    console::say(&format!("/var on {}, starting the system", report.var.device.display()));
    switch_root(arguments)
}

/// What was done, for the agent that runs later and for people: [`contract::INITRD_REPORT`].
#[derive(Debug, Serialize)]
struct Report {
    root_hash: String,
    disk: PathBuf,
    root: PathBuf,
    verity_uuid: String,
    root_bytes: u64,
    var: Var,
    populated: bool,
    new_machine_id: bool,
    modules: Modules,
    boottime_seconds: f64,
}

fn write_report(report: &Report) -> Result<()> {
    let path = Path::new(contract::INITRD_REPORT);
    let directory = path.parent().context("the initrd's report has no directory")?;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let text = serde_json::to_vec_pretty(report).context("writing the initrd's report")?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The file systems of the kernel, in the order they are mounted.
const KERNEL_MOUNTS: [(&str, &str, &str, MountFlags, Option<&std::ffi::CStr>); 4] = [
    ("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, Some(c"mode=755")),
    ("proc", "/proc", "proc", RESTRICTED, None),
    ("sysfs", "/sys", "sysfs", RESTRICTED, None),
    ("tmpfs", "/run", "tmpfs", MountFlags::NOSUID.union(MountFlags::NODEV), Some(c"mode=755")),
];
const RESTRICTED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

fn mount_kernel_file_systems() -> Result<()> {
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
fn bind_kernel_file_systems() -> Result<()> {
    for (_, target, ..) in KERNEL_MOUNTS {
        let to = format!("{SYSROOT}{target}");
        rustix::mount::mount_bind(target, to.as_str()).with_context(|| format!("binding {target} to {to}"))?;
    }
    Ok(())
}

/// What became of the initrd's modules.
#[derive(Debug, Default, Serialize)]
struct Modules {
    loaded: Vec<String>,
    /// With the reason. Not fatal by itself: what is needed and missing shows later.
    failed: Vec<String>,
}

impl Modules {
    /// A disk that does not appear is often a driver that was not loaded.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match self.failed.is_empty() {
            true => error,
            false => error.context(format!("modules that could not be loaded: {}", self.failed.join(", "))),
        }
    }
}

/// Loads the modules in the order that the builder wrote down: dependencies first.
fn load_modules(directory: &Path) -> Result<Modules> {
    let mut modules = Modules::default();
    let order = match fs::read_to_string(contract::INITRD_MODULE_ORDER) {
        // A kernel with everything built in needs none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(modules),
        text => text.with_context(|| format!("reading {}", contract::INITRD_MODULE_ORDER))?,
    };
    for name in order.lines().map(str::trim).filter(|name| !name.is_empty()) {
        let path = directory.join(name);
        let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        match rustix::system::finit_module(&file, c"", 0) {
            Ok(()) => modules.loaded.push(name.to_owned()),
            // Built in or loaded already; or a driver whose hardware this machine does not have.
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NODEV) => {}
            Err(error) => {
                console::complain(&format!("loading the module {name}: {error}"));
                modules.failed.push(format!("{name} ({error})"));
            }
        }
    }
    Ok(modules)
}

/// The image's init, first found.
const INITS: [&str; 2] = ["/sbin/init", "/usr/lib/systemd/systemd"];

/// Frees the initrd's memory, makes `/sysroot` the root and becomes its init.
fn switch_root(arguments: &[OsString]) -> Result<Infallible> {
    let init = INITS
        .into_iter()
        .find(|init| is_program_in(Path::new(SYSROOT), init))
        .with_context(|| format!("the image has no init ({})", INITS.join(", ")))?;
    empty_initrd()?;
    for (_, target, ..) in KERNEL_MOUNTS {
        rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH)
            .with_context(|| format!("leaving the initrd's {target}"))?;
    }
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

/// The end of a boot that failed. PID 1 must not exit: the kernel would panic with a reason that is not ours.
fn give_up() -> ! {
    // Unreadable before /proc is mounted; then the defaults hold.
    let text = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let (what, seconds, command) = match cmdline::on_failure(&text) {
        OnFailure::Reboot(seconds) => ("restarting", seconds, Some(RebootCommand::Restart)),
        OnFailure::PowerOff(seconds) => ("switching off", seconds, Some(RebootCommand::PowerOff)),
        OnFailure::Halt => ("stopping here", 0, None),
    };
    match command {
        Some(_) => console::complain(&format!("{what} in {seconds} s")),
        None => console::complain(what),
    }
    rustix::fs::sync();
    std::thread::sleep(Duration::from_secs(seconds));
    if let Some(command) = command
        && let Err(error) = rustix::system::reboot(command)
    {
        console::complain(&format!("{what}: {error}"));
    }
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

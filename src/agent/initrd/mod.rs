//! PID 1 of the initrd: from the kernel to systemd on a verified root.
//!
//! [`boot`] is the table of contents. It never returns normally: it becomes the image's init, or it says why not on
//! the console and does what the kernel command line wants done then. Nothing here asks, retries for ever or opens a
//! shell.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::system::RebootCommand;
use serde::Serialize;

use super::report::{console, status};
use super::sysroot::SYSROOT;
use crate::contract;
use crate::image_info::ImageInfo;

pub mod cmdline;
pub mod copy;
pub mod diskless;
pub mod driverless;
pub mod filesystem_tools;
pub mod install;
pub mod kernel_mounts;
pub mod loader;
pub mod loop_device;
pub mod machine_id;
pub mod modules;
pub mod mounted_root;
pub mod netboot;
pub mod netdisk_source;
pub mod network;
pub mod partition_table;
pub mod root;
pub mod root_disk;
pub mod selinux_label;
pub mod switch_root;
pub mod var;
pub mod verity_mapping;
pub mod writable;

use cmdline::{BootOptions, OnFailure};
use modules::Modules;
use mounted_root::MountedRoot;
use root::Root;
use var::Var;

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
    kernel_mounts::mount()?;
    let text = fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?;
    let options = cmdline::parse(&text)?;
    let mut modules = Modules::load_first(Path::new(contract::INITRD_MODULES))?;
    let root = match find_root(&text, &options, &mut modules) {
        Ok(root) => root,
        Err(error) => {
            driverless::tell(text.contains(contract::CMDLINE_NETDISK));
            return Err(modules.explain(error));
        }
    };
    let MountedRoot { mapping, var, populated } = mounted_root::mount(&root, &options)?;
    let sysroot = Path::new(SYSROOT);
    writable::overlay_etc(sysroot)?;
    writable::bind(sysroot, ImageInfo::of_root(sysroot)?.checked_writable()?)?;
    let new_machine_id = machine_id::make(sysroot)?;
    let report = Report {
        root_hash: options.root_hash.to_string(),
        disk: root.disk.map(|on| on.disk.path),
        root: root.data.path,
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
    switch_root::switch_root(arguments)
}

/// The root: of a disk, or fetched where no disk has it, or first put on a disk where that is asked for. Then the machine
/// restarts.
fn find_root(command_line: &str, options: &BootOptions, modules: &mut Modules) -> Result<Root> {
    let install = install::Request::of(command_line)?;
    let netboot = if install.is_some() { None } else { netboot::Request::of(command_line)? };
    if install.is_none() && netboot.is_none() {
        return root_disk::wait_for_root(&options.root_hash, modules);
    }
    // A node that was installed, and comes from its medium or the network again, has it.
    if let Some(root) = root_disk::look_for_root(&options.root_hash, modules)? {
        return Ok(root);
    }
    if let Some(request) = install {
        install::install(&request, options, modules).context("installing")?;
        match restart()? {}
    }
    let request = netboot.context("nothing says where the root is")?;
    netboot::root(&request, &options.root_hash, modules)
}

/// What was done, for the agent that runs later and for people: [`contract::INITRD_REPORT`].
#[derive(Debug, Serialize)]
struct Report {
    root_hash: String,
    /// None under a root that was fetched.
    disk: Option<PathBuf>,
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

/// Starts the machine anew, so that what was installed is seen to start by itself.
fn restart() -> Result<Infallible> {
    rustix::fs::sync();
    rustix::system::reboot(RebootCommand::Restart).context("restarting")?;
    loop {
        std::thread::sleep(Duration::from_secs(3600));
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

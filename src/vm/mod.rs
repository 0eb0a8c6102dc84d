//! Runs an image in QEMU on this machine and gives the guest's verdict.
//!
//! The built image is never written: the guest sees a throw-away overlay on it, grown to a realistic disk, or with
//! `disk` a copy that is kept; or it comes from the network (`netboot`). What the guest says on the report port (`contract::REPORT_PORT`) and what QEMU says on
//! its control socket become [`Event`]s; they decide when the run ends and how.

pub mod accelerator;
mod disk;
mod event;
mod options;
mod qemu;
mod watch;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::interrupt::interrupted;
pub use event::{Event, Verdict};
pub use options::{BOOT_FILE_MAX, Firmware, Options, Until};

/// Runs the guest to its end. `show` gets every event as it happens.
pub fn boot(options: &Options, show: &mut dyn FnMut(&Event)) -> anyhow::Result<Verdict> {
    // A Ctrl-C while the guest is being prepared must not leave it, or the directory, behind.
    interrupted();
    // The seed in it may have a join token.
    let private = Permissions::from_mode(0o700);
    let place = tempfile::Builder::new().prefix("nodesmith-boot-").permissions(private).tempdir()?;
    let emulator = qemu::find(&options.arch.emulator)?;
    if options.accelerator != accelerator::Choice::Tcg && Path::new("/dev/kvm").exists() {
        crate::report::say("note: trying whether KVM runs a guest here, fifteen seconds at most");
    }
    let accelerator =
        accelerator::choose(options.accelerator, &options.arch.emulator, &emulator, options.image.as_deref())?;
    if let Some(note) = &accelerator.note {
        crate::report::say(note);
    }
    let disk = disk::prepare(options, place.path())?;
    let seed = options.seed.as_deref().map(|seed| disk::seed(seed, place.path())).transpose()?;
    let machine = qemu::Machine { emulator, accelerator, disk, seed, place: place.path().to_owned() };
    show(&Event::Started {
        accelerator: machine.accelerator.name,
        firmware: options.firmware.word(),
        disk_bytes: machine.disk.as_ref().map_or(0, |disk| disk.bytes),
    });
    let mut guest = qemu::start(options, &machine)?;
    watch::watch(&mut guest, options, show)
}

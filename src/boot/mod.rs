//! Runs an image in QEMU on this machine and gives the guest's verdict.
//!
//! The built image is never written: the guest sees a throw-away overlay on it, grown to a realistic disk, or with
//! `disk` a copy that is kept. What the guest says on the report port (`contract::REPORT_PORT`) and what QEMU says on
//! its control socket become [`Event`]s; they decide when the run ends and how.

pub mod accelerator;
pub mod disk;
pub mod qemu;
pub mod watch;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// Everything that a run is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// A `.raw` or `.qcow2` image; for [`Firmware::Direct`] its `.vmlinuz`, `.initrd` and `.cmdline` lie beside it.
    pub image: PathBuf,
    pub firmware: Firmware,
    pub accelerator: accelerator::Choice,
    /// A disk that is kept: made from the image when it does not exist, else used as it is.
    pub disk: Option<PathBuf>,
    /// Size of the guest's disk in bytes; never less than the image's.
    pub disk_size: u64,
    /// A NoCloud volume, or a directory to make one from.
    pub seed: Option<PathBuf>,
    pub memory_mib: u32,
    pub cpus: u32,
    /// TCP ports of 127.0.0.1 that lead to ports of the guest.
    pub forwards: Vec<(u16, u16)>,
    /// Whether the guest reaches this machine and its network; else it has an address, and nobody to talk to.
    pub network: bool,
    /// Further disks, raw; what the guest writes to them is thrown away.
    pub attached: Vec<PathBuf>,
    /// Words added to the kernel command line ([`Firmware::Direct`] only).
    pub cmdline: Vec<String>,
    pub until: Until,
    pub time_limit: Option<Duration>,
    /// How often the guest may reset before that counts as its end.
    pub reboots: u32,
    /// Where the serial console is written besides (or, with `json`, instead of) the terminal.
    pub serial_log: Option<PathBuf>,
    /// Events on stdout, one JSON object a line, instead of the console.
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    Uefi,
    /// QEMU itself loads the kernel
    Direct,
}

/// What a run waits for; on the command line as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Until the guest powers off
    Off,
    /// Until the node's agent says it is ready; the guest is then shut down
    Ready,
    /// Until the guest gives a verdict on its report port
    Verdict,
}

/// What happens during a run, in the form that `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Started {
        accelerator: &'static str,
        firmware: &'static str,
        disk_bytes: u64,
    },
    /// A line of the report port, as the guest wrote it.
    Report {
        report: serde_json::Value,
    },
    Reset {
        count: u32,
    },
    Stopping {
        reason: &'static str,
    },
    Ended {
        verdict: Verdict,
        code: u8,
        seconds: u64,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The guest powered off and nothing was awaited, or what was awaited came.
    Passed,
    /// The guest itself said that it failed.
    Failed {
        code: u8,
        message: String,
    },
    /// The guest stopped or reset before it said what was awaited.
    Silent {
        reason: String,
    },
    TimeLimit,
    /// The user ended it.
    Interrupted,
}

impl Verdict {
    /// Exit code: 0 passed; the guest's own 1 to 125; 1 silent; 124 time limit; 130 interrupted.
    pub fn code(&self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Failed { code, .. } => (*code).clamp(1, 123),
            Verdict::Silent { .. } => 1,
            Verdict::TimeLimit => 124,
            Verdict::Interrupted => 130,
        }
    }
}

/// Runs the guest to its end. `show` gets every event as it happens.
pub fn boot(options: &Options, show: &mut dyn FnMut(&Event)) -> anyhow::Result<Verdict> {
    // A Ctrl-C while the guest is being prepared must not leave it, or the directory, behind.
    watch::interrupted();
    // The seed in it may have a join token.
    let private = std::fs::Permissions::from_mode(0o700);
    let place = tempfile::Builder::new().prefix("nodesmith-boot-").permissions(private).tempdir()?;
    let emulator = qemu::find()?;
    if options.accelerator != accelerator::Choice::Tcg && Path::new("/dev/kvm").exists() {
        crate::report::say("note: trying whether KVM runs a guest here, fifteen seconds at most");
    }
    let accelerator = accelerator::choose(options.accelerator, &emulator, &options.image)?;
    if let Some(note) = &accelerator.note {
        crate::report::say(note);
    }
    let disk = disk::prepare(options, place.path())?;
    let seed = options.seed.as_deref().map(|seed| disk::seed(seed, place.path())).transpose()?;
    let machine = qemu::Machine { emulator, accelerator, disk, seed, place: place.path().to_owned() };
    show(&Event::Started {
        accelerator: machine.accelerator.name,
        firmware: if options.firmware == Firmware::Uefi { "uefi" } else { "direct" },
        disk_bytes: machine.disk.bytes,
    });
    let mut guest = qemu::start(options, &machine)?;
    watch::watch(&mut guest, options, show)
}

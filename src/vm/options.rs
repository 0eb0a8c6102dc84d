//! What a run is made of.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::accelerator;
use crate::arch::Arch;

/// Everything that a run is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// A raw disk, or one in a file that [`Container`](crate::formats::container::Container) knows; for
    /// [`Firmware::Direct`] its `.vmlinuz`, `.initrd` and `.cmdline` lie beside it.
    pub image: PathBuf,
    /// The image's.
    pub arch: &'static Arch,
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
    /// UEFI with Secure Boot and without keys: it takes those that the image enrols
    SecureBoot,
    /// The image's `bios: true` starts it
    Bios,
    /// QEMU itself loads the kernel
    Direct,
}

impl Firmware {
    /// As events call it.
    pub fn word(self) -> &'static str {
        match self {
            Firmware::Uefi => "uefi",
            Firmware::SecureBoot => "secure-boot",
            Firmware::Bios => "bios",
            Firmware::Direct => "direct",
        }
    }
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

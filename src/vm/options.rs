//! What a run is made of.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::accelerator;
use super::disk_bus::DiskBus;
use crate::arch::Arch;

/// Everything that a run is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// A raw disk, or one in a file that [`Container`](crate::formats::container::Container) knows; for
    /// [`Firmware::Direct`] its `.vmlinuz`, `.initrd` and `.cmdline` lie beside it. Without one the guest has the kept
    /// disk, an empty one, or none.
    pub image: Option<PathBuf>,
    /// The image's.
    pub arch: &'static Arch,
    pub firmware: Firmware,
    pub accelerator: accelerator::Choice,
    /// A disk that is kept: made from the image (or empty) when it does not exist, else used as it is.
    pub disk: Option<PathBuf>,
    /// Size of the guest's disk in bytes; never less than the image's. 0 without image and kept disk is no disk.
    pub disk_size: u64,
    /// An `http` URL of at most [`BOOT_FILE_MAX`] bytes that the guest starts from before any disk is tried: loaded by iPXE,
    /// in the network card's ROM, as DHCP's boot file, or by a UEFI itself when it ends in `.efi`.
    pub netboot: Option<String>,
    /// What the disk hangs on.
    pub disk_bus: DiskBus,
    /// The image of a CD in a drive of the guest, which is started from where no disk starts.
    pub cdrom: Option<PathBuf>,
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

impl Options {
    /// The URL that the firmware itself loads.
    pub(super) fn efi_program(&self) -> Option<&str> {
        let is_uefi = matches!(self.firmware, Firmware::Uefi | Firmware::SecureBoot);
        self.netboot.as_deref().filter(|url| is_uefi && url.ends_with(".efi"))
    }
}

/// Bytes of a boot file's name in a BOOTP answer (RFC 951), but for the one that ends it.
pub const BOOT_FILE_MAX: usize = 127;

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

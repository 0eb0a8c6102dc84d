//! `nodesmith boot`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use clap::Args;

use super::data::data;
use crate::arch;
use crate::report;
use crate::vm::accelerator::Choice;
use crate::vm::{BOOT_FILE_MAX, DiskBus, Event, Firmware, Options, Until, Verdict, boot as run};
use crate::words;

/// Boot an image in QEMU on this machine, with its console here
///
/// The image itself is never written: the guest gets a throw-away disk on top of it, or with --disk a copy that is
/// kept. Ctrl-C ends the guest.
///
/// Exit code: 0 when the guest powered off or what was awaited came, 1 when it stopped or failed before, a guest's own
/// verdict as it gave it, 124 at the time limit, 130 after Ctrl-C.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Example: nodesmith boot out/quickstart.raw --until ready --time-limit 300"
)]
pub(super) struct Boot {
    /// The image: .raw, .qcow2, .vmdk, .vhd or .vhdx
    #[arg(required_unless_present_any = ["disk", "netboot", "cdrom"])]
    image: Option<PathBuf>,
    /// How the guest starts: from the image through UEFI, UEFI with Secure Boot or a BIOS, or by the kernel beside it
    #[arg(long, value_enum, default_value = "uefi")]
    firmware: Firmware,
    /// Which accelerator to use; auto proves KVM by running a guest and else emulates
    #[arg(long, value_enum, default_value = "auto")]
    accel: Choice,
    /// Keep the guest's disk in this file: made from the image (or empty) the first time, used as it is after that
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
    /// Size of the guest's disk; default 16GiB, or no disk with --netboot or --cdrom alone
    #[arg(long, value_name = "SIZE", value_parser = size)]
    disk_size: Option<u64>,
    /// Start the guest from the network before any disk: iPXE loads this script (this machine is 10.0.2.2), or UEFI by
    /// itself what ends in .efi
    #[arg(long, value_name = "URL", value_parser = boot_file)]
    netboot: Option<String>,
    /// What the guest's disk hangs on: which drivers the image needs
    #[arg(long, value_name = "BUS", value_enum, default_value = "virtio")]
    disk_bus: DiskBus,
    /// Put this image of a CD into the guest's drive: it starts where no disk does, as an empty --disk
    #[arg(long, value_name = "FILE")]
    cdrom: Option<PathBuf>,
    /// Metadata for the first boot: a volume, or a directory with meta-data, user-data, network-config
    #[arg(long, value_name = "FILE|DIR")]
    seed: Option<PathBuf>,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u32,
    /// Processors of the guest
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,
    /// Let a TCP port of 127.0.0.1 lead to a port of the guest, such as 2222:22
    #[arg(long, value_name = "HOST:GUEST", value_parser = ports)]
    forward: Vec<(u16, u16)>,
    /// Let the guest reach this machine (10.0.2.2) and its network; without it the guest reaches nothing
    #[arg(long)]
    network: bool,
    /// Give the guest another disk with the content of this file; what it writes there is thrown away
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Add a word to the kernel command line (with --firmware direct)
    #[arg(long, value_name = "WORD")]
    append: Vec<String>,
    /// What to wait for before the guest is shut down
    #[arg(long, value_enum, default_value = "off")]
    until: Until,
    /// End the guest after this many seconds
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// How often the guest may reset
    #[arg(long, value_name = "N", default_value_t = 1000)]
    reboots: u32,
    /// Write the serial console to a file as well
    #[arg(long, value_name = "FILE")]
    serial_log: Option<PathBuf>,
    /// Print events as JSON, one a line, instead of the console
    ///
    /// The field `event` says what happened: `started` (with accelerator, firmware, disk_bytes), `report` (report: what
    /// the guest wrote to its report port), `reset` (count), `stopping` (reason), `ended` (verdict, code, seconds).
    #[arg(long)]
    json: bool,
}

/// Bytes of a disk that nobody gave a size.
const DISK_SIZE: u64 = 16 << 30;

pub(super) fn boot(arguments: &Boot) -> anyhow::Result<ExitCode> {
    let diskless = arguments.image.is_none() && arguments.disk.is_none();
    let options = Options {
        image: arguments.image.clone(),
        arch: &arch::X86_64,
        firmware: arguments.firmware,
        accelerator: arguments.accel,
        disk: arguments.disk.clone(),
        disk_size: arguments.disk_size.unwrap_or(if diskless { 0 } else { DISK_SIZE }),
        netboot: arguments.netboot.clone(),
        disk_bus: arguments.disk_bus,
        cdrom: arguments.cdrom.clone(),
        seed: arguments.seed.clone(),
        memory_mib: arguments.memory,
        cpus: arguments.cpus,
        forwards: arguments.forward.clone(),
        network: arguments.network,
        attached: arguments.attach.clone(),
        cmdline: arguments.append.clone(),
        until: arguments.until,
        time_limit: arguments.time_limit.map(Duration::from_secs),
        reboots: arguments.reboots,
        serial_log: arguments.serial_log.clone(),
        json: arguments.json,
    };
    let mut printed = Ok(ExitCode::SUCCESS);
    let mut show = |event: &Event| {
        if options.json && printed.is_ok() {
            printed = serde_json::to_vec(event).context("writing an event").and_then(|mut line| {
                line.push(b'\n');
                data(&line)
            });
        }
    };
    let verdict = run(&options, &mut show)?;
    printed?;
    match &verdict {
        Verdict::Passed | Verdict::Interrupted => {}
        Verdict::Failed { message, .. } => report::say(&format!("the guest failed: {message}")),
        Verdict::Silent { reason } => report::say(&format!("no verdict: {reason}")),
        Verdict::TimeLimit => report::say("no verdict: the time limit was reached"),
    }
    Ok(ExitCode::from(verdict.code()))
}

fn size(text: &str) -> Result<u64, anyhow::Error> {
    words::size(text).ok_or_else(|| anyhow!("not a size such as 16GiB"))
}

fn boot_file(text: &str) -> Result<String, anyhow::Error> {
    ensure!(text.starts_with("http://"), "write it as http://10.0.2.2:8080/boot.ipxe");
    ensure!(text.len() <= BOOT_FILE_MAX, "a boot file's name has at most {BOOT_FILE_MAX} bytes");
    Ok(text.to_owned())
}

fn ports(text: &str) -> Result<(u16, u16), anyhow::Error> {
    let (host, guest) = text.split_once(':').ok_or_else(|| anyhow!("write it as HOST:GUEST, such as 2222:22"))?;
    Ok((host.parse().context("the first port")?, guest.parse().context("the second port")?))
}

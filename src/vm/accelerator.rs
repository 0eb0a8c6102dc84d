//! Which accelerator really runs a guest here.
//!
//! That `/dev/kvm` exists proves nothing: nested and sandboxed machines have it and hang or abort in the guest's first
//! instructions. So KVM is tried: first with a ROM of three instructions, then, where the image's kernel lies beside
//! it, with that kernel up to the panic for want of a root. Only what came back counts; else TCG, with a note.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::arch::Emulator;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    Auto,
    Kvm,
    Tcg,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accelerator {
    /// `kvm` or `tcg`.
    pub name: &'static str,
    /// Why it is not the fast one.
    pub note: Option<String>,
}

/// The value that the ROM writes to the exit device, and the exit status that QEMU makes of it: 2·value + 1.
const ROM_VALUE: u8 = 0x31;
const ROM_STATUS: i32 = 0x63;
const ROM_LIMIT: Duration = Duration::from_secs(5);
/// A kernel under KVM panics for want of a root within a second or two.
const KERNEL_LIMIT: Duration = Duration::from_secs(10);

/// Decides by trying. `image` is only used to find a kernel to try with.
pub fn choose(
    choice: Choice,
    emulator: &Emulator,
    program: &Path,
    image: Option<&Path>,
) -> anyhow::Result<Accelerator> {
    let tcg = |note| Ok(Accelerator { name: "tcg", note });
    match choice {
        Choice::Tcg => tcg(None),
        Choice::Kvm => match prove_kvm(emulator, program, image)? {
            None => Ok(Accelerator { name: "kvm", note: None }),
            Some(why) => bail!("KVM does not run a guest on this machine: {why}"),
        },
        Choice::Auto if !Path::new("/dev/kvm").exists() => {
            tcg(Some("note: this machine has no /dev/kvm; the guest runs emulated, ten times slower".to_owned()))
        }
        Choice::Auto => match prove_kvm(emulator, program, image)? {
            None => Ok(Accelerator { name: "kvm", note: None }),
            Some(why) => tcg(Some(format!("note: KVM does not run a guest here ({why}); the guest runs emulated"))),
        },
    }
}

/// `None` when KVM ran both guests, else what happened.
fn prove_kvm(emulator: &Emulator, program: &Path, image: Option<&Path>) -> anyhow::Result<Option<String>> {
    let mut rom = tempfile::NamedTempFile::new().context("making a file for the probe")?;
    rom.write_all(&probe_rom()).context("writing the probe")?;
    let mut command = probe(emulator, program, "64");
    command.args(["-device", "isa-debug-exit,iobase=0x501,iosize=1", "-bios"]).arg(rom.path());
    match run(command, ROM_LIMIT)? {
        Some(ROM_STATUS) => {}
        Some(status) => return Ok(Some(format!("a probe ended with status {status}"))),
        None => return Ok(Some("a probe hung".to_owned())),
    }
    let kernel = image.map(|image| image.with_extension("vmlinuz")).filter(|kernel| kernel.is_file());
    let Some(kernel) = kernel else { return Ok(None) };
    let mut command = probe(emulator, program, "512");
    // Without an initrd and a root the kernel panics; `panic=-1` turns that into a reset, and `-no-reboot` into an end.
    command.args(["-no-reboot", "-append", "panic=-1", "-kernel"]).arg(&kernel);
    Ok(match run(command, KERNEL_LIMIT)? {
        Some(0) => None,
        Some(status) => Some(format!("the kernel ended with status {status}")),
        None => Some("the kernel hung".to_owned()),
    })
}

fn probe(emulator: &Emulator, program: &Path, memory: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-accel", "kvm", "-machine", emulator.machine, "-cpu", "host", "-m", memory]);
    command.args(["-display", "none", "-nodefaults", "-no-user-config"]);
    command
}

/// 64 KiB that end with the reset vector: write [`ROM_VALUE`] to port 0x501, halt.
fn probe_rom() -> Vec<u8> {
    let mut rom = vec![0; 0x1_0000];
    let code = [0xba, 0x01, 0x05, 0xb0, ROM_VALUE, 0xee, 0xf4, 0xeb, 0xfd];
    rom[0xfff0..0xfff0 + code.len()].copy_from_slice(&code);
    rom
}

/// The exit status (128 and more for a signal), or `None` past the limit.
fn run(mut command: Command, limit: Duration) -> anyhow::Result<Option<i32>> {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = silent.spawn().context("starting QEMU for a probe")?;
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().context("waiting for the probe")? {
            use std::os::unix::process::ExitStatusExt;
            return Ok(status.code().or_else(|| status.signal().map(|signal| 128 + signal)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().context("ending the probe")?;
    child.wait().context("waiting for the probe")?;
    Ok(None)
}

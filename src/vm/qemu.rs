//! Finds QEMU and its firmware, and starts a guest.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::termios::{self, OptionalActions, Termios};

use super::accelerator::Accelerator;
use super::boot_option;
use super::disk::Disk;
use super::options::{Firmware, Options};
use crate::arch::Emulator;
use crate::contract;

/// A machine that is ready to start.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) emulator: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) disk: Option<Disk>,
    pub(super) seed: Option<PathBuf>,
    /// Directory of this run's own files.
    pub(super) place: PathBuf,
}

/// A running guest. It ends with this value.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) child: Child,
    /// QEMU's control socket (QMP), greeting not yet read.
    pub(super) control: UnixStream,
    /// What the guest writes to the report port.
    pub(super) reports: PathBuf,
    /// Put back when QEMU has ended, however it did.
    _terminal: Option<Terminal>,
}

/// A terminal as it was: QEMU makes it raw for the guest's console, and restores it only when it ends by itself.
#[derive(Debug)]
struct Terminal {
    device: OwnedFd,
    modes: Termios,
}

impl Terminal {
    /// `None` for what is not a terminal.
    fn of(device: impl AsFd) -> Option<Terminal> {
        let device = device.as_fd().try_clone_to_owned().ok()?;
        let modes = termios::tcgetattr(&device).ok()?;
        Some(Terminal { device, modes })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes.
        let _ = termios::tcsetattr(&self.device, OptionalActions::Now, &self.modes);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long QEMU may take to open its control socket.
const CONTROL_LIMIT: Duration = Duration::from_secs(20);

/// The emulator on `PATH`.
pub(super) fn find(emulator: &Emulator) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&path)
        .flat_map(|directory| emulator.programs.iter().map(move |name| directory.join(name)));
    let libexec = PathBuf::from("/usr/libexec/qemu-kvm");
    candidates.chain([libexec]).find(|path| path.is_file()).ok_or_else(|| {
        let (package, firmware) = emulator.debian;
        anyhow!(
            "there is no {} on this machine (Debian: apt-get install {package} {firmware})",
            emulator.programs.first().copied().unwrap_or_default()
        )
    })
}

/// Starts QEMU and connects to its control socket.
pub(super) fn start(options: &Options, machine: &Machine) -> anyhow::Result<Guest> {
    let control = machine.place.join("control");
    let reports = machine.place.join("reports");
    fs::write(&reports, b"").context("making the file for reports")?;
    let mut command = Command::new(&machine.emulator);
    command.args(arguments(options, machine, &control, &reports)?);
    let interactive = !options.json;
    command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
    command.stdout(if interactive { Stdio::inherit() } else { Stdio::null() });
    let terminal = if interactive { Terminal::of(std::io::stdin()) } else { None };
    let mut child = command.spawn().with_context(|| format!("starting {}", machine.emulator.display()))?;
    let started = Instant::now();
    loop {
        match UnixStream::connect(&control) {
            Ok(control) => return Ok(Guest { child, control, reports, _terminal: terminal }),
            Err(error) if started.elapsed() > CONTROL_LIMIT => {
                child.kill().context("ending QEMU")?;
                return Err(error).context("connecting to QEMU's control socket");
            }
            Err(_) => {}
        }
        if let Some(status) = child.try_wait().context("waiting for QEMU")? {
            bail!("QEMU ended at once with {status}; its complaint is above");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn arguments(options: &Options, machine: &Machine, control: &Path, reports: &Path) -> anyhow::Result<Vec<String>> {
    let emulator = &options.arch.emulator;
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    let (accel, cpu) = match machine.accelerator.name {
        "kvm" => ("kvm", "host"),
        _ => ("tcg,thread=multi,tb-size=512", "max"),
    };
    add(&["-accel", accel, "-machine", emulator.machine, "-cpu", cpu]);
    add(&["-no-user-config", "-nodefaults", "-display", "none"]);
    add(&["-smp", &options.cpus.to_string(), "-m", &options.memory_mib.to_string()]);
    add(&["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
    let forwards: String =
        options.forwards.iter().map(|(host, guest)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}")).collect();
    let alone = if options.network || options.netboot.is_some() { "" } else { ",restrict=on" };
    match &options.netboot {
        // The ROM that QEMU gives the card is iPXE, for both kinds of firmware.
        Some(url) if options.efi_program().is_none() => {
            let url = url.replace(',', ",,");
            add(&["-netdev", &format!("user,id=net{forwards},bootfile={url}")]);
            add(&["-device", "virtio-net-pci,netdev=net,bootindex=1"]);
        }
        _ => {
            add(&["-netdev", &format!("user,id=net{alone}{forwards}")]);
            add(&["-device", "virtio-net-pci,netdev=net,romfile="]);
        }
    }
    if let Some(Disk { path, format, kept, .. }) = &machine.disk {
        // Nobody misses a throw-away disk after a power cut of this machine.
        let cache = if kept.is_some() { "writeback" } else { "unsafe" };
        add(&["-drive", &format!("if=none,id=disk,format={format},cache={cache},file={}", escaped(path))]);
        // An order from outside would go before the firmware's own, in which the URL is the first.
        let place = if options.efi_program().is_some() { None } else { Some(2) };
        options.disk_bus.devices(place).iter().for_each(|device| add(&["-device", device]));
    }
    if let Some(cdrom) = &options.cdrom {
        add(&["-drive", &format!("if=none,id=cdrom,format=raw,readonly=on,file={}", escaped(cdrom))]);
        add(&["-device", "virtio-scsi-pci,id=cd", "-device", "scsi-cd,bus=cd.0,drive=cdrom,bootindex=3"]);
    }
    if let Some(seed) = &machine.seed {
        add(&["-drive", &format!("if=virtio,format=raw,readonly=on,file={}", escaped(seed))]);
    }
    for (number, path) in options.attached.iter().enumerate() {
        let file = escaped(path);
        add(&["-drive", &format!("if=none,id=attached{number},format=raw,snapshot=on,cache=unsafe,file={file}")]);
        add(&["-device", &format!("virtio-blk-pci,drive=attached{number}")]);
    }
    let log = options.serial_log.as_ref().map(|log| format!(",logfile={}", escaped(log))).unwrap_or_default();
    if options.json {
        add(&["-chardev", &format!("null,id=console{log}")]);
    } else {
        add(&["-chardev", &format!("stdio,id=console,signal=on{log}")]);
    }
    add(&["-serial", "chardev:console"]);
    add(&["-chardev", &format!("file,id=reports,path={}", escaped(reports))]);
    add(&["-device", &format!("virtserialport,chardev=reports,name={}", contract::REPORT_PORT)]);
    add(&["-qmp", &format!("unix:{},server=on,wait=off", escaped(control))]);
    match options.firmware {
        Firmware::Uefi | Firmware::SecureBoot => {
            let known = if options.firmware == Firmware::Uefi { emulator.firmware } else { emulator.secure_firmware };
            let found = known.iter().find(|(code, _)| Path::new(code).is_file());
            let (code, template) = found.ok_or_else(|| {
                let (_, package) = emulator.debian;
                let with = if options.firmware == Firmware::Uefi { "" } else { " with Secure Boot" };
                anyhow!("there is no UEFI firmware{with} for QEMU on this machine (Debian: apt-get install {package})")
            })?;
            let variables = machine.place.join("variables.fd");
            let mut bytes = fs::read(template).with_context(|| format!("reading {template}"))?;
            if let Some(url) = options.efi_program() {
                boot_option::write(&mut bytes, url).with_context(|| format!("adding {url} to {template}"))?;
            }
            fs::write(&variables, bytes).with_context(|| format!("writing {}", variables.display()))?;
            if options.firmware == Firmware::SecureBoot {
                add(emulator.secure_machine);
            }
            add(&["-drive", &format!("if=pflash,format=raw,readonly=on,file={code}")]);
            add(&["-drive", &format!("if=pflash,format=raw,file={}", escaped(&variables))]);
        }
        // QEMU brings SeaBIOS along, and starts it unless it is told otherwise.
        Firmware::Bios => {}
        Firmware::Direct => {
            let image = options.image.as_ref().context("a direct boot needs an image")?;
            let beside = |extension: &str| {
                let path = image.with_extension(extension);
                if path.is_file() { Ok(path) } else { Err(anyhow!("a direct boot needs {} as well", path.display())) }
            };
            let cmdline = beside("cmdline")?;
            let mut words = fs::read_to_string(&cmdline).with_context(|| format!("reading {}", cmdline.display()))?;
            for word in &options.cmdline {
                words = format!("{} {word}", words.trim_end());
            }
            let (kernel, initrd) = (beside("vmlinuz")?, beside("initrd")?);
            add(&["-kernel", &kernel.display().to_string(), "-initrd", &initrd.display().to_string()]);
            add(&["-append", words.trim_end()]);
        }
    }
    Ok(arguments)
}

/// A path in an option list of QEMU, where a comma is written twice.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_put_back_as_it_was() {
        // The modes of a new pseudo-terminal can be set from either side.
        let terminal = fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
        let before = termios::tcgetattr(&terminal).unwrap();
        let guard = Terminal::of(&terminal).unwrap();
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&terminal, OptionalActions::Now, &raw).unwrap();
        let modes = || termios::tcgetattr(&terminal).unwrap().local_modes;
        assert_ne!(modes(), before.local_modes);
        drop(guard);
        assert_eq!(modes(), before.local_modes);
        assert!(Terminal::of(fs::File::open("/dev/null").unwrap()).is_none());
    }
}

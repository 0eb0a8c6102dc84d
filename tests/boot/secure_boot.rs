//! The oracle of record for Secure Boot is firmware: EDK2 takes our keys, starts what they signed and nothing else, and
//! its TPM (swtpm) holds the value that was foretold.
//!
//! The disk has Debian's systemd-boot with a kernel image of Debian's kernel and its static busybox. The firmware
//! begins in setup mode; systemd-boot enrols the keys and starts the machine anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nodesmith::formats::cpio::{self, Node};
use nodesmith::formats::fat::{self, Entry, Volume};
use nodesmith::formats::pcr;
use nodesmith::formats::pe::{self, NewSection};
use nodesmith::formats::sparse::Source;
use nodesmith::secure_boot::{Enrolment, Identity, PemKey, certificates};

use crate::kernels::find;
use crate::support::{a_guest, place};

const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
/// Variables of a firmware without keys.
const SETUP_MODE: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// What firmware says when nothing was left to start.
const NOTHING_TO_START: &str = "No bootable option or device was found";
/// What the guest's `init` says when it runs.
const STARTED: &str = "GUEST PCR11 ";

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mount -t sysfs sys /sys
/bin/busybox echo "GUEST PCR11 $(/bin/busybox cat /sys/class/tpm/tpm0/pcr-sha256/11)"
/bin/busybox poweroff -f
"#;
const LOADER_CONF: &[u8] = b"timeout 0\neditor no\nsecure-boot-enroll if-safe\n";

/// systemd-boot and a kernel image, as they come and signed under `db`, and the keys as the firmware is to get them.
struct Programs {
    loader: Vec<u8>,
    uki: Vec<u8>,
    signed_loader: Vec<u8>,
    signed_uki: Vec<u8>,
    /// Signed with a key that is not enrolled.
    strange_uki: Vec<u8>,
    keys: Vec<(String, Vec<u8>)>,
    /// The firmware's variables after the keys were enrolled.
    enrolled: PathBuf,
    /// PCR 11 as the guest saw it.
    register: String,
}

/// Made once a run, with the enrolment: it is the first boot of all tests.
static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    let directory = place().join("secure-boot");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let debian = directory.join("debian");
    let mut fetch = Command::new("bash");
    fetch.args(["tests/boot/fetch-kernel.sh", "trixie", "linux-image-6.12"]).arg(&debian).arg("systemd-boot-efi");
    assert!(fetch.status().unwrap().success(), "fetching the kernel and systemd-boot");
    let efi = debian.join("usr/lib/systemd/boot/efi");
    let loader = fs::read(efi.join("systemd-bootx64.efi")).unwrap();
    let kernel = fs::read(find(&debian.join("boot"), "vmlinuz-")).unwrap();
    let initrd = initrd();
    let uki = pe::append(
        &fs::read(efi.join("linuxx64.efi.stub")).unwrap(),
        &[
            NewSection { name: ".osrel", content: b"ID=guest\nVERSION_ID=1\n" },
            NewSection { name: ".cmdline", content: b"console=ttyS0 panic=-1" },
            NewSection { name: ".uname", content: b"6.12" },
            NewSection { name: ".initrd", content: &initrd },
            NewSection { name: ".linux", content: &kernel },
        ],
    );
    let uki = uki.unwrap();

    let [platform, exchange, db, stranger] = ["PK", "KEK", "db", "stranger"].map(|name| identity(&directory, name));
    let trusted = [db.certificates.clone()];
    let enrolment = Enrolment { platform: &platform, exchange: &exchange, trusted: &trusted, epoch: 1_767_225_600 };
    let keys = enrolment.files("auto").unwrap().into_iter().map(|file| (file.path, file.bytes)).collect();
    let mut programs = Programs {
        signed_loader: db.sign_image(&loader).unwrap(),
        signed_uki: db.sign_image(&stranger.sign_image(&uki).unwrap()).unwrap(),
        strange_uki: stranger.sign_image(&uki).unwrap(),
        loader,
        uki,
        keys,
        enrolled: directory.join("enrolled.fd"),
        register: String::new(),
    };
    fs::copy(SETUP_MODE, &programs.enrolled).unwrap();
    let serial = start("enrol", &programs, &programs.signed_loader, &programs.signed_uki, &programs.enrolled);
    assert!(serial.contains("Custom Secure Boot keys successfully enrolled"), "{serial}");
    assert!(serial.contains("UEFI Secure Boot is enabled"), "{serial}");
    let register = serial.split(STARTED).nth(1).and_then(|text| text.split_whitespace().next());
    programs.register = register.unwrap_or_else(|| panic!("the guest did not start:\n{serial}")).to_owned();
    programs
});

fn identity(directory: &Path, name: &str) -> Identity {
    let [key, certificate] = ["key", "pem"].map(|ending| directory.join(format!("{name}.{ending}")));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", &format!("/CN={name}")]);
    let output = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [key, certificate] = [key, certificate].map(|path| fs::read_to_string(path).unwrap());
    Identity { certificates: certificates(&certificate).unwrap(), signer: Box::new(PemKey::parse(&key).unwrap()) }
}

fn initrd() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed by ci/setup");
    let entry = |path: &str, mode, node| cpio::Entry { path: path.as_bytes().to_vec(), mode, node };
    let entries = [
        entry("bin", 0o755, Node::Directory),
        entry("dev", 0o755, Node::Directory),
        entry("dev/console", 0o600, Node::CharDevice { major: 5, minor: 1 }),
        entry("sys", 0o755, Node::Directory),
        entry("bin/busybox", 0o755, Node::File(&busybox)),
        entry("init", 0o755, Node::File(INIT.as_bytes())),
    ];
    cpio::write(&entries, 0).unwrap()
}

/// Starts a disk with these programs and the keys on it. The serial console, when the guest has powered off or the
/// firmware has given up.
fn start(name: &str, programs: &Programs, loader: &[u8], uki: &[u8], variables: &Path) -> String {
    let _guest = a_guest();
    let directory = place().join("secure-boot").join(name);
    fs::create_dir_all(&directory).unwrap();
    let [disk, serial] = ["disk.raw", "serial.log"].map(|name| directory.join(name));
    // The path of a socket has 107 bytes at most.
    let tpm = tempfile::tempdir().unwrap();
    let mut entries = vec![
        Entry { path: "EFI/BOOT/BOOTX64.EFI", source: Source::Bytes(loader) },
        Entry { path: "EFI/Linux/guest.efi", source: Source::Bytes(uki) },
        Entry { path: "loader/loader.conf", source: Source::Bytes(LOADER_CONF) },
    ];
    entries.extend(programs.keys.iter().map(|(path, bytes)| Entry { path, source: Source::Bytes(bytes) }));
    let volume = Volume { bytes: 64 << 20, label: "esp".into(), id: 7, epoch: 0 };
    let out = File::options().read(true).write(true).create(true).truncate(true).open(&disk).unwrap();
    out.set_len(volume.bytes).unwrap();
    fat::write(&volume, &entries, &out, 0).unwrap();

    let socket = tpm.path().join("socket");
    let mut swtpm = Command::new("swtpm");
    swtpm.args(["socket", "--tpm2", "--terminate", "--tpmstate", &format!("dir={}", tpm.path().display())]);
    swtpm.args(["--ctrl", &format!("type=unixio,path={}", socket.display())]);
    let mut swtpm = Ended(swtpm.stderr(Stdio::null()).spawn().expect("swtpm is installed by ci/setup"));
    let waiting = Instant::now();
    while !socket.exists() && waiting.elapsed() < Duration::from_secs(20) && swtpm.0.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }

    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg,thread=multi", "-machine", "q35,smm=on", "-cpu", "max", "-m", "1024", "-smp", "1"]);
    qemu.args(["-no-user-config", "-nodefaults", "-display", "none"]);
    // Only firmware in its management mode may write the variables; that mode does not survive a suspend here.
    qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]);
    qemu.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}")]);
    qemu.args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", variables.display())]);
    qemu.args(["-drive", &format!("if=none,id=disk,format=raw,file={}", disk.display())]);
    qemu.args(["-device", "virtio-blk-pci,drive=disk,bootindex=1"]);
    qemu.args(["-chardev", &format!("socket,id=tpm,path={}", socket.display())]);
    qemu.args(["-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]);
    qemu.args(["-serial", &format!("file:{}", serial.display())]).stdin(Stdio::null());
    let mut qemu = Ended(qemu.spawn().unwrap());
    let started = Instant::now();
    let console = || String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned();
    while qemu.0.try_wait().unwrap().is_none() && !console().contains(NOTHING_TO_START) {
        assert!(started.elapsed() < TIME_LIMIT, "{name} has no end:\n{}", console());
        std::thread::sleep(Duration::from_millis(100));
    }
    let console = console();
    fs::remove_file(&disk).unwrap();
    console
}

/// A process that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts these programs where the keys are enrolled.
fn start_enrolled(name: &str, loader: &[u8], uki: &[u8]) -> String {
    let variables = place().join("secure-boot").join(format!("{name}.fd"));
    fs::copy(&PROGRAMS.enrolled, &variables).unwrap();
    start(name, &PROGRAMS, loader, uki, &variables)
}

fn changed(program: &[u8]) -> Vec<u8> {
    let mut program = program.to_vec();
    let middle = program.len() / 2;
    program[middle] ^= 1;
    program
}

#[test]
fn a_kernel_image_that_is_signed_starts_and_is_measured_as_foretold() {
    let foretold = pcr::kernel_image(&PROGRAMS.signed_uki).unwrap().0.to_string();
    assert_eq!(PROGRAMS.register.to_lowercase(), foretold);
}

#[test]
fn a_kernel_image_that_is_not_signed_or_was_changed_does_not_start() {
    let cases = [
        ("plain", PROGRAMS.uki.clone()),
        ("strange", PROGRAMS.strange_uki.clone()),
        ("changed", changed(&PROGRAMS.signed_uki)),
    ];
    for (name, uki) in cases {
        let serial = start_enrolled(name, &PROGRAMS.signed_loader, &uki);
        assert!(serial.contains("Error loading \\EFI\\Linux\\guest.efi: Access denied"), "{name}: {serial}");
        assert!(!serial.contains(STARTED), "{name}: {serial}");
    }
}

#[test]
fn a_boot_loader_that_is_not_signed_or_was_changed_does_not_start() {
    for (name, loader) in
        [("plain-loader", PROGRAMS.loader.clone()), ("changed-loader", changed(&PROGRAMS.signed_loader))]
    {
        let serial = start_enrolled(name, &loader, &PROGRAMS.signed_uki);
        assert!(serial.contains("failed to load Boot0001") && serial.contains("Access Denied"), "{name}: {serial}");
        assert!(!serial.contains(STARTED), "{name}: {serial}");
    }
}

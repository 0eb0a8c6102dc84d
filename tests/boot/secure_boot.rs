//! The oracle of record for Secure Boot is firmware: EDK2 takes the keys that an image brings, starts what they signed and
//! nothing else, and its TPM (swtpm) holds the value that the manifest foretold.
//!
//! The signed node with all its checks boots in `node`. Here it is the last of several disks, which firmware tries one
//! after the other: what is on the others must not start. The first one does so once, in setup mode, and enrols the keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nodesmith::contract::ESP_LABEL;
use nodesmith::formats::device::Window;
use nodesmith::formats::fat::{self, Entry, Volume};
use nodesmith::formats::gpt;
use nodesmith::formats::sparse::Source;
use nodesmith::secure_boot::{Identity, PemKey, certificates};

use crate::support::{a_guest, build, image, place};

const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
/// Variables of a firmware without keys.
const SETUP_MODE: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// What firmware says when nothing was left to start.
const NOTHING_TO_START: &str = "No bootable option or device was found";
/// What `overlays/secure-boot` says around the register.
const MEASURED: [&str; 2] = ["GUEST PCR11 ", " END"];

const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
const LOADER_CONF: &str = "loader/loader.conf";

/// Files of an ESP: paths and bytes.
type Files = Vec<(String, Vec<u8>)>;

/// The checked node, signed with a key of this run; the path of its outputs without an extension.
pub(crate) fn signed() -> &'static Path {
    static IMAGE: LazyLock<PathBuf> = LazyLock::new(|| {
        let directory = place().join("secure-boot");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        make_key(&directory, "db");
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boot");
        let recipe = format!(
            "nodesmith: 1\nname: signed\nextends: [{tests}/recipes/check.yaml]\noverlays: [{tests}/overlays/secure-boot]\n\
             services: {{enable: [nodesmith-measured.service]}}\n\
             secure-boot: {{certificate: db.pem, key: db.key, enroll: force}}\n"
        );
        fs::write(directory.join("signed.yaml"), recipe).unwrap();
        build(&directory.join("signed.yaml"), "signed", "check.lock")
    });
    &IMAGE
}

/// `NAME.key` and `NAME.pem`.
fn make_key(directory: &Path, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", &format!("/CN={name}")]);
    openssl.arg("-keyout").arg(directory.join(format!("{name}.key")));
    let output = openssl.arg("-out").arg(directory.join(format!("{name}.pem"))).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn identity(directory: &Path, name: &str) -> Identity {
    make_key(directory, name);
    let [key, certificate] =
        ["key", "pem"].map(|ending| fs::read_to_string(directory.join(format!("{name}.{ending}"))).unwrap());
    Identity { certificates: certificates(&certificate).unwrap(), signer: Box::new(PemKey::parse(&key).unwrap()) }
}

/// The files on the ESP of an image.
fn esp(raw: &Path) -> Files {
    let mut file = File::open(raw).unwrap();
    let table = gpt::read(&mut file).unwrap();
    let esp = table.partitions.iter().find(|partition| partition.name == ESP_LABEL).unwrap();
    let start = esp.first_lba * gpt::SECTOR;
    let window = Window::new(&file, start, (esp.last_lba + 1) * gpt::SECTOR - start);
    fat::files(window, |_| true, 1 << 30).unwrap()
}

fn take(files: &Files, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    files.iter().find(|(path, _)| wanted(path)).unwrap().1.clone()
}

fn changed(program: &[u8]) -> Vec<u8> {
    let mut program = program.to_vec();
    let middle = program.len() / 2;
    program[middle] ^= 1;
    program
}

#[test]
fn firmware_starts_what_is_signed_and_nothing_else_and_its_tpm_has_the_value_of_the_manifest() {
    let node = signed();
    let directory = place().join("secure-boot");
    let (ours, others) = (esp(&node.with_extension("raw")), esp(&image("check").with_extension("raw")));
    let is_kernel = |path: &str| path.starts_with("EFI/Linux/");
    let (loader, plain_loader) = (take(&ours, |path| path == LOADER), take(&others, |path| path == LOADER));
    let (kernel, plain_kernel) = (take(&ours, is_kernel), take(&others, is_kernel));
    assert!(kernel == fs::read(node.with_extension("efi")).unwrap());
    let strange_kernel = identity(&directory, "stranger").sign_image(&plain_kernel).unwrap();
    let keys = ours.iter().filter(|(path, _)| path.starts_with("loader/")).cloned();

    let mut plain: Files = keys.collect();
    plain.push((LOADER.to_owned(), plain_loader));
    let mut disks = vec![plain, vec![(LOADER.to_owned(), changed(&loader))]];
    let kernels = [("plain", plain_kernel), ("strange", strange_kernel), ("changed", changed(&kernel))];
    for (name, kernel) in kernels {
        let conf = (LOADER_CONF.to_owned(), b"timeout 0\n".to_vec());
        disks.push(vec![(LOADER.to_owned(), loader.clone()), (format!("EFI/Linux/{name}.efi"), kernel), conf]);
    }
    let serial = start(&disks, &node.with_extension("raw"));

    let (_, after) =
        serial.split_once("Custom Secure Boot keys successfully enrolled").unwrap_or_else(|| panic!("{serial}"));
    let loaders: Vec<&str> =
        after.lines().filter(|line| line.contains("failed to load") && line.contains("Access Denied")).collect();
    assert_eq!(loaders.len(), 2, "{serial}");
    for name in ["plain", "strange", "changed"] {
        let refusal = format!("Error loading \\EFI\\Linux\\{name}.efi: Access denied");
        assert!(after.contains(&refusal), "{name}: {serial}");
    }
    assert!(after.contains("UEFI Secure Boot is enabled"), "{serial}");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(node.with_extension("manifest.json")).unwrap()).unwrap();
    let [before, end] = MEASURED;
    let register = after.split(before).nth(1).and_then(|text| text.split(end).next());
    let register = register.unwrap_or_else(|| panic!("the node did not start:\n{serial}"));
    assert_eq!(register.to_lowercase(), manifest["pcr-11"]["sha256"].as_str().unwrap(), "{serial}");
}

/// Starts a machine in setup mode with these disks, each an ESP with nothing around it, and the node's as the last one. The
/// serial console, when the guest has told what it measured or the firmware has given up.
fn start(esps: &[Files], node: &Path) -> String {
    let _guest = a_guest();
    let directory = place().join("secure-boot/guest");
    fs::create_dir_all(&directory).unwrap();
    let [serial, variables] = ["serial.log", "variables.fd"].map(|name| directory.join(name));
    let _ = fs::remove_file(&serial);
    fs::copy(SETUP_MODE, &variables).unwrap();
    let mut drives: Vec<String> = Vec::new();
    for (number, files) in esps.iter().enumerate() {
        let disk = directory.join(format!("disk{number}.raw"));
        let entries: Vec<Entry<'_>> =
            files.iter().map(|(path, bytes)| Entry { path, source: Source::Bytes(bytes) }).collect();
        let volume = Volume { bytes: 64 << 20, label: "esp".into(), id: 7, epoch: 0 };
        let out = File::options().read(true).write(true).create(true).truncate(true).open(&disk).unwrap();
        out.set_len(volume.bytes).unwrap();
        fat::write(&volume, &entries, &out, 0).unwrap();
        drives.push(format!("format=raw,file={}", disk.display()));
    }
    let overlay = directory.join("node.qcow2");
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(node).arg(&overlay).arg("8G");
    assert!(create.status().unwrap().success());
    drives.push(format!("format=qcow2,file={}", overlay.display()));

    // The path of a socket has 107 bytes at most.
    let tpm = tempfile::tempdir().unwrap();
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
    qemu.args(["-accel", "tcg,thread=multi", "-machine", "q35,smm=on", "-cpu", "max", "-m", "2048", "-smp", "2"]);
    qemu.args(["-no-user-config", "-nodefaults", "-display", "none"]);
    // Only firmware in its management mode may write the variables; that mode does not survive a suspend here.
    qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]);
    qemu.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}")]);
    qemu.args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", variables.display())]);
    for (number, drive) in drives.iter().enumerate() {
        qemu.args(["-drive", &format!("if=none,id=disk{number},{drive}")]);
        qemu.args(["-device", &format!("virtio-blk-pci,drive=disk{number},bootindex={}", number + 1)]);
    }
    qemu.args(["-chardev", &format!("socket,id=tpm,path={}", socket.display())]);
    qemu.args(["-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]);
    qemu.args(["-serial", &format!("file:{}", serial.display())]).stdin(Stdio::null());
    let mut qemu = Ended(qemu.spawn().unwrap());
    let started = Instant::now();
    let console = || String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned();
    let is_over = |console: &str| {
        let [before, end] = MEASURED;
        let told = console.split(before).nth(1).is_some_and(|text| text.contains(end));
        told || console.contains(NOTHING_TO_START)
    };
    while qemu.0.try_wait().unwrap().is_none() && !is_over(&console()) {
        assert!(started.elapsed() < TIME_LIMIT, "no end:\n{}", console());
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(qemu);
    let console = console();
    fs::remove_dir_all(&directory).unwrap();
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

//! A disk with GRUB in it, written by `formats` alone, boots under SeaBIOS.
//!
//! The guest is Debian's kernel with a static busybox as its initrd; nothing of ours runs in it. GRUB is the machine's
//! own, and those of `ci/grub-oracle`. Every disk has a decoy beside it, which differs only in what its kernel is told.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nodesmith::contract::{ESP_LABEL, ESP_TYPE};
use nodesmith::formats::cpio::{self, Node};
use nodesmith::formats::fat::{self, Entry, Volume};
use nodesmith::formats::gpt::{self, Partition, Table};
use nodesmith::formats::grub::{self, Request};
use nodesmith::formats::sparse::Source;
use uuid::Uuid;

use crate::kernels::{find, unpacked_kernel};
use crate::support::{a_guest, place};

const BIOS_BOOT_TYPE: Uuid = Uuid::from_u128(0x21686148_6449_6e6f_744e_656564454649);
/// The sectors between the table and the first MiB, from a multiple of 4 KiB on.
const BIOS_BOOT: [u64; 2] = [40, 2047];
const ESP: [u64; 2] = [2048, 2048 + (64 << 11) - 1];
const MODULES: &[&str] =
    &["biosdisk", "part_gpt", "fat", "normal", "linux", "serial", "terminal", "loadenv", "test", "echo"];

/// Says what it was told, and does what `then=` says.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "TOLD: $(/bin/busybox cat /proc/cmdline)" >/dev/ttyS0
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in then=*) /bin/busybox ${word#then=} -f;; esac
done
"#;

/// Starts slot `a` as often as `tries` in the environment says, then slot `b`. GRUB cannot count; it can compare.
const COUNTING: &str = r#"set timeout=0
set default=a
set fallback=b
load_env
if [ "$tries" = 0 ]; then
    set default=b
    set fallback=a
else
    if [ "$tries" = 1 ]; then set tries=0; fi
    if [ "$tries" = 2 ]; then set tries=1; fi
    save_env tries
fi
menuentry a --id a {
    linux /grub/vmlinuz console=ttyS0 slot=a then=reboot
    initrd /grub/initrd
}
menuentry b --id b {
    linux /grub/vmlinuz console=ttyS0 slot=b then=poweroff
    initrd /grub/initrd
}
"#;

#[test]
fn a_kernel_starts_under_seabios_and_is_told_its_command_line() {
    let command_line = "roothash=00ff dyndbg=\"file nothing.c +p\" console=ttyS0,115200n8 {$braces} then=poweroff";
    let entry =
        |command_line| grub::Entry { title: "a node", linux: "/grub/vmlinuz", initrd: "/grub/initrd", command_line };
    let config = grub::config(&[entry(command_line)]).unwrap();
    let decoy = grub::config(&[entry("console=ttyS0 decoy then=poweroff")]).unwrap();
    let told = "roothash=00ff \"dyndbg=file nothing.c +p\" console=ttyS0,115200n8 {$braces} then=poweroff";
    let other_roots = std::env::var_os("GRUB_ROOTS").expect("ci/test sets GRUB_ROOTS to what ci/grub-oracle prints");
    for root in std::env::split_paths(&other_roots).chain(["/".into()]) {
        let files = [("grub/grub.cfg", config.as_bytes())];
        let serial = boot("bios", &root, &files, &[("grub/grub.cfg", decoy.as_bytes())]);
        let line = format!("TOLD: BOOT_IMAGE=/grub/vmlinuz {told}\r\n");
        assert!(serial.contains(&line), "GRUB below {}:\n{serial}", root.display());
    }
}

#[test]
fn grub_counts_the_tries_of_a_slot_and_then_starts_the_other() {
    let mut environment = b"# GRUB Environment Block\ntries=2\n".to_vec();
    environment.resize(1024, b'#');
    let files = [("grub/grub.cfg", COUNTING.as_bytes()), ("grub/grubenv", environment.as_slice())];
    let serial = boot("bios-counting", Path::new("/"), &files, &[]);
    let started: Vec<&str> = serial.lines().filter(|line| line.starts_with("TOLD: ")).collect();
    let slots: Vec<bool> = started.iter().map(|line| line.contains("slot=b")).collect();
    assert_eq!(slots, [false, false, true], "{serial}");
}

/// Boots a disk with the GRUB below `root` and with `files`, kernel and initrd on its ESP, beside one that has `decoy`
/// instead, until the guest powers off; what it said on the serial line.
fn boot(name: &str, root: &Path, files: &[(&str, &[u8])], decoy: &[(&str, &[u8])]) -> String {
    let kernel = find(&unpacked_kernel("trixie", "linux-image-6.12").join("boot"), "vmlinuz-");
    let _guest = a_guest();
    let directory = place().join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let disks = [("decoy", decoy), ("disk", files)].map(|(name, files)| {
        let path = directory.join(name);
        write_disk(&path, root, &fs::read(&kernel).unwrap(), files);
        path
    });
    let serial = run_guest(&directory, &disks);
    fs::remove_dir_all(&directory).unwrap();
    serial
}

fn write_disk(path: &Path, root: &Path, kernel: &[u8], files: &[(&str, &[u8])]) {
    let partition = |name: &str, type_guid, [first_lba, last_lba]: [u64; 2]| {
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        Partition { name: name.to_owned(), type_guid, guid, first_lba, last_lba, attributes: 0 }
    };
    let esp = partition(ESP_LABEL, Uuid::try_parse(ESP_TYPE).unwrap(), ESP);
    let partitions = vec![esp, partition("bios", BIOS_BOOT_TYPE, BIOS_BOOT)];
    let table = Table { disk_guid: Uuid::from_u128(7), sectors: ESP[1] + 1 + 2048, partitions };
    let read = |name: &str| fs::read(root.join("usr/lib/grub/i386-pc").join(name)).context("opening it");
    let request = Request { modules: MODULES, prefix: "(,gpt1)/grub", config: None, core_lba: BIOS_BOOT[0] };
    let core = grub::core_image(&read, &request).unwrap();
    let initrd = initrd();
    let boot_files = [("grub/vmlinuz", kernel), ("grub/initrd", initrd.as_slice())];
    let entries = boot_files.iter().chain(files).map(|(path, bytes)| Entry { path, source: Source::Bytes(bytes) });

    let disk = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    disk.set_len(table.sectors * gpt::SECTOR).unwrap();
    let tables = gpt::encode(&table).unwrap();
    disk.write_all_at(&tables.primary, 0).unwrap();
    disk.write_all_at(&tables.backup, (table.sectors - gpt::BACKUP_SECTORS) * gpt::SECTOR).unwrap();
    disk.write_all_at(&core.boot_code, 0).unwrap();
    disk.write_all_at(&core.core, BIOS_BOOT[0] * gpt::SECTOR).unwrap();
    let volume = Volume { bytes: (ESP[1] + 1 - ESP[0]) * gpt::SECTOR, label: ESP_LABEL.into(), id: 7, epoch: 0 };
    fat::write(&volume, &entries.collect::<Vec<_>>(), &disk, ESP[0] * gpt::SECTOR).unwrap();
}

fn initrd() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed by ci/setup");
    let entry = |path: &str, mode, node| cpio::Entry { path: path.into(), mode, node };
    let directories = ["bin", "dev", "proc"].map(|path| entry(path, 0o755, Node::Directory));
    let mut entries = Vec::from(directories);
    entries.push(entry("dev/console", 0o600, Node::CharDevice { major: 5, minor: 1 }));
    entries.push(entry("dev/ttyS0", 0o600, Node::CharDevice { major: 4, minor: 64 }));
    entries.push(entry("bin/busybox", 0o755, Node::File(&busybox)));
    entries.push(entry("init", 0o755, Node::File(INIT.as_bytes())));
    cpio::write(&entries, 0).unwrap()
}

/// The second disk is the one that is booted.
fn run_guest(directory: &Path, disks: &[PathBuf; 2]) -> String {
    let serial = directory.join("serial.log");
    let mut command = Command::new("timeout");
    command.args(["600", "qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", "512"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-serial", &format!("file:{}", serial.display())]);
    for (number, disk) in disks.iter().enumerate() {
        let drive = format!("if=none,id=disk{number},format=raw,file={}", disk.display());
        let device = format!("virtio-blk-pci,drive=disk{number},bootindex={}", 1 - number);
        command.args(["-drive", &drive, "-device", &device]);
    }
    let status = command.stdin(Stdio::null()).status().unwrap();
    let serial = String::from_utf8_lossy(&fs::read(serial).unwrap_or_default()).into_owned();
    assert!(status.success(), "{status}\n{serial}");
    serial
}

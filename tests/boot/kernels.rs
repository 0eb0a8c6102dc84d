//! The oracle of record for the root file system is a kernel: each guest mounts the image and hashes every file, and
//! the hashes must be those of the manifest.
//!
//! The guest is Debian's kernel and its static busybox, taken from the machine's own apt; nothing of ours runs in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nodesmith::formats::cpio::{self, Entry, Node};
use nodesmith::formats::device::Window;
use nodesmith::formats::gpt;
use nodesmith::slot::Slot;
use nodesmith::tree::path::escape;

use crate::support::{a_guest, image, place};

/// Hashes every file of `/dev/vda` into `/dev/vdb`.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc
for module in $(cat /order); do insmod /modules/$module; done
mount -t erofs -o ro /dev/vda /mnt || { echo "MOUNT FAILED"; poweroff -f; }
cd /mnt
find . -type f -print0 | xargs -0 sha256sum >/hashes 2>/errors
wc -l </hashes
cat /errors
(cat /hashes; echo "END $(wc -l </errors)") >/dev/vdb
sync
poweroff -f
"#;

/// Modules that the guest needs, in load order; those built into a kernel have no file and are passed over.
const MODULES: &[&str] = &[
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "crc32c_generic",
    "libcrc32c",
    "lz4_decompress",
    "zstd_decompress",
    "netfs",
    "erofs",
];

#[test]
fn kernel_6_12_reads_a_zstd_root_back() {
    read_back("check", "trixie", "linux-image-6.12");
}

#[test]
#[ignore = "takes long: ci/long"]
fn kernel_6_12_reads_an_lz4hc_root_back() {
    read_back("lz4hc", "trixie", "linux-image-6.12");
}

#[test]
fn kernel_6_1_reads_an_lz4hc_root_back() {
    read_back("lz4hc", "bookworm", "linux-image-6.1");
}

fn read_back(recipe: &str, suite: &str, kernel: &str) {
    let image = image(recipe);
    let name = format!("read-back-{suite}-{recipe}");
    let directory = place().join(&name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();

    let kernel = unpacked_kernel(suite, kernel);
    let initrd = directory.join("initrd");
    fs::write(&initrd, guest_initrd(&kernel)).unwrap();
    let root = directory.join("root.erofs");
    extract_root(&image.with_extension("raw"), &root);
    let hashes = directory.join("hashes");
    fs::File::create(&hashes).unwrap().set_len(4 << 20).unwrap();

    let serial = run_guest(&directory, &find(&kernel.join("boot"), "vmlinuz-"), &initrd, &root, &hashes);
    let text = fs::read(&hashes).unwrap();
    let end = text.windows(4).position(|window| window == b"END ").unwrap_or_else(|| panic!("no end:\n{serial}"));
    assert!(text[end..].starts_with(b"END 0\n"), "read errors:\n{serial}");
    let found = parse(&text[..end]);

    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(image.with_extension("manifest.json")).unwrap()).unwrap();
    let expected: BTreeMap<String, String> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["kind"] == "file")
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file["sha256"].as_str().unwrap().to_owned()))
        .collect();
    assert!(expected.len() > 1000, "{} files in the manifest", expected.len());
    let wrong: Vec<&String> =
        expected.iter().filter(|(path, hash)| found.get(*path) != Some(hash)).map(|it| it.0).collect();
    assert!(wrong.is_empty(), "{} files differ: {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    assert_eq!(found.len(), expected.len(), "the guest saw files that the manifest does not have");
    fs::remove_dir_all(&directory).unwrap();
}

/// Lines of `HASH  ./PATH`; paths as the manifest writes them.
fn parse(text: &[u8]) -> BTreeMap<String, String> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_at_checked(64))
        .map(|(hash, path)| (escape(&path[b"  .".len()..]), String::from_utf8_lossy(hash).into_owned()))
        .collect()
}

fn run_guest(directory: &Path, kernel: &Path, initrd: &Path, root: &Path, hashes: &Path) -> String {
    let _guest = a_guest();
    let serial = directory.join("serial.log");
    let drive = |path: &Path, options: &str| format!("if=virtio,format=raw,{options}file={}", path.display());
    let status = Command::new("timeout")
        .args([
            "600",
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-machine",
            "q35",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "1024",
        ])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-append",
            "console=ttyS0 panic=-1 quiet",
        ])
        .args(["-serial", &format!("file:{}", serial.display())])
        .args(["-kernel".as_ref(), kernel.as_os_str(), "-initrd".as_ref(), initrd.as_os_str()])
        .args(["-drive", &drive(root, "readonly=on,"), "-drive", &drive(hashes, "")])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    let serial = String::from_utf8_lossy(&fs::read(serial).unwrap_or_default()).into_owned();
    assert!(status.success(), "{status}\n{serial}");
    serial
}

fn extract_root(raw: &Path, root: &Path) {
    let mut file = fs::File::open(raw).unwrap();
    let table = gpt::read(&mut file).unwrap();
    let partition = table.partitions.iter().find(|partition| partition.name == Slot::A.root_label()).unwrap();
    let mut out = fs::File::create(root).unwrap();
    let start = partition.first_lba * 512;
    let length = (partition.last_lba + 1) * 512 - start;
    std::io::copy(&mut Window::new(&file, start, length), &mut out).unwrap();
}

fn guest_initrd(kernel: &Path) -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed by ci/setup");
    let mut files: Vec<(String, Vec<u8>)> = vec![("init".into(), INIT.into()), ("bin/busybox".into(), busybox)];
    let mut order = String::new();
    let modules = if kernel.join("usr/lib/modules").is_dir() {
        kernel.join("usr/lib/modules")
    } else {
        kernel.join("lib/modules")
    };
    for name in MODULES {
        let listed = Command::new("find").arg(&modules).args(["-name", &format!("{name}.ko*")]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let Some(path) = listed.lines().next() else { continue };
        let bytes = if path.ends_with(".xz") {
            Command::new("xz").args(["-dc", path]).output().unwrap().stdout
        } else {
            fs::read(path).unwrap()
        };
        files.push((format!("modules/{name}.ko"), bytes));
        order.push_str(&format!("{name}.ko\n"));
    }
    files.push(("order".into(), order.into_bytes()));
    let entry = |path: &str, mode, node| Entry { path: path.as_bytes().to_vec(), mode, node };
    let mut entries = Vec::new();
    for directory in ["bin", "dev", "proc", "mnt", "modules"] {
        entries.push(entry(directory, 0o755, Node::Directory));
    }
    entries.push(entry("dev/console", 0o600, Node::CharDevice { major: 5, minor: 1 }));
    for (path, bytes) in &files {
        entries.push(entry(path, 0o755, Node::File(bytes)));
    }
    cpio::write(&entries, 0).unwrap()
}

/// The kernel package of a suite, unpacked.
pub(crate) fn unpacked_kernel(suite: &str, prefix: &str) -> PathBuf {
    // Two tests want the same kernel: the second one waits for the first one's.
    static FETCH: Mutex<()> = Mutex::new(());
    let _fetch = FETCH.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = place().join(format!("kernel-{suite}"));
    if directory.join("done").exists() {
        return directory;
    }
    fs::create_dir_all(&directory).unwrap();
    let script = Path::new("tests/boot/fetch-kernel.sh");
    let status = Command::new("bash").arg(script).args([suite, prefix]).arg(&directory).status().unwrap();
    assert!(status.success(), "fetching the kernel of {suite}");
    fs::write(directory.join("done"), "").unwrap();
    directory
}

/// The file of a directory whose name begins so.
pub(crate) fn find(directory: &Path, prefix: &str) -> PathBuf {
    let mut entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let starts = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(prefix);
    entries.find(starts).unwrap_or_else(|| panic!("no {prefix} in {}", directory.display()))
}

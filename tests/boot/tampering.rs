//! A root with a flipped byte does not come up.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nodesmith::formats::device::Window;
use nodesmith::formats::erofs::read::Image;
use nodesmith::formats::gpt;
use nodesmith::slot::Slot;

use crate::support::{boot, image, place};

/// Where the named partition begins, in bytes.
pub(crate) fn partition_start(raw: &Path, name: &str) -> u64 {
    let table = gpt::read(&mut fs::File::open(raw).unwrap()).unwrap();
    table.partitions.iter().find(|it| it.name == name).unwrap().first_lba * 512
}

/// Flips one bit of the byte at `offset` of the named partition.
fn tampered(name: &str, partition: &str, offset: u64) -> std::path::PathBuf {
    let image = image("check");
    let directory = place().join(name);
    fs::create_dir_all(&directory).unwrap();
    for extension in ["vmlinuz", "initrd", "cmdline"] {
        fs::copy(image.with_extension(extension), directory.join(format!("check.{extension}"))).unwrap();
    }
    let raw = directory.join("check.raw");
    fs::copy(image.with_extension("raw"), &raw).unwrap();
    let start = partition_start(&raw, partition);
    let file = OpenOptions::new().read(true).write(true).open(&raw).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, start + offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], start + offset).unwrap();
    raw
}

fn assert_does_not_come_up(name: &str, partition: &str, offset: u64) {
    let raw = tampered(name, partition, offset);
    let run = boot(name, &raw, "node-7", &["--firmware", "direct", "--reboots", "0"]);
    assert_eq!(run.code, Some(1), "{}", run.console());
    assert!(run.serial.contains("verity"), "{}", run.console());
    assert!(!run.serial.contains("check: verdict"), "{}", run.console());
    fs::remove_dir_all(raw.parent().unwrap()).unwrap();
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_flipped_byte_in_the_superblock_stops_the_boot() {
    assert_does_not_come_up("flip-superblock", Slot::A.root_label(), 1024 + 40);
}

#[test]
fn a_flipped_byte_in_the_data_of_a_file_stops_the_boot() {
    // Of a file that every boot reads, wherever the packages of today have put it.
    let raw = image("check").with_extension("raw");
    let file = fs::File::open(&raw).unwrap();
    let start = partition_start(&raw, Slot::A.root_label());
    let root = Image::open(Window::new(&file, start, file.metadata().unwrap().len() - start)).unwrap();
    let mut inode = root.inode(root.root()).unwrap();
    for name in ["usr", "lib", "systemd", "systemd"] {
        let entries = root.directory(&inode).unwrap();
        inode = root.inode(entries.iter().find(|entry| entry.name == name.as_bytes()).unwrap().nid).unwrap();
    }
    let first = root.extents(&inode).unwrap()[0];
    assert_does_not_come_up("flip-data", Slot::A.root_label(), first.address + first.stored / 2);
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_flipped_byte_in_the_inode_of_the_root_directory_stops_the_boot() {
    // Of EROFS's superblock: byte 14 is the root's number, byte 40 the block where inodes begin, 32 bytes each unit.
    let raw = image("check").with_extension("raw");
    let start = partition_start(&raw, Slot::A.root_label());
    let mut superblock = [0; 128];
    fs::File::open(&raw).unwrap().read_exact_at(&mut superblock, start + 1024).unwrap();
    let root = u64::from(u16::from_le_bytes([superblock[14], superblock[15]]));
    let inodes = u64::from(u32::from_le_bytes(superblock[40..44].try_into().unwrap())) * 4096;
    assert_does_not_come_up("flip-inode", Slot::A.root_label(), inodes + root * 32 + 4);
}

#[test]
fn a_flipped_byte_in_the_hash_tree_stops_the_boot() {
    // Block 0 is the superblock, block 1 the tree's top: whatever is read first is checked against it.
    assert_does_not_come_up("flip-hash", Slot::A.verity_label(), 4096 + 5);
}

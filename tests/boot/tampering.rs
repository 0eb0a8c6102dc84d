//! A root with a flipped byte does not come up.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use nodesmith::contract::{ROOT_A_LABEL, VERITY_A_LABEL};
use nodesmith::formats::gpt;

use crate::support::{boot, image, place};

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
    let mut file = OpenOptions::new().read(true).write(true).open(&raw).unwrap();
    let table = gpt::read(&mut file).unwrap();
    let start = table.partitions.iter().find(|it| it.name == partition).unwrap().first_lba * 512;
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
    fs::remove_file(raw).unwrap();
}

#[test]
fn a_flipped_byte_in_the_superblock_stops_the_boot() {
    assert_does_not_come_up("flip-superblock", ROOT_A_LABEL, 1024 + 40);
}

#[test]
fn a_flipped_byte_in_the_root_inode_area_stops_the_boot() {
    let size = fs::metadata(image("check").with_extension("raw")).unwrap().len();
    assert!(size > 0);
    assert_does_not_come_up("flip-data", ROOT_A_LABEL, 4096 * 40 + 77);
}

#[test]
fn a_flipped_byte_in_the_hash_tree_stops_the_boot() {
    // Block 0 is the superblock, block 1 the tree's top: whatever is read first is checked against it.
    assert_does_not_come_up("flip-hash", VERITY_A_LABEL, 4096 + 5);
}

//! Volumes read back by the crate `fatfs`; `tests/it/oracles_disk.rs` has `fsck.vfat`'s opinion.

use std::io::{Cursor, Read as _};
use std::os::unix::fs::FileExt as _;

use fatfs::{FileSystem, FsOptions};
use proptest::prelude::*;

use super::*;
use crate::tree::Digest;

fn esp(bytes: u64) -> Volume {
    Volume { bytes, label: "esp".into(), id: 0x1234_abcd, epoch: 1_700_000_001 }
}

#[test]
fn an_esp_holds_its_files_and_nothing_else() {
    let kernel = vec![7; 5_000_000];
    let big = tempfile::tempfile().unwrap();
    big.write_all_at(&kernel, 0).unwrap();
    let entries = [
        Entry { path: "EFI/BOOT/BOOTX64.EFI", source: Source::Bytes(b"boot") },
        Entry { path: "EFI/Linux/worker_1.2+3.efi", source: Source::File { file: &big, length: 5_000_000 } },
        Entry { path: "loader/loader.conf", source: Source::Bytes(b"timeout 0\n") },
    ];
    let out = tempfile::tempfile().unwrap();
    out.set_len(1 << 26).unwrap();
    write(&esp(40 << 20), &entries, &out, 1 << 20).unwrap();
    let mut bytes = vec![0; 40 << 20];
    out.read_exact_at(&mut bytes, 1 << 20).unwrap();
    insta::assert_snapshot!(dump(Cursor::new(bytes.clone())).unwrap(), @r#"
    Fat32 label `ESP` id 1234-ABCD, 70833 of 80606 clusters of 512 free
    2023-11-14 22:13:20            EFI/
    2023-11-14 22:13:20            EFI/BOOT/
    2023-11-14 22:13:20          4 EFI/BOOT/BOOTX64.EFI
    2023-11-14 22:13:20            EFI/Linux/
    2023-11-14 22:13:20    5000000 EFI/Linux/worker_1.2+3.efi
    2023-11-14 22:13:20            loader/
    2023-11-14 22:13:20         10 loader/loader.conf
    "#);
    let filesystem = FileSystem::new(Cursor::new(bytes), FsOptions::new()).unwrap();
    let mut back = Vec::new();
    filesystem.root_dir().open_file("efi/linux/WORKER_1.2+3.EFI").unwrap().read_to_end(&mut back).unwrap();
    assert!(back == kernel);
    let mut outside = vec![1; 1 << 20];
    out.read_exact_at(&mut outside, 0).unwrap();
    assert!(sparse::is_zero(&outside));
}

#[test]
fn a_seed_is_small_and_has_these_bytes() {
    let files: [(&str, &[u8]); 2] = [("meta-data", b"instance-id: a\n"), ("user-data", b"#cloud-config\n")];
    let seed = seed("cidata", 1, 1_700_000_000, &files).unwrap();
    insta::assert_snapshot!(dump(Cursor::new(seed.clone())).unwrap(), @r#"
    Fat12 label `CIDATA` id 0000-0001, 1999 of 2001 clusters of 512 free
    2023-11-14 22:13:20         15 meta-data
    2023-11-14 22:13:20         14 user-data
    "#);
    // A change of this digest changes every seed and ESP: say so in the changelog.
    assert_eq!(Digest::of(&seed).to_string(), "1e3bc7942747c1e670e07e8079825e5c0477cc7d1e95bcf9b343c16732a48e00");
}

#[test]
fn a_large_seed_has_room_for_its_files() {
    let large = vec![1; 9_999_999];
    let files: Vec<(String, &[u8])> =
        (0..40).map(|n| (format!("directory-{n}/file"), large[..n * 1000].as_ref())).collect();
    let mut files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    files.push(("user-data", &large));
    seed("CIDATA", 1, 0, &files).unwrap();
}

#[test]
fn mistakes_are_named() {
    let error = |label: &str, entries: &[Entry<'_>]| {
        let volume = Volume { bytes: 1 << 20, label: label.into(), id: 1, epoch: 0 };
        build(&volume, entries).unwrap_err().to_string()
    };
    let entry = |path, bytes| Entry { path, source: Source::Bytes(bytes) };
    assert!(error("twelve chars", &[]).contains("`twelve chars` is no FAT label"));
    assert!(error("A", &[entry("a/b", b""), entry("A/B", b"")]).contains("another file"));
    assert!(error("A", &[entry("a//b", b"")]).contains("1 to 255 bytes"));
    assert!(error("A", &[entry("a/../b", b"")]).contains("end in a dot"));
    assert!(error("A", &[entry("a:b", b"")]).contains("only ASCII"));
    let much = vec![1; 2 << 20];
    assert_eq!(
        error("A", &[entry("a", &much)]),
        "the files need 2097152 bytes on the FAT volume, which has only 1024512 for them"
    );
    let out = tempfile::tempfile().unwrap();
    assert!(write(&esp(1 << 20), &[], &out, 0).unwrap_err().to_string().contains("35651584 at least"));
}

#[test]
fn a_small_root_directory_can_be_full() {
    let names: Vec<String> = (0..200).map(|number| format!("a-name-of-many-long-entries-{number}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let error = seed("A", 1, 0, &files).unwrap_err().to_string();
    assert_eq!(error, "the root directory needs 801 entries, but a small FAT volume has 512");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_file_is_found_with_its_bytes(
        files in prop::collection::btree_map(
            "([A-Za-z0-9 +~_-]{1,20}/){0,2}[A-Za-z0-9+~_-]{1,30}(\\.[A-Za-z0-9]{1,5})?",
            prop::collection::vec(any::<u8>(), 0..5000),
            0..30,
        ),
    ) {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        match seed("A", 1, 1_700_000_000, &files) {
            // A directory where a file is, the same name in two cases, a blank at an end.
            Err(FatError::BadPath { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
            Ok(image) => {
                let filesystem = FileSystem::new(Cursor::new(image), FsOptions::new()).unwrap();
                for (path, bytes) in files {
                    let mut back = Vec::new();
                    filesystem.root_dir().open_file(path).unwrap().read_to_end(&mut back).unwrap();
                    prop_assert!(back == bytes, "{path}");
                }
            }
        }
    }
}

//! Volumes read back by the crate `fatfs`; `tests/it/oracles_disk.rs` has `fsck.vfat`'s opinion.

use std::io::{Cursor, Read as _};
use std::os::unix::fs::FileExt as _;

use fatfs::{DateTime, Dir, FileSystem, FsOptions};
use proptest::prelude::*;

use super::*;
use crate::formats::sparse::{self, Source};
use crate::tree::Digest;

/// What [`dump`] says, by a reader that is not ours.
fn listed_by_fatfs(image: Vec<u8>) -> String {
    fn list(directory: &Dir<'_, Cursor<Vec<u8>>>, prefix: &str, text: &mut String) {
        for entry in directory.iter() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let DateTime { date, time } = entry.modified();
            let (date, time) = ((date.year, date.month, date.day), (time.hour, time.min, time.sec));
            let when = format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", date.0, date.1, date.2, time.0, time.1, time.2);
            if entry.is_file() {
                *text += &format!("{when} {:>10} {prefix}{name}\n", entry.len());
            } else if name != "." && name != ".." {
                *text += &format!("{when} {:>10} {prefix}{name}/\n", "");
                list(&entry.to_dir(), &format!("{prefix}{name}/"), text);
            }
        }
    }
    let filesystem = FileSystem::new(Cursor::new(image), FsOptions::new()).unwrap();
    let (stats, id) = (filesystem.stats().unwrap(), filesystem.volume_id());
    let label = filesystem.read_volume_label_from_root_dir().unwrap().unwrap_or_default();
    let mut text = format!("{:?} label `{label}` id {:04X}-{:04X}", filesystem.fat_type(), id >> 16, id & 0xffff);
    let (free, all, size) = (stats.free_clusters(), stats.total_clusters(), stats.cluster_size());
    text += &format!(", {free} of {all} clusters of {size} free\n");
    list(&filesystem.root_dir(), "", &mut text);
    text
}

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
    assert_eq!(dump(Cursor::new(bytes.as_slice())).unwrap(), listed_by_fatfs(bytes.clone()));
    let found = |directory: &str, max| files(Cursor::new(&bytes), |path| path.starts_with(directory), max);
    assert!(found("EFI/Linux/", 5_000_000).unwrap() == [("EFI/Linux/worker_1.2+3.efi".to_owned(), kernel.clone())]);
    assert!(found("EFI/none/", 1).unwrap().is_empty());
    assert_eq!(found("", 5_000_000).unwrap().len(), 3);
    let error = found("EFI/Linux/", 4_999_999).unwrap_err().to_string();
    assert_eq!(error, "reading a file: `worker_1.2+3.efi` is too large");
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
fn a_volume_that_leads_in_circles_or_out_of_itself_is_an_error_with_its_place() {
    let seed = seed("A", 1, 0, &[("A/B/C", b"x")]).unwrap();
    // One reserved sector, two tables of seven, 32 sectors of root: the root has `A` in cluster 2, which has `B` in 3.
    let (table, root, a) = (512, 15 * 512, 47 * 512);
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = seed.clone();
        change(&mut image);
        dump(Cursor::new(image)).unwrap_err().to_string()
    };
    // Entries 2 and 3 of the table.
    assert_eq!(seed[table + 3..table + 6], [0xff; 3]);
    let twice = "two files or directories, or one twice, have the same cluster";
    assert!(error(&|image| image[table + 3..table + 5].copy_from_slice(&[2, 0xf0])).ends_with(twice));
    assert!(error(&|image| image[a + 64 + 26] = 2).ends_with(twice));
    let outside = "damaged FAT volume at 0x200: a file or directory leads out of the volume";
    for cluster in [[0, 0], [1, 0], [0xff, 0xff]] {
        assert_eq!(error(&|image| image[root + 32 + 26..root + 32 + 28].copy_from_slice(&cluster)), outside);
    }
    // `C` in `B`, which is in cluster 3: it is in cluster 4, and one byte long.
    let c = 48 * 512 + 64;
    let of_file = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = seed.clone();
        change(&mut image);
        files(Cursor::new(image), |path| path == "A/B/C", 1 << 20).map_err(|error| error.to_string())
    };
    assert_eq!(of_file(&|_| ()), Ok(vec![("A/B/C".to_owned(), b"x".to_vec())]));
    assert!(of_file(&|image| image[c + 26] = 3).unwrap_err().ends_with(twice));
    assert!(of_file(&|image| image[c + 29] = 2).unwrap_err().ends_with("a file ends before its size"));
    assert!(error(&|image| image[19..21].fill(0xff)).ends_with("the table is too small for the clusters"));
    assert!(error(&|image| image.truncate(900 << 10)).ends_with("the volume is cut off"));
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
                prop_assert_eq!(dump(Cursor::new(image.as_slice())).unwrap(), listed_by_fatfs(image.clone()));
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

//! What a disk holds: nothing, half an installation, or something that is somebody's.
//!
//! Whatever is not zero in the first or the last MiB is somebody's: partition tables, file systems, LUKS, LVM and RAID
//! all have something there. What it is gets a name where the signature is known (libblkid's sources have them all).

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context as _, Result};

use super::mark;
use super::writing::END_BYTES;
use crate::agent::initrd::partition_table::{self, Gpt};
use crate::slot::Slot;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    Nothing,
    /// An installer began here.
    Unfinished,
    /// What it is, for people.
    Foreign(String),
}

/// Signatures: where, which bytes, and whose.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"LUKS\xba\xbe", "encrypted data (LUKS)"),
    (3, b"-FVE-FS-", "encrypted data (BitLocker)"),
    (3, b"NTFS    ", "an NTFS file system"),
    (3, b"EXFAT   ", "an exFAT file system"),
    (54, b"FAT", "a FAT file system"),
    (82, b"FAT32", "a FAT file system"),
    (0, b"XFSB", "an XFS file system"),
    (1080, b"\x53\xef", "an ext file system"),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS file system"),
    (65_600, b"_BHRfS_M", "a Btrfs file system"),
    (32_769, b"CD001", "a CD's file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (536, b"LVM2 001", "a volume of LVM"),
    (24, b"LVM2 001", "a volume of LVM"),
    (0, b"\xfc\x4e\x2b\xa9", "a member of a Linux RAID"),
    (4096, b"\xfc\x4e\x2b\xa9", "a member of a Linux RAID"),
    (510, b"\x55\xaa", "a boot record or a partition table (MBR)"),
];

/// Looks at a disk of `bytes` bytes.
pub fn of(disk: &File, bytes: u64, sector_bytes: u64) -> Result<Contents> {
    let mut part = vec![0; usize::try_from(END_BYTES.min(bytes))?];
    disk.read_exact_at(&mut part, 0).context("reading its start")?;
    if mark::is_in(&part) {
        return Ok(Contents::Unfinished);
    }
    // A damaged table is a table too.
    let table = match partition_table::read(disk, bytes, sector_bytes) {
        Ok(table) => table.as_ref().map(described),
        Err(error) => Some(format!("a partition table (GPT, {error:#})")),
    };
    if let Some(what) = table {
        return Ok(Contents::Foreign(what));
    }
    if part.iter().any(|byte| *byte != 0) {
        let has = |(at, magic, _): &&(usize, &[u8], &str)| part.get(*at..).is_some_and(|rest| rest.starts_with(magic));
        let known = SIGNATURES.iter().find(has).map(|(.., what)| *what);
        return Ok(Contents::Foreign(known.unwrap_or("data of an unknown kind in its first MiB").to_owned()));
    }
    disk.read_exact_at(&mut part, bytes.saturating_sub(END_BYTES)).context("reading its end")?;
    match part.iter().any(|byte| *byte != 0) {
        true => Ok(Contents::Foreign("data in its last MiB, as RAIDs have it".to_owned())),
        false => Ok(Contents::Nothing),
    }
}

fn described(table: &Gpt) -> String {
    let names: Vec<String> = table.entries().into_iter().map(|entry| entry.name).collect();
    if Slot::ALL.iter().any(|slot| names.iter().any(|name| name == slot.root_label())) {
        return "another node image".to_owned();
    }
    match names.len() {
        0 => "an empty partition table (GPT)".to_owned(),
        1 => "a partition table (GPT) with one partition".to_owned(),
        count => format!("a partition table (GPT) with {count} partitions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::initrd::partition_table::tests::{blank, entry};

    const BYTES: u64 = 16 << 20;

    fn contents(parts: &[(u64, &[u8])]) -> Contents {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(BYTES).unwrap();
        for (offset, bytes) in parts {
            disk.write_all_at(bytes, *offset).unwrap();
        }
        of(&disk, BYTES, 512).unwrap()
    }

    #[test]
    fn anything_at_either_end_is_somebodys() {
        assert_eq!(contents(&[]), Contents::Nothing);
        // What lies between is reached only from the ends.
        assert_eq!(contents(&[(8 << 20, b"x")]), Contents::Nothing);
        assert_eq!(contents(&[(0, &mark::sector())]), Contents::Unfinished);
        let cases: [(u64, &[u8], &str); 8] = [
            (0, b"LUKS\xba\xbe", "LUKS"),
            (1080, b"\x53\xef", "an ext file system"),
            (536, b"LVM2 001", "LVM"),
            (4096, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
            (510, b"\x55\xaa", "MBR"),
            (1_048_575, b"x", "an unknown kind in its first MiB"),
            (BYTES - 1, b"x", "in its last MiB"),
            (512, b"EFI PART", "GPT"),
        ];
        for (offset, bytes, expected) in cases {
            let found = contents(&[(offset, bytes)]);
            assert!(matches!(&found, Contents::Foreign(what) if what.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_table_is_told_with_what_it_has_also_by_its_backup() {
        let held = |name: &str, wipe: bool| {
            let disk = tempfile::tempfile().unwrap();
            disk.set_len(BYTES).unwrap();
            let mut table = blank(BYTES / 512);
            table.add(entry(name, 2048, 4095)).unwrap();
            table.write(&disk).unwrap();
            if wipe {
                disk.write_all_at(&[0; 1 << 20], 0).unwrap();
            }
            of(&disk, BYTES, 512).unwrap()
        };
        for wipe in [false, true] {
            assert_eq!(held("root-a", wipe), Contents::Foreign("another node image".to_owned()));
            let one = "a partition table (GPT) with one partition".to_owned();
            assert_eq!(held("data", wipe), Contents::Foreign(one));
        }
    }

    #[test]
    fn file_systems_of_others_are_told_by_name() {
        for (program, arguments, expected) in
            [("mkfs.ext4", vec!["-q"], "an ext file system"), ("mkfs.vfat", vec!["-F", "32"], "a FAT file system")]
        {
            let Some(mkfs) = crate::oracle::oracle(program) else { continue };
            let disk = tempfile::NamedTempFile::new().unwrap();
            disk.as_file().set_len(64 << 20).unwrap();
            let made = std::process::Command::new(mkfs).args(arguments).arg(disk.path()).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            assert_eq!(of(disk.as_file(), 64 << 20, 512).unwrap(), Contents::Foreign(expected.to_owned()));
        }
    }
}

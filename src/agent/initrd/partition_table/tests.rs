//! The table on temporary files, judged by `sgdisk` where it is installed.

use std::process::Command;

use super::*;
use crate::contract;

const MIB: u64 = 1 << 20;

/// A table as the builder makes it: one partition, 16 MiB of disk.
pub(crate) fn blank(sectors: u64) -> Gpt {
    Gpt {
        sector_bytes: 512,
        copies: Copies::Both,
        header: Header {
            my_lba: 1,
            alternate_lba: sectors - 1,
            first_usable_lba: 34,
            last_usable_lba: sectors - 34,
            disk_guid: [7; 16],
            partition_entry_lba: 2,
            entry_count: 128,
            entry_bytes: 128,
        },
        array: vec![0; 128 * 128],
    }
}

pub(crate) fn entry(name: &str, first_lba: u64, last_lba: u64) -> Entry {
    let type_guid = parse_guid(contract::VAR_TYPE).unwrap();
    let mut unique_guid = [0x42; 16];
    unique_guid[0] = u8::try_from(first_lba / 2048 % 256).unwrap();
    Entry { number: 0, type_guid, unique_guid, first_lba, last_lba, name: name.to_owned() }
}

fn image(bytes: u64) -> (File, tempfile::NamedTempFile) {
    let named = tempfile::NamedTempFile::new().unwrap();
    let file = named.reopen().unwrap();
    file.set_len(bytes).unwrap();
    let mut mbr = [0; 512];
    mbr[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    file.write_all_at(&mbr, 0).unwrap();
    (file, named)
}

fn sgdisk_approves(named: &tempfile::NamedTempFile) {
    let Some(sgdisk) = crate::oracle::oracle("sgdisk") else { return };
    let output = Command::new(sgdisk).arg("-v").arg(named.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("No problems found"), "{text}");
}

#[test]
fn a_table_on_a_grown_disk_gets_var_and_sgdisk_approves() {
    let (file, named) = image(16 * MIB);
    let mut small = blank(16 * MIB / 512);
    small.add(entry("root-a", 2048, 4095)).unwrap();
    small.write(&file).unwrap();
    sgdisk_approves(&named);

    file.set_len(64 * MIB).unwrap();
    let mut gpt = read(&file, 64 * MIB, 512).unwrap().unwrap();
    assert_eq!((gpt.copies, gpt.fills(64 * MIB)), (Copies::Both, false));
    gpt.fit(64 * MIB).unwrap();
    let last = gpt.last_usable_lba();
    assert_eq!(gpt.add(entry("var-unfinished", 8192, last)).unwrap(), 2);
    gpt.write(&file).unwrap();
    sgdisk_approves(&named);

    let read_back = read(&file, 64 * MIB, 512).unwrap().unwrap();
    assert!(read_back.fills(64 * MIB));
    assert_eq!(read_back.entries()[1].name, "var-unfinished");
    assert_eq!(read_back.entries()[1].last_lba, 64 * MIB / 512 - 34);
}

#[test]
fn every_cut_within_a_write_leaves_the_old_or_the_new_table() {
    let bytes = 4 * MIB;
    let (file, _named) = image(MIB);
    let mut old = blank(MIB / 512);
    old.add(entry("root-a", 64, 127)).unwrap();
    old.write(&file).unwrap();
    file.set_len(bytes).unwrap();
    let mut before = vec![0; usize::try_from(bytes).unwrap()];
    file.read_exact_at(&mut before, 0).unwrap();

    let mut new = read(&file, bytes, 512).unwrap().unwrap();
    new.fit(bytes).unwrap();
    new.add(entry("var", 2048, 4095)).unwrap();
    new.write(&file).unwrap();
    let mut after = before.clone();
    file.read_exact_at(&mut after, 0).unwrap();

    // The sectors that changed, in the order they are written: the end of the disk first.
    let changed = |sector: &usize| before[sector * 512..][..512] != after[sector * 512..][..512];
    let (primary, backup): (Vec<usize>, Vec<usize>) =
        (0..before.len() / 512).filter(changed).partition(|sector| *sector < 64);
    let order: Vec<usize> = backup.into_iter().chain(primary).collect();
    assert!(order.len() >= 4);
    for cut in 0..=order.len() {
        let mut disk = before.clone();
        for sector in &order[..cut] {
            disk[sector * 512..][..512].copy_from_slice(&after[sector * 512..][..512]);
        }
        file.write_all_at(&disk, 0).unwrap();
        let names: Vec<String> =
            read(&file, bytes, 512).unwrap().unwrap().entries().into_iter().map(|entry| entry.name).collect();
        assert!(names == ["root-a"] || names == ["root-a", "var"], "cut after {cut}: {names:?}");
    }
}

#[test]
fn a_damaged_primary_falls_back_and_both_damaged_is_an_error() {
    let (file, named) = image(4 * MIB);
    let mut gpt = blank(4 * MIB / 512);
    gpt.add(entry("root-a", 2048, 4095)).unwrap();
    gpt.write(&file).unwrap();
    file.write_all_at(b"x", 2 * 512 + 60).unwrap();
    let mut read_back = read(&file, 4 * MIB, 512).unwrap().unwrap();
    assert_eq!((read_back.copies, read_back.entries().len()), (Copies::BackupOnly, 1));
    read_back.write(&file).unwrap();
    assert_eq!(read(&file, 4 * MIB, 512).unwrap().unwrap().copies, Copies::Both);
    sgdisk_approves(&named);

    file.write_all_at(b"x", 512 + 60).unwrap();
    file.write_all_at(b"x", 4 * MIB - 512 + 60).unwrap();
    let error = format!("{:#}", read(&file, 4 * MIB, 512).unwrap_err());
    assert!(error.contains("both copies of the partition table are damaged"), "{error}");
}

#[test]
fn a_disk_without_a_table_has_none() {
    let (file, _named) = image(MIB);
    assert_eq!(read(&file, MIB, 512).unwrap(), None);
    assert_eq!(read(&file, 1024, 512).unwrap(), None);
}

#[test]
fn overlaps_and_shrunken_disks_are_refused() {
    let mut gpt = blank(32768);
    gpt.add(entry("root-a", 2048, 4095)).unwrap();
    assert!(gpt.add(entry("var", 4095, 5000)).unwrap_err().to_string().contains("overlap partition 1 (`root-a`"));
    assert!(gpt.add(entry("var", 6000, 40000)).unwrap_err().to_string().contains("usable range"));
    assert!(gpt.fit(MIB).unwrap_err().to_string().contains("made smaller"));
}

#[test]
fn no_byte_of_a_hostile_header_makes_the_reader_panic() {
    let (file, _named) = image(MIB);
    let mut gpt = blank(MIB / 512);
    gpt.write(&file).unwrap();
    let mut good = [0; 512];
    file.read_exact_at(&mut good, 512).unwrap();
    for offset in (0..HEADER_BYTES).filter(|offset| !(16..20).contains(offset)) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut sector = good;
            sector[offset] = value;
            // A right checksum, so that the fields behind it are reached.
            sector[16..20].fill(0);
            let size = usize::try_from(u32_at(&sector, 12)).unwrap().min(512);
            let crc = crc32(&sector[..size]);
            put(&mut sector, 16, &crc.to_le_bytes());
            file.write_all_at(&sector, 512).unwrap();
            if let Ok(Some(mut gpt)) = read(&file, MIB, 512) {
                gpt.entries();
                // A disk too small for the claimed table is an error, never a panic.
                let _ = gpt.fit(MIB);
            }
        }
    }
}

#[test]
fn guids_are_read_in_text_order() {
    assert_eq!(parse_guid("00112233-4455-6677-8899-aabbccddeeff").unwrap()[..4], [0, 0x11, 0x22, 0x33]);
    assert_eq!(parse_guid("0011"), None);
    assert_eq!(swap_guid(parse_guid(contract::ESP_TYPE).unwrap())[..4], [0x28, 0x73, 0x2a, 0xc1]);
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

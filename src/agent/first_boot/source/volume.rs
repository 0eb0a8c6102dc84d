//! The label of a FAT or ISO 9660 file system, read from its first sectors.
//!
//! `/dev/disk/by-label` appears when udev gets to it, which has been too late for a service this early; the labels are
//! a few bytes, so the agent reads them itself. Formats: Microsoft's FAT specification (2004), ECMA-119; oracle:
//! `blkid`. Bytes come from anybody's disk: nothing in them may panic or make us read without end.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A file system that can hold metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// As the kernel calls it: `vfat` or `iso9660`.
    pub filesystem: &'static str,
    /// Without the blanks it is filled with.
    pub label: String,
}

const SECTOR: usize = 512;
/// The volume descriptors of a CD start here.
const ISO_DESCRIPTORS: u64 = 16 * 2048;
/// Directory entries searched for FAT's label: it is the first entry wherever it was made by a formatter.
const ROOT_ENTRIES: usize = 512;

/// The volume on this device, if it is one. A device that cannot be read has none.
pub fn read(device: &File) -> Option<Volume> {
    iso9660(device).or_else(|| fat(device))
}

fn bytes<const N: usize>(device: &File, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    device.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

fn iso9660(device: &File) -> Option<Volume> {
    let descriptor: [u8; 2048] = bytes(device, ISO_DESCRIPTORS)?;
    // Type 1 is the primary volume descriptor, version 1.
    let primary = descriptor[0] == 1 && descriptor[1..6] == *b"CD001" && descriptor[6] == 1;
    primary.then(|| Volume { filesystem: "iso9660", label: text(&descriptor[40..72]) })
}

/// The fields of FAT's boot sector that lead to the label.
struct BootSector {
    sector_bytes: u64,
    cluster_sectors: u64,
    reserved_sectors: u64,
    fats: u64,
    root_entries: usize,
    fat_sectors: u64,
    root_cluster: Option<u64>,
    label: Option<String>,
}

fn boot_sector(sector: &[u8; SECTOR]) -> Option<BootSector> {
    let u16_at = |offset: usize| u64::from(u16::from_le_bytes([sector[offset], sector[offset + 1]]));
    let u32_at = |offset: usize| u16_at(offset) | u16_at(offset + 2) << 16;
    let sector_bytes = u16_at(11);
    let cluster_sectors = u64::from(sector[13]);
    let fats = u64::from(sector[16]);
    let plausible = sector[510..] == [0x55, 0xaa]
        && matches!(sector[0], 0xeb | 0xe9)
        && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
        && cluster_sectors.is_power_of_two()
        && matches!(fats, 1 | 2)
        && u16_at(14) > 0
        && matches!(sector[21], 0xf0 | 0xf8..=0xff);
    if !plausible {
        return None;
    }
    // A FAT size of 0 in 16 bits means FAT32, whose extended fields stand 28 bytes further.
    let fat32 = u16_at(22) == 0;
    let extended = if fat32 { 66 } else { 38 };
    let has_label = sector[extended] == 0x29;
    Some(BootSector {
        sector_bytes,
        cluster_sectors,
        reserved_sectors: u16_at(14),
        fats,
        root_entries: usize::try_from(u16_at(17)).unwrap_or(0),
        fat_sectors: if fat32 { u32_at(36) } else { u16_at(22) },
        root_cluster: fat32.then(|| u32_at(44)),
        label: has_label.then(|| text(&sector[extended + 5..extended + 16])).filter(|label| label != "NO NAME"),
    })
}

/// The label in the root directory counts (it is the one that tools change), then the boot sector's.
fn fat(device: &File) -> Option<Volume> {
    let boot = boot_sector(&bytes(device, 0)?)?;
    let label = root_label(device, &boot).or(boot.label).unwrap_or_default();
    Some(Volume { filesystem: "vfat", label })
}

fn root_label(device: &File, boot: &BootSector) -> Option<String> {
    let data_sector = boot.reserved_sectors.checked_add(boot.fats.checked_mul(boot.fat_sectors)?)?;
    let (sector, entries) = match boot.root_cluster {
        None => (data_sector, boot.root_entries),
        Some(cluster) => {
            let sector = data_sector.checked_add(cluster.checked_sub(2)?.checked_mul(boot.cluster_sectors)?)?;
            // Only the first cluster: the label is its first entry.
            (sector, usize::try_from(boot.cluster_sectors.checked_mul(boot.sector_bytes)? / 32).ok()?)
        }
    };
    let start = sector.checked_mul(boot.sector_bytes)?;
    for index in 0..entries.min(ROOT_ENTRIES) {
        let entry: [u8; 32] = bytes(device, start.checked_add(u64::try_from(index).ok()? * 32)?)?;
        match entry[0] {
            0 => return None,
            0xe5 => continue,
            _ => {}
        }
        // Volume label: attribute 0x08 alone; 0x0f marks a part of a long name.
        if entry[11] & 0x3f == 0x08 {
            return Some(text(&entry[..11]));
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches([' ', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(parts: &[(u64, &[u8])]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(256 << 10).unwrap();
        for (offset, bytes) in parts {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file
    }

    /// A boot sector of FAT16 (`fat32 = false`) or FAT32: 4 reserved sectors, one FAT of 8 sectors.
    fn boot(fat32: bool, label: &[u8; 11]) -> [u8; 512] {
        let mut sector = [0; 512];
        sector[0] = 0xeb;
        sector[11..17].copy_from_slice(&[0, 2, 1, 4, 0, 1]);
        sector[21] = 0xf8;
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        let extended = if fat32 { 66 } else { 38 };
        if fat32 {
            sector[36] = 8;
            sector[44] = 2;
        } else {
            sector[17] = 16;
            sector[22] = 8;
        }
        sector[extended] = 0x29;
        sector[extended + 5..extended + 16].copy_from_slice(label);
        sector
    }

    fn entry(name: &[u8; 11], attributes: u8) -> [u8; 32] {
        let mut entry = [0; 32];
        entry[..11].copy_from_slice(name);
        entry[11] = attributes;
        entry
    }

    const ROOT: u64 = (4 + 8) * 512;

    #[test]
    fn the_label_is_found_in_fat16_and_fat32_and_in_the_root_directory() {
        for fat32 in [false, true] {
            let plain = device(&[(0, &boot(fat32, b"CIDATA     "))]);
            assert_eq!(read(&plain).unwrap(), Volume { filesystem: "vfat", label: "CIDATA".to_owned() });
            let long_name_and_deleted = [entry(b"Ax         ", 0x0f), entry(b"\xe5LD        ", 0x08)].concat();
            let renamed = device(&[
                (0, &boot(fat32, b"NO NAME    ")),
                (ROOT, &long_name_and_deleted),
                (ROOT + 64, &entry(b"cidata     ", 0x08)),
            ]);
            assert_eq!(read(&renamed).unwrap().label, "cidata");
        }
    }

    #[test]
    fn the_label_of_a_cd_is_found() {
        let mut descriptor = [b' '; 2048];
        descriptor[..7].copy_from_slice(b"\x01CD001\x01");
        descriptor[40..46].copy_from_slice(b"cidata");
        let cd = device(&[(ISO_DESCRIPTORS, &descriptor)]);
        assert_eq!(read(&cd).unwrap(), Volume { filesystem: "iso9660", label: "cidata".to_owned() });
    }

    #[test]
    fn other_devices_have_no_volume() {
        assert_eq!(read(&device(&[])), None);
        // A boot sector of a partitioned disk: signature, but no FAT fields.
        let mut mbr = [0; 512];
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(read(&device(&[(0, &mbr)])), None);
        let tiny = tempfile::tempfile().unwrap();
        tiny.set_len(100).unwrap();
        assert_eq!(read(&tiny), None);
    }

    #[test]
    fn no_byte_of_a_boot_sector_makes_the_reader_panic() {
        for fat32 in [false, true] {
            for offset in 0..512 {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut sector = boot(fat32, b"CIDATA     ");
                    sector[offset] = value;
                    read(&device(&[(0, &sector)]));
                }
            }
        }
    }

    #[test]
    fn volumes_made_by_others_are_read() {
        let Some(mkfs) = crate::oracle::oracle("mkfs.vfat") else { return };
        for arguments in [vec!["-n", "CIDATA"], vec!["-F", "32", "-n", "CIDATA"], vec!["-F", "12", "-n", "CIDATA"]] {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(64 << 20).unwrap();
            let output = std::process::Command::new(&mkfs).args(arguments).arg(file.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let volume = read(file.as_file()).unwrap();
            assert_eq!((volume.filesystem, volume.label.as_str()), ("vfat", "CIDATA"));
        }
    }
}

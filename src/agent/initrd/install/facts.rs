//! What the kernel says of the machine's disks, for choosing one: sysfs → [`Facts`].
//!
//! Names as in `/dev/disk/by-id` are made here by udev's rules (`60-persistent-storage.rules`), since no udev runs in
//! the initrd: those of virtio, NVMe, ATA, world-wide names, USB and memory cards.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::choice::Facts;
use super::contents;
use crate::agent::block_device::{self, Disk};

const SYSFS: &str = "/sys/class/block";

/// The machine's disks, without what only looks like one (loops, memory, mappings). `medium` is the disk that is
/// installed from, if it is one.
pub fn of_machine(medium: Option<&str>) -> Result<Vec<(Disk, Facts)>> {
    let disks = block_device::disks()?.into_iter();
    let real = disks.filter(|disk| Path::new(SYSFS).join(&disk.name).join("device").exists());
    Ok(real.map(|disk| (disk.clone(), of_disk(&disk, medium))).collect())
}

fn of_disk(disk: &Disk, medium: Option<&str>) -> Facts {
    let sysfs = Path::new(SYSFS).join(&disk.name);
    let held = disk.open().and_then(|file| contents::of(&file, disk.bytes, disk.sector_bytes));
    let Names { serial, ids } = names(&sysfs, &disk.name);
    let is_one = |attribute: &str| text(&sysfs.join(attribute)).as_deref() == Some("1");
    Facts {
        name: disk.name.clone(),
        bytes: disk.bytes,
        sector_bytes: disk.sector_bytes,
        serial,
        ids,
        removable: is_one("removable"),
        read_only: is_one("ro"),
        is_medium: medium == Some(disk.name.as_str()),
        contents: held.map_err(|error| format!("{error:#}")),
    }
}

/// What a disk is called beside the kernel's name for it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    serial: Option<String>,
    ids: Vec<String>,
}

/// From the disk's directory in sysfs.
fn names(sysfs: &Path, name: &str) -> Names {
    let attribute = |path: &str| text(&sysfs.join(path));
    let joined = |parts: &[&str]| parts.iter().map(|part| underscored(part)).collect::<Vec<_>>().join("_");
    let mut names = Names::default();
    if name.starts_with("vd") {
        names.serial = attribute("serial");
        names.ids.extend(names.serial.iter().map(|serial| format!("virtio-{}", underscored(serial))));
    } else if name.starts_with("nvme") {
        names.serial = attribute("device/serial");
        if let (Some(model), Some(serial)) = (attribute("device/model"), &names.serial) {
            names.ids.push(format!("nvme-{}", joined(&[&model, serial])));
        }
        names.ids.extend(attribute("wwid").map(|id| format!("nvme-{}", underscored(&id))));
    } else if name.starts_with("mmcblk") {
        names.serial = attribute("device/serial");
        if let (Some(model), Some(serial)) = (attribute("device/name"), &names.serial) {
            names.ids.push(format!("mmc-{}", joined(&[&model, serial])));
        }
    } else if let Some(ata) = fs::read(sysfs.join("device/vpd_pg89")).ok().as_deref().and_then(ata_identity) {
        names.ids.push(format!("ata-{}", joined(&[&ata.model, &ata.serial])));
        names.serial = Some(ata.serial);
    } else {
        names.serial = fs::read(sysfs.join("device/vpd_pg80")).ok().as_deref().and_then(unit_serial);
    }
    if let Some(usb) = usb_serial(sysfs) {
        if let (Some(vendor), Some(model)) = (attribute("device/vendor"), attribute("device/model")) {
            names.ids.push(format!("usb-{}-0:0", joined(&[&vendor, &model, &usb])));
        }
        names.serial.get_or_insert(usb);
    }
    if let Some(number) = attribute("device/wwid").as_deref().and_then(|id| id.strip_prefix("naa.")) {
        names.ids.extend([format!("wwn-0x{number}"), format!("scsi-3{number}")]);
    }
    names
}

/// An attribute's text; nothing if there is none or it is empty.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim_matches([' ', '\n', '\0']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// As udev writes what it takes into a name: blanks, however many, become one `_`.
fn underscored(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}

/// SCSI's page 0x80: four bytes, the last of them the length, then the number (SPC-4, 7.8.15).
fn unit_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(*page.get(3)?);
    let text = String::from_utf8_lossy(page.get(4..4 + length)?).trim_matches([' ', '\0']).to_owned();
    (!text.is_empty()).then_some(text)
}

struct AtaIdentity {
    model: String,
    serial: String,
}

/// SCSI's page 0x89, in which an ATA disk has what it says of itself (SAT-3, 12.4.2): its words have their bytes swapped.
fn ata_identity(page: &[u8]) -> Option<AtaIdentity> {
    let identity = page.get(60..60 + 512)?;
    let words = |first: usize, last: usize| {
        let swapped: Vec<u8> =
            identity[2 * first..2 * (last + 1)].chunks(2).flat_map(|word| [word[1], word[0]]).collect();
        let text = String::from_utf8_lossy(&swapped).trim_matches([' ', '\0']).to_owned();
        (!text.is_empty()).then_some(text)
    };
    Some(AtaIdentity { model: words(27, 46)?, serial: words(10, 19)? })
}

/// The serial number of the USB device that the disk hangs on.
fn usb_serial(sysfs: &Path) -> Option<String> {
    let device = fs::canonicalize(sysfs.join("device")).ok()?;
    let usb = device.ancestors().find(|directory| directory.join("bDeviceClass").exists())?;
    text(&usb.join("serial"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysfs(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        directory
    }

    fn names_of(name: &str, files: &[(&str, &[u8])]) -> (Option<String>, Vec<String>) {
        let directory = sysfs(files);
        let Names { serial, ids } = names(directory.path(), name);
        (serial, ids)
    }

    fn named(serial: &str, ids: &[&str]) -> (Option<String>, Vec<String>) {
        (Some(serial.to_owned()), ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn disks_are_called_as_udev_calls_them() {
        assert_eq!(names_of("vda", &[("serial", b"root disk\n")]), named("root disk", &["virtio-root_disk"]));
        let nvme: [(&str, &[u8]); 3] =
            [("device/model", b"Some SSD  960   "), ("device/serial", b"S1 "), ("wwid", b"eui.0025385\n")];
        assert_eq!(names_of("nvme0n1", &nvme), named("S1", &["nvme-Some_SSD_960_S1", "nvme-eui.0025385"]));
        let card: [(&str, &[u8]); 2] = [("device/name", b"SD16G\n"), ("device/serial", b"0x1a2b\n")];
        assert_eq!(names_of("mmcblk0", &card), named("0x1a2b", &["mmc-SD16G_0x1a2b"]));
        let mut identity = vec![0; 60 + 512];
        for (first, words, text) in [(27, 20, "QEMU HARDDISK"), (10, 10, "QM00005")] {
            let padded = format!("{text:width$}", width = 2 * words);
            for (index, pair) in padded.as_bytes().chunks(2).enumerate() {
                identity[60 + 2 * (first + index)..][..2].copy_from_slice(&[pair[1], pair[0]]);
            }
        }
        let ata: [(&str, &[u8]); 2] = [("device/vpd_pg89", &identity), ("device/wwid", b"naa.5000c500a1b2c3d4\n")];
        let expected = ["ata-QEMU_HARDDISK_QM00005", "wwn-0x5000c500a1b2c3d4", "scsi-35000c500a1b2c3d4"];
        assert_eq!(names_of("sda", &ata), named("QM00005", &expected));
        assert_eq!(names_of("sdb", &[("device/vpd_pg80", b"\0\x80\0\x04 A1 ")]), named("A1", &[]));
        assert_eq!(names_of("sdb", &[("device/vpd_pg80", b"\0\x80\0\x09 A1 ")]), (None, vec![]));
        assert_eq!(names_of("vdb", &[("serial", b"")]), (None, vec![]));
    }

    #[test]
    fn a_stick_has_the_number_of_its_usb_device() {
        let machine = sysfs(&[("usb1/1-1/bDeviceClass", b"00"), ("usb1/1-1/serial", b"4C53\n"), ("disk/x", b"")]);
        let (device, disk) = (machine.path().join("usb1/1-1/host6/target/6:0:0:0"), machine.path().join("disk"));
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("vendor"), "SanDisk \n").unwrap();
        fs::write(device.join("model"), "Ultra Fit       \n").unwrap();
        std::os::unix::fs::symlink(&device, disk.join("device")).unwrap();
        let Names { serial, ids } = names(&disk, "sdc");
        assert_eq!((serial, ids), named("4C53", &["usb-SanDisk_Ultra_Fit_4C53-0:0"]));
    }

    #[test]
    fn the_disks_of_this_machine_are_looked_at_without_harm() {
        if Path::new(SYSFS).exists() {
            of_machine(None).unwrap();
        }
    }
}

//! Where everything lies on a disk, and the raw image.
//!
//! [`plan`] turns sizes, contents and the root hash into a [`DiskPlan`]: a list of partitions with what fills each, which
//! can be printed; [`DiskPlan::write`] makes the raw image of it. All partitions start at whole MiB, but for the one that a
//! BIOS starts from, which lies in front of the first:
//!
//! ```text
//! 0      1 MiB                                        ┌ var_first_lba
//! │ GPT  │ esp │ root-a │ verity-a │ root-b │ verity-b │ var …        │ GPT │   on the node's disk
//! │ GPT  │ esp │ root-a │ verity-a │ GPT │                                    the raw image
//! ```
//!
//! The raw image ends one MiB after verity-a, where the backup table is; the agent moves that to the end of the real
//! disk and adds var, behind the gap for root-b and verity-b. Root and verity partitions have the size of their slot,
//! so that any later version fits. Discoverable Partitions (UAPI) give the types and the GUIDs of root and verity.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::Context as _;
use uuid::Uuid;

use crate::arch::Arch;
use crate::contract;
use crate::formats::fat::{self, Entry, Volume};
use crate::formats::gpt::{self, Partition, SECTOR, Table};
use crate::formats::grub::Core;
use crate::formats::sparse::Source;
use crate::image::bios;
use crate::root_hash;
use crate::slot::Slot;
use crate::tree::Digest;
use crate::verity_superblock::{BLOCK_BYTES, tree_blocks};

const MIB: u64 = 1 << 20;
/// Sectors in the unit that partitions are aligned to.
const ALIGNMENT_LBA: u64 = MIB / SECTOR;
/// Bytes that no disk has: below it, sums of sizes cannot overflow.
const BYTES_MAX: u64 = 1 << 56;
/// Data and hash blocks of dm-verity.
const VERITY_BLOCK: u64 = BLOCK_BYTES as u64;
/// Bytes in front of a master boot record's table that code may have (UEFI 2.10, table 5-1).
const BOOT_CODE_MAX: usize = 440;
/// The partition from which GRUB starts under a BIOS (GRUB's manual, "BIOS installation").
const BIOS_BOOT_TYPE: Uuid = Uuid::from_u128(0x2168_6148_6449_6e6f_744e_6565_6445_4649);
/// GPT attribute bit 60 of the Discoverable Partitions Specification: read-only.
const READ_ONLY: u64 = 1 << 60;
/// Root of all GUIDs that are not the root hash: drawn once, for ever the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_5d0e_93a4_4b57_8a2e_c4d7_10b9_5e36);

/// What a disk is planned from. Sizes are in bytes; the sizes of partitions are rounded up to whole MiB.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Name and version of the image: the GUIDs that are not the root hash come from it.
    pub image: String,
    pub arch: &'a Arch,
    pub esp_bytes: u64,
    /// Size of a root partition.
    pub slot_bytes: u64,
    /// Least size of `/var` on the node.
    pub var_min_bytes: u64,
    /// What the partitions hold: the files of the ESP, the root file system, its hash tree.
    pub esp: Vec<Entry<'a>>,
    pub root: Source<'a>,
    pub verity: Source<'a>,
    pub root_hash: Digest,
    /// Time of everything on the ESP, seconds since 1970.
    pub epoch: i64,
    /// What a BIOS starts.
    pub grub: Option<&'a Core>,
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct DiskPlan<'a> {
    pub disk_guid: Uuid,
    /// Size of the raw image in sectors, both copies of the table included.
    pub sectors: u64,
    /// In the order of the table: ESP, root-a, verity-a, and what a BIOS starts from.
    pub parts: Vec<Part<'a>>,
    /// What a BIOS starts, in front of the protective MBR's table; without it only UEFI starts the disk.
    pub boot_code: Option<&'a [u8]>,
    /// First sector of `/var` ([`contract::CMDLINE_VAR_START`]).
    pub var_first_lba: u64,
    pub var_min_bytes: u64,
}

/// A partition of the raw image, and what it holds from its first byte on.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    pub partition: Partition,
    pub fill: Fill<'a>,
}

#[derive(Debug, Clone)]
pub enum Fill<'a> {
    /// A FAT volume with these files.
    Fat(Volume, Vec<Entry<'a>>),
    /// These bytes. None at all leave the partition empty.
    Bytes(Source<'a>),
}

impl Fill<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Fill::Fat(volume, _) => volume.bytes,
            Fill::Bytes(source) => source.length(),
        }
    }

    fn write(&self, out: &File, offset: u64) -> anyhow::Result<()> {
        match self {
            Fill::Fat(volume, entries) => Ok(fat::write(volume, entries, out, offset)?),
            Fill::Bytes(source) => Ok(source.write_to(out, offset)?),
        }
    }
}

/// Why there is no such disk. The recipe's sizes are at fault, except for the last two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskError {
    SlotTooSmall {
        slot_bytes: u64,
        needed_bytes: u64,
    },
    EspTooSmall {
        esp_bytes: u64,
        needed_bytes: u64,
    },
    /// The hash tree is larger than a tree over the whole slot.
    VerityTooLarge {
        slot_bytes: u64,
        verity_bytes: u64,
    },
    TooLarge,
    /// It would run into what lies behind its partition.
    FillTooLarge {
        name: String,
        partition_bytes: u64,
        bytes: u64,
    },
    BootCodeTooLarge {
        bytes: usize,
    },
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::SlotTooSmall { slot_bytes, needed_bytes } => {
                write!(f, "the root slot has {slot_bytes} bytes, but the root file system needs {needed_bytes}")
            }
            DiskError::EspTooSmall { esp_bytes, needed_bytes } => {
                write!(f, "the ESP has {esp_bytes} bytes, but its files need {needed_bytes}")
            }
            DiskError::VerityTooLarge { slot_bytes, verity_bytes } => {
                write!(f, "the hash tree has {verity_bytes} bytes, but its slot has only {slot_bytes}")
            }
            DiskError::TooLarge => write!(f, "the sizes add up to more than {BYTES_MAX} bytes"),
            DiskError::FillTooLarge { name, partition_bytes, bytes } => {
                write!(f, "the partition `{name}` has {partition_bytes} bytes and was to hold {bytes}")
            }
            DiskError::BootCodeTooLarge { bytes } => {
                write!(f, "the boot code has {bytes} bytes, and a boot record has room for {BOOT_CODE_MAX}")
            }
        }
    }
}

impl std::error::Error for DiskError {}

/// The layout for `request`.
pub fn plan(request: Request<'_>) -> Result<DiskPlan<'_>, DiskError> {
    let Request { image, esp, root, verity, var_min_bytes, root_hash, epoch, grub, .. } = request;
    let esp_content_bytes = esp.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.source.length()));
    let (root_bytes, verity_bytes) = (root.length(), verity.length());
    let sizes = [request.esp_bytes, request.slot_bytes, var_min_bytes, esp_content_bytes, root_bytes, verity_bytes];
    if sizes.iter().any(|size| *size > BYTES_MAX) {
        return Err(DiskError::TooLarge);
    }
    let esp_bytes = request.esp_bytes.next_multiple_of(MIB);
    let slot_bytes = request.slot_bytes.next_multiple_of(MIB);
    let verity_slot_bytes = verity_slot_bytes(slot_bytes);
    let needed_bytes = esp_needed_bytes(esp_content_bytes);
    if esp_bytes < needed_bytes {
        return Err(DiskError::EspTooSmall { esp_bytes, needed_bytes });
    }
    if slot_bytes < root_bytes.max(1) {
        return Err(DiskError::SlotTooSmall { slot_bytes, needed_bytes: root_bytes.max(1).next_multiple_of(MIB) });
    }
    if verity_slot_bytes < verity_bytes {
        return Err(DiskError::VerityTooLarge { slot_bytes: verity_slot_bytes, verity_bytes });
    }

    let guid = |what: &str| Uuid::new_v5(&NAMESPACE, format!("{image}: {what}").as_bytes());
    let (root_guid, verity_guid) = root_hash::partition_guids(&root_hash.0);
    // The version's own, so that two images in one machine can be told apart.
    let id = u32::from_be_bytes(std::array::from_fn(|index| guid("esp volume").as_bytes()[index]));
    let volume = Volume { bytes: esp_bytes, label: contract::ESP_LABEL.to_owned(), id, epoch };
    let mut next_lba = ALIGNMENT_LBA;
    let mut part = |name: &str, type_guid: &str, guid, bytes: u64, attributes, fill| {
        let first_lba = next_lba;
        next_lba += bytes / SECTOR;
        let type_guid = Uuid::try_parse(type_guid).expect("the tables hold GUIDs");
        let last_lba = next_lba - 1;
        Part { partition: Partition { name: name.to_owned(), type_guid, guid, first_lba, last_lba, attributes }, fill }
    };
    let mut parts = vec![
        part(contract::ESP_LABEL, contract::ESP_TYPE, guid("esp"), esp_bytes, 0, Fill::Fat(volume, esp)),
        part(
            Slot::A.root_label(),
            request.arch.root_type,
            Uuid::from_bytes(root_guid),
            slot_bytes,
            READ_ONLY,
            Fill::Bytes(root),
        ),
        part(
            Slot::A.verity_label(),
            request.arch.verity_type,
            Uuid::from_bytes(verity_guid),
            verity_slot_bytes,
            READ_ONLY,
            Fill::Bytes(verity),
        ),
    ];
    let (disk_guid, sectors) = (guid("disk"), next_lba + ALIGNMENT_LBA);
    // Last in the table, for the ESP is the first partition to GRUB and to people; in front on the disk, where it moves
    // nothing.
    parts.extend(grub.map(|core| Part {
        partition: Partition {
            name: "bios".to_owned(),
            type_guid: BIOS_BOOT_TYPE,
            guid: guid("bios"),
            first_lba: bios::CORE_LBA,
            last_lba: ALIGNMENT_LBA - 1,
            attributes: 0,
        },
        fill: Fill::Bytes(Source::Bytes(&core.core)),
    }));
    let var_first_lba = var_first_lba(esp_bytes, slot_bytes);
    Ok(DiskPlan {
        disk_guid,
        sectors,
        parts,
        boot_code: grub.map(|core| &core.boot_code[..]),
        var_first_lba,
        var_min_bytes,
    })
}

impl DiskPlan<'_> {
    /// Size of the raw image: whole MiB, which some clouds demand.
    pub fn image_bytes(&self) -> u64 {
        self.sectors * SECTOR
    }

    /// The smallest disk that a node may have: both slots, the least var, and room for the backup table.
    pub fn min_disk_bytes(&self) -> u64 {
        self.var_first_lba * SECTOR + self.var_min_bytes.next_multiple_of(MIB) + MIB
    }

    /// The partition table of the raw image.
    pub fn table(&self) -> Table {
        let partitions = self.parts.iter().map(|part| part.partition.clone()).collect();
        Table { disk_guid: self.disk_guid, sectors: self.sectors, partitions }
    }

    /// Writes the raw image into `out`, an empty file; what is zero stays a hole.
    pub fn write(&self, out: &File) -> anyhow::Result<()> {
        self.check()?;
        let tables = gpt::encode(&self.table())?;
        out.set_len(self.image_bytes()).context("sizing the raw image")?;
        out.write_all_at(&tables.primary, 0).context("writing the partition table")?;
        out.write_all_at(self.boot_code.unwrap_or_default(), 0).context("writing the boot code")?;
        let backup = self.image_bytes() - tables.backup.len() as u64;
        out.write_all_at(&tables.backup, backup).context("writing the backup partition table")?;
        for Part { partition, fill } in &self.parts {
            let written = fill.write(out, partition.first_lba * SECTOR);
            written.with_context(|| format!("writing {}", partition.name))?;
        }
        Ok(())
    }

    /// Whether everything fits where it is to lie. That partitions lie apart is seen by who writes the table.
    fn check(&self) -> Result<(), DiskError> {
        let code_bytes = self.boot_code.map_or(0, <[u8]>::len);
        if code_bytes > BOOT_CODE_MAX {
            return Err(DiskError::BootCodeTooLarge { bytes: code_bytes });
        }
        for Part { partition, fill } in &self.parts {
            let sectors = (partition.last_lba + 1).saturating_sub(partition.first_lba);
            let (partition_bytes, bytes) = (sectors * SECTOR, fill.bytes());
            if bytes > partition_bytes {
                return Err(DiskError::FillTooLarge { name: partition.name.clone(), partition_bytes, bytes });
            }
        }
        Ok(())
    }

    /// The plan for people.
    pub fn dump(&self) -> String {
        let DiskPlan { var_first_lba, var_min_bytes, .. } = self;
        let mut text = gpt::dump(&self.table());
        for Part { partition, fill } in &self.parts {
            text += &match fill {
                Fill::Fat(_, entries) => format!("{} is FAT with {} files\n", partition.name, entries.len()),
                Fill::Bytes(source) => format!("{} holds {} bytes\n", partition.name, source.length()),
            };
        }
        text += &format!("var starts at sector {var_first_lba} and has {var_min_bytes} bytes at least\n");
        text += &format!("the image has {} bytes, a disk {} at least\n", self.image_bytes(), self.min_disk_bytes());
        text
    }
}

/// First sector of `/var` on the node: it depends on the sizes of the partitions alone, and so can stand on the command
/// line inside the ESP.
pub fn var_first_lba(esp_bytes: u64, slot_bytes: u64) -> u64 {
    let slot_bytes = slot_bytes.next_multiple_of(MIB);
    let slots_bytes = Slot::ALL.len() as u64 * (slot_bytes + verity_slot_bytes(slot_bytes));
    ALIGNMENT_LBA + (esp_bytes.next_multiple_of(MIB) + slots_bytes) / SECTOR
}

/// Size of a verity partition: superblock and hash tree over a whole root slot, in whole MiB.
pub fn verity_slot_bytes(slot_bytes: u64) -> u64 {
    let blocks = 1 + tree_blocks(slot_bytes.div_ceil(VERITY_BLOCK));
    (blocks * VERITY_BLOCK).next_multiple_of(MIB)
}

/// Least size of an ESP for files of that many bytes: FAT32 spends up to a 64th of the volume on its tables.
pub(in crate::image) fn esp_needed_bytes(content_bytes: u64) -> u64 {
    let needed = content_bytes + content_bytes / 63 + MIB;
    needed.max(fat::FAT32_MIN_BYTES).next_multiple_of(MIB)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::arch;
    use crate::formats::device;
    use crate::formats::sparse;

    static NOTHING: LazyLock<File> = LazyLock::new(|| tempfile::tempfile().unwrap());

    /// Content of that length which nobody writes.
    fn content(length: u64) -> Source<'static> {
        Source::File { file: &NOTHING, length }
    }

    fn request() -> Request<'static> {
        Request {
            image: "worker 1.36.2-1".to_owned(),
            arch: &arch::X86_64,
            esp_bytes: 512 * MIB,
            slot_bytes: 2048 * MIB,
            var_min_bytes: 4096 * MIB,
            esp: vec![Entry { path: "EFI/Linux/a+3.efi", source: content(20_000_000) }],
            root: content(103_403_520),
            verity: content(925_696),
            root_hash: Digest(std::array::from_fn(|index| u8::try_from(index).unwrap())),
            epoch: 1_700_000_000,
            grub: None,
        }
    }

    /// A small disk that can be written.
    fn small(root: &[u8]) -> DiskPlan<'_> {
        let esp = vec![Entry { path: "EFI/Linux/a+3.efi", source: Source::Bytes(b"uki!") }];
        let (root, verity) = (Source::Bytes(root), Source::Bytes(b"verity"));
        plan(Request { esp_bytes: 40 * MIB, slot_bytes: 4 * MIB, esp, root, verity, ..request() }).unwrap()
    }

    /// The first bytes of a sector.
    fn read(out: &File, lba: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        out.read_exact_at(&mut bytes, lba * SECTOR).unwrap();
        bytes
    }

    #[test]
    fn the_plan_of_a_worker_reads_like_this() {
        insta::assert_snapshot!(plan(request()).unwrap().dump(), @r"
        disk 48cc77c2-a23d-5ee1-8e36-338f4a5910de with 5281792 sectors
        1 esp             2048   1050623    512 MiB type c12a7328-f81f-11d2-ba4b-00a0c93ec93b guid 3398feec-c41f-5a05-9d64-6886d979a2e4 attributes 0x0
        2 root-a       1050624   5244927   2048 MiB type 4f68bce3-e8cd-4db1-96e7-fbcaf984b709 guid 00010203-0405-0607-0809-0a0b0c0d0e0f attributes 0x1000000000000000
        3 verity-a     5244928   5279743     17 MiB type 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 guid 10111213-1415-1617-1819-1a1b1c1d1e1f attributes 0x1000000000000000
        esp is FAT with 1 files
        root-a holds 103403520 bytes
        verity-a holds 925696 bytes
        var starts at sector 9508864 and has 4294967296 bytes at least
        the image has 2704277504 bytes, a disk 9164554240 at least
        ");
    }

    #[test]
    fn verity_slots_have_room_for_the_tree_of_a_full_slot() {
        // 2 GiB: 524288 data blocks, 4096 + 32 + 1 hash blocks, the superblock.
        assert_eq!(verity_slot_bytes(2048 * MIB), 17 * MIB);
        assert_eq!(verity_slot_bytes(MIB), MIB);
        // veritysetup's tree over 239730688 bytes (a trial): 925696 bytes were over 108 MB.
        assert!(verity_slot_bytes(239_730_688) >= 239_730_688 / 128);
    }

    #[test]
    fn sizes_that_do_not_fit_say_what_is_needed() {
        let error = |change: &dyn Fn(&mut Request<'_>)| {
            let mut request = request();
            change(&mut request);
            plan(request).unwrap_err().to_string()
        };
        assert_eq!(
            error(&|request| request.slot_bytes = 98 * MIB),
            "the root slot has 102760448 bytes, but the root file system needs 103809024"
        );
        assert_eq!(error(&|request| request.esp_bytes = 1), "the ESP has 1048576 bytes, but its files need 35651584");
        assert_eq!(
            error(&|request| request.verity = content(18 * MIB)),
            "the hash tree has 18874368 bytes, but its slot has only 17825792"
        );
        assert!(error(&|request| request.slot_bytes = u64::MAX).contains("add up to more than"));
    }

    #[test]
    fn the_image_holds_every_part_in_its_place() {
        let root = vec![0xaa; 3_000_000];
        let plan = small(&root);
        let out = tempfile::tempfile().unwrap();
        plan.write(&out).unwrap();
        assert_eq!(out.metadata().unwrap().len(), plan.image_bytes());
        assert_eq!(gpt::read(&mut &out).unwrap(), plan.table());
        let bytes = |part: usize, length: usize| read(&out, plan.parts[part].partition.first_lba, length);
        let listing = fat::dump(device::Window::new(&out, MIB, 40 * MIB)).unwrap();
        assert!(listing.contains("         4 EFI/Linux/a+3.efi"), "{listing}");
        assert!(bytes(1, 3_000_000) == root);
        assert!(sparse::is_zero(&bytes(1, 4 << 20)[3_000_000..]));
        assert_eq!(bytes(2, 7), b"verity\0");
        assert!(sparse::is_zero(&read(&out, 0, BOOT_CODE_MAX)));
    }

    #[test]
    fn a_boot_loader_of_the_bios_is_one_more_part_and_boot_code() {
        // The type of a BIOS boot partition (GRUB's manual); there is room for one in front of the first whole MiB.
        let type_guid = Uuid::try_parse("21686148-6449-6e6f-744e-656564454649").unwrap();
        let (name, guid) = ("bios".to_owned(), Uuid::from_u128(7));
        let partition = Partition { name, type_guid, guid, first_lba: 40, last_lba: 2047, attributes: 0 };
        let mut plan = small(b"root");
        let without = plan.table();
        plan.parts.push(Part { partition, fill: Fill::Bytes(Source::Bytes(b"core image")) });
        plan.boot_code = Some(b"boot code");
        let out = tempfile::tempfile().unwrap();
        plan.write(&out).unwrap();
        let table = gpt::read(&mut &out).unwrap();
        assert_eq!(table, plan.table());
        assert_eq!((&table.partitions[..3], table.partitions.len()), (&without.partitions[..], 4));
        assert_eq!((read(&out, 40, 11), read(&out, 0, 10)), (b"core image\0".to_vec(), b"boot code\0".to_vec()));
        assert_eq!(read(&out, 0, 512)[510..], [0x55, 0xaa]);
    }

    #[test]
    fn nothing_runs_into_what_lies_behind_it() {
        let out = tempfile::tempfile().unwrap();
        let large = vec![0; 5 << 20];
        let mut plan = small(b"root");
        plan.parts[1].fill = Fill::Bytes(Source::Bytes(&large));
        let error = plan.write(&out).unwrap_err().to_string();
        assert_eq!(error, "the partition `root-a` has 4194304 bytes and was to hold 5242880");
        let mut plan = small(b"root");
        plan.boot_code = Some(&large[..441]);
        let error = plan.write(&out).unwrap_err().to_string();
        assert_eq!(error, "the boot code has 441 bytes, and a boot record has room for 440");
        assert_eq!(out.metadata().unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn partitions_lie_apart_and_within_the_image(
            esp in 34 * MIB..5000 * MIB,
            slot in 0u64..BYTES_MAX,
            root in 1u64..1 << 40,
            var in 0u64..BYTES_MAX,
        ) {
            let request = Request {
                esp_bytes: esp,
                slot_bytes: slot,
                var_min_bytes: var,
                esp: vec![],
                root: content(root),
                verity: content(0),
                ..request()
            };
            match plan(request) {
                Ok(plan) => {
                    prop_assert!(gpt::encode(&plan.table()).is_ok());
                    let mut next = ALIGNMENT_LBA;
                    for Part { partition, .. } in &plan.parts {
                        prop_assert_eq!(partition.first_lba, next);
                        prop_assert_eq!(partition.first_lba % ALIGNMENT_LBA, 0);
                        next = partition.last_lba + 1;
                    }
                    prop_assert!(next + gpt::BACKUP_SECTORS < plan.sectors);
                    let size = |index: usize| {
                        let partition: &Partition = &plan.parts[index].partition;
                        partition.last_lba + 1 - partition.first_lba
                    };
                    prop_assert_eq!(plan.var_first_lba, next + size(1) + size(2));
                    prop_assert!(plan.min_disk_bytes() >= plan.var_first_lba * SECTOR + var);
                }
                Err(DiskError::SlotTooSmall { needed_bytes, .. }) => prop_assert!(slot < root && needed_bytes >= root),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

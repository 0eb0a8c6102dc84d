//! Where everything lies on a disk, and the raw image.
//!
//! [`plan`] turns sizes and the root hash into a [`DiskPlan`], a value that can be printed; [`DiskPlan::write`] makes
//! the raw image of it. All partitions start at whole MiB:
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

use crate::contract;
use crate::formats::fat::{self, Volume};
use crate::formats::gpt::{self, Partition, SECTOR, Table};
use crate::formats::sparse::Source;
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
/// GPT attribute bit 60 of the Discoverable Partitions Specification: read-only.
const READ_ONLY: u64 = 1 << 60;
/// Root of all GUIDs that are not the root hash: drawn once, for ever the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_5d0e_93a4_4b57_8a2e_c4d7_10b9_5e36);

/// What a disk is planned from. Sizes are in bytes; the sizes of partitions are rounded up to whole MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Name and version of the image: the GUIDs that are not the root hash come from it.
    pub image: &'a str,
    pub esp_bytes: u64,
    /// Size of a root partition.
    pub slot_bytes: u64,
    /// Least size of `/var` on the node.
    pub var_min_bytes: u64,
    /// What the partitions will hold: the files of the ESP together, the root file system, its hash tree.
    pub esp_content_bytes: u64,
    pub root_bytes: u64,
    pub verity_bytes: u64,
    pub root_hash: Digest,
    /// Time of everything on the ESP, seconds since 1970.
    pub epoch: i64,
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPlan {
    /// The partitions of the raw image: ESP, root-a, verity-a.
    pub table: Table,
    /// The FAT volume in the ESP.
    pub esp: Volume,
    pub root_bytes: u64,
    pub verity_bytes: u64,
    /// First sector of `/var` ([`contract::CMDLINE_VAR_START`]).
    pub var_first_lba: u64,
    pub var_min_bytes: u64,
}

/// What fills the partitions.
#[derive(Debug, Clone, Copy)]
pub struct Fills<'a> {
    pub esp: &'a [fat::Entry<'a>],
    pub root: Source<'a>,
    pub verity: Source<'a>,
}

/// Why sizes make no disk. The recipe's sizes are at fault, except for `PartChanged`.
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
    /// A part that is written has not the size that was planned.
    PartChanged {
        name: &'static str,
        planned_bytes: u64,
        bytes: u64,
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
            DiskError::PartChanged { name, planned_bytes, bytes } => {
                write!(f, "`{name}` was planned with {planned_bytes} bytes and now has {bytes}")
            }
        }
    }
}

impl std::error::Error for DiskError {}

/// The layout for `request`.
pub fn plan(request: &Request<'_>) -> Result<DiskPlan, DiskError> {
    let Request { image, esp_content_bytes, root_bytes, verity_bytes, var_min_bytes, root_hash, epoch, .. } = *request;
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
    let mut next_lba = ALIGNMENT_LBA;
    let mut partition = |name: &str, type_guid: &str, guid, bytes: u64, attributes| {
        let first_lba = next_lba;
        next_lba += bytes / SECTOR;
        let type_guid = Uuid::try_parse(type_guid).expect("the contract holds GUIDs");
        Partition { name: name.to_owned(), type_guid, guid, first_lba, last_lba: next_lba - 1, attributes }
    };
    let partitions = vec![
        partition(contract::ESP_LABEL, contract::ESP_TYPE, guid("esp"), esp_bytes, 0),
        partition(Slot::A.root_label(), contract::ROOT_TYPE_X86_64, Uuid::from_bytes(root_guid), slot_bytes, READ_ONLY),
        partition(
            Slot::A.verity_label(),
            contract::ROOT_VERITY_TYPE_X86_64,
            Uuid::from_bytes(verity_guid),
            verity_slot_bytes,
            READ_ONLY,
        ),
    ];
    let table = Table { disk_guid: guid("disk"), sectors: next_lba + ALIGNMENT_LBA, partitions };
    let var_first_lba = var_first_lba(esp_bytes, slot_bytes);
    // The version's own, so that two images in one machine can be told apart.
    let id = u32::from_be_bytes(std::array::from_fn(|index| guid("esp volume").as_bytes()[index]));
    let esp = Volume { bytes: esp_bytes, label: contract::ESP_LABEL.to_owned(), id, epoch };
    Ok(DiskPlan { table, esp, root_bytes, verity_bytes, var_first_lba, var_min_bytes })
}

impl DiskPlan {
    /// Size of the raw image: whole MiB, which some clouds demand.
    pub fn image_bytes(&self) -> u64 {
        self.table.sectors * SECTOR
    }

    /// The smallest disk that a node may have: both slots, the least var, and room for the backup table.
    pub fn min_disk_bytes(&self) -> u64 {
        self.var_first_lba * SECTOR + self.var_min_bytes.next_multiple_of(MIB) + MIB
    }

    /// Writes the raw image into `out`, an empty file; what is zero stays a hole.
    pub fn write(&self, fills: &Fills<'_>, out: &File) -> anyhow::Result<()> {
        let planned = [("root", self.root_bytes, fills.root), ("verity", self.verity_bytes, fills.verity)];
        for (name, planned_bytes, source) in planned {
            let bytes = source.length();
            if bytes != planned_bytes {
                return Err(DiskError::PartChanged { name, planned_bytes, bytes }.into());
            }
        }
        let [esp, root, verity] = self.table.partitions.as_slice() else {
            anyhow::bail!("the plan has {} partitions instead of three", self.table.partitions.len());
        };
        let tables = gpt::encode(&self.table)?;
        out.set_len(self.image_bytes()).context("sizing the raw image")?;
        out.write_all_at(&tables.primary, 0).context("writing the partition table")?;
        let backup = self.image_bytes() - tables.backup.len() as u64;
        out.write_all_at(&tables.backup, backup).context("writing the backup partition table")?;
        fat::write(&self.esp, fills.esp, out, esp.first_lba * SECTOR).context("writing the ESP")?;
        for (partition, source) in [(root, fills.root), (verity, fills.verity)] {
            let written = source.write_to(out, partition.first_lba * SECTOR);
            written.with_context(|| format!("writing {}", partition.name))?;
        }
        Ok(())
    }

    /// The plan for people.
    pub fn dump(&self) -> String {
        let DiskPlan { root_bytes, verity_bytes, var_first_lba, var_min_bytes, .. } = self;
        let mut text = gpt::dump(&self.table);
        text += &format!("root-a holds {root_bytes} bytes, verity-a {verity_bytes}\n");
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
fn esp_needed_bytes(content_bytes: u64) -> u64 {
    let needed = content_bytes + content_bytes / 63 + MIB;
    needed.max(fat::FAT32_MIN_BYTES).next_multiple_of(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::device;
    use crate::formats::fat::Entry;
    use crate::formats::sparse;
    use proptest::prelude::*;

    fn request() -> Request<'static> {
        Request {
            image: "worker 1.36.2-1",
            esp_bytes: 512 * MIB,
            slot_bytes: 2048 * MIB,
            var_min_bytes: 4096 * MIB,
            esp_content_bytes: 20_000_000,
            root_bytes: 103_403_520,
            verity_bytes: 925_696,
            root_hash: Digest(std::array::from_fn(|index| u8::try_from(index).unwrap())),
            epoch: 1_700_000_000,
        }
    }

    #[test]
    fn the_plan_of_a_worker_reads_like_this() {
        insta::assert_snapshot!(plan(&request()).unwrap().dump(), @r"
        disk 48cc77c2-a23d-5ee1-8e36-338f4a5910de with 5281792 sectors
        1 esp             2048   1050623    512 MiB type c12a7328-f81f-11d2-ba4b-00a0c93ec93b guid 3398feec-c41f-5a05-9d64-6886d979a2e4 attributes 0x0
        2 root-a       1050624   5244927   2048 MiB type 4f68bce3-e8cd-4db1-96e7-fbcaf984b709 guid 00010203-0405-0607-0809-0a0b0c0d0e0f attributes 0x1000000000000000
        3 verity-a     5244928   5279743     17 MiB type 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 guid 10111213-1415-1617-1819-1a1b1c1d1e1f attributes 0x1000000000000000
        root-a holds 103403520 bytes, verity-a 925696
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
            plan(&request).unwrap_err().to_string()
        };
        assert_eq!(
            error(&|request| request.slot_bytes = 98 * MIB),
            "the root slot has 102760448 bytes, but the root file system needs 103809024"
        );
        assert_eq!(error(&|request| request.esp_bytes = 1), "the ESP has 1048576 bytes, but its files need 35651584");
        assert_eq!(
            error(&|request| request.verity_bytes = 18 * MIB),
            "the hash tree has 18874368 bytes, but its slot has only 17825792"
        );
        assert!(error(&|request| request.slot_bytes = u64::MAX).contains("add up to more than"));
    }

    #[test]
    fn the_image_holds_every_part_in_its_place() {
        let root = vec![0xaa; 3_000_000];
        let request = Request {
            esp_bytes: 40 * MIB,
            slot_bytes: 4 * MIB,
            esp_content_bytes: 4,
            root_bytes: 3_000_000,
            verity_bytes: 6,
            ..request()
        };
        let plan = plan(&request).unwrap();
        let out = tempfile::tempfile().unwrap();
        let esp = [Entry { path: "EFI/Linux/a+3.efi", source: Source::Bytes(b"uki!") }];
        let fills = Fills { esp: &esp, root: Source::Bytes(&root), verity: Source::Bytes(b"verity") };
        plan.write(&fills, &out).unwrap();
        assert_eq!(out.metadata().unwrap().len(), plan.image_bytes());
        assert_eq!(gpt::read(&mut &out).unwrap(), plan.table);
        let bytes = |partition: usize, length: usize| {
            let mut bytes = vec![0; length];
            out.read_exact_at(&mut bytes, plan.table.partitions[partition].first_lba * SECTOR).unwrap();
            bytes
        };
        let listing = fat::dump(device::Window::new(&out, MIB, 40 * MIB)).unwrap();
        assert!(listing.contains("         4 EFI/Linux/a+3.efi"), "{listing}");
        assert!(bytes(1, 3_000_000) == root);
        assert!(sparse::is_zero(&bytes(1, 4 << 20)[3_000_000..]));
        assert_eq!(bytes(2, 7), b"verity\0");
        let changed = Fills { root: Source::Bytes(b""), ..fills };
        let error = plan.write(&changed, &out).unwrap_err().to_string();
        assert_eq!(error, "`root` was planned with 3000000 bytes and now has 0");
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
                root_bytes: root,
                var_min_bytes: var,
                esp_content_bytes: 0,
                verity_bytes: 0,
                ..request()
            };
            match plan(&request) {
                Ok(plan) => {
                    prop_assert!(gpt::encode(&plan.table).is_ok());
                    let mut next = ALIGNMENT_LBA;
                    for partition in &plan.table.partitions {
                        prop_assert_eq!(partition.first_lba, next);
                        prop_assert_eq!(partition.first_lba % ALIGNMENT_LBA, 0);
                        next = partition.last_lba + 1;
                    }
                    prop_assert!(next + gpt::BACKUP_SECTORS < plan.table.sectors);
                    let size = |index: usize| {
                        let partition: &Partition = &plan.table.partitions[index];
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

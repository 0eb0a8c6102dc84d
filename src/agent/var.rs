//! The partition of `/var`: found, or added at the first boot, or grown with its disk.
//!
//! Takes the root's disk (busy: the root is mounted from it) and gives a mounted `/sysroot/var`. The order of writes
//! makes every power cut harmless:
//!
//! ```text
//! no partition ──table──► `var-unfinished` ──mkfs, sync──► ──table──► `var` ──mount──► grow ──► /sysroot/var
//!                              ▲ next boot formats again               ▲ next boot mounts
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::mount::MountFlags;

use super::cmdline::{BootOptions, VarFilesystem};
use super::disk::{Disk, Partition, RootDisk};
use super::gpt::{self, Entry, Gpt};
use super::sys::{self, PartitionCall};
use super::{SYSROOT, console, run};
use crate::contract;

/// A partition that would grow by less than this is left alone: not worth a new table.
const GROW_AT_LEAST: u64 = 16 << 20;

/// e2fsck's exit statuses up to this one mean a sound file system (e2fsck(8): 1 corrected, 2 also asks for a reboot,
/// which only matters for a mounted one).
const E2FSCK_MENDED: i32 = 3;

/// What became of `/var` at this boot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Var {
    pub device: PathBuf,
    pub filesystem: VarFilesystem,
    pub bytes: u64,
    /// The file system was made at this boot.
    pub formatted: bool,
    /// Partition and file system were enlarged at this boot.
    pub grown: bool,
}

/// Finds or makes the partition and mounts it at `/sysroot/var`.
pub fn mount(root: &mut RootDisk, options: &BootOptions) -> Result<Var> {
    let plan = plan(&root.gpt, root.disk.bytes, options)
        .with_context(|| format!("planning /var on {}", root.disk.path.display()))?;
    let mut gpt = plan.gpt;
    let file = root.disk.open_writable()?;
    if plan.write {
        gpt.write(&file)?;
    }
    let partition = publish(&root.disk, &file, &plan.entry, gpt.sector_bytes)?;
    if plan.format {
        console::say(&format!(
            "making the {} file system of /var on {} ({} MiB)",
            options.var_filesystem.name(),
            partition.path.display(),
            partition.bytes >> 20
        ));
        format(&partition, options.var_filesystem)?;
        gpt.put_entry(&Entry { name: contract::VAR_LABEL.to_owned(), ..plan.entry })?;
        gpt.write(&file)?;
    }
    root.gpt = gpt;
    let filesystem = detect(&partition)?;
    if filesystem == VarFilesystem::Ext4 && !plan.format {
        check_ext4(&partition);
    }
    let target = format!("{SYSROOT}/var");
    rustix::mount::mount(
        &partition.path,
        target.as_str(),
        filesystem.name(),
        MountFlags::NODEV | MountFlags::NOSUID,
        None,
    )
    .with_context(|| format!("mounting {} at {target}", partition.path.display()))?;
    // A /var that stays as large as it is still serves; a node that does not boot does not.
    let grown = grow_filesystem(&partition, filesystem).unwrap_or_else(|error| {
        console::complain(&format!("/var stays as large as it is: {error:#}"));
        false
    });
    Ok(Var { device: partition.path, filesystem, bytes: partition.bytes, formatted: plan.format, grown })
}

impl VarFilesystem {
    pub fn name(self) -> &'static str {
        match self {
            VarFilesystem::Ext4 => "ext4",
            VarFilesystem::Xfs => "xfs",
        }
    }
}

/// The table as it should be, and the entry of `/var` in it.
#[derive(Debug)]
struct Plan {
    gpt: Gpt,
    entry: Entry,
    /// The table differs from the disk's.
    write: bool,
    format: bool,
}

/// Decides what to do from the table alone.
///
/// # Errors
/// Two partitions that could be `/var`; no place for it; a disk too small for the size the image asks for.
fn plan(on_disk: &Gpt, disk_bytes: u64, options: &BootOptions) -> Result<Plan> {
    let mut gpt = on_disk.clone();
    let named = |label: &str| -> Result<Option<Entry>> {
        let mut entries = on_disk.entries();
        entries.retain(|entry| entry.name == label);
        ensure!(entries.len() < 2, "two partitions are named `{label}`");
        Ok(entries.pop())
    };
    if !on_disk.fills(disk_bytes) {
        gpt.fit(disk_bytes)?;
    }
    let finished = named(contract::VAR_LABEL)?;
    let format = finished.is_none();
    let existing = match finished {
        Some(entry) => Some(entry),
        None => named(contract::VAR_UNFINISHED_LABEL)?,
    };
    let entry = match existing {
        Some(entry) => entry,
        None => new_entry(options)?,
    };
    if format {
        let needed = options.var_min.div_ceil(gpt.sector_bytes).max(1).checked_add(entry.first_lba);
        let needed = needed
            .and_then(|end| gpt.disk_bytes_for(end - 1))
            .context("the place and size of /var that the image asks for are not possible")?;
        ensure!(
            disk_bytes >= needed,
            "the disk is too small: it has {} MiB, this image needs {} MiB ({} of them for /var)",
            disk_bytes >> 20,
            needed.div_ceil(1 << 20),
            options.var_min.div_ceil(1 << 20)
        );
    }
    let entry = Entry { last_lba: last_free_after(&gpt, &entry), ..entry };
    let entry = match entry.number {
        0 => Entry { number: gpt.add(entry.clone())?, ..entry },
        _ => {
            gpt.put_entry(&entry)?;
            entry
        }
    };
    // Moving the backup alone is done with the next real change: a boot that changes nothing writes nothing.
    let write = gpt.entries() != on_disk.entries();
    Ok(Plan { gpt, entry, write, format })
}

/// One sector long and without a number yet.
fn new_entry(options: &BootOptions) -> Result<Entry> {
    let first_lba = options.var_start.with_context(|| {
        format!("there is no partition `var`, and no `{}=` says where to add it", contract::CMDLINE_VAR_START)
    })?;
    Ok(Entry {
        number: 0,
        type_guid: gpt::parse_guid(contract::VAR_TYPE).context("reading the partition type of /var")?,
        unique_guid: random_guid()?,
        first_lba,
        last_lba: first_lba,
        name: contract::VAR_UNFINISHED_LABEL.to_owned(),
    })
}

/// The last sector that a partition can have: up to the next partition or the end, and never less than it has. A gain
/// below [`GROW_AT_LEAST`] is not taken by a finished partition.
fn last_free_after(gpt: &Gpt, entry: &Entry) -> u64 {
    let next = gpt.entries().iter().map(|other| other.first_lba).filter(|first| *first > entry.first_lba).min();
    let limit = next.map_or(gpt.last_usable_lba(), |first| first - 1).min(gpt.last_usable_lba());
    let gain = limit.saturating_sub(entry.last_lba).saturating_mul(gpt.sector_bytes);
    if entry.name == contract::VAR_LABEL && gain < GROW_AT_LEAST { entry.last_lba } else { limit.max(entry.last_lba) }
}

/// Version 4 (random): every node's `/var` has its own.
fn random_guid() -> Result<[u8; 16]> {
    let mut guid = [0; 16];
    super::random(&mut guid)?;
    guid[6] = guid[6] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    Ok(guid)
}

/// Makes the kernel know the partition with these bounds; the disk is in use, so partition by partition.
fn publish(disk: &Disk, file: &File, entry: &Entry, sector_bytes: u64) -> Result<Partition> {
    let bounds = || -> Option<(u64, u64)> {
        let sectors = entry.last_lba.checked_sub(entry.first_lba)?.checked_add(1)?;
        Some((entry.first_lba.checked_mul(sector_bytes)?, sectors.checked_mul(sector_bytes)?))
    };
    let (start, length) = bounds().context("the partition of /var has impossible bounds")?;
    match disk.partition(entry.number)? {
        Some(known) if (known.start_bytes, known.bytes) == (start, length) => return Ok(known),
        Some(known) => {
            ensure!(known.start_bytes == start, "{} does not start where its table says", known.path.display());
            sys::change_partition(file, PartitionCall::Resize, entry.number, start, length)
                .with_context(|| format!("resizing {} in the kernel", known.path.display()))?;
        }
        None => sys::change_partition(file, PartitionCall::Add, entry.number, start, length)
            .with_context(|| format!("adding partition {} of {} in the kernel", entry.number, disk.path.display()))?,
    }
    disk.partition(entry.number)?
        .with_context(|| format!("the kernel does not show partition {} of {}", entry.number, disk.path.display()))
}

/// Runs the image's own mkfs, from the verified root, and waits until everything is on the disk.
fn format(partition: &Partition, filesystem: VarFilesystem) -> Result<()> {
    let (program, options): (&str, &[&str]) = match filesystem {
        // The inode tables are cleared by the kernel later; discarding is left to the administrator's fstrim.
        VarFilesystem::Ext4 => (
            "/usr/sbin/mkfs.ext4",
            &["-q", "-F", "-L", "var", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"],
        ),
        VarFilesystem::Xfs => ("/usr/sbin/mkfs.xfs", &["-q", "-f", "-K", "-L", "var"]),
    };
    ensure!(
        Path::new(SYSROOT).join(program.trim_start_matches('/')).exists(),
        "the image has no {program}: its recipe lacks the package that makes {} file systems",
        filesystem.name()
    );
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    arguments.push(partition.path.clone().into_os_string());
    run::in_root(Path::new(SYSROOT), program, &arguments)?;
    let device = std::fs::OpenOptions::new()
        .write(true)
        .open(&partition.path)
        .with_context(|| format!("opening {}", partition.path.display()))?;
    device.sync_all().with_context(|| format!("syncing {}", partition.path.display()))
}

/// Replays the journal and mends what can be mended without asking: a file system that the kernel marked as damaged
/// would refuse to grow for ever. What it cannot mend is said, and left to the mount to judge.
fn check_ext4(partition: &Partition) {
    const PROGRAM: &str = "/usr/sbin/e2fsck";
    let arguments = ["-p".into(), partition.path.clone().into_os_string()];
    if let Err(error) = run::in_root_until(Path::new(SYSROOT), PROGRAM, &arguments, E2FSCK_MENDED) {
        console::complain(&format!("/var: {error:#}"));
    }
}

/// The file system that is there decides, not the command line: a recipe may change its mind between two versions.
fn detect(partition: &Partition) -> Result<VarFilesystem> {
    let device = File::open(&partition.path).with_context(|| format!("opening {}", partition.path.display()))?;
    let mut start = [0; 2048];
    device.read_exact_at(&mut start, 0).with_context(|| format!("reading {}", partition.path.display()))?;
    if start[..4] == *b"XFSB" {
        return Ok(VarFilesystem::Xfs);
    }
    if start[1024 + 56..][..2] == [0x53, 0xef] {
        return Ok(VarFilesystem::Ext4);
    }
    bail!("{} is named `{}` but holds neither ext4 nor xfs", partition.path.display(), contract::VAR_LABEL)
}

/// Makes a mounted file system fill its partition. Asked at every boot: a power cut between the two enlargements is
/// made up for at the next one.
fn grow_filesystem(partition: &Partition, filesystem: VarFilesystem) -> Result<bool> {
    let device = File::open(&partition.path).with_context(|| format!("opening {}", partition.path.display()))?;
    let mut start = [0; 2048];
    device.read_exact_at(&mut start, 0).with_context(|| format!("reading {}", partition.path.display()))?;
    let (block, blocks) = match filesystem {
        VarFilesystem::Ext4 => ext4_size(&start),
        VarFilesystem::Xfs => xfs_size(&start),
    }
    .with_context(|| format!("the {} superblock of /var has impossible sizes", filesystem.name()))?;
    let possible = partition.bytes / block;
    if possible.saturating_sub(blocks).saturating_mul(block) < GROW_AT_LEAST {
        return Ok(false);
    }
    match filesystem {
        VarFilesystem::Ext4 => {
            let mounted = format!("{SYSROOT}/var");
            let directory = File::open(&mounted).with_context(|| format!("opening {mounted}"))?;
            sys::grow_ext4(&directory, possible).context("growing the ext4 file system of /var")?;
        }
        VarFilesystem::Xfs => run::in_root(Path::new(SYSROOT), "/usr/sbin/xfs_growfs", &["-d".into(), "/var".into()])?,
    }
    console::say(&format!("/var has grown to {} MiB", partition.bytes >> 20));
    Ok(true)
}

/// Block size and number of blocks that an ext4 superblock names (`struct ext4_super_block`, at byte 1024).
fn ext4_size(start: &[u8; 2048]) -> Option<(u64, u64)> {
    let u32_at = |offset: usize| {
        let bytes = &start[1024 + offset..][..4];
        u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let shift = u32::try_from(u32_at(24)).ok().filter(|shift| *shift <= 6)?;
    // s_blocks_count_hi counts only with the feature `64bit` (0x80 in s_feature_incompat).
    let high = if u32_at(96) & 0x80 != 0 { u32_at(336) } else { 0 };
    Some((1024 << shift, high << 32 | u32_at(4)))
}

/// The same for XFS (`struct xfs_dsb`, big-endian: sb_blocksize and sb_dblocks).
fn xfs_size(start: &[u8; 2048]) -> Option<(u64, u64)> {
    let block = u64::from(u32::from_be_bytes([start[4], start[5], start[6], start[7]]));
    let mut blocks = [0; 8];
    blocks.copy_from_slice(&start[8..16]);
    (512..=65536).contains(&block).then_some((block, u64::from_be_bytes(blocks)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::cmdline::RootHash;

    const MIB: u64 = 1 << 20;

    fn options(var_min: u64) -> BootOptions {
        BootOptions {
            root_hash: RootHash([0; 32]),
            var_start: Some(8192),
            var_filesystem: VarFilesystem::Ext4,
            var_min,
        }
    }

    /// A table written by `sgdisk`-compatible code for a 16 MiB image.
    fn image_table() -> Gpt {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 * MIB).unwrap();
        let mut gpt = gpt::tests::blank(16 * MIB / 512);
        gpt.add(gpt::tests::entry("root-a", 2048, 4095)).unwrap();
        gpt.write(&file).unwrap();
        gpt
    }

    #[test]
    fn a_first_boot_adds_the_partition_up_to_the_end_of_the_grown_disk() {
        let plan = plan(&image_table(), 512 * MIB, &options(256 * MIB)).unwrap();
        assert!(plan.write && plan.format);
        assert_eq!((plan.entry.number, plan.entry.name.as_str()), (2, "var-unfinished"));
        assert_eq!((plan.entry.first_lba, plan.entry.last_lba), (8192, 512 * MIB / 512 - 34));
        assert!(plan.gpt.entries().contains(&plan.entry));
    }

    #[test]
    fn a_disk_too_small_is_told_its_size_and_the_size_needed() {
        for disk in [16 * MIB, 200 * MIB] {
            let error = format!("{:#}", plan(&image_table(), disk, &options(256 * MIB)).unwrap_err());
            let expected = format!("it has {} MiB, this image needs 261 MiB (256 of them for /var)", disk / MIB);
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn an_unfinished_partition_is_formatted_again_and_takes_the_whole_disk() {
        let mut gpt = plan(&image_table(), 512 * MIB, &options(MIB)).unwrap().gpt;
        gpt.fit(600 * MIB).unwrap();
        let again = plan(&gpt, 600 * MIB, &options(MIB)).unwrap();
        assert!(again.format && again.write);
        assert_eq!((again.entry.number, again.entry.last_lba), (2, 600 * MIB / 512 - 34));
    }

    #[test]
    fn a_finished_partition_is_left_alone_until_the_disk_grows() {
        let first = plan(&image_table(), 512 * MIB, &options(MIB)).unwrap();
        let mut gpt = first.gpt;
        gpt.put_entry(&Entry { name: "var".to_owned(), ..first.entry.clone() }).unwrap();
        let same = plan(&gpt, 512 * MIB, &options(MIB)).unwrap();
        assert!(!same.write && !same.format);
        let grown = plan(&gpt, 1024 * MIB, &options(MIB)).unwrap();
        assert!(grown.write && !grown.format);
        assert_eq!(grown.entry.last_lba, 1024 * MIB / 512 - 34);
        // An image whose /var was finished on a larger disk keeps its size whatever the command line asks for.
        assert!(!plan(&gpt, 512 * MIB, &options(4096 * MIB)).unwrap().format);
    }

    #[test]
    fn a_table_without_var_needs_the_place_on_the_command_line() {
        let error = plan(&image_table(), 512 * MIB, &BootOptions { var_start: None, ..options(MIB) }).unwrap_err();
        assert!(error.to_string().contains("nodesmith.var-start="), "{error}");
        let overlap = BootOptions { var_start: Some(3000), ..options(MIB) };
        assert!(plan(&image_table(), 512 * MIB, &overlap).unwrap_err().to_string().contains("overlap partition 1"));
    }

    #[test]
    fn two_partitions_named_var_are_refused() {
        let mut gpt = image_table();
        gpt.fit(64 * MIB).unwrap();
        gpt.add(gpt::tests::entry("var", 8192, 9000)).unwrap();
        gpt.add(gpt::tests::entry("var", 10240, 11000)).unwrap();
        assert!(plan(&gpt, 64 * MIB, &options(MIB)).unwrap_err().to_string().contains("two partitions"));
    }

    #[test]
    fn the_size_of_an_ext4_is_read_from_its_superblock() {
        let mut start = [0; 2048];
        start[1028..1032].copy_from_slice(&1000_u32.to_le_bytes());
        start[1048] = 2;
        start[1360] = 1;
        assert_eq!(ext4_size(&start), Some((4096, 1000)));
        start[1120] = 0x80;
        assert_eq!(ext4_size(&start), Some((4096, (1 << 32) + 1000)));
        start[1048] = 200;
        assert_eq!(ext4_size(&start), None);
    }

    #[test]
    fn the_size_of_an_xfs_is_read_from_its_superblock() {
        let mut start = [0; 2048];
        start[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        start[8..16].copy_from_slice(&70_000_u64.to_be_bytes());
        assert_eq!(xfs_size(&start), Some((4096, 70_000)));
        start[4] = 1;
        assert_eq!(xfs_size(&start), None);
    }
}

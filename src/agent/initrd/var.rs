//! `/var`: a partition on the root's disk, found, or added at the first boot, or grown with the disk; in memory where the
//! root has no disk.
//!
//! Gives a mounted `/sysroot/var`. The disk is busy (the root is mounted from it). The order of writes makes every power
//! cut harmless:
//!
//! ```text
//! no partition ──table──► `var-unfinished` ──mkfs, sync──► ──table──► `var` ──mount──► grow ──► /sysroot/var
//!                              ▲ next boot formats again               ▲ next boot mounts
//! ```

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::MountFlags;

use super::cmdline::BootOptions;
use super::filesystem_tools::{self, GROW_AT_LEAST};
use super::partition_table::{self, Entry, Gpt};
use super::root::{Root, RootDisk};
use crate::agent::block_device::{Disk, Partition};
use crate::agent::random;
use crate::agent::report::console;
use crate::agent::sys::{self, PartitionCall};
use crate::agent::sysroot::SYSROOT;
use crate::contract;

/// What holds `/var` where the root has no disk, by the kernel's name.
const IN_MEMORY: &str = "tmpfs";

/// What became of `/var` at this boot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Var {
    /// `/dev/vda4`, or `tmpfs`.
    pub device: PathBuf,
    /// The kernel's name of it.
    pub filesystem: &'static str,
    pub bytes: u64,
    /// The file system was made at this boot.
    pub formatted: bool,
    /// Partition and file system were enlarged at this boot.
    pub grown: bool,
}

/// What `/var` is to be at this boot.
#[derive(Debug)]
enum Plan<'a> {
    OnDisk(&'a Disk, Placement),
    InMemory,
}

/// Finds or makes what holds `/var` and mounts it at `/sysroot/var`.
pub fn mount(root: &Root, options: &BootOptions) -> Result<Var> {
    match plan(root, options)? {
        Plan::OnDisk(disk, placement) => mount_partition(disk, placement, options),
        Plan::InMemory => mount_memory(options),
    }
}

fn plan<'a>(root: &'a Root, options: &BootOptions) -> Result<Plan<'a>> {
    let Some(RootDisk { disk, gpt }) = &root.disk else { return Ok(Plan::InMemory) };
    let placement = place(gpt, disk.bytes, options);
    Ok(Plan::OnDisk(disk, placement.with_context(|| format!("planning /var on {}", disk.path.display()))?))
}

fn mount_partition(disk: &Disk, placement: Placement, options: &BootOptions) -> Result<Var> {
    let mut gpt = placement.gpt;
    let file = disk.open_writable()?;
    if placement.write {
        gpt.write(&file)?;
    }
    let device = publish(disk, &file, &placement.entry, gpt.sector_bytes)?.device;
    if placement.format {
        console::say(&format!(
            "making the {} file system of /var on {} ({} MiB)",
            options.var_filesystem.word,
            device.path.display(),
            device.bytes >> 20
        ));
        filesystem_tools::make(&device, options.var_filesystem)?;
        gpt.put_entry(&Entry { name: contract::VAR_LABEL.to_owned(), ..placement.entry })?;
        gpt.write(&file)?;
    }
    let filesystem = filesystem_tools::detect(&device)?;
    if !placement.format {
        filesystem_tools::mend(&device, filesystem);
    }
    let target = format!("{SYSROOT}/var");
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    rustix::mount::mount(&device.path, target.as_str(), filesystem.word, flags, None)
        .with_context(|| format!("mounting {} at {target}", device.path.display()))?;
    // A /var that stays as large as it is still serves; a node that does not boot does not.
    let grown = filesystem_tools::grow(&device, filesystem).unwrap_or_else(|error| {
        console::complain(&format!("/var stays as large as it is: {error:#}"));
        false
    });
    Ok(Var {
        device: device.path,
        filesystem: filesystem.word,
        bytes: device.bytes,
        formatted: placement.format,
        grown,
    })
}

/// New at each boot: what a node without a disk writes is lost with its power. The kernel gives it half of the memory.
fn mount_memory(options: &BootOptions) -> Result<Var> {
    let target = format!("{SYSROOT}/var");
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    rustix::mount::mount(IN_MEMORY, target.as_str(), IN_MEMORY, flags, Some(c"mode=755"))
        .with_context(|| format!("mounting memory at {target}"))?;
    let size = rustix::fs::statvfs(target.as_str()).with_context(|| format!("measuring {target}"))?;
    let var = in_memory(size.f_blocks.saturating_mul(size.f_frsize));
    console::say(&format!(
        "the root has no disk: /var is in memory, {} MiB at most, and lost when the node goes down",
        var.bytes >> 20
    ));
    if var.bytes < options.var_min {
        console::say(&format!("on a disk this image would have {} MiB for it at least", options.var_min >> 20));
    }
    Ok(var)
}

/// What the image asks for is a disk's size, and no reason to refuse a machine that has less memory: nobody needs all of
/// it at once, and memory is taken only by what is written.
fn in_memory(bytes: u64) -> Var {
    Var { device: IN_MEMORY.into(), filesystem: IN_MEMORY, bytes, formatted: true, grown: false }
}

/// Where `/var` is to be: the table as it should be, and its entry in it.
#[derive(Debug)]
struct Placement {
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
fn place(on_disk: &Gpt, disk_bytes: u64, options: &BootOptions) -> Result<Placement> {
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
    Ok(Placement { gpt, entry, write, format })
}

/// One sector long and without a number yet.
fn new_entry(options: &BootOptions) -> Result<Entry> {
    let first_lba = options.var_start.with_context(|| {
        format!("there is no partition `var`, and no `{}=` says where to add it", contract::CMDLINE_VAR_START)
    })?;
    Ok(Entry {
        number: 0,
        type_guid: partition_table::parse_guid(contract::VAR_TYPE).context("reading the partition type of /var")?,
        // Every node's `/var` has its own.
        unique_guid: random::uuid()?,
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

/// Makes the kernel know the partition with these bounds; the disk is in use, so partition by partition.
fn publish(disk: &Disk, file: &File, entry: &Entry, sector_bytes: u64) -> Result<Partition> {
    let bounds = || -> Option<(u64, u64)> {
        let sectors = entry.last_lba.checked_sub(entry.first_lba)?.checked_add(1)?;
        Some((entry.first_lba.checked_mul(sector_bytes)?, sectors.checked_mul(sector_bytes)?))
    };
    let (start, length) = bounds().context("the partition of /var has impossible bounds")?;
    match disk.partition(entry.number)? {
        Some(known) if (known.start_bytes, known.device.bytes) == (start, length) => return Ok(known),
        Some(known) => {
            let path = known.device.path.display();
            ensure!(known.start_bytes == start, "{path} does not start where its table says");
            sys::change_partition(file, PartitionCall::Resize, entry.number, start, length)
                .with_context(|| format!("resizing {path} in the kernel"))?;
        }
        None => sys::change_partition(file, PartitionCall::Add, entry.number, start, length)
            .with_context(|| format!("adding partition {} of {} in the kernel", entry.number, disk.path.display()))?,
    }
    disk.partition(entry.number)?
        .with_context(|| format!("the kernel does not show partition {} of {}", entry.number, disk.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::block_device::BlockDevice;
    use crate::agent::initrd::cmdline::RootHash;
    use crate::agent::initrd::partition_table::tests::{blank, entry};
    use crate::var_filesystem::VarFilesystem;

    const MIB: u64 = 1 << 20;

    fn options(var_min: u64) -> BootOptions {
        BootOptions {
            root_hash: RootHash([0; 32]),
            var_start: Some(8192),
            var_filesystem: VarFilesystem::DEFAULT,
            var_min,
        }
    }

    /// A table written by `sgdisk`-compatible code for a 16 MiB image.
    fn image_table() -> Gpt {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 * MIB).unwrap();
        let mut gpt = blank(16 * MIB / 512);
        gpt.add(entry("root-a", 2048, 4095)).unwrap();
        gpt.write(&file).unwrap();
        gpt
    }

    #[test]
    fn a_first_boot_adds_the_partition_up_to_the_end_of_the_grown_disk() {
        let placed = place(&image_table(), 512 * MIB, &options(256 * MIB)).unwrap();
        assert!(placed.write && placed.format);
        assert_eq!((placed.entry.number, placed.entry.name.as_str()), (2, "var-unfinished"));
        assert_eq!((placed.entry.first_lba, placed.entry.last_lba), (8192, 512 * MIB / 512 - 34));
        assert!(placed.gpt.entries().contains(&placed.entry));
    }

    #[test]
    fn a_disk_too_small_is_told_its_size_and_the_size_needed() {
        for disk in [16 * MIB, 200 * MIB] {
            let error = format!("{:#}", place(&image_table(), disk, &options(256 * MIB)).unwrap_err());
            let expected = format!("it has {} MiB, this image needs 261 MiB (256 of them for /var)", disk / MIB);
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn an_unfinished_partition_is_formatted_again_and_takes_the_whole_disk() {
        let mut gpt = place(&image_table(), 512 * MIB, &options(MIB)).unwrap().gpt;
        gpt.fit(600 * MIB).unwrap();
        let again = place(&gpt, 600 * MIB, &options(MIB)).unwrap();
        assert!(again.format && again.write);
        assert_eq!((again.entry.number, again.entry.last_lba), (2, 600 * MIB / 512 - 34));
    }

    #[test]
    fn a_finished_partition_is_left_alone_until_the_disk_grows() {
        let first = place(&image_table(), 512 * MIB, &options(MIB)).unwrap();
        let mut gpt = first.gpt;
        gpt.put_entry(&Entry { name: "var".to_owned(), ..first.entry.clone() }).unwrap();
        let same = place(&gpt, 512 * MIB, &options(MIB)).unwrap();
        assert!(!same.write && !same.format);
        let grown = place(&gpt, 1024 * MIB, &options(MIB)).unwrap();
        assert!(grown.write && !grown.format);
        assert_eq!(grown.entry.last_lba, 1024 * MIB / 512 - 34);
        // An image whose /var was finished on a larger disk keeps its size whatever the command line asks for.
        assert!(!place(&gpt, 512 * MIB, &options(4096 * MIB)).unwrap().format);
    }

    #[test]
    fn a_table_without_var_needs_the_place_on_the_command_line() {
        let error = place(&image_table(), 512 * MIB, &BootOptions { var_start: None, ..options(MIB) }).unwrap_err();
        assert!(error.to_string().contains("nodesmith.var-start="), "{error}");
        let overlap = BootOptions { var_start: Some(3000), ..options(MIB) };
        assert!(place(&image_table(), 512 * MIB, &overlap).unwrap_err().to_string().contains("overlap partition 1"));
    }

    #[test]
    fn a_root_without_a_disk_has_its_var_in_memory() {
        let device = |name: &str| BlockDevice { path: name.into(), number: "7:0".to_owned(), bytes: 64 * MIB };
        let fetched = Root { data: device("/dev/loop0"), hash: device("/dev/loop1"), disk: None };
        assert!(matches!(plan(&fetched, &options(MIB)).unwrap(), Plan::InMemory));
        let told = serde_json::to_string(&in_memory(512 * MIB)).unwrap();
        assert!(told.starts_with(r#"{"device":"tmpfs","filesystem":"tmpfs","bytes":536870912,"#), "{told}");
        let disk = Disk { name: "vda".into(), path: "/dev/vda".into(), bytes: 512 * MIB, sector_bytes: 512 };
        let root = Root { disk: Some(RootDisk { disk, gpt: image_table() }), ..fetched };
        let Plan::OnDisk(disk, placement) = plan(&root, &options(MIB)).unwrap() else { panic!("not on its disk") };
        assert!(disk.name == "vda" && placement.format);
    }

    #[test]
    fn two_partitions_named_var_are_refused() {
        let mut gpt = image_table();
        gpt.fit(64 * MIB).unwrap();
        gpt.add(entry("var", 8192, 9000)).unwrap();
        gpt.add(entry("var", 10240, 11000)).unwrap();
        assert!(place(&gpt, 64 * MIB, &options(MIB)).unwrap_err().to_string().contains("two partitions"));
    }
}

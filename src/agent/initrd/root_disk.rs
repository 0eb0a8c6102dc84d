//! The disk whose partitions carry the two halves of the root hash.
//!
//! Looks at each disk's GPT, gives a [`Root`] with its disk. The kernel (6.12) has no PARTUUID in sysfs, so the table is read
//! here; kernel and table must agree on where the partitions lie.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::cmdline::RootHash;
use super::install::mark;
use super::modules::Modules;
use super::partition_table::{self, Copies, Gpt};
use super::root::{Root, RootDisk};
use super::{loader, verity_mapping};
use crate::agent::block_device::{BlockDevice, Disk, disks};
use crate::agent::report::console;
use crate::agent::sys;
use crate::agent::wait::Wait;
use crate::hex;

/// How long to wait for disks, how often to look, how often to say so.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long to look for an installed node where it is no failure if there is none.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
const SAY_EACH: Duration = Duration::from_secs(5);

/// Waits for the disk that the root hash names, and loads the drivers of devices as these appear.
///
/// # Errors
/// None within [`DEADLINE`]: the message says what was seen instead. Two, and the boot loader does not tell from which it
/// came: both are named, because booting one of two clones would depend on which disk the kernel shows first.
pub fn wait_for_root(root_hash: &RootHash, modules: &mut Modules) -> Result<Root> {
    wait(root_hash, DEADLINE, modules)?.or_else(|notes| {
        let (root, verity) = root_hash.partition_guids();
        bail!(
            "no disk has the partitions {} and {} within {} s; seen: {}",
            dashed(root),
            dashed(verity),
            DEADLINE.as_secs(),
            if notes.is_empty() { "no disk at all".to_owned() } else { notes.join("; ") }
        )
    })
}

/// The same for a node that may have no such disk: then there is none within [`PATIENCE`].
pub fn look_for_root(root_hash: &RootHash, modules: &mut Modules) -> Result<Option<Root>> {
    Ok(wait(root_hash, PATIENCE, modules)?.ok())
}

/// Whether this disk holds the root, as far as can be seen at once.
pub fn is_on(disk: &Disk, root_hash: &RootHash) -> Result<bool> {
    Ok(scan(root_hash)?.0.iter().any(|candidate| candidate.disk.name == disk.name))
}

/// The disk, or what was seen instead.
fn wait(root_hash: &RootHash, deadline: Duration, modules: &mut Modules) -> Result<Result<Root, Vec<String>>> {
    let mut waiting = Wait::new(SAY_EACH);
    let mut found_before = false;
    loop {
        // A controller may take longer than any wait to show its disks, and its driver returns only then.
        if modules.load_for_devices() {
            waiting = Wait::new(SAY_EACH);
        }
        let (mut found, mut notes) = scan(root_hash)?;
        if found.len() > 1
            && let Some(guid) = loader::partition()
        {
            let has = |candidate: &Candidate| candidate.gpt.entries().iter().any(|entry| entry.unique_guid == guid);
            if found.iter().filter(|candidate| has(candidate)).count() == 1 {
                found.retain(has);
            }
        }
        if found.len() > 1 {
            let names: Vec<&str> = found.iter().map(|root| root.disk.name.as_str()).collect();
            bail!("the disks {} both hold the root {root_hash}: remove one of them", names.join(" and "));
        }
        let is_there = !found.is_empty();
        // Seen in two scans in a row, so that a clone that appears a moment later is noticed.
        if let Some(root) = found.pop()
            && found_before
        {
            match settle(root) {
                // Slow buses show a disk some time before its partitions.
                Err(error) if !waiting.is_over(deadline) => notes.push(format!("{error:#}")),
                settled => return settled.map(Ok),
            }
        }
        found_before = is_there;
        if waiting.is_over(deadline) && !is_there {
            return Ok(Err(notes));
        }
        if waiting.wants_word() {
            let seen = if notes.is_empty() { "no disk yet".to_owned() } else { notes.join("; ") };
            console::say(&format!("waiting for the disk with the root {root_hash}: {seen}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// A disk with a matching table; the partitions are looked up in [`settle`], because a table that only its backup
/// describes is not known to the kernel yet.
struct Candidate {
    disk: Disk,
    gpt: Gpt,
    root: u32,
    verity: u32,
}

fn scan(root_hash: &RootHash) -> Result<(Vec<Candidate>, Vec<String>)> {
    let (root_guid, verity_guid) = root_hash.partition_guids();
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for disk in disks()? {
        // What was not finished may look like a root, by its table or by the backup of an older one.
        if disk.open().is_ok_and(|file| mark::is_on(&file).unwrap_or(false)) {
            notes.push(format!("{} has an installation that was not finished", disk.name));
            continue;
        }
        let gpt = match disk.open().and_then(|file| partition_table::read(&file, disk.bytes, disk.sector_bytes)) {
            Ok(Some(gpt)) => gpt,
            Ok(None) => {
                notes.push(format!("{} has no partition table", disk.name));
                continue;
            }
            Err(error) => {
                notes.push(format!("{}: {error:#}", disk.name));
                continue;
            }
        };
        let entries = gpt.entries();
        let number = |guid| entries.iter().find(|entry| entry.unique_guid == guid).map(|entry| entry.number);
        match (number(root_guid), number(verity_guid)) {
            (Some(root), Some(verity)) => match holds_tree(&disk, &gpt, verity, root_hash) {
                Ok(true) => found.push(Candidate { disk, gpt, root, verity }),
                Ok(false) => {
                    notes.push(format!("{} claims to hold the root, but its verity tree is another", disk.name))
                }
                Err(error) => notes.push(format!("{} claims to hold the root: {error:#}", disk.name)),
            },
            (None, None) => notes.push(format!("{} holds another system", disk.name)),
            (Some(_), None) => notes.push(format!("{} has the root but not its hash tree", disk.name)),
            (None, Some(_)) => notes.push(format!("{} has the hash tree but not its root", disk.name)),
        }
    }
    Ok((found, notes))
}

fn holds_tree(disk: &Disk, gpt: &Gpt, verity: u32, root_hash: &RootHash) -> Result<bool> {
    let entry = gpt.entries().into_iter().find(|entry| entry.number == verity);
    let start = entry.and_then(|entry| entry.first_lba.checked_mul(gpt.sector_bytes));
    let start = start.context("its verity tree begins nowhere")?;
    verity_mapping::is_tree_of(&disk.open()?, start, root_hash).context("reading its verity tree")
}

/// Repairs a damaged primary table (a power cut while `/var` was added), and matches table and kernel.
fn settle(candidate: Candidate) -> Result<Root> {
    let Candidate { disk, mut gpt, root, verity } = candidate;
    if gpt.copies == Copies::BackupOnly {
        console::say(&format!("{}: restoring the partition table from its backup", disk.name));
        let file = disk.open_writable()?;
        gpt.write(&file)?;
        sys::reread_partitions(&file).with_context(|| format!("rereading the partitions of {}", disk.name))?;
    }
    let known = |number: u32| -> Result<BlockDevice> {
        let partition = disk
            .partition(number)?
            .with_context(|| format!("the kernel does not know partition {number} of {}", disk.name))?;
        let entry = gpt.entries().into_iter().find(|entry| entry.number == number);
        let start = entry.and_then(|entry| entry.first_lba.checked_mul(gpt.sector_bytes));
        ensure!(
            start == Some(partition.start_bytes),
            "{} starts at byte {}, but its table says otherwise",
            partition.device.path.display(),
            partition.start_bytes
        );
        Ok(partition.device)
    };
    let (data, hash) = (known(root)?, known(verity)?);
    Ok(Root { data, hash, disk: Some(RootDisk { disk, gpt }) })
}

fn dashed(guid: [u8; 16]) -> String {
    let text = hex::encode(&guid);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

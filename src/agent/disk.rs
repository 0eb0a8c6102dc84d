//! Block devices as the kernel shows them, and the disk whose partitions carry the two halves of the root hash.
//!
//! Reads `/sys/class/block` and each disk's GPT, gives a [`RootDisk`]. The kernel (6.12) has no PARTUUID in sysfs, so
//! the table is read here; kernel and table must agree on where the partitions lie.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::cmdline::RootHash;
use super::gpt::{self, Copies, Gpt};
use super::{console, sys};
use crate::hex;

/// Unit of `size` and `start` in sysfs, whatever the disk's own sector size is.
const SYSFS_SECTOR: u64 = 512;

/// A block device that is not a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Kernel name, `vda`.
    pub name: String,
    /// `/dev/vda`.
    pub path: PathBuf,
    pub bytes: u64,
    pub sector_bytes: u64,
}

/// A partition that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub number: u32,
    /// `/dev/vda2`.
    pub path: PathBuf,
    /// `major:minor`.
    pub device: String,
    pub start_bytes: u64,
    pub bytes: u64,
}

/// The disk that holds the root of this boot.
#[derive(Debug)]
pub struct RootDisk {
    pub disk: Disk,
    pub gpt: Gpt,
    pub root: Partition,
    pub verity: Partition,
}

/// The disks of the machine, by name; empty drives are left out.
pub fn disks() -> Result<Vec<Disk>> {
    let mut disks = Vec::new();
    for name in names_in(Path::new("/sys/class/block"))? {
        let sysfs = Path::new("/sys/class/block").join(&name);
        if sysfs.join("partition").exists() {
            continue;
        }
        // A device can vanish between the listing and here: then it is simply not there.
        let (Ok(sectors), Ok(sector_bytes)) =
            (number_in(&sysfs.join("size")), number_in(&sysfs.join("queue/logical_block_size")))
        else {
            continue;
        };
        if sectors > 0 {
            let bytes = sectors.saturating_mul(SYSFS_SECTOR);
            disks.push(Disk { path: device_path(&name), name, bytes, sector_bytes });
        }
    }
    Ok(disks)
}

impl Disk {
    /// The partition with this number, if the kernel knows it.
    pub fn partition(&self, number: u32) -> Result<Option<Partition>> {
        Ok(self.partitions()?.into_iter().find(|partition| partition.number == number))
    }

    /// All partitions that the kernel knows, by name.
    pub fn partitions(&self) -> Result<Vec<Partition>> {
        let sysfs = Path::new("/sys/class/block").join(&self.name);
        let mut partitions = Vec::new();
        for name in names_in(&sysfs)? {
            let child = sysfs.join(&name);
            let Ok(number) = number_in(&child.join("partition")) else { continue };
            partitions.push(Partition {
                number: u32::try_from(number).context("reading a partition number")?,
                path: device_path(&name),
                device: text_in(&child.join("dev"))?,
                start_bytes: number_in(&child.join("start"))?.saturating_mul(SYSFS_SECTOR),
                bytes: number_in(&child.join("size"))?.saturating_mul(SYSFS_SECTOR),
            });
        }
        Ok(partitions)
    }

    pub fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))
    }

    pub fn open_writable(&self) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .with_context(|| format!("opening {} for writing", self.path.display()))
    }
}

/// In sysfs a `/` in a device name is written `!`.
fn device_path(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

fn names_in(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))? {
        let entry = entry.with_context(|| format!("listing {}", directory.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn text_in(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn number_in(path: &Path) -> Result<u64> {
    text_in(path)?.parse().with_context(|| format!("reading {}", path.display()))
}

/// How long to wait for disks, how often to look, how often to say so.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
const SAY_EACH: Duration = Duration::from_secs(5);

/// Waits for the disk that the root hash names.
///
/// # Errors
/// None within [`DEADLINE`]: the message says what was seen instead. Two: both are named, because booting one of two
/// clones would depend on which disk the firmware shows first.
pub fn wait_for_root(root_hash: &RootHash) -> Result<RootDisk> {
    // By the clock, not by attempts: opening an empty drive can take a second.
    let started = Instant::now();
    let mut next_word = SAY_EACH;
    let mut found_before = false;
    loop {
        let (mut found, notes) = scan(root_hash)?;
        if found.len() > 1 {
            let names: Vec<&str> = found.iter().map(|root| root.disk.name.as_str()).collect();
            bail!("the disks {} both hold the root {root_hash}: remove one of them", names.join(" and "));
        }
        // Seen in two scans in a row, so that a clone that appears a moment later is noticed.
        if let Some(root) = found.pop()
            && std::mem::replace(&mut found_before, true)
        {
            return settle(root);
        }
        if started.elapsed() >= DEADLINE {
            let (root, verity) = root_hash.partition_guids();
            bail!(
                "no disk has the partitions {} and {} within {} s; seen: {}",
                dashed(root),
                dashed(verity),
                DEADLINE.as_secs(),
                if notes.is_empty() { "no disk at all".to_owned() } else { notes.join("; ") }
            );
        }
        if started.elapsed() >= next_word {
            next_word += SAY_EACH;
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
        let gpt = match disk.open().and_then(|file| gpt::read(&file, disk.bytes, disk.sector_bytes)) {
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
            (Some(root), Some(verity)) => found.push(Candidate { disk, gpt, root, verity }),
            (None, None) => notes.push(format!("{} holds another system", disk.name)),
            (Some(_), None) => notes.push(format!("{} has the root but not its hash tree", disk.name)),
            (None, Some(_)) => notes.push(format!("{} has the hash tree but not its root", disk.name)),
        }
    }
    Ok((found, notes))
}

/// Repairs a damaged primary table (a power cut while `/var` was added), and matches table and kernel.
fn settle(candidate: Candidate) -> Result<RootDisk> {
    let Candidate { disk, mut gpt, root, verity } = candidate;
    if gpt.copies == Copies::BackupOnly {
        console::say(&format!("{}: restoring the partition table from its backup", disk.name));
        let file = disk.open_writable()?;
        gpt.write(&file)?;
        sys::reread_partitions(&file).with_context(|| format!("rereading the partitions of {}", disk.name))?;
    }
    let known = |number: u32| -> Result<Partition> {
        let partition = disk
            .partition(number)?
            .with_context(|| format!("the kernel does not know partition {number} of {}", disk.name))?;
        let entry = gpt.entries().into_iter().find(|entry| entry.number == number);
        let start = entry.and_then(|entry| entry.first_lba.checked_mul(gpt.sector_bytes));
        ensure!(
            start == Some(partition.start_bytes),
            "{} starts at byte {}, but its table says otherwise",
            partition.path.display(),
            partition.start_bytes
        );
        Ok(partition)
    };
    let (root, verity) = (known(root)?, known(verity)?);
    Ok(RootDisk { disk, gpt, root, verity })
}

fn dashed(guid: [u8; 16]) -> String {
    let text = hex::encode(&guid);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

//! Installing a node to a disk: a netdisk from a medium, a disk that is free for it, and a machine that restarts from it.
//!
//! [`install`] is the table of contents. Whatever fails leaves the mark of [`mark`] on the disk, and the next boot
//! installs again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::cmdline::BootOptions;
use super::modules::Modules;
use super::mounted_root;
use super::netboot::Server;
use super::netdisk_source::{self, Source};
use super::partition_table;
use super::root::{Root, RootDisk};
use super::root_disk;
use crate::agent::block_device::{BlockDevice, Disk};
use crate::agent::report::console;
use crate::agent::sys::{self, PartitionCall};
use crate::agent::sysroot::{SYSROOT, below};
use crate::agent::wait::Wait;
use crate::contract;
use crate::netdisk_index::Index;

pub mod choice;
pub mod contents;
pub mod facts;
pub mod keep;
pub mod mark;
pub mod medium;
pub mod request;
pub mod target;
pub mod writing;

use choice::Facts;
use request::From;
pub use request::Request;
use target::BlockTarget;

/// How long to wait for disks, for how long no other one may have appeared, how often to look.
const DEADLINE: Duration = Duration::from_secs(30);
const SETTLED: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);
/// How often to say how far it is.
const SAY_EACH: Duration = Duration::from_secs(5);
/// What the table at the end of a disk takes.
const TABLE_BYTES: u64 = 1 << 20;

/// What is installed.
struct Opened {
    source: Box<dyn Source>,
    index: Index,
    /// The disk that it is read from.
    medium: Option<String>,
    /// The network that it is read over.
    server: Option<Server>,
}

fn open(request: &Request, modules: &mut Modules) -> Result<Opened> {
    match &request.from {
        From::Medium => {
            let (medium, index) = medium::wait(&request.sha256, modules)?;
            let disk = medium.disk.clone();
            Ok(Opened { source: Box::new(medium), index, medium: Some(disk), server: None })
        }
        From::Network(netboot) => {
            let server = Server::reach(netboot, modules)?;
            server.fetch_metadata(netboot)?;
            let mut netdisk = server.netdisk();
            let index = netdisk_source::read_index(&mut netdisk, Some(&request.sha256))?;
            Ok(Opened { source: Box::new(netdisk), index, medium: None, server: Some(server) })
        }
    }
}

/// Installs what is asked for; afterwards the machine is to restart.
///
/// # Errors
/// What is to be installed is not there; no disk is free for it; a disk that does not take it.
pub fn install(request: &Request, options: &BootOptions, modules: &mut Modules) -> Result<()> {
    let Opened { mut source, index, medium, server } = open(request, modules)?;
    let needed = needed_bytes(&index, options)?;
    let (disk, facts) = choose(request, medium.as_deref(), needed, modules)?;
    console::say(&format!("installing {} to {facts}", source.name()));
    // It came after the wait for it had ended: a node is never lost to its own installer.
    ensure!(
        !root_disk::is_on(&disk, &options.root_hash)?,
        "{} holds this very node: start the machine anew, and it starts from there",
        disk.name
    );
    let file = disk.open_writable()?;
    sys::reread_partitions(&file).with_context(|| format!("{} is in use", disk.name))?;
    let mut target =
        BlockTarget { file: file.try_clone().context("opening the disk twice")?, name: facts.name.clone() };
    writing::begin(&mut target, disk.bytes)?;
    // What the kernel knew of an old table must go before the new partitions come.
    sys::reread_partitions(&file).with_context(|| format!("forgetting the old partitions of {}", disk.name))?;
    let record = writing::write(&mut *source, &index, &mut target, &mut teller())?;
    let root = publish(disk, &file, &index, options)?;
    mounted_root::mount(&root, options)?;
    keep::keep(&source.metadata()?, &below(Path::new(SYSROOT), contract::INSTALLED_METADATA))?;
    rustix::fs::sync();
    writing::finish(&mut target, record)?;
    if let Some(server) = server {
        server.leave();
    }
    console::say(&format!("installed to {}: restarting", facts.name));
    Ok(())
}

/// The least size of a disk for this image with its `/var`.
fn needed_bytes(index: &Index, options: &BootOptions) -> Result<u64> {
    let var = options.var_start.and_then(|sector| sector.checked_mul(512)?.checked_add(options.var_min));
    let var = var.with_context(|| format!("no `{}=` tells where /var is to lie", contract::CMDLINE_VAR_START))?;
    Ok(index.disk_bytes.max(var.saturating_add(TABLE_BYTES)))
}

/// Waits until the machine shows no more disks, and one that will do is among them; then takes it.
fn choose(request: &Request, medium: Option<&str>, needed: u64, modules: &mut Modules) -> Result<(Disk, Facts)> {
    let waiting = Wait::new(Duration::MAX);
    let mut names: Vec<String> = Vec::new();
    let mut since = Wait::new(Duration::MAX);
    loop {
        let has_loaded = modules.load_for_devices();
        let disks = facts::of_machine(medium)?;
        let now: Vec<String> = disks.iter().map(|(disk, _)| disk.name.clone()).collect();
        if has_loaded || now != names {
            (names, since) = (now, Wait::new(Duration::MAX));
        }
        let all: Vec<Facts> = disks.iter().map(|(_, facts)| facts.clone()).collect();
        let verdict = choice::choose(&all, request, needed).map(|facts| facts.name.clone());
        let is_settled = since.is_over(SETTLED) && (verdict.is_ok() || waiting.is_over(DEADLINE));
        // Disks that come and go for ever are no reason to wait for ever.
        if is_settled || waiting.is_over(2 * DEADLINE) {
            let chosen = verdict.map_err(anyhow::Error::msg)?;
            let found = disks.into_iter().find(|(disk, _)| disk.name == chosen);
            return found.with_context(|| format!("{chosen} has gone"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says each 5 s how far it is, and how fast.
fn teller() -> impl FnMut(&str, u64, u64) {
    let mut now = String::new();
    let (mut began, mut waiting) = (Instant::now(), Wait::new(SAY_EACH));
    move |what: &str, done: u64, all: u64| {
        if now != what {
            (now, began, waiting) = (what.to_owned(), Instant::now(), Wait::new(SAY_EACH));
            console::say(&format!("{what} {} MiB", all >> 20));
        }
        if waiting.wants_word() {
            let rate = u128::from(done) * 1000 / began.elapsed().as_millis().max(1);
            console::say(&format!("{what}: {} of {} MiB, {} MiB/s", done >> 20, all >> 20, rate >> 20));
        }
    }
}

/// Makes the kernel know root and hash tree: it does not read a table behind a sector that is no boot record yet.
fn publish(disk: Disk, file: &std::fs::File, index: &Index, options: &BootOptions) -> Result<Root> {
    let gpt = partition_table::read(file, disk.bytes, disk.sector_bytes)?;
    let gpt = gpt.context("what was installed has no partition table")?;
    let device = |guid: [u8; 16]| -> Result<BlockDevice> {
        let entry = gpt.entries().into_iter().find(|entry| entry.unique_guid == guid);
        let entry = entry.context("what was installed is not the root that the command line names")?;
        let partition = index.partition(&guid).context("the index has not the partitions of its table")?;
        ensure!(
            entry.first_lba.checked_mul(gpt.sector_bytes) == Some(partition.start),
            "the table that was installed has `{}` elsewhere than its index",
            partition.name
        );
        sys::change_partition(file, PartitionCall::Add, entry.number, partition.start, partition.bytes)
            .with_context(|| format!("adding partition {} of {} in the kernel", entry.number, disk.name))?;
        let known = disk.partition(entry.number)?;
        Ok(known.with_context(|| format!("the kernel does not show partition {}", entry.number))?.device)
    };
    let (root, verity) = options.root_hash.partition_guids();
    let (data, hash) = (device(root)?, device(verity)?);
    Ok(Root { data, hash, disk: Some(RootDisk { disk, gpt }) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::initrd::cmdline::RootHash;
    use crate::var_filesystem::VarFilesystem;

    #[test]
    fn a_disk_must_have_room_for_both_slots_and_var() {
        let index = Index { disk_bytes: 3 << 30, partitions: vec![], extents: vec![] };
        let options = BootOptions {
            root_hash: RootHash([0; 32]),
            var_start: Some(8 << 21),
            var_filesystem: VarFilesystem::DEFAULT,
            var_min: 4 << 30,
        };
        assert_eq!(needed_bytes(&index, &options).unwrap(), (12 << 30) + (1 << 20));
        let error = needed_bytes(&index, &BootOptions { var_start: None, ..options }).unwrap_err().to_string();
        assert!(error.contains("nodesmith.var-start="), "{error}");
    }

    #[test]
    fn a_source_that_is_not_known_is_refused() {
        let text = "nodesmith.netdisk=tape nodesmith.install=only nodesmith.netdisk.sha256=";
        let error = format!("{:#}", Request::of(&format!("{text}{}", "0".repeat(64))).unwrap_err());
        assert!(error.contains("`nodesmith.netdisk=tape`"), "{error}");
    }
}

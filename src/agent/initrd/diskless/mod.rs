//! A root in memory: its hash tree and its data fetched from a netdisk, each block checked while it comes.
//!
//! The tree is checked against the root hash, every block of the data against the tree, so nobody else needs to be
//! believed. Both lie as sparse files in memory of their own, as they lie on a disk: compressed, and without their holes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::cmdline::RootHash;
use super::loop_device;
use super::netdisk_source::{self, Source};
use super::root::Root;
use crate::agent::report::console;
use crate::agent::wait::Wait;
use crate::netdisk_index::{Extent, Index, Partition};
use crate::verity_superblock::BLOCK_BYTES;

pub mod hash_tree;
pub mod memory;

use hash_tree::HashTree;
use memory::Memory;

/// [`BLOCK_BYTES`], as places are counted.
const BLOCK: u64 = BLOCK_BYTES as u64;
const SAY_EACH: std::time::Duration = std::time::Duration::from_secs(5);
/// Memory that a system needs beside its root, at the very least.
const SPARE_BYTES: u64 = 64 << 20;

/// Fetches the root that the root hash names.
///
/// # Errors
/// The netdisk holds another root; the memory is too small; a part of it is wrong each time that it comes. The message
/// names the place.
pub fn fetch(source: &mut dyn Source, index: &Index, root_hash: &RootHash) -> Result<Root> {
    let (root, tree) = root_hash.partition_guids();
    let named = |guid| {
        let held = || format!("{} holds another root than {root_hash}", source.name());
        index.partition(guid).with_context(held)
    };
    let (root, tree) = (named(&root)?, named(&tree)?);
    let bytes = |partition| index.extents_of(partition).map(|extent| extent.bytes).sum::<u64>();
    let total = bytes(root) + bytes(tree);
    let available = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory::available(&text));
    if let Some(available) = available {
        ensure!(
            total + SPARE_BYTES <= available,
            "the memory is too small for a node without a disk: its root takes {} MiB, and {} MiB are left",
            total.div_ceil(1 << 20),
            available >> 20
        );
    }
    let memory = Memory::mount(total)?;
    let mut progress = Progress { started: Instant::now(), waiting: Wait::new(SAY_EACH), done: 0, total };
    let tree_file = memory.file("tree")?;
    fetch_tree(source, index, tree, &tree_file, &mut progress)?;
    let tree = HashTree::open(tree_file, root_hash).context("checking the hash tree of the root")?;
    let root_file = memory.file("root")?;
    fetch_root(source, index, root, &tree, &root_file, &mut progress)?;
    console::say(&format!("fetched {}", progress.words()));
    // The devices keep the files, and nobody else has a way to them.
    let root = Root { data: loop_device::attach(&root_file)?, hash: loop_device::attach(tree.file())?, disk: None };
    memory.hide()?;
    Ok(root)
}

/// What is fetched, for people.
struct Progress {
    started: Instant,
    waiting: Wait,
    done: u64,
    total: u64,
}

impl Progress {
    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.waiting.wants_word() {
            console::say(&format!("fetching the root: {}", self.words()));
        }
    }

    /// `24 of 108 MiB, 12 MiB/s`.
    fn words(&self) -> String {
        let milliseconds = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(self.done) * 1000 / milliseconds;
        format!("{} of {} MiB, {} MiB/s", self.done >> 20, self.total.div_ceil(1 << 20), rate >> 20)
    }
}

/// Fetches the tree; whether it is the right one is for who opens it.
fn fetch_tree(
    source: &mut dyn Source,
    index: &Index,
    partition: &Partition,
    file: &File,
    progress: &mut Progress,
) -> Result<()> {
    for extent in index.extents_of(partition) {
        let place = extent.offset - partition.start;
        let wrong = |bytes: &[u8]| match Sha256::digest(bytes)[..] == extent.sha256 {
            true => None,
            false => Some(0),
        };
        let bytes = fetch_extent(source, extent, ("the hash tree", place), "the index says", wrong)?;
        ensure!(place + extent.bytes <= partition.bytes, "the hash tree runs out of its partition");
        file.write_all_at(&bytes, place).context("writing the hash tree into memory")?;
        progress.add(extent.bytes);
    }
    // A tree that ends in zeros, or is cut.
    let length = file.metadata().context("measuring the hash tree")?.len();
    let whole = HashTree::bytes_of(file).unwrap_or(length);
    ensure!(whole <= partition.bytes, "the hash tree is larger than its partition");
    file.set_len(whole.max(length)).context("sizing the hash tree in memory")
}

/// Fetches the data, and checks its blocks against the tree: those that come, and those that are holes.
fn fetch_root(
    source: &mut dyn Source,
    index: &Index,
    partition: &Partition,
    tree: &HashTree,
    file: &File,
    progress: &mut Progress,
) -> Result<()> {
    let bytes = tree.data_blocks().checked_mul(BLOCK).filter(|bytes| *bytes <= partition.bytes);
    let bytes = bytes.context("the hash tree is over more than the root's partition")?;
    file.set_len(bytes).context("sizing the root in memory")?;
    let mut next = 0;
    for extent in index.extents_of(partition) {
        let place = extent.offset - partition.start;
        let first = place / BLOCK;
        ensure!(
            place.is_multiple_of(BLOCK) && place + extent.bytes <= bytes,
            "the netdisk has data at byte {place} of the root, where its hash tree has none"
        );
        check_holes(tree, next..first)?;
        let wrong = |bytes: &[u8]| {
            let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
            (first..)
                .zip(blocks)
                .find(|(number, block)| !tree.vouches_for(*number, block))
                .map(|(number, _)| (number - first) * BLOCK)
        };
        let fetched = fetch_extent(source, extent, ("the root", place), "the root hash vouches for", wrong)?;
        file.write_all_at(&fetched, place).context("writing the root into memory")?;
        next = first + extent.bytes / BLOCK;
        progress.add(extent.bytes);
    }
    check_holes(tree, next..tree.data_blocks())
}

/// A netdisk that leaves out what is not zero is seen at once, not when somebody reads it.
fn check_holes(tree: &HashTree, blocks: std::ops::Range<u64>) -> Result<()> {
    for number in blocks {
        if !tree.expects_zeros(number) {
            bail!("the netdisk has no data at byte {} of the root, where its hash tree has some", number * BLOCK);
        }
    }
    Ok(())
}

/// The bytes of an extent; `wrong` gives the place in it that is not what `vouching` says. `place` is where it lies in `what`.
fn fetch_extent(
    source: &mut dyn Source,
    extent: &Extent,
    (what, place): (&str, u64),
    vouching: &str,
    wrong: impl Fn(&[u8]) -> Option<u64>,
) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(extent.bytes).context("sizing a part of the netdisk")?];
    netdisk_source::read_extent(source, extent, &mut bytes, |source, bytes| {
        let at = wrong(bytes)?;
        Some(format!(
            "byte {} of {}, which is byte {} of {what}, or the block behind it is not what {vouching}",
            extent.position + at,
            source.name(),
            place + at
        ))
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

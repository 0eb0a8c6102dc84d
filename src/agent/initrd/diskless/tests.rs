//! Roots on netdisks in memory, sound and damaged.

use super::netdisk_source::ATTEMPTS;
use super::*;
use crate::netdisk_index::EXTENT_MAX;
use crate::verity_superblock::{HASH_BYTES, Superblock, tree_blocks};

const SALT: [u8; 32] = [0x5a; 32];

fn digest(block: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(SALT).chain_update(block).finalize().into()
}

/// Superblock and tree over this data, and the root hash, by the book: level by level from the data up.
fn tree_over(data: &[u8]) -> (Vec<u8>, RootHash) {
    let data_blocks = data.len() as u64 / BLOCK;
    let mut levels: Vec<Vec<u8>> = Vec::new();
    let mut below = data.to_vec();
    while levels.is_empty() || below.len() > BLOCK_BYTES {
        let mut level: Vec<u8> = below.chunks(BLOCK_BYTES).flat_map(digest).collect();
        level.resize(level.len().next_multiple_of(BLOCK_BYTES), 0);
        levels.push(level.clone());
        below = level;
    }
    let mut tree = Superblock { uuid: [7; 16], data_blocks, salt: SALT.into() }.encode();
    tree.resize(BLOCK_BYTES, 0);
    tree.extend(levels.iter().rev().flatten());
    assert_eq!(tree.len() as u64, (1 + tree_blocks(data_blocks)) * BLOCK);
    (tree, RootHash(digest(&below)))
}

/// 200 blocks, every seventh a hole: two levels.
fn data() -> Vec<u8> {
    (0..200_u8).flat_map(|number| if number % 7 == 3 { [0; BLOCK_BYTES] } else { [number + 1; BLOCK_BYTES] }).collect()
}

/// A netdisk in memory, with a fault that may go away.
struct Held {
    bytes: Vec<u8>,
    /// Which byte is wrong, and how often.
    fault: Option<(u64, usize)>,
}

impl Source for Held {
    fn name(&self) -> String {
        "x.netdisk".to_owned()
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], position: u64) -> Result<()> {
        let start = usize::try_from(position)?;
        buffer.copy_from_slice(self.bytes.get(start..start + buffer.len()).context("it ends")?);
        if let Some((at, times)) = &mut self.fault
            && *times > 0
            && (position..position + buffer.len() as u64).contains(at)
        {
            *times -= 1;
            buffer[usize::try_from(*at - position)?] ^= 1;
        }
        Ok(())
    }
}

/// The parts of a partition that are not zero, each at most `EXTENT_MAX` long.
fn extents(start: u64, bytes: &[u8]) -> Vec<(Extent, &[u8])> {
    let mut found: Vec<(Extent, &[u8])> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let is_zero = |at: usize| bytes[at..at + BLOCK_BYTES].iter().all(|byte| *byte == 0);
        let from = at;
        while at < bytes.len() && !is_zero(at) && (at - from) as u64 != EXTENT_MAX {
            at += BLOCK_BYTES;
        }
        if at == from {
            at += BLOCK_BYTES;
            continue;
        }
        let part = &bytes[from..at];
        let (offset, length) = (start + from as u64, part.len() as u64);
        let extent = Extent { offset, bytes: length, position: 0, sha256: Sha256::digest(part).into() };
        found.push((extent, part));
    }
    found
}

struct Fixture {
    index: Index,
    held: Held,
    root_hash: RootHash,
}

const ROOT_START: u64 = 1 << 20;
const TREE_START: u64 = 3 << 20;

fn fixture(data: &[u8], tree: &[u8], root_hash: RootHash) -> Fixture {
    let parts = [extents(TREE_START, tree), extents(ROOT_START, data)].concat();
    let (root, verity) = root_hash.partition_guids();
    let partition = |name: &str, guid, start, mebibytes: u64| Partition {
        name: name.to_owned(),
        guid,
        start,
        bytes: mebibytes << 20,
    };
    let partitions = vec![partition("root-a", root, ROOT_START, 2), partition("verity-a", verity, TREE_START, 1)];
    let index = Index::new(8 << 20, partitions, parts.iter().map(|(extent, _)| extent.clone()).collect()).unwrap();
    let mut bytes = index.encode();
    bytes.resize(usize::try_from(index.data_start()).unwrap(), 0);
    bytes.extend(parts.iter().flat_map(|(_, part)| *part));
    Fixture { index, held: Held { bytes, fault: None }, root_hash }
}

fn sound() -> Fixture {
    let (tree, root_hash) = tree_over(&data());
    fixture(&data(), &tree, root_hash)
}

/// Fetches both halves into files, as [`fetch`] does into memory.
fn fetched(fixture: &mut Fixture) -> Result<(Vec<u8>, Vec<u8>)> {
    let Fixture { index, held, root_hash } = fixture;
    let (root, tree) = root_hash.partition_guids();
    let (root, tree) = (index.partition(&root).unwrap(), index.partition(&tree).unwrap());
    let mut progress = Progress { started: Instant::now(), waiting: Wait::new(SAY_EACH), done: 0, total: 1 };
    let (tree_file, root_file) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    fetch_tree(held, index, tree, &tree_file, &mut progress)?;
    let tree = HashTree::open(tree_file, root_hash)?;
    fetch_root(held, index, root, &tree, &root_file, &mut progress)?;
    let whole = |file: &File| {
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    assert_eq!(progress.done, index.data_bytes());
    Ok((whole(tree.file()), whole(&root_file)))
}

#[test]
fn both_halves_come_as_they_lie_on_a_disk() {
    for blocks in [2, 128, 129, 200] {
        let data = &data()[..blocks * BLOCK_BYTES];
        let (tree, root_hash) = tree_over(data);
        let (fetched_tree, fetched_data) = fetched(&mut fixture(data, &tree, root_hash)).unwrap();
        assert!(fetched_tree == tree && fetched_data == data, "{blocks} blocks");
    }
}

#[test]
fn a_block_that_is_wrong_is_named_and_fetched_again() {
    // Block 5 of the root; the extent has blocks 4 to 9.
    let mut fixture = sound();
    let first = fixture.index.extents.iter().find(|extent| extent.offset == ROOT_START + 4 * BLOCK).unwrap();
    let at = first.position + BLOCK + 99;
    let sound_data = data();
    for times in [1, ATTEMPTS - 1] {
        fixture.held.fault = Some((at, times));
        assert!(fetched(&mut fixture).unwrap().1 == sound_data);
        assert_eq!(fixture.held.fault, Some((at, 0)));
    }
    fixture.held.fault = Some((at, ATTEMPTS));
    let error = format!("{:#}", fetched(&mut fixture).unwrap_err());
    let place = format!("byte {} of x.netdisk, which is byte {} of the root", at - 99, 5 * BLOCK);
    assert!(error.starts_with(&place) && error.ends_with("4 times"), "{error}");
}

#[test]
fn a_tree_that_is_wrong_is_refused_at_every_block() {
    let (tree, root_hash) = tree_over(&data());
    for block in 0..tree.len() / BLOCK_BYTES {
        // The index vouches for it: only the root hash does not.
        let mut wrong = tree.clone();
        wrong[block * BLOCK_BYTES + HASH_BYTES] ^= 1;
        let error = format!("{:#}", fetched(&mut fixture(&data(), &wrong, root_hash)).unwrap_err());
        assert!(!error.is_empty(), "{error}");
    }
    let mut fixture = sound();
    let at = fixture.index.extents[0].position + 5000;
    fixture.held.fault = Some((at, usize::MAX));
    let error = format!("{:#}", fetched(&mut fixture).unwrap_err());
    assert!(error.contains("which is byte 0 of the hash tree"), "{error}");
}

#[test]
fn an_index_that_leaves_out_or_adds_is_refused() {
    let (tree, root_hash) = tree_over(&data());
    let mut less = data();
    less[9 * BLOCK_BYTES..10 * BLOCK_BYTES].fill(0);
    let error = format!("{:#}", fetched(&mut fixture(&less, &tree, root_hash)).unwrap_err());
    assert_eq!(error, "the netdisk has no data at byte 36864 of the root, where its hash tree has some");
    let more = [data(), vec![1; BLOCK_BYTES]].concat();
    let error = format!("{:#}", fetched(&mut fixture(&more, &tree, root_hash)).unwrap_err());
    assert!(error.contains("where its hash tree has none"), "{error}");
    let error = format!("{:#}", fetched(&mut fixture(&data(), &tree[..BLOCK_BYTES * 2], root_hash)).unwrap_err());
    assert!(!error.is_empty());
}

#[test]
fn a_netdisk_of_another_root_is_refused() {
    let mut fixture = sound();
    let error = fetch(&mut fixture.held, &fixture.index, &RootHash([9; 32])).unwrap_err().to_string();
    assert!(error.starts_with("x.netdisk holds another root than 0909"), "{error}");
}

//! A hash tree in a file, checked as a whole against the root hash: then it vouches for each block of the data.
//!
//! Format: `verity_superblock.rs`, and the kernel's `admin-guide/device-mapper/verity.rst`; levels lie behind the
//! superblock, the top first.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::agent::initrd::cmdline::RootHash;
use crate::verity_superblock::{BLOCK_BYTES, HASH_BYTES, SUPERBLOCK_BYTES, Superblock, tree_blocks};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Digests in a block.
const FANOUT: u64 = (BLOCK_BYTES / HASH_BYTES) as u64;

type Hash = [u8; HASH_BYTES];

#[derive(Debug)]
pub struct HashTree {
    file: File,
    superblock: Superblock,
    /// First block of the digests of the data.
    leaves: u64,
    zeros: Hash,
}

impl HashTree {
    /// Bytes that the tree in this file has from its superblock on.
    pub fn bytes_of(file: &File) -> Option<u64> {
        let superblock = superblock(file).ok()?;
        tree_blocks(superblock.data_blocks).checked_add(1)?.checked_mul(BLOCK)
    }

    /// # Errors
    /// The file holds no tree, or one that the root hash does not name; the message names the byte.
    pub fn open(file: File, root_hash: &RootHash) -> Result<HashTree> {
        let superblock = superblock(&file)?;
        // Its digest would be the root hash, and there would be no tree.
        ensure!(superblock.data_blocks > 1, "it covers a single block, which no root is");
        let mut levels = Vec::new();
        let mut blocks = superblock.data_blocks;
        while blocks > 1 {
            blocks = blocks.div_ceil(FANOUT);
            levels.push(blocks);
        }
        let length = file.metadata().context("measuring it")?.len();
        let whole = HashTree::bytes_of(&file).filter(|bytes| *bytes <= length);
        ensure!(whole.is_some(), "it is cut: {length} bytes of a tree over {} blocks", superblock.data_blocks);
        let zeros = digest(&superblock.salt, &[0; BLOCK_BYTES]);
        let mut tree = HashTree { file, superblock, leaves: 1, zeros };
        // The top is the first block behind the superblock; each level vouches for the one behind it.
        ensure!(tree.digest_at(1)? == root_hash.0, "its top is not what the root hash {root_hash} names");
        let mut start = 1;
        for (above, below) in levels.iter().rev().zip(levels.iter().rev().skip(1)) {
            let next = start + above;
            for number in 0..*below {
                let place = next + number;
                ensure!(
                    tree.digest_at(place)? == tree.stored(start, number)?,
                    "its block at byte {} is not what the blocks above it vouch for",
                    place * BLOCK
                );
            }
            start = next;
        }
        tree.leaves = start;
        Ok(tree)
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn data_blocks(&self) -> u64 {
        self.superblock.data_blocks
    }

    /// Whether this is the block with that number of the data.
    pub fn vouches_for(&self, number: u64, block: &[u8; BLOCK_BYTES]) -> bool {
        self.expects(number, &digest(&self.superblock.salt, block))
    }

    pub fn expects_zeros(&self, number: u64) -> bool {
        self.expects(number, &self.zeros)
    }

    fn expects(&self, number: u64, digest: &Hash) -> bool {
        number < self.data_blocks() && self.stored(self.leaves, number).is_ok_and(|stored| stored == *digest)
    }

    /// The digest with that number of a level that begins with this block.
    fn stored(&self, level: u64, number: u64) -> Result<Hash> {
        let mut hash = [0; HASH_BYTES];
        let at = level * BLOCK + number * HASH_BYTES as u64;
        self.file.read_exact_at(&mut hash, at).with_context(|| format!("reading its byte {at}"))?;
        Ok(hash)
    }

    fn digest_at(&self, block: u64) -> Result<Hash> {
        let mut bytes = [0; BLOCK_BYTES];
        let at = block * BLOCK;
        self.file.read_exact_at(&mut bytes, at).with_context(|| format!("reading its byte {at}"))?;
        Ok(digest(&self.superblock.salt, &bytes))
    }
}

fn superblock(file: &File) -> Result<Superblock> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    file.read_exact_at(&mut bytes, 0).context("reading its superblock")?;
    Superblock::parse(&bytes).map_err(anyhow::Error::msg)
}

fn digest(salt: &[u8], block: &[u8; BLOCK_BYTES]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(block).finalize().into()
}

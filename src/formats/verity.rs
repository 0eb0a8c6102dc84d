//! dm-verity: the hash partition of a file system, as `veritysetup format` writes it. `crate::verity_superblock` has its
//! first block.
//!
//! ```text
//! block 0   superblock (512 bytes)
//! …         the level of hashes whose own hashes fit one block, that is the root of the tree
//! …         …
//! …         the hashes of the data blocks
//! ```
//! SHA-256, 4 KiB blocks of data and hashes, format 1, salt before each block. Specification:
//! <https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity>; oracle: `veritysetup`, byte for byte.

use std::fmt;
use std::io::{self, Read};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::verity_superblock::{BLOCK_BYTES, HASH_BYTES, Superblock};

/// Data is read and hashed in pieces of this size.
const PIECE: usize = 8 << 20;

/// What protects a file system.
#[derive(Clone, PartialEq, Eq)]
pub struct Verity {
    /// The whole hash partition: superblock block and tree.
    pub hash_device: Vec<u8>,
    /// Goes to the kernel command line: whoever knows it knows every byte of the data.
    pub root_hash: [u8; HASH_BYTES],
}

impl fmt::Debug for Verity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verity {{ {} bytes, root hash {} }}", self.hash_device.len(), hex::encode(&self.root_hash))
    }
}

/// Hashes `data_blocks` blocks of 4096 bytes of `data`; an error if there are none or fewer.
pub fn format(data: &mut impl Read, data_blocks: u64, salt: [u8; 32], uuid: [u8; 16]) -> io::Result<Verity> {
    if data_blocks == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "dm-verity needs at least one block of data"));
    }
    let hashes = hash_data(data, data_blocks, &salt)?;
    Ok(seal(&Superblock { uuid, data_blocks, salt: salt.to_vec() }, hashes))
}

/// Builds the tree over the hashes of the data's blocks.
fn seal(superblock: &Superblock, hashes: Vec<u8>) -> Verity {
    let mut levels = Vec::new();
    let mut top = hashes;
    // One hash is the root; a single block of data needs no tree.
    while top.len() > HASH_BYTES {
        let level = padded(&top);
        top = hash_blocks(&level, &superblock.salt);
        levels.push(level);
    }
    let mut hash_device = padded(&superblock.encode());
    levels.iter().rev().for_each(|level| hash_device.extend_from_slice(level));
    Verity { hash_device, root_hash: top.try_into().expect("one hash is left") }
}

/// The hashes of the data's blocks, one after the other.
fn hash_data(data: &mut impl Read, data_blocks: u64, salt: &[u8]) -> io::Result<Vec<u8>> {
    let mut hashes = Vec::new();
    let mut left = data_blocks.checked_mul(BLOCK_BYTES as u64).ok_or(io::ErrorKind::InvalidInput)?;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        data.read_exact(&mut piece[..length])?;
        hashes.extend(hash_blocks(&piece[..length], salt));
        left -= length as u64;
    }
    Ok(hashes)
}

/// The hashes of whole blocks.
fn hash_blocks(blocks: &[u8], salt: &[u8]) -> Vec<u8> {
    let salted = Sha256::new_with_prefix(salt);
    let hash = |block: &[u8]| -> [u8; HASH_BYTES] { salted.clone().chain_update(block).finalize().into() };
    let hashes: Vec<[u8; HASH_BYTES]> = blocks.par_chunks(BLOCK_BYTES).map(hash).collect();
    hashes.concat()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    padded
}

/// Why a hash partition, or the data, is not what it should be.
#[derive(Debug)]
pub enum VerityError {
    Io(io::Error),
    /// The superblock is missing, damaged, or of another kind than ours.
    Superblock(String),
    /// The tree does not hash to the root hash.
    RootHash,
    /// The first block of the hash partition that is not as the data demands.
    HashBlock(u64),
    /// The first block of data that does not have its hash.
    DataBlock(u64),
}

impl fmt::Display for VerityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerityError::Io(error) => write!(f, "reading the data of a dm-verity device: {error}"),
            VerityError::Superblock(problem) => write!(f, "dm-verity superblock: {problem}"),
            VerityError::RootHash => f.write_str("the dm-verity root hash is another one"),
            VerityError::HashBlock(block) => write!(f, "block {block} of the dm-verity hash device is damaged"),
            VerityError::DataBlock(block) => write!(f, "data block {block} does not have its dm-verity hash"),
        }
    }
}

impl std::error::Error for VerityError {}

/// Checks data against its hash partition and root hash; an error names the first damaged block where one can be
/// told apart.
pub fn verify(data: &mut impl Read, hash_device: &[u8], root_hash: [u8; HASH_BYTES]) -> Result<(), VerityError> {
    let superblock = Superblock::parse(hash_device).map_err(VerityError::Superblock)?;
    let hashes = hash_data(data, superblock.data_blocks, &superblock.salt).map_err(VerityError::Io)?;
    let expected = seal(&superblock, hashes.clone());
    if expected.root_hash == root_hash {
        let damaged = expected
            .hash_device
            .chunks(BLOCK_BYTES)
            .zip(hash_device.chunks(BLOCK_BYTES))
            .position(|(one, two)| one != two);
        let blocks = hash_device.len() / BLOCK_BYTES;
        let missing = (hash_device.len() < expected.hash_device.len()).then_some(blocks);
        return damaged.or(missing).map_or(Ok(()), |block| Err(VerityError::HashBlock(block as u64)));
    }
    // If the stored hashes of the data are the ones that the root hash seals, the data is what changed.
    let end = expected.hash_device.len();
    let stored = hash_device.get(end - padded(&hashes).len()..end).map(|level| &level[..hashes.len()]);
    match stored {
        Some(stored) if seal(&superblock, stored.to_vec()).root_hash == root_hash => {
            let changed = stored.chunks(HASH_BYTES).zip(hashes.chunks(HASH_BYTES)).position(|(one, two)| one != two);
            Err(changed.map_or(VerityError::RootHash, |block| VerityError::DataBlock(block as u64)))
        }
        _ => Err(VerityError::RootHash),
    }
}

/// The superblock as text.
pub fn dump(hash_device: &[u8]) -> Result<String, VerityError> {
    let Superblock { uuid, data_blocks, salt } = Superblock::parse(hash_device).map_err(VerityError::Superblock)?;
    Ok(format!(
        "verity superblock: version 1, hash type 1, sha256\n  data {data_blocks} blocks of {BLOCK_BYTES}, hashes in blocks of \
         {BLOCK_BYTES}\n  uuid {}\n  salt {}\n",
        hex::encode(&uuid),
        hex::encode(&salt)
    ))
}

#[cfg(test)]
mod tests;

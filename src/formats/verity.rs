//! dm-verity: superblock and hash tree of a file system, as `veritysetup format` writes them.
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

/// Bytes of a block of data, and of one of hashes.
const BLOCK: usize = 4096;
const HASH: usize = 32;
/// Data is read and hashed in pieces of this size.
const PIECE: usize = 8 << 20;
const SUPERBLOCK: usize = 512;
const MAGIC: &[u8; 8] = b"verity\0\0";
/// `sha256`, NUL-padded.
const ALGORITHM: &[u8; 32] = b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What protects a file system.
#[derive(Clone, PartialEq, Eq)]
pub struct Verity {
    /// The whole hash partition: superblock block and tree.
    pub hash_device: Vec<u8>,
    /// Goes to the kernel command line: whoever knows it knows every byte of the data.
    pub root_hash: [u8; HASH],
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Verity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verity {{ {} bytes, root hash {} }}", self.hash_device.len(), hex(&self.root_hash))
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
    while top.len() > HASH {
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
    let mut left = data_blocks.checked_mul(BLOCK as u64).ok_or(io::ErrorKind::InvalidInput)?;
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
    let hash = |block: &[u8]| -> [u8; HASH] { salted.clone().chain_update(block).finalize().into() };
    let hashes: Vec<[u8; HASH]> = blocks.par_chunks(BLOCK).map(hash).collect();
    hashes.concat()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(BLOCK), 0);
    padded
}

/// The superblock's fields that may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    pub uuid: [u8; 16],
    pub data_blocks: u64,
    /// At most 256 bytes.
    pub salt: Vec<u8>,
}

impl Superblock {
    fn encode(&self) -> Vec<u8> {
        let salt_size = u16::try_from(self.salt.len()).expect("at most 256 bytes");
        let block = u32::try_from(BLOCK).expect("4096").to_le_bytes();
        let one = 1u32.to_le_bytes();
        let mut bytes = [MAGIC.as_slice(), &one, &one, &self.uuid, ALGORITHM, &block, &block].concat();
        bytes.extend_from_slice(&self.data_blocks.to_le_bytes());
        bytes.extend_from_slice(&salt_size.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.salt);
        bytes.resize(SUPERBLOCK, 0);
        bytes
    }
}

/// Why a hash partition, or the data, is not what it should be.
#[derive(Debug)]
pub enum VerityError {
    Io(io::Error),
    /// The superblock is missing or cut off.
    NotVerity,
    /// Another algorithm, block size or version than ours.
    Unsupported(&'static str),
    /// The superblock's number of data blocks is zero, or its salt is too long.
    Corrupt(&'static str),
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
            VerityError::NotVerity => f.write_str("not a dm-verity hash device"),
            VerityError::Unsupported(what) => write!(f, "unsupported in a dm-verity superblock: {what}"),
            VerityError::Corrupt(what) => write!(f, "corrupt dm-verity superblock: {what}"),
            VerityError::RootHash => f.write_str("the dm-verity root hash is another one"),
            VerityError::HashBlock(block) => write!(f, "block {block} of the dm-verity hash device is damaged"),
            VerityError::DataBlock(block) => write!(f, "data block {block} does not have its dm-verity hash"),
        }
    }
}

impl std::error::Error for VerityError {}

/// Reads the superblock at the start of a hash partition.
pub fn parse_superblock(hash_device: &[u8]) -> Result<Superblock, VerityError> {
    let bytes: &[u8; SUPERBLOCK] = hash_device.first_chunk().ok_or(VerityError::NotVerity)?;
    let field = |at: usize, length: usize| &bytes[at..at + length];
    let number = |at: usize, length: usize| {
        field(at, length).iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    if field(0, 8) != MAGIC {
        return Err(VerityError::NotVerity);
    }
    if number(8, 4) != 1 || number(12, 4) != 1 {
        return Err(VerityError::Unsupported("a version or hash type other than 1"));
    }
    if field(32, 32) != ALGORITHM {
        return Err(VerityError::Unsupported("a hash algorithm other than sha256"));
    }
    if number(64, 4) != BLOCK as u64 || number(68, 4) != BLOCK as u64 {
        return Err(VerityError::Unsupported("a block size other than 4096"));
    }
    let salt_size = usize::try_from(number(80, 2)).map_err(|_| VerityError::Corrupt("its salt is too long"))?;
    let salt = bytes[88..344].get(..salt_size).ok_or(VerityError::Corrupt("its salt is too long"))?;
    let uuid = field(16, 16).try_into().expect("16 bytes are 16 bytes");
    match number(72, 8) {
        0 => Err(VerityError::Corrupt("it protects no data")),
        data_blocks => Ok(Superblock { uuid, data_blocks, salt: salt.to_vec() }),
    }
}

/// Checks data against its hash partition and root hash; an error names the first damaged block where one can be
/// told apart.
pub fn verify(data: &mut impl Read, hash_device: &[u8], root_hash: [u8; HASH]) -> Result<(), VerityError> {
    let superblock = parse_superblock(hash_device)?;
    let hashes = hash_data(data, superblock.data_blocks, &superblock.salt).map_err(VerityError::Io)?;
    let expected = seal(&superblock, hashes.clone());
    if expected.root_hash == root_hash {
        let damaged =
            expected.hash_device.chunks(BLOCK).zip(hash_device.chunks(BLOCK)).position(|(one, two)| one != two);
        let blocks = hash_device.len() / BLOCK;
        let missing = (hash_device.len() < expected.hash_device.len()).then_some(blocks);
        return damaged.or(missing).map_or(Ok(()), |block| Err(VerityError::HashBlock(block as u64)));
    }
    // If the stored hashes of the data are the ones that the root hash seals, the data is what changed.
    let end = expected.hash_device.len();
    let stored = hash_device.get(end - padded(&hashes).len()..end).map(|level| &level[..hashes.len()]);
    match stored {
        Some(stored) if seal(&superblock, stored.to_vec()).root_hash == root_hash => {
            let changed = stored.chunks(HASH).zip(hashes.chunks(HASH)).position(|(one, two)| one != two);
            Err(changed.map_or(VerityError::RootHash, |block| VerityError::DataBlock(block as u64)))
        }
        _ => Err(VerityError::RootHash),
    }
}

/// The superblock as text.
pub fn dump(hash_device: &[u8]) -> Result<String, VerityError> {
    let Superblock { uuid, data_blocks, salt } = parse_superblock(hash_device)?;
    Ok(format!(
        "verity superblock: version 1, hash type 1, sha256\n  data {data_blocks} blocks of {BLOCK}, hashes in blocks of \
         {BLOCK}\n  uuid {}\n  salt {}\n",
        hex(&uuid),
        hex(&salt)
    ))
}

#[cfg(test)]
mod tests;

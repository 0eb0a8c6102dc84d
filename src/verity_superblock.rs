//! The superblock of a dm-verity hash device: what the builder writes and the agent maps, and the
//! size of the tree behind it.
//!
//! SHA-256, 4 KiB blocks of data and hashes, format 1. The hash tree follows in the block after it (`formats/verity`
//! builds that). Specification: <https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity>.

/// Bytes of a block of data, and of one of hashes: the page size of every machine we know, and EROFS's block.
pub const BLOCK_BYTES: usize = 4096;
/// Bytes of a SHA-256.
pub const HASH_BYTES: usize = 32;
/// Bytes of `struct verity_sb`.
pub const SUPERBLOCK_BYTES: usize = 512;

const MAGIC: &[u8; 8] = b"verity\0\0";
const VERSION: u32 = 1;
const HASH_TYPE: u32 = 1;
/// `sha256`, NUL-padded.
const ALGORITHM: &[u8; 32] = b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const BLOCK_FIELD: u32 = 4096;
/// Where the salt starts, and how long it can be.
const SALT: usize = 88;
const SALT_MAX: usize = 256;

/// The fields that may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    pub uuid: [u8; 16],
    pub data_blocks: u64,
    /// At most 256 bytes.
    pub salt: Vec<u8>,
}

impl Superblock {
    pub fn encode(&self) -> Vec<u8> {
        let salt_size = u16::try_from(self.salt.len()).expect("at most 256 bytes");
        let (version, hash_type, block) = (VERSION.to_le_bytes(), HASH_TYPE.to_le_bytes(), BLOCK_FIELD.to_le_bytes());
        let mut bytes = [MAGIC.as_slice(), &version, &hash_type, &self.uuid, ALGORITHM, &block, &block].concat();
        bytes.extend_from_slice(&self.data_blocks.to_le_bytes());
        bytes.extend_from_slice(&salt_size.to_le_bytes());
        bytes.resize(SALT, 0);
        bytes.extend_from_slice(&self.salt);
        bytes.resize(SUPERBLOCK_BYTES, 0);
        bytes
    }

    /// Reads it from the start of a hash device and checks every field that can be checked without the data.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(hash_device: &[u8]) -> Result<Superblock, String> {
        let bytes: &[u8; SUPERBLOCK_BYTES] = hash_device
            .first_chunk()
            .filter(|bytes| bytes.starts_with(MAGIC))
            .ok_or("there is no verity superblock")?;
        for (name, offset, expected) in [
            ("version", 8, VERSION),
            ("hash type", 12, HASH_TYPE),
            ("data block size", 64, BLOCK_FIELD),
            ("hash block size", 68, BLOCK_FIELD),
        ] {
            let found = u32::from_le_bytes(field(bytes, offset));
            if found != expected {
                return Err(format!("the {name} is {found}, not {expected}"));
            }
        }
        if field(bytes, 32) != *ALGORITHM {
            return Err("the algorithm is not sha256".to_owned());
        }
        let data_blocks = u64::from_le_bytes(field(bytes, 72));
        if data_blocks == 0 {
            return Err("it covers no data".to_owned());
        }
        let salt_size = usize::from(u16::from_le_bytes(field(bytes, 80)));
        if salt_size > SALT_MAX {
            return Err(format!("a salt of {salt_size} bytes is too long"));
        }
        let (salt, rest) = bytes[SALT..].split_at(salt_size);
        if bytes[82..SALT].iter().chain(rest).any(|byte| *byte != 0) {
            return Err("its padding is not zero".to_owned());
        }
        Ok(Superblock { uuid: field(bytes, 16), data_blocks, salt: salt.to_vec() })
    }
}

fn field<const N: usize>(bytes: &[u8; SUPERBLOCK_BYTES], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[offset + index])
}

/// Hash blocks over this many data blocks, all levels.
pub fn tree_blocks(data_blocks: u64) -> u64 {
    let mut level = data_blocks;
    let mut total = 0;
    while level > 1 {
        level = level.div_ceil((BLOCK_BYTES / HASH_BYTES) as u64);
        total += level;
    }
    total.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock { uuid: [0xab; 16], data_blocks: 300, salt: vec![0x5a; 32] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Superblock::parse(&superblock().encode()).unwrap(), superblock());
        assert_eq!(Superblock::parse(&superblock().encode()[..511]).unwrap_err(), "there is no verity superblock");
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (offset, value, expected) in [
            (0, 0, "no verity superblock"),
            (8, 2, "the version is 2, not 1"),
            (12, 0, "the hash type is 0"),
            (38, b'x', "not sha256"),
            (65, 0, "the data block size is 0"),
            (69, 0x20, "the hash block size is 8192"),
            (81, 1, "too long"),
            (82, 1, "padding"),
            (120, 1, "padding"),
            (511, 1, "padding"),
        ] {
            let mut bytes = superblock().encode();
            bytes[offset] = value;
            let error = Superblock::parse(&bytes).unwrap_err();
            assert!(error.contains(expected), "{offset}: {error}");
        }
        let empty = Superblock { data_blocks: 0, ..superblock() };
        assert_eq!(Superblock::parse(&empty.encode()).unwrap_err(), "it covers no data");
    }

    #[test]
    fn trees_are_as_large_as_veritysetup_makes_them() {
        // 1 data block is hashed by one block; 128 digests fill one block; 129 need two and a root above them.
        assert_eq!([1, 128, 129, 16384, 16385].map(tree_blocks), [1, 1, 3, 129, 132]);
    }

    #[test]
    fn no_byte_makes_the_parser_panic() {
        for offset in 0..SUPERBLOCK_BYTES {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = superblock().encode();
                bytes[offset] = value;
                let _ = Superblock::parse(&bytes);
            }
        }
    }
}

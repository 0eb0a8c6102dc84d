//! The index of a netdisk, the disk as data without holes that nodes fetch: what the builder writes and the agent reads.
//!
//! ```text
//! 0     4096                       data begins, a multiple of 4096
//! │ head │ partitions │ extents │ 0 │ extent │ extent │ …
//! ```
//!
//! Numbers are little-endian, 64 bits. The digest of head and index together ([`Index::digest`]) vouches for every byte:
//! each extent has its own digest in the index.

use sha2::{Digest as _, Sha256};

/// Bytes of the head.
pub const HEAD_BYTES: usize = 4096;
/// What extents are multiples of, on the disk and in the file. Blocks of zeros are holes: they stand in no extent.
pub const BLOCK_BYTES: u64 = 4096;
/// Bytes of the longest extent; none crosses a multiple of it on the disk.
pub const EXTENT_MAX: u64 = 1 << 20;

const MAGIC: &[u8; 16] = b"NODESMITHNETDISK";
const VERSION: u64 = 1;
/// Where the digest of the index stands in the head, behind the magic and six numbers.
const DIGEST: usize = 16 + 6 * 8;
const EXTENT_BYTES: u64 = 3 * 8 + 32;
const PARTITION_BYTES: u64 = 16 + 2 * 8 + NAME_MAX as u64;
/// Bytes of the longest name of a partition, filled with zeros.
pub const NAME_MAX: usize = 96;
/// Far above what any image has, and few enough for the memory of a small node: 256 GiB, if no block is zero.
const EXTENTS_MAX: u64 = 1 << 18;
const PARTITIONS_MAX: u64 = 128;
/// Bytes that no disk has: below it, sums of sizes cannot overflow.
const DISK_MAX: u64 = 1 << 56;

/// What a netdisk says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Size of the image, GPT at its end included.
    pub disk_bytes: u64,
    pub partitions: Vec<Partition>,
    /// In the order in which they lie in the file and are written: what the table of the disk is in comes last.
    pub extents: Vec<Extent>,
}

/// A partition, so that nobody has to find the table in the extents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub name: String,
    /// Unique GUID, in the byte order of its text form.
    pub guid: [u8; 16],
    /// Where it begins on the disk.
    pub start: u64,
    pub bytes: u64,
}

/// A part of the disk that is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where it lies on the disk.
    pub offset: u64,
    /// A multiple of [`BLOCK_BYTES`], at most [`EXTENT_MAX`].
    pub bytes: u64,
    /// Where it lies in the file.
    pub position: u64,
    pub sha256: [u8; 32],
}

impl Index {
    /// The index for extents in this order: their positions are set.
    ///
    /// # Errors
    /// What is beyond the bounds of the format.
    pub fn new(disk_bytes: u64, partitions: Vec<Partition>, mut extents: Vec<Extent>) -> Result<Index, String> {
        let mut position = data_start(index_bytes(partitions.len() as u64, extents.len() as u64)?);
        for extent in &mut extents {
            extent.position = position;
            position = position.saturating_add(extent.bytes);
        }
        let index = Index { disk_bytes, partitions, extents };
        index.check()?;
        Ok(index)
    }

    /// Where the first extent lies in the file: head and index end at or before it.
    pub fn data_start(&self) -> u64 {
        let (partitions, extents) = (self.partitions.len() as u64, self.extents.len() as u64);
        data_start(partitions * PARTITION_BYTES + extents * EXTENT_BYTES)
    }

    /// Size of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.data_start() + self.data_bytes()
    }

    /// Bytes of all extents.
    pub fn data_bytes(&self) -> u64 {
        self.extents.iter().map(|extent| extent.bytes).sum()
    }

    /// The extents within a partition, in ascending order.
    pub fn extents_of(&self, partition: &Partition) -> impl Iterator<Item = &Extent> {
        let (start, end) = (partition.start, partition.start.saturating_add(partition.bytes));
        self.extents.iter().filter(move |extent| extent.offset >= start && extent.offset < end)
    }

    /// The partition with this unique GUID.
    pub fn partition(&self, guid: &[u8; 16]) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.guid == *guid)
    }

    /// Head and index as they stand at the start of the file, without what fills them up to the data.
    pub fn encode(&self) -> Vec<u8> {
        let mut index = Vec::new();
        for Partition { name, guid, start, bytes } in &self.partitions {
            let mut name = name.clone().into_bytes();
            name.resize(NAME_MAX, 0);
            index.extend([guid.as_slice(), &start.to_le_bytes(), &bytes.to_le_bytes(), &name].concat());
        }
        for Extent { offset, bytes, position, sha256 } in &self.extents {
            index.extend([offset, bytes, position].map(|number| number.to_le_bytes()).concat());
            index.extend(sha256);
        }
        let numbers = [
            VERSION,
            self.disk_bytes,
            self.partitions.len() as u64,
            self.extents.len() as u64,
            index.len() as u64,
            self.data_start(),
        ];
        let mut bytes = MAGIC.to_vec();
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(Sha256::digest(&index));
        bytes.resize(HEAD_BYTES, 0);
        bytes.extend(index);
        bytes
    }

    /// SHA-256 of head and index, as they stand in the file.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// Reads head and index: the first [`HEAD_BYTES`] of the file and the [`index_length`] after them.
    ///
    /// # Errors
    /// What is wrong. Whatever passes is within its bounds: extents are in the file one behind the other, on the disk
    /// within its size and apart, and so are partitions.
    pub fn decode(bytes: &[u8]) -> Result<Index, String> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or("it is shorter than its head")?;
        let length = index_length(head)?;
        let index = rest.get(..length).ok_or("it ends within its index")?;
        if Sha256::digest(index).as_slice() != &head[DIGEST..DIGEST + 32] {
            return Err("its index does not match the digest in its head".to_owned());
        }
        if head[DIGEST + 32..].iter().any(|byte| *byte != 0) {
            return Err("what fills its head is not zero".to_owned());
        }
        let [_, disk_bytes, partitions, ..] = numbers(head);
        let partition_bytes = usize::try_from(partitions * PARTITION_BYTES).map_err(|error| error.to_string())?;
        let (partitions, extents) = index.split_at_checked(partition_bytes).ok_or("it ends within its index")?;
        let partitions = partitions.chunks_exact(16 + 16 + NAME_MAX).map(partition).collect::<Result<_, _>>()?;
        let extents = extents.chunks_exact(24 + 32).map(extent).collect();
        let index = Index { disk_bytes, partitions, extents };
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), String> {
        index_bytes(self.partitions.len() as u64, self.extents.len() as u64)?;
        let disk = self.disk_bytes;
        if !(BLOCK_BYTES..=DISK_MAX).contains(&disk) || !disk.is_multiple_of(BLOCK_BYTES) {
            return Err(format!("a disk of {disk} bytes is not possible"));
        }
        for Partition { name, start, bytes, .. } in &self.partitions {
            if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
                return Err("a partition has no name, or one that is not possible".to_owned());
            }
            if *bytes == 0 || start.checked_add(*bytes).is_none_or(|end| end > disk) {
                return Err(format!("the partition `{name}` is not on its disk"));
            }
        }
        let places = self.partitions.iter().map(|partition| (partition.start, partition.bytes));
        apart(places.collect(), "partitions")?;
        let mut position = self.data_start();
        for extent in &self.extents {
            let Extent { offset, bytes, .. } = extent;
            let whole = (1..=EXTENT_MAX).contains(bytes)
                && offset.is_multiple_of(BLOCK_BYTES)
                && bytes.is_multiple_of(BLOCK_BYTES)
                && offset % EXTENT_MAX + bytes <= EXTENT_MAX;
            if !whole || offset.checked_add(*bytes).is_none_or(|end| end > disk) {
                return Err(format!("an extent of {bytes} bytes at {offset} is not possible on its disk"));
            }
            if extent.position != position {
                return Err(format!("the extent at {offset} does not follow the one before it in the file"));
            }
            position += bytes;
        }
        apart(self.extents.iter().map(|extent| (extent.offset, extent.bytes)).collect(), "extents")
    }
}

/// Bytes of the index behind a head.
///
/// # Errors
/// It is not the head of a netdisk that is known here, or its counts are beyond what this reader takes.
pub fn index_length(head: &[u8; HEAD_BYTES]) -> Result<usize, String> {
    if !head.starts_with(MAGIC) {
        return Err("it is no netdisk".to_owned());
    }
    let [version, _, partitions, extents, bytes, start] = numbers(head);
    if version != VERSION {
        return Err(format!("its version is {version}, and this reader knows {VERSION}"));
    }
    if (bytes, start) != (index_bytes(partitions, extents)?, data_start(bytes)) {
        return Err("the sizes in its head do not agree".to_owned());
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn index_bytes(partitions: u64, extents: u64) -> Result<u64, String> {
    if partitions > PARTITIONS_MAX || extents > EXTENTS_MAX {
        let most = format!("{PARTITIONS_MAX} and {EXTENTS_MAX} are the most");
        return Err(format!("{partitions} partitions and {extents} extents are too many: {most}"));
    }
    Ok(partitions * PARTITION_BYTES + extents * EXTENT_BYTES)
}

fn data_start(index_bytes: u64) -> u64 {
    (HEAD_BYTES as u64).saturating_add(index_bytes).div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

fn apart(mut places: Vec<(u64, u64)>, what: &str) -> Result<(), String> {
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        Some(pair) => Err(format!("two {what} overlap at {}", pair[1].0)),
        None => Ok(()),
    }
}

/// The numbers of a head, as [`Index::encode`] writes them.
fn numbers(head: &[u8; HEAD_BYTES]) -> [u64; 6] {
    std::array::from_fn(|index| u64::from_le_bytes(array(head, 16 + 8 * index)))
}

fn partition(bytes: &[u8]) -> Result<Partition, String> {
    let name = bytes[32..].split(|byte| *byte == 0).next().unwrap_or_default();
    if bytes[32 + name.len()..].iter().any(|byte| *byte != 0) {
        return Err("what fills the name of a partition is not zero".to_owned());
    }
    Ok(Partition {
        name: std::str::from_utf8(name).map_err(|_| "the name of a partition is no text")?.to_owned(),
        guid: array(bytes, 0),
        start: u64::from_le_bytes(array(bytes, 16)),
        bytes: u64::from_le_bytes(array(bytes, 24)),
    })
}

fn extent(bytes: &[u8]) -> Extent {
    let [offset, length, position] = [0, 8, 16].map(|at| u64::from_le_bytes(array(bytes, at)));
    Extent { offset, bytes: length, position, sha256: array(bytes, 24) }
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[offset + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(offset: u64, bytes: u64) -> Extent {
        Extent { offset, bytes, position: 0, sha256: [u8::try_from(offset >> 12 & 0xff).unwrap(); 32] }
    }

    fn index() -> Index {
        let partition = |name: &str, start| Partition { name: name.to_owned(), guid: [7; 16], start, bytes: 1 << 20 };
        let partitions = vec![partition("root-a", 1 << 20), partition("verity-a", 2 << 20)];
        let extents = vec![extent(2 << 20, 4096), extent(1 << 20, 1 << 20), extent(0, 8192)];
        Index::new(4 << 20, partitions, extents).unwrap()
    }

    /// With the digests made right again.
    fn changed(at: usize, value: &[u8]) -> Result<Index, String> {
        let mut bytes = index().encode();
        bytes[at..at + value.len()].copy_from_slice(value);
        let digest = Sha256::digest(&bytes[HEAD_BYTES..]);
        bytes[DIGEST..DIGEST + 32].copy_from_slice(&digest);
        Index::decode(&bytes)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let index = index();
        let bytes = index.encode();
        assert_eq!(Index::decode(&bytes).unwrap(), index);
        assert_eq!(index_length(bytes.first_chunk().unwrap()).unwrap(), bytes.len() - HEAD_BYTES);
        assert_eq!((index.data_start(), index.extents[0].position, index.extents[1].position), (8192, 8192, 12288));
        assert_eq!(index.file_bytes(), 8192 + 4096 + (1 << 20) + 8192);
        let root: Vec<u64> = index.extents_of(&index.partitions[0]).map(|extent| extent.offset).collect();
        assert_eq!(root, [1 << 20]);
        // What follows the index is not its business.
        assert_eq!(Index::decode(&[bytes.as_slice(), &[9; 100]].concat()).unwrap(), index);
        for length in [0, 4095, 4096, bytes.len() - 1] {
            assert!(Index::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let partitions = HEAD_BYTES;
        let extents = partitions + 2 * (32 + NAME_MAX);
        for (at, value, expected) in [
            (0, 0_u64, "no netdisk"),
            (16, 2, "its version is 2"),
            (24, 0, "a disk of 0 bytes"),
            (24, !0xfff, "is not possible"),
            (32, 3, "do not agree"),
            (32, u64::MAX, "too many"),
            (40, 1 << 40, "too many"),
            (48, 0, "do not agree"),
            (56, 4096, "do not agree"),
            (200, 1, "what fills its head"),
            (partitions + 16, 4 << 20, "`root-a` is not on its disk"),
            (partitions + 16, u64::MAX, "`root-a` is not on its disk"),
            (partitions + 24, 0, "`root-a` is not on its disk"),
            (partitions + 16, (1 << 20) + 4096, "two partitions overlap"),
            (partitions + 32, 0, "has no name"),
            (partitions + 100, 1, "what fills the name"),
            (partitions + 32, u64::MAX, "no text"),
            (extents, 4 << 20, "an extent of 4096 bytes at 4194304"),
            (extents, !0xfff, "is not possible on its disk"),
            (extents, 512, "is not possible on its disk"),
            (extents + 8, 0, "an extent of 0 bytes"),
            (extents + 8, 2 << 20, "is not possible on its disk"),
            (extents + 8, 8192, "does not follow"),
            (extents + 16, 4096, "does not follow"),
            (extents, 1 << 20, "two extents overlap"),
        ] {
            let error = changed(at, &value.to_le_bytes()).unwrap_err();
            assert!(error.contains(expected), "{at} {value:#x}: {error}");
        }
        let mut bytes = index().encode();
        bytes[extents] ^= 1;
        assert!(Index::decode(&bytes).unwrap_err().contains("does not match the digest"));
    }

    #[test]
    fn no_byte_makes_the_reader_panic() {
        let length = index().encode().len();
        for at in (0..200).chain(HEAD_BYTES..length) {
            for value in [0, 1, 0x7f, 0xff] {
                let _ = changed(at.min(length - 1), &[value]);
            }
        }
    }
}

//! dm-verity: the superblock on the hash device, the table line, the mapping `root`.
//!
//! Takes the two partitions and the root hash of the kernel command line. Everything in the superblock is checked
//! against the devices, but trust comes from the root hash alone: a forged salt or size only makes the hashes wrong.
//! Format: cryptsetup's DMVerity page; oracle: `veritysetup verify`, `veritysetup dump`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use super::cmdline::RootHash;
use super::disk::Partition;
use super::sys::{self, DM_BUFFER_BYTES, DM_HEADER_BYTES, DmCall};

/// Bytes of `struct verity_sb`.
const SUPERBLOCK_BYTES: usize = 512;
/// The only block size that is made and read: the page size of every machine we know, and EROFS's block.
const BLOCK: u64 = 4096;
/// SHA-256 digests in one hash block.
const DIGESTS_PER_BLOCK: u64 = BLOCK / 32;
/// Name of the mapping.
const NAME: &str = "root";

/// The fields that the mapping needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    pub uuid: [u8; 16],
    pub data_blocks: u64,
    pub salt: Vec<u8>,
}

impl Superblock {
    /// Checks every field, and that data and hash tree fit into devices of these sizes.
    pub fn parse(bytes: &[u8; SUPERBLOCK_BYTES], data_bytes: u64, hash_bytes: u64) -> Result<Superblock> {
        let u32_at = |offset: usize| {
            u32::from_le_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
        };
        ensure!(bytes[..8] == *b"verity\0\0", "there is no verity superblock");
        ensure!(u32_at(8) == 1, "superblock version {} is not 1", u32_at(8));
        ensure!(u32_at(12) == 1, "hash type {} is not 1", u32_at(12));
        let mut sha256 = [0; 32];
        sha256[..6].copy_from_slice(b"sha256");
        ensure!(bytes[32..64] == sha256, "the algorithm is not sha256");
        for (name, value) in [("data", u32_at(64)), ("hash", u32_at(68))] {
            ensure!(u64::from(value) == BLOCK, "the {name} block size is {value}, not {BLOCK}");
        }
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[72..80]);
        let data_blocks = u64::from_le_bytes(word);
        let available = data_bytes / BLOCK;
        ensure!(data_blocks > 0, "it covers no data");
        ensure!(data_blocks <= available, "it covers {data_blocks} blocks, but the data partition has {available}");
        let tree = 1 + tree_blocks(data_blocks);
        ensure!(
            tree <= hash_bytes / BLOCK,
            "its tree needs {tree} blocks, the hash partition has {}",
            hash_bytes / BLOCK
        );
        let salt_bytes = usize::from(u16::from_le_bytes([bytes[80], bytes[81]]));
        ensure!(salt_bytes <= 256, "a salt of {salt_bytes} bytes is too long");
        let (salt, rest) = bytes[88..].split_at(salt_bytes);
        ensure!(bytes[82..88].iter().chain(rest).all(|byte| *byte == 0), "its padding is not zero");
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[16..32]);
        Ok(Superblock { uuid, data_blocks, salt: salt.to_vec() })
    }

    /// The device-mapper parameters (kernel: `admin-guide/device-mapper/verity.rst`). The tree starts in the block
    /// after the superblock. Corruption panics: the kernel's `panic=` then reboots, no program sees wrong bytes.
    fn table(&self, data: &str, hash: &str, root_hash: &RootHash) -> String {
        let salt = if self.salt.is_empty() { "-".to_owned() } else { hexadecimal(&self.salt) };
        format!(
            "1 {data} {hash} {BLOCK} {BLOCK} {} 1 sha256 {root_hash} {salt} 1 panic_on_corruption",
            self.data_blocks
        )
    }
}

/// Hash blocks over this many data blocks, all levels.
fn tree_blocks(data_blocks: u64) -> u64 {
    let mut level = data_blocks;
    let mut total = 0;
    while level > 1 {
        level = level.div_ceil(DIGESTS_PER_BLOCK);
        total += level;
    }
    total.max(1)
}

/// What was mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// `/dev/dm-0`.
    pub device: PathBuf,
    /// UUID of the superblock, 32 digits.
    pub uuid: String,
    pub data_bytes: u64,
}

/// Creates the mapping.
pub fn open(data: &Partition, hash: &Partition, root_hash: &RootHash) -> Result<Mapping> {
    let device = File::open(&hash.path).with_context(|| format!("opening {}", hash.path.display()))?;
    let mut bytes = [0; SUPERBLOCK_BYTES];
    device.read_exact_at(&mut bytes, 0).with_context(|| format!("reading {}", hash.path.display()))?;
    let superblock = Superblock::parse(&bytes, data.bytes, hash.bytes)
        .with_context(|| format!("checking the verity superblock of {}", hash.path.display()))?;
    let uuid = hexadecimal(&superblock.uuid);
    let sectors = superblock.data_blocks.checked_mul(BLOCK / 512).context("sizing the root")?;
    let minor = create(
        &format!("CRYPT-VERITY-{uuid}-{NAME}"),
        sectors,
        &superblock.table(&data.device, &hash.device, root_hash),
    )?;
    Ok(Mapping { device: PathBuf::from(format!("/dev/dm-{minor}")), uuid, data_bytes: sectors * 512 })
}

/// Create, load, resume; a half-made mapping is removed again.
fn create(uuid: &str, sectors: u64, parameters: &str) -> Result<u64> {
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/mapper/control")
        .context("opening /dev/mapper/control (is the module dm-mod loaded?)")?;
    let mut buffer = request(uuid, None)?;
    sys::device_mapper(&control, DmCall::Create, &mut buffer).context("creating the device `root`")?;
    let mut device = [0; 8];
    device.copy_from_slice(&buffer[40..48]);
    let device = u64::from_ne_bytes(device);
    let load = || -> Result<()> {
        sys::device_mapper(&control, DmCall::LoadTable, &mut request("", Some((sectors, parameters)))?)
            .with_context(|| format!("loading the verity table `{parameters}`"))?;
        sys::device_mapper(&control, DmCall::Resume, &mut request("", None)?).context("activating the device `root`")
    };
    if let Err(error) = load() {
        // The load's error is the one to report; a mapping that stays behind is harmless before the reboot.
        let _ = sys::device_mapper(&control, DmCall::Remove, &mut request("", None)?);
        return Err(error);
    }
    // `huge_encode_dev`: minor bits 0–7 and 20–31, major bits 8–19.
    Ok(device & 0xff | (device >> 12) & 0xf_ff00)
}

const DM_READONLY_FLAG: u32 = 1;
/// Bytes of `struct dm_target_spec`.
const TARGET_SPEC_BYTES: usize = 40;

/// A `struct dm_ioctl`, followed by one verity target if there is a table.
fn request(uuid: &str, table: Option<(u64, &str)>) -> Result<[u8; DM_BUFFER_BYTES]> {
    let mut buffer = [0; DM_BUFFER_BYTES];
    let mut put = |offset: usize, value: &[u8]| buffer[offset..offset + value.len()].copy_from_slice(value);
    put(0, &4_u32.to_ne_bytes());
    put(12, &u32::try_from(DM_BUFFER_BYTES)?.to_ne_bytes());
    put(16, &u32::try_from(DM_HEADER_BYTES)?.to_ne_bytes());
    put(48, NAME.as_bytes());
    ensure!(uuid.len() < 129, "the mapping's uuid is too long");
    put(176, uuid.as_bytes());
    if let Some((sectors, parameters)) = table {
        let start = DM_HEADER_BYTES + TARGET_SPEC_BYTES;
        if parameters.len() >= DM_BUFFER_BYTES - start {
            bail!("the verity table is too long: {parameters}");
        }
        put(20, &1_u32.to_ne_bytes());
        put(28, &DM_READONLY_FLAG.to_ne_bytes());
        put(DM_HEADER_BYTES + 8, &sectors.to_ne_bytes());
        put(DM_HEADER_BYTES + 24, b"verity");
        put(start, parameters.as_bytes());
    }
    Ok(buffer)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(b"verity\0\0");
        bytes[8] = 1;
        bytes[12] = 1;
        bytes[16..32].fill(0xab);
        bytes[32..38].copy_from_slice(b"sha256");
        bytes[64..68].copy_from_slice(&4096_u32.to_le_bytes());
        bytes[68..72].copy_from_slice(&4096_u32.to_le_bytes());
        bytes[72..80].copy_from_slice(&300_u64.to_le_bytes());
        bytes[80] = 32;
        bytes[88..120].fill(0x5a);
        bytes
    }

    const DATA: u64 = 300 * BLOCK;
    /// Superblock, three blocks for 300 digests, one above them.
    const HASH: u64 = 5 * BLOCK;

    #[test]
    fn a_good_superblock_gives_the_table_line() {
        let parsed = Superblock::parse(&superblock(), DATA, HASH).unwrap();
        assert_eq!((parsed.data_blocks, parsed.salt.len()), (300, 32));
        assert_eq!(
            parsed.table("254:2", "254:3", &RootHash([0x11; 32])),
            format!(
                "1 254:2 254:3 4096 4096 300 1 sha256 {} {} 1 panic_on_corruption",
                "11".repeat(32),
                "5a".repeat(32)
            )
        );
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (offset, value, expected) in [
            (0, 0, "no verity superblock"),
            (8, 2, "superblock version 2"),
            (12, 0, "hash type 0"),
            (38, b'x', "not sha256"),
            (65, 0, "data block size is 0"),
            (69, 0x20, "hash block size is 8192"),
            (73, 2, "the data partition has 300"),
            (79, 0xff, "the data partition has 300"),
            (81, 1, "too long"),
            (82, 1, "padding"),
            (120, 1, "padding"),
            (511, 1, "padding"),
        ] {
            let mut bytes = superblock();
            bytes[offset] = value;
            let error = Superblock::parse(&bytes, DATA, HASH).unwrap_err().to_string();
            assert!(error.contains(expected), "{offset}: {error}");
        }
        assert!(Superblock::parse(&superblock(), DATA, HASH - 1).unwrap_err().to_string().contains("needs 5 blocks"));
    }

    #[test]
    fn no_byte_makes_the_parser_panic() {
        for offset in 0..512 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = superblock();
                bytes[offset] = value;
                let _ = Superblock::parse(&bytes, u64::MAX, u64::MAX);
            }
        }
    }

    #[test]
    fn trees_are_as_large_as_veritysetup_makes_them() {
        // 1 data block is hashed by one block; 128 digests fill one block; 129 need two and a root above them.
        assert_eq!([1, 128, 129, 16384, 16385].map(tree_blocks), [1, 1, 3, 129, 132]);
    }

    #[test]
    fn a_request_carries_header_target_and_parameters() {
        let buffer = request("CRYPT-VERITY-00-root", Some((2400, "1 8:2"))).unwrap();
        assert_eq!((buffer[0], &buffer[48..53], &buffer[176..183]), (4, &b"root\0"[..], &b"CRYPT-V"[..]));
        assert_eq!((&buffer[336..343], &buffer[352..358]), (&b"verity\0"[..], &b"1 8:2\0"[..]));
        assert!(request("", Some((1, &"x".repeat(DM_BUFFER_BYTES)))).is_err());
    }
}

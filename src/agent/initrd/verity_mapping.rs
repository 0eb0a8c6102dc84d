//! dm-verity's mapping `root`, from the superblock on the hash device.
//!
//! Takes the two devices and the root hash of the kernel command line. Everything in the superblock is checked
//! against the devices, but trust comes from the root hash alone: a forged salt or size only makes the hashes wrong.
//! Format: cryptsetup's DMVerity page; oracle: `veritysetup verify`, `veritysetup dump`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::cmdline::RootHash;
use crate::agent::block_device::BlockDevice;
use crate::agent::sys::{self, DM_BUFFER_BYTES, DM_HEADER_BYTES, DmCall};
use crate::hex;
use crate::verity_superblock::{BLOCK_BYTES, SUPERBLOCK_BYTES, Superblock, tree_blocks};

/// [`crate::verity_superblock::BLOCK_BYTES`], as sizes of devices are counted.
const BLOCK: u64 = 4096;
/// Name of the mapping.
const NAME: &str = "root";

/// Checks that data and hash tree fit into devices of these sizes.
fn check_sizes(superblock: &Superblock, data_bytes: u64, hash_bytes: u64) -> Result<()> {
    let (blocks, available) = (superblock.data_blocks, data_bytes / BLOCK);
    ensure!(blocks <= available, "it covers {blocks} blocks, but the data partition has {available}");
    let (tree, available) = (1 + tree_blocks(blocks), hash_bytes / BLOCK);
    ensure!(tree <= available, "its tree needs {tree} blocks, the hash partition has {available}");
    Ok(())
}

/// The device-mapper parameters (kernel: `admin-guide/device-mapper/verity.rst`). The tree starts in the block
/// after the superblock. Corruption panics: the kernel's `panic=` then reboots, no program sees wrong bytes.
fn table(superblock: &Superblock, data: &str, hash: &str, root_hash: &RootHash) -> String {
    let salt = if superblock.salt.is_empty() { "-".to_owned() } else { hex::encode(&superblock.salt) };
    let blocks = superblock.data_blocks;
    format!("1 {data} {hash} {BLOCK} {BLOCK} {blocks} 1 sha256 {root_hash} {salt} 1 panic_on_corruption")
}

/// Whether the hash tree that begins at this byte of the device is the one that the root hash names. Its top block tells:
/// trust comes from the root hash, so a disk that only claims to hold the root is no candidate.
///
/// # Errors
/// The device cannot be read there.
pub fn is_tree_of(device: &File, start: u64, root_hash: &RootHash) -> std::io::Result<bool> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    device.read_exact_at(&mut bytes, start)?;
    let Ok(superblock) = Superblock::parse(&bytes) else { return Ok(false) };
    let mut top = [0; BLOCK_BYTES];
    device.read_exact_at(&mut top, start + BLOCK)?;
    let digest = Sha256::new().chain_update(&superblock.salt).chain_update(top).finalize();
    Ok(digest[..] == root_hash.0)
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
pub fn open(data: &BlockDevice, hash: &BlockDevice, root_hash: &RootHash) -> Result<Mapping> {
    let device = File::open(&hash.path).with_context(|| format!("opening {}", hash.path.display()))?;
    let mut bytes = [0; SUPERBLOCK_BYTES];
    device.read_exact_at(&mut bytes, 0).with_context(|| format!("reading {}", hash.path.display()))?;
    let checking = || format!("checking the verity superblock of {}", hash.path.display());
    let superblock = Superblock::parse(&bytes).map_err(anyhow::Error::msg).with_context(checking)?;
    check_sizes(&superblock, data.bytes, hash.bytes).with_context(checking)?;
    let uuid = hex::encode(&superblock.uuid);
    let sectors = superblock.data_blocks.checked_mul(BLOCK / 512).context("sizing the root")?;
    let minor = create(
        &format!("CRYPT-VERITY-{uuid}-{NAME}"),
        sectors,
        &table(&superblock, &data.number, &hash.number, root_hash),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_line_names_devices_sizes_and_hashes() {
        let superblock = Superblock { uuid: [0xab; 16], data_blocks: 300, salt: vec![0x5a; 32] };
        assert_eq!(
            table(&superblock, "254:2", "254:3", &RootHash([0x11; 32])),
            format!(
                "1 254:2 254:3 4096 4096 300 1 sha256 {} {} 1 panic_on_corruption",
                "11".repeat(32),
                "5a".repeat(32)
            )
        );
    }

    #[test]
    fn the_top_block_tells_whose_tree_it_is() {
        let superblock = Superblock { uuid: [0xab; 16], data_blocks: 300, salt: vec![0x5a; 32] };
        let root_hash =
            RootHash(Sha256::new().chain_update([0x5a; 32]).chain_update([7; BLOCK_BYTES]).finalize().into());
        let start = 3 * BLOCK;
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&superblock.encode(), start).unwrap();
        file.write_all_at(&[7; BLOCK_BYTES], start + BLOCK).unwrap();
        assert!(is_tree_of(&file, start, &root_hash).unwrap());
        assert!(!is_tree_of(&file, start, &RootHash([0; 32])).unwrap());
        file.write_all_at(b"x", start + BLOCK + 9).unwrap();
        assert!(!is_tree_of(&file, start, &root_hash).unwrap());
        file.write_all_at(b"no superblock", start).unwrap();
        assert!(!is_tree_of(&file, start, &root_hash).unwrap());
        // A disk that ends before.
        assert!(is_tree_of(&file, start + 4 * BLOCK, &root_hash).is_err());
    }

    #[test]
    fn data_and_tree_must_fit_their_partitions() {
        let sizes = |data_blocks, data, hash| {
            let superblock = Superblock { uuid: [0; 16], data_blocks, salt: Vec::new() };
            check_sizes(&superblock, data * BLOCK, hash * BLOCK).map_err(|error| error.to_string())
        };
        // Superblock, three blocks for 300 digests, one above them.
        assert_eq!(sizes(300, 300, 5), Ok(()));
        assert!(sizes(300, 299, 5).unwrap_err().contains("the data partition has 299"));
        assert!(sizes(300, 300, 4).unwrap_err().contains("needs 5 blocks"));
        assert!(sizes(u64::MAX, 300, 5).unwrap_err().contains("the data partition has 300"));
    }

    #[test]
    fn a_request_carries_header_target_and_parameters() {
        let buffer = request("CRYPT-VERITY-00-root", Some((2400, "1 8:2"))).unwrap();
        assert_eq!((buffer[0], &buffer[48..53], &buffer[176..183]), (4, &b"root\0"[..], &b"CRYPT-V"[..]));
        assert_eq!((&buffer[336..343], &buffer[352..358]), (&b"verity\0"[..], &b"1 8:2\0"[..]));
        assert!(request("", Some((1, &"x".repeat(DM_BUFFER_BYTES)))).is_err());
    }
}

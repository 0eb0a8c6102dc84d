//! Where things are in the file and what they are called. All numbers are little-endian; sections are those of
//! \[MS-VHDX\].

use std::io;

use uuid::Uuid;

pub(super) const MIB: u64 = 1 << 20;
/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"vhdxfile";

/// Section 2.2.2: two headers, of which the one with the higher sequence number counts.
pub(super) const HEADERS_AT: [u64; 2] = [64 << 10, 128 << 10];
pub(super) const HEADER: usize = 4096;
pub(super) const HEADER_MAGIC: [u8; 4] = *b"head";
/// Section 2.2.3: two copies.
pub(super) const REGIONS_AT: [u64; 2] = [192 << 10, 256 << 10];
pub(super) const REGIONS: usize = 64 << 10;
pub(super) const REGIONS_MAGIC: [u8; 4] = *b"regi";
pub(super) const METADATA_TABLE: usize = 64 << 10;
pub(super) const METADATA_MAGIC: [u8; 8] = *b"metadata";

pub(super) const TABLE_REGION: Uuid = Uuid::from_u128(0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08);
pub(super) const METADATA_REGION: Uuid = Uuid::from_u128(0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e);

/// Section 2.6.2: the known items of metadata.
pub(super) const FILE_PARAMETERS: Uuid = Uuid::from_u128(0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b);
pub(super) const DISK_SIZE: Uuid = Uuid::from_u128(0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8);
pub(super) const DISK_ID: Uuid = Uuid::from_u128(0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746);
pub(super) const LOGICAL_SECTOR: Uuid = Uuid::from_u128(0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f);
pub(super) const PHYSICAL_SECTOR: Uuid = Uuid::from_u128(0xcda3_48c7_445d_4471_9cc9_e988_5251_c556);

/// Section 2.5.1.1: states of a block, in the low three bits of its entry. The others are its place in mebibytes.
pub(super) const BLOCK_ZERO: u64 = 2;
pub(super) const BLOCK_PRESENT: u64 = 6;
pub(super) const STATE_MASK: u64 = 7;
pub(super) const PLACE_MASK: u64 = !0xf_ffff;

/// Blocks of a chunk: as many as the bits of one mebibyte have sectors for. Behind the entries of each chunk's blocks
/// the table has one for the bitmap of the chunk, which only differencing disks use.
pub(super) fn chunk_blocks(block: u64, sector: u64) -> u64 {
    (MIB * 8 * sector / block).max(1)
}

/// Where in the table the entry of a block is.
pub(super) fn entry(block: u64, chunk_blocks: u64) -> u64 {
    block + block / chunk_blocks
}

/// Writes the CRC-32C of `structure` into its bytes 4 to 8, as if they were zero.
pub(super) fn seal(structure: &mut [u8]) {
    structure[4..8].fill(0);
    let sum = crc32c::crc32c(structure);
    structure[4..8].copy_from_slice(&sum.to_le_bytes());
}

pub(super) fn is_sealed(structure: &[u8]) -> bool {
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&structure[..4]), &[0; 4]), &structure[8..]);
    structure[4..8] == sum.to_le_bytes()
}

pub(super) fn u32_at(structure: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| structure[at + index]))
}

pub(super) fn u64_at(structure: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| structure[at + index]))
}

pub(super) fn uuid_at(structure: &[u8], at: usize) -> Uuid {
    Uuid::from_bytes_le(std::array::from_fn(|index| structure[at + index]))
}

pub(super) fn damaged(offset: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("offset {offset}: {what}"))
}

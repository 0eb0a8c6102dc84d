//! The numbers of the format, and the header: what of it this program reads.

use std::io::{self, Read, Seek, SeekFrom};

/// Cluster size: 64 KiB, QEMU's default.
pub(super) const CLUSTER_BITS: u32 = 16;
pub(super) const CLUSTER: usize = 1 << CLUSTER_BITS;
pub(super) const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// Clusters that one L2 table maps, with eight bytes each.
pub(super) const L2_ENTRIES: usize = CLUSTER / 8;
/// Largest L1 table that QEMU opens (`QCOW_MAX_L1_SIZE`, 32 MiB): 2 PiB of image.
pub(super) const L1_ENTRIES_MAX: usize = 4 << 20;

/// First bytes of every version.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
pub(super) const HEADER_LENGTH: u32 = 112;
/// Incompatible feature bit 3: the compression type in the header counts.
pub(super) const COMPRESSION_TYPE_BIT: u64 = 1 << 3;
/// L2 entries: the cluster is compressed.
pub(super) const COMPRESSED: u64 = 1 << 62;
/// Bits of a compressed cluster's L2 entry that hold its byte offset; above them is the number of further sectors.
pub(super) const OFFSET_BITS: u32 = 62 - (CLUSTER_BITS - 8);
/// Bits of an L1 or L2 entry that hold a host cluster's offset.
pub(super) const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

/// The fields of a header that somebody asks for.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) backing_file_offset: u64,
    pub(super) size: u64,
    pub(super) crypt_method: u32,
    pub(super) l1_entries: usize,
    pub(super) l1_table_offset: u64,
    pub(super) refcount_table_clusters: u32,
    pub(super) incompatible_features: u64,
    /// The compression type: 0 zlib, 1 zstd.
    pub(super) compression: u8,
}

impl Header {
    pub(super) fn read<R: Read + Seek>(device: &mut R) -> io::Result<Header> {
        let mut header = [0; HEADER_LENGTH as usize];
        device.seek(SeekFrom::Start(0))?;
        device.read_exact(&mut header)?;
        let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        let u64_at = |at: usize| u64::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        if header[..4] != MAGIC || u32_at(4) != 3 {
            return Err(invalid("offset 0: not a qcow2 image of version 3".into()));
        }
        let (l1_entries, incompatible_features) = (u32_at(36) as usize, u64_at(72));
        if u32_at(20) != CLUSTER_BITS || l1_entries > L1_ENTRIES_MAX {
            return Err(invalid(format!("offset 20: clusters of 2^{} bytes, {l1_entries} tables", u32_at(20))));
        }
        Ok(Header {
            backing_file_offset: u64_at(8),
            size: u64_at(24),
            crypt_method: u32_at(32),
            l1_entries,
            l1_table_offset: u64_at(40),
            refcount_table_clusters: u32_at(56),
            incompatible_features,
            // Without the bit the header may end before this byte, and it means zlib.
            compression: if incompatible_features & COMPRESSION_TYPE_BIT == 0 { 0 } else { header[104] },
        })
    }

    pub(super) fn read_l1<R: Read + Seek>(&self, device: &mut R) -> io::Result<Vec<u64>> {
        if self.l1_entries as u64 * 8 > device.seek(SeekFrom::End(0))? {
            return Err(invalid(format!("offset 36: {} tables do not fit the file", self.l1_entries)));
        }
        let mut table = vec![0; self.l1_entries * 8];
        device.seek(SeekFrom::Start(self.l1_table_offset))?;
        device.read_exact(&mut table)?;
        Ok(entries(&table).collect())
    }
}

pub(super) fn entries(table: &[u8]) -> impl Iterator<Item = u64> {
    table.as_chunks::<8>().0.iter().map(|entry| u64::from_be_bytes(*entry))
}

pub(super) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

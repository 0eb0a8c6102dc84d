//! Reads the disk out of a netdisk.

use std::collections::BTreeMap;
use std::io;

use sha2::{Digest as _, Sha256};

use crate::formats::device::ReadAt;
use crate::hex;
use crate::netdisk_index::{EXTENT_MAX, Extent, HEAD_BYTES, Index, index_length};

/// A netdisk as the disk that it holds. Each extent is read as a whole and checked.
#[derive(Debug)]
pub struct Reader<D: ReadAt> {
    device: D,
    index: Index,
    /// By the place on the disk.
    extents: BTreeMap<u64, Extent>,
}

impl<D: ReadAt> Reader<D> {
    /// # Errors
    /// `InvalidData` for what is no netdisk, or a damaged one.
    pub fn open(device: D) -> io::Result<Reader<D>> {
        let index = index(&device)?;
        let extents = index.extents.iter().map(|extent| (extent.offset, extent.clone())).collect();
        Ok(Reader { device, index, extents })
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    fn load(&self, extent: &Extent) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(extent.bytes).map_err(io::Error::other)?];
        self.device.read_exact_at(&mut bytes, extent.position)?;
        if Sha256::digest(&bytes).as_slice() != extent.sha256 {
            return Err(damaged(format!("the extent at {} does not match its digest", extent.offset)));
        }
        Ok(bytes)
    }
}

impl<D: ReadAt> ReadAt for Reader<D> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.index.disk_bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        // One that begins before the part may reach into it.
        for extent in self.extents.range(offset.saturating_sub(EXTENT_MAX)..end).map(|(_, extent)| extent) {
            let (from, to) = (extent.offset.max(offset), (extent.offset + extent.bytes).min(end));
            if from < to {
                let part = |start: u64| usize::try_from(from - start).map_err(io::Error::other);
                let length = usize::try_from(to - from).map_err(io::Error::other)?;
                let (target, source) = (part(offset)?, part(extent.offset)?);
                buffer[target..target + length].copy_from_slice(&self.load(extent)?[source..source + length]);
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.index.disk_bytes)
    }
}

fn index(device: &dyn ReadAt) -> io::Result<Index> {
    let mut head = [0; HEAD_BYTES];
    device.read_exact_at(&mut head, 0)?;
    let mut bytes = head.to_vec();
    bytes.resize(HEAD_BYTES + index_length(&head).map_err(damaged)?, 0);
    device.read_exact_at(&mut bytes[HEAD_BYTES..], HEAD_BYTES as u64)?;
    Index::decode(&bytes).map_err(damaged)
}

fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A netdisk for people.
pub fn dump(device: &dyn ReadAt) -> io::Result<String> {
    let index = index(device)?;
    let mut text = format!(
        "netdisk of {} bytes with {} bytes of data in {} extents, digest {}\n",
        index.disk_bytes,
        index.data_bytes(),
        index.extents.len(),
        hex::encode(&index.digest()),
    );
    for partition in &index.partitions {
        let held: u64 = index.extents_of(partition).map(|extent| extent.bytes).sum();
        text +=
            &format!("{:10} at {} has {} bytes, {held} of data\n", partition.name, partition.start, partition.bytes);
    }
    Ok(text)
}

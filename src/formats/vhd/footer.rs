//! The footer, which both kinds have, and the header of dynamic disks. All numbers are big-endian.

use std::io;

use crate::formats::device::ReadAt;

pub(super) const SECTOR: usize = 512;
pub(super) const SECTOR_BYTES: u64 = 512;
/// First bytes of the footer.
pub const MAGIC: [u8; 8] = *b"conectix";
pub(super) const HEADER_MAGIC: [u8; 8] = *b"cxsparse";
pub(super) const HEADER: usize = 1024;
/// Bytes of a block: 2 MiB, Microsoft's default, of which the sector bitmap is one sector.
pub(super) const BLOCK: usize = 2 << 20;
/// Entries of the allocation table: the block is zero.
pub(super) const NO_BLOCK: u32 = u32::MAX;
/// What every offset is that leads nowhere.
const NOWHERE: u64 = u64::MAX;
/// Format 1.0, of the footer and of the header.
const VERSION: u32 = 1 << 16;
/// Where the checksum is in the footer and in the header.
const FOOTER_SUM_AT: usize = 64;
const HEADER_SUM_AT: usize = 36;

/// How the content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of it: what Azure takes.
    Fixed,
    /// What is not zero.
    Dynamic,
}

/// The fields of a footer that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) kind: Kind,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Where the header of a dynamic disk is.
    pub(super) header: u64,
    pub(super) id: [u8; 16],
}

impl Footer {
    pub(super) fn new(kind: Kind, size: u64, id: [u8; 16]) -> Footer {
        let header = if kind == Kind::Fixed { NOWHERE } else { SECTOR_BYTES };
        Footer { kind, size, header, id }
    }

    pub(super) fn encode(&self) -> [u8; SECTOR] {
        let (cylinders, heads, sectors) = geometry(self.size / SECTOR_BYTES);
        let kind: u32 = if self.kind == Kind::Fixed { 2 } else { 3 };
        let mut footer = [0; SECTOR];
        let fields: [&[u8]; 15] = [
            &MAGIC,
            &2_u32.to_be_bytes(), // features: a bit that is always set
            &VERSION.to_be_bytes(),
            &self.header.to_be_bytes(),
            &0_u32.to_be_bytes(), // no time
            // Readers take the size of such a disk from the size, and of others from the geometry, which is rounded.
            b"win ",
            &0x000a_0000_u32.to_be_bytes(), // version of the creator
            b"Wi2k",
            &self.size.to_be_bytes(), // when it was made
            &self.size.to_be_bytes(), // now
            &cylinders.to_be_bytes(),
            &[heads, sectors],
            &kind.to_be_bytes(),
            &[0; 4], // checksum
            &self.id,
        ];
        put(&mut footer, &fields);
        seal(&mut footer, FOOTER_SUM_AT);
        footer
    }

    /// The footer at the end of a file.
    pub(super) fn read(device: &dyn ReadAt) -> io::Result<Footer> {
        let at = device.size()?.checked_sub(SECTOR_BYTES).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut footer = [0; SECTOR];
        device.read_exact_at(&mut footer, at)?;
        if footer[..8] != MAGIC {
            return Err(damaged(at, "no footer of a vhd"));
        }
        if sum(&footer, FOOTER_SUM_AT) != u32_at(&footer, FOOTER_SUM_AT) {
            return Err(damaged(at + 64, "the checksum of the footer is wrong"));
        }
        let kind = match u32_at(&footer, 60) {
            2 => Kind::Fixed,
            3 => Kind::Dynamic,
            other => return Err(io::Error::new(io::ErrorKind::Unsupported, format!("a vhd of type {other}"))),
        };
        let mut id = [0; 16];
        id.copy_from_slice(&footer[68..84]);
        Ok(Footer { kind, size: u64_at(&footer, 48), header: u64_at(&footer, 16), id })
    }
}

/// The header of a dynamic disk.
#[derive(Debug)]
pub(super) struct Header {
    /// Where the block allocation table is.
    pub(super) table: u64,
    pub(super) entries: u32,
    /// Bytes of a block, without its bitmap.
    pub(super) block: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let fields: [&[u8]; 6] = [
            &HEADER_MAGIC,
            &NOWHERE.to_be_bytes(), // of a further header
            &self.table.to_be_bytes(),
            &VERSION.to_be_bytes(),
            &self.entries.to_be_bytes(),
            &self.block.to_be_bytes(),
        ];
        put(&mut header, &fields);
        seal(&mut header, HEADER_SUM_AT);
        header
    }

    pub(super) fn read(device: &dyn ReadAt, at: u64) -> io::Result<Header> {
        let mut header = [0; HEADER];
        device.read_exact_at(&mut header, at)?;
        if header[..8] != HEADER_MAGIC {
            return Err(damaged(at, "no header of a dynamic vhd"));
        }
        if sum(&header, HEADER_SUM_AT) != u32_at(&header, HEADER_SUM_AT) {
            return Err(damaged(at + 36, "the checksum of the header is wrong"));
        }
        let header = Header { table: u64_at(&header, 16), entries: u32_at(&header, 28), block: u32_at(&header, 32) };
        if !header.block.is_power_of_two() || header.block < 4096 {
            return Err(damaged(at + 32, &format!("blocks of {} bytes", header.block)));
        }
        Ok(header)
    }
}

/// What footer and header say, a property a line.
pub fn dump(device: &dyn ReadAt) -> io::Result<String> {
    let footer = Footer::read(device)?;
    let (kind, blocks) = match footer.kind {
        Kind::Fixed => ("fixed", String::new()),
        Kind::Dynamic => {
            let Header { entries, block, .. } = Header::read(device, footer.header)?;
            ("dynamic", format!("blocks {entries} of {block} bytes\n"))
        }
    };
    let (cylinders, heads, sectors) = geometry(footer.size / SECTOR_BYTES);
    Ok(format!(
        "vhd {kind}, {} bytes in {} bytes\ngeometry {cylinders}/{heads}/{sectors}\nid {}\n{blocks}",
        footer.size,
        device.size()?,
        uuid::Uuid::from_bytes(footer.id),
    ))
}

/// Cylinders, heads and sectors of a track for a disk of so many sectors: the appendix "CHS Calculation".
fn geometry(sectors: u64) -> (u16, u8, u8) {
    let sectors = sectors.min(65535 * 16 * 255);
    let (heads, track) = if sectors >= 65535 * 16 * 63 {
        (16, 255)
    } else {
        let tracks = sectors / 17;
        let heads = tracks.div_ceil(1024).clamp(4, 17);
        if heads <= 16 && tracks < heads * 1024 {
            (heads, 17)
        } else if sectors / 31 < 16 * 1024 {
            (16, 31)
        } else {
            (16, 63)
        }
    };
    let cylinders = sectors / track / heads;
    let byte = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    (u16::try_from(cylinders).unwrap_or(u16::MAX), byte(heads), byte(track))
}

fn put(structure: &mut [u8], fields: &[&[u8]]) {
    let mut at = 0;
    for field in fields {
        structure[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
}

fn seal(structure: &mut [u8], at: usize) {
    let sum = sum(structure, at);
    structure[at..at + 4].copy_from_slice(&sum.to_be_bytes());
}

/// One's complement of the sum of all bytes but those of the checksum.
fn sum(structure: &[u8], at: usize) -> u32 {
    let (before, after) = (&structure[..at], &structure[at + 4..]);
    !before.iter().chain(after).map(|byte| u32::from(*byte)).sum::<u32>()
}

fn u32_at(structure: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|index| structure[at + index]))
}

fn u64_at(structure: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| structure[at + index]))
}

pub(super) fn damaged(offset: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("offset {offset}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometry_is_what_the_specification_computes() {
        // Sectors; cylinders, heads, sectors of a track: one for each branch of the appendix and for its ends.
        for (sectors, expected) in [
            (2048, (30, 4, 17)),
            (4 * 1024 * 17 - 1, (1023, 4, 17)),
            (4 * 1024 * 17, (140, 16, 31)),
            (16 * 1024 * 17, (561, 16, 31)),
            (1 << 20, (1040, 16, 63)),
            (4 << 20, (4161, 16, 63)),
            (65535 * 16 * 63, (16191, 16, 255)),
            (u64::MAX, (65535, 16, 255)),
        ] {
            assert_eq!(geometry(sectors), expected, "{sectors}");
        }
    }
}

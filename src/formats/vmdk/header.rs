//! The numbers of the format, and the header: what of it this program reads and writes.

use std::io;

use crate::formats::device::ReadAt;

pub(super) const SECTOR: usize = 512;
pub(super) const SECTOR_BYTES: u64 = 512;
/// First bytes of a sparse extent; a vmdk file that is only a text does not have them.
pub const MAGIC: [u8; 4] = *b"KDMV";
/// Grains that one grain table maps, with four bytes each. All writers use this number.
pub(super) const TABLE_ENTRIES: u64 = 512;
/// Sectors of a grain: 64 KiB, the only size that VMware's importers take.
pub(super) const GRAIN_SECTORS: u64 = 128;
pub(super) const GRAIN: usize = 64 << 10;
/// The place of a grain directory that the footer has.
pub(super) const AT_END: u64 = u64::MAX;
/// Flag bit 0: the four line ends in the header are as written, which shows a transfer that took the file for text.
const LINE_ENDS: u32 = 1;
/// Flag bit 16: grains are compressed. Bit 17: markers stand before grains and tables.
pub(super) const COMPRESSED: u32 = 1 << 16;
const MARKERS: u32 = 1 << 17;
/// Bytes of the longest descriptor that is read; usual ones have less than one kibibyte.
const DESCRIPTOR_MAX: u64 = 64 << 10;
const LINE_END_BYTES: [u8; 4] = *b"\n \r\n";

/// The kinds of markers that stand before what is not a grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    EndOfStream = 0,
    GrainTable = 1,
    GrainDirectory = 2,
    Footer = 3,
}

/// The fields of a header that somebody asks for. Places and sizes are in sectors of 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) flags: u32,
    pub(super) capacity: u64,
    pub(super) grain: u64,
    pub(super) descriptor: u64,
    pub(super) descriptor_sectors: u64,
    pub(super) directory: u64,
    /// Sectors before the first grain.
    pub(super) overhead: u64,
}

impl Header {
    /// The header of a stream of `capacity` sectors, but for the place of the directory.
    pub(super) fn stream(capacity: u64, directory: u64, descriptor_sectors: u64) -> Header {
        Header {
            version: 3,
            flags: LINE_ENDS | COMPRESSED | MARKERS,
            capacity,
            grain: GRAIN_SECTORS,
            descriptor: 1,
            descriptor_sectors,
            directory,
            overhead: GRAIN_SECTORS,
        }
    }

    pub(super) fn encode(&self) -> [u8; SECTOR] {
        let compression = u16::from(self.flags & COMPRESSED != 0);
        let fields: [&[u8]; 14] = [
            &MAGIC,
            &self.version.to_le_bytes(),
            &self.flags.to_le_bytes(),
            &self.capacity.to_le_bytes(),
            &self.grain.to_le_bytes(),
            &self.descriptor.to_le_bytes(),
            &self.descriptor_sectors.to_le_bytes(),
            &512_u32.to_le_bytes(), // grains that a table maps
            &0_u64.to_le_bytes(),   // no second copy of the directory
            &self.directory.to_le_bytes(),
            &self.overhead.to_le_bytes(),
            &[0], // closed in order
            &LINE_END_BYTES,
            &compression.to_le_bytes(),
        ];
        let mut sector = [0; SECTOR];
        let mut at = 0;
        for field in fields {
            sector[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        sector
    }

    /// Reads the header at `offset` and says what cannot be read of the file.
    ///
    /// # Errors
    /// `InvalidData` for what is no header or contradicts itself, `Unsupported` for kinds that are not read.
    pub(super) fn read(device: &dyn ReadAt, offset: u64) -> io::Result<Header> {
        let mut sector = [0; SECTOR];
        device.read_exact_at(&mut sector, offset)?;
        let u16_at = |at: usize| u16::from_le_bytes([sector[at], sector[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| sector[at + index]));
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| sector[at + index]));
        if sector[..4] != MAGIC {
            return Err(damaged(offset, "not the header of a sparse vmdk"));
        }
        let header = Header {
            version: u32_at(4),
            flags: u32_at(8),
            capacity: u64_at(12),
            grain: u64_at(20),
            descriptor: u64_at(28),
            descriptor_sectors: u64_at(36),
            directory: u64_at(56),
            overhead: u64_at(64),
        };
        let (compressed, algorithm) = (header.flags & COMPRESSED != 0, u16_at(77));
        if !(1..=3).contains(&header.version) || (compressed && algorithm != 1) {
            let version = header.version;
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("vmdk version {version}, compression {algorithm}"),
            ));
        }
        if header.flags & LINE_ENDS != 0 && sector[73..77] != LINE_END_BYTES {
            return Err(damaged(offset + 73, "line ends were changed in transfer"));
        }
        if u64::from(u32_at(44)) != TABLE_ENTRIES {
            return Err(damaged(offset + 44, "grain tables of another size than 512"));
        }
        // VMware's text: a power of two and more than eight sectors; more than a mebibyte nobody writes.
        if !header.grain.is_power_of_two() || !(8..=2048).contains(&header.grain) {
            return Err(damaged(offset + 20, &format!("grains of {} sectors", header.grain)));
        }
        if header.capacity > u64::MAX / SECTOR_BYTES {
            return Err(damaged(offset + 12, "a disk of more than 2^64 bytes"));
        }
        Ok(header)
    }

    /// The header that counts: the footer, if the first one leaves the directory to it.
    pub(super) fn of_file(device: &dyn ReadAt) -> io::Result<Header> {
        let header = Header::read(device, 0)?;
        if header.directory != AT_END {
            return Ok(header);
        }
        // Footer and end marker are the last two sectors.
        let place = device.size()?.checked_sub(2 * SECTOR_BYTES).ok_or(io::ErrorKind::UnexpectedEof)?;
        let footer = Header::read(device, place)?;
        if footer != (Header { directory: footer.directory, ..header }) || footer.directory == AT_END {
            return Err(damaged(place, "the footer contradicts the header"));
        }
        Ok(footer)
    }

    /// The text that is embedded in the file; empty if there is none.
    pub(super) fn read_descriptor(&self, device: &dyn ReadAt) -> io::Result<String> {
        let length = self.descriptor_sectors.saturating_mul(SECTOR_BYTES).min(DESCRIPTOR_MAX);
        let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        device.read_exact_at(&mut text, self.descriptor.saturating_mul(SECTOR_BYTES))?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        Ok(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    pub(super) fn tables(&self) -> u64 {
        self.capacity.div_ceil(self.grain * TABLE_ENTRIES)
    }
}

/// The header and the embedded descriptor, a property a line.
pub fn dump(device: &dyn ReadAt) -> io::Result<String> {
    let header = Header::of_file(device)?;
    Ok(format!(
        "vmdk version {}, {} bytes in {} bytes\nflags {:#x}, grains {} sectors, tables {}\n\n{}",
        header.version,
        header.capacity * SECTOR_BYTES,
        device.size()?,
        header.flags,
        header.grain,
        header.tables(),
        header.read_descriptor(device)?,
    ))
}

pub(super) fn damaged(offset: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("offset {offset}: {what}"))
}

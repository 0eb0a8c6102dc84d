//! GUID partition tables (UEFI 2.10, chapter 5), on the crate `gpt`.
//!
//! [`encode`] turns a [`Table`] into the bytes of both ends of a disk and nothing else: the crate draws random GUIDs
//! where none are given, so every GUID is given. [`read`] returns only tables whose two copies are whole and agree.
//! Sectors have 512 bytes. Oracle: `sgdisk -v`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use gpt::disk::LogicalBlockSize;
use gpt::header::{Header, read_header_from_arbitrary_device};
use gpt::mbr::ProtectiveMBR;
use gpt::partition::file_read_partitions;
use gpt::partition_types::{OperatingSystem, Type};
use uuid::Uuid;

/// Bytes in a sector (LBA). Disks with 4 KiB sectors would need other tables.
pub const SECTOR: u64 = 512;
/// First sector that a partition may use: MBR, header and 128 entries come before it.
pub const FIRST_USABLE: u64 = 34;
/// Sectors at the end of the disk that hold the backup: 128 entries and a header.
pub const BACKUP_SECTORS: u64 = 33;
/// Partitions in one table.
const PARTITIONS_MAX: usize = 128;
/// UTF-16 units in a partition's name.
const NAME_MAX: usize = 36;
/// Most entries that a table read from outside may have: bounds the time spent on a damaged one.
const ENTRIES_READ_MAX: u32 = 1024;

/// One partition; `last_lba` belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub name: String,
    pub type_guid: Uuid,
    pub guid: Uuid,
    pub first_lba: u64,
    pub last_lba: u64,
    /// Attribute bits as UEFI numbers them; the type defines bits 48 to 63.
    pub attributes: u64,
}

/// A disk's partitions, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub disk_guid: Uuid,
    /// Size of the whole disk in sectors, both copies of the table included.
    pub sectors: u64,
    pub partitions: Vec<Partition>,
}

/// A table as bytes. Between the two parts lies what the partitions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Protective MBR, primary header and entries: [`FIRST_USABLE`] sectors from the start of the disk.
    pub primary: Vec<u8>,
    /// Backup entries and header: the last [`BACKUP_SECTORS`] sectors of the disk.
    pub backup: Vec<u8>,
}

/// Why a table cannot be written, or is not one.
#[derive(Debug)]
pub enum GptError {
    /// The partition lies outside the usable sectors, which are given, or ends before it starts.
    OutOfBounds {
        name: String,
        usable: (u64, u64),
    },
    Overlap {
        first: String,
        second: String,
    },
    NameTooLong {
        name: String,
    },
    TooManyPartitions {
        count: usize,
    },
    DiskTooSmall {
        sectors: u64,
    },
    /// The table at this sector is damaged.
    Damaged {
        lba: u64,
        problem: String,
    },
    Io(io::Error),
}

impl fmt::Display for GptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GptError::OutOfBounds { name, usable: (first, last) } => {
                write!(f, "partition `{name}` does not lie within the usable sectors {first} to {last}")
            }
            GptError::Overlap { first, second } => write!(f, "partitions `{first}` and `{second}` overlap"),
            GptError::NameTooLong { name } => {
                write!(f, "the partition name `{name}` has more than {NAME_MAX} UTF-16 units")
            }
            GptError::TooManyPartitions { count } => {
                write!(f, "{count} partitions do not fit a table of {PARTITIONS_MAX}")
            }
            GptError::DiskTooSmall { sectors } => write!(f, "a disk of {sectors} sectors has no room for two tables"),
            GptError::Damaged { lba, problem } => write!(f, "partition table at sector {lba}: {problem}"),
            GptError::Io(error) => write!(f, "accessing the partition table: {error}"),
        }
    }
}

impl std::error::Error for GptError {}

impl From<io::Error> for GptError {
    fn from(error: io::Error) -> GptError {
        GptError::Io(error)
    }
}

/// The two ends of the disk as bytes; the same table always gives the same bytes.
pub fn encode(table: &Table) -> Result<Encoded, GptError> {
    check(table)?;
    let device = Ends {
        primary: vec![0; bytes(FIRST_USABLE)],
        backup: vec![0; bytes(BACKUP_SECTORS)],
        sectors: table.sectors,
        position: 0,
    };
    let refused = |error: gpt::GptError| GptError::Io(io::Error::other(error.to_string()));
    let config = gpt::GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let mut disk = config.create_from_device(device, Some(table.disk_guid)).map_err(refused)?;
    disk.update_partitions((1..).zip(table.partitions.iter().map(crate_partition)).collect()).map_err(refused)?;
    let mut device = disk.write().map_err(refused)?;
    // A disk beyond 2 TiB has this field full (UEFI 2.10, table 5-4).
    let protected = u32::try_from(table.sectors - 1).unwrap_or(u32::MAX);
    let mbr = ProtectiveMBR::with_lb_size(protected).overwrite_lba0(&mut device);
    mbr.map_err(|error| GptError::Io(io::Error::other(error.to_string())))?;
    Ok(Encoded { primary: device.primary, backup: device.backup })
}

/// Reads the table of a disk or an image of one: both copies must be whole and say the same.
pub fn read<R: Read + Seek>(device: &mut R) -> Result<Table, GptError> {
    let sectors = device.seek(SeekFrom::End(0))? / SECTOR;
    if sectors < FIRST_USABLE + BACKUP_SECTORS {
        return Err(GptError::DiskTooSmall { sectors });
    }
    let (primary, partitions) = read_copy(device, 1, sectors)?;
    let lba = primary.backup_lba;
    if lba >= sectors {
        let problem = format!("the backup should be at sector {lba}, but the disk ends at {sectors}");
        return Err(GptError::Damaged { lba: 1, problem });
    }
    let (backup, backup_partitions) = read_copy(device, lba, sectors)?;
    if (backup.disk_guid, backup.backup_lba) != (primary.disk_guid, 1) || backup_partitions != partitions {
        return Err(GptError::Damaged { lba, problem: "the backup does not say what the primary table says".into() });
    }
    let partitions = partitions.into_values().map(own_partition).collect();
    let table = Table { disk_guid: primary.disk_guid, sectors: lba + 1, partitions };
    check(&table)?;
    Ok(table)
}

/// A table for people: one partition a line, sizes in MiB where they are whole.
pub fn dump(table: &Table) -> String {
    let mut text = format!("disk {} with {} sectors\n", table.disk_guid, table.sectors);
    for (number, partition) in (1..).zip(&table.partitions) {
        let Partition { name, type_guid, guid, first_lba, last_lba, attributes } = partition;
        text += &format!("{number} {name:10} {first_lba:>9} {last_lba:>9} {:>10}", size(first_lba, last_lba));
        text += &format!(" type {type_guid} guid {guid} attributes {attributes:#x}\n");
    }
    text
}

fn size(first_lba: &u64, last_lba: &u64) -> String {
    let sectors = last_lba.saturating_add(1).saturating_sub(*first_lba);
    if sectors.is_multiple_of(2048) { format!("{} MiB", sectors / 2048) } else { format!("{sectors} sec") }
}

/// Partitions lie within the usable sectors and apart, and their names fit.
fn check(table: &Table) -> Result<(), GptError> {
    if table.sectors < FIRST_USABLE + BACKUP_SECTORS + 1 {
        return Err(GptError::DiskTooSmall { sectors: table.sectors });
    }
    if table.partitions.len() > PARTITIONS_MAX {
        return Err(GptError::TooManyPartitions { count: table.partitions.len() });
    }
    let usable = (FIRST_USABLE, table.sectors - BACKUP_SECTORS - 1);
    for partition in &table.partitions {
        let name = partition.name.clone();
        if partition.name.encode_utf16().count() > NAME_MAX {
            return Err(GptError::NameTooLong { name });
        }
        if partition.first_lba < usable.0 || partition.last_lba > usable.1 || partition.last_lba < partition.first_lba {
            return Err(GptError::OutOfBounds { name, usable });
        }
    }
    let mut by_start: Vec<&Partition> = table.partitions.iter().collect();
    by_start.sort_by_key(|partition| partition.first_lba);
    match by_start.windows(2).find(|pair| pair[1].first_lba <= pair[0].last_lba) {
        Some(pair) => Err(GptError::Overlap { first: pair[0].name.clone(), second: pair[1].name.clone() }),
        None => Ok(()),
    }
}

/// One copy of the table. The crate takes the header's numbers on trust and does not look at the checksum of the
/// entries, so both are checked before it reads them.
fn read_copy<R: Read + Seek>(
    device: &mut R,
    lba: u64,
    sectors: u64,
) -> Result<(Header, BTreeMap<u32, gpt::partition::Partition>), GptError> {
    let damaged = |problem: String| GptError::Damaged { lba, problem };
    // The crate's reader always reads the second sector of its device: let that be the header that is wanted.
    let mut start = vec![0; bytes(2)];
    device.seek(SeekFrom::Start(lba * SECTOR))?;
    device.read_exact(&mut start[bytes(1)..])?;
    let header = read_header_from_arbitrary_device(&mut io::Cursor::new(start), LogicalBlockSize::Lb512);
    let header = header.map_err(|error| damaged(error.to_string()))?;
    if header.current_lba != lba {
        return Err(damaged(format!("the header says that it is at sector {}", header.current_lba)));
    }
    if header.part_size != 128 || header.num_parts > ENTRIES_READ_MAX {
        return Err(damaged(format!("{} entries of {} bytes", header.num_parts, header.part_size)));
    }
    let length = u64::from(header.num_parts) * u64::from(header.part_size);
    let end = header.part_start.checked_add(length.div_ceil(SECTOR));
    if end.is_none_or(|end| end > sectors) {
        return Err(damaged(format!("the entries at sector {} lie outside the disk", header.part_start)));
    }
    device.seek(SeekFrom::Start(header.part_start * SECTOR))?;
    let mut checksum = flate2::Crc::new();
    let mut entry = [0; 128];
    for _ in 0..header.num_parts {
        device.read_exact(&mut entry)?;
        checksum.update(&entry);
    }
    if checksum.sum() != header.crc32_parts {
        return Err(damaged("the checksum of the entries is wrong".into()));
    }
    let partitions = file_read_partitions(device, &header, LogicalBlockSize::Lb512)?;
    Ok((header, partitions))
}

fn crate_partition(partition: &Partition) -> gpt::partition::Partition {
    gpt::partition::Partition {
        part_type_guid: Type { guid: partition.type_guid, os: OperatingSystem::None },
        part_guid: partition.guid,
        first_lba: partition.first_lba,
        last_lba: partition.last_lba,
        flags: partition.attributes,
        name: partition.name.clone(),
    }
}

fn own_partition(partition: gpt::partition::Partition) -> Partition {
    Partition {
        name: partition.name,
        type_guid: partition.part_type_guid.guid,
        guid: partition.part_guid,
        first_lba: partition.first_lba,
        last_lba: partition.last_lba,
        attributes: partition.flags,
    }
}

/// Bytes in a few sectors.
fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors * SECTOR).expect("the ends of a disk are a few KiB")
}

/// A disk of which only the two ends exist: the crate wants a device, and the middle is not its business.
#[derive(Debug)]
struct Ends {
    primary: Vec<u8>,
    backup: Vec<u8>,
    sectors: u64,
    position: u64,
}

impl Ends {
    /// The bytes from the position to the end of the part that it lies in; an error in the middle of the disk.
    fn rest(&mut self) -> io::Result<&mut [u8]> {
        let backup_start = (self.sectors - BACKUP_SECTORS) * SECTOR;
        let (part, offset) = match self.position.checked_sub(backup_start) {
            Some(offset) => (&mut self.backup, offset),
            None => (&mut self.primary, self.position),
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| part.get_mut(offset..));
        rest.ok_or_else(|| io::Error::other(format!("byte {} is not part of a partition table", self.position)))
    }
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.rest()?;
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Ends {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let rest = self.rest()?;
        let count = rest.len().min(buffer.len());
        rest[..count].copy_from_slice(&buffer[..count]);
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => (self.sectors * SECTOR).checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Digest;
    use proptest::prelude::*;

    fn partition(name: &str, first_lba: u64, last_lba: u64) -> Partition {
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        Partition { name: name.into(), type_guid: Uuid::from_u128(7), guid, first_lba, last_lba, attributes: 1 << 60 }
    }

    fn table(sectors: u64, partitions: Vec<Partition>) -> Table {
        Table { disk_guid: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff), sectors, partitions }
    }

    fn image(table: &Table) -> Vec<u8> {
        let Encoded { primary, backup } = encode(table).unwrap();
        let mut image = primary;
        image.resize(bytes(table.sectors), 0);
        let at = image.len() - backup.len();
        image[at..].copy_from_slice(&backup);
        image
    }

    #[test]
    fn a_small_table_has_these_bytes() {
        // A change of this digest changes every disk image: say so in the changelog.
        let image = image(&table(300, vec![partition("esp", 34, 99), partition("root-ä", 100, 266)]));
        let digest = Digest::of(&image).to_string();
        assert_eq!(digest, "38bccdd6c8801c3e46989b9a08c05dfd8f700045f5ca9fe1fc8d7dc1b54b5e83");
    }

    #[test]
    fn the_dump_shows_a_partition_a_line() {
        let table = table(8192, vec![partition("esp", 2048, 4095), partition("odd", 4096, 4098)]);
        insta::assert_snapshot!(dump(&read(&mut io::Cursor::new(image(&table))).unwrap()), @r"
        disk 00112233-4455-6677-8899-aabbccddeeff with 8192 sectors
        1 esp             2048      4095      1 MiB type 00000000-0000-0000-0000-000000000007 guid 2b760d50-b467-56fc-9637-196895cf1f30 attributes 0x1000000000000000
        2 odd             4096      4098      3 sec type 00000000-0000-0000-0000-000000000007 guid e22fdf35-e931-5a1b-bc34-f614f0f8db55 attributes 0x1000000000000000
        ");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let error = |sectors, partitions| encode(&table(sectors, partitions)).unwrap_err().to_string();
        assert_eq!(error(200, vec![partition("a", 34, 50), partition("b", 50, 60)]), "partitions `a` and `b` overlap");
        assert_eq!(
            error(200, vec![partition("a", 34, 167)]),
            "partition `a` does not lie within the usable sectors 34 to 166"
        );
        assert_eq!(error(67, vec![]), "a disk of 67 sectors has no room for two tables");
        let long = "x".repeat(37);
        assert!(error(200, vec![partition(&long, 34, 50)]).contains("more than 36"));
        let many = (0..129).map(|number| partition("p", 34 + number, 34 + number)).collect();
        assert!(error(900, many).contains("129 partitions"));
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_table_is_found() {
        let whole = image(&table(100, vec![partition("a", 34, 60)]));
        // Header, first entry, an empty entry, and the same in the backup. (The MBR has no checksum.)
        for at in [512, 512 + 30, 512 + 90, 1024, 1024 + 33, 9000, 67 * 512, 67 * 512 + 60, 99 * 512 + 24] {
            let mut image = whole.clone();
            image[at] ^= 4;
            assert!(read(&mut io::Cursor::new(image)).is_err(), "byte {at}");
        }
        assert!(read(&mut io::Cursor::new(vec![0; 100])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(lengths in prop::collection::vec((1u64..3000, 0u64..50), 0..128)) {
            let mut next = FIRST_USABLE;
            let mut partitions = Vec::new();
            for (index, (length, gap)) in lengths.into_iter().enumerate() {
                partitions.push(partition(&format!("part-{index}"), next + gap, next + gap + length - 1));
                next += gap + length;
            }
            let table = table(next + BACKUP_SECTORS + 1, partitions);
            let encoded = encode(&table).unwrap();
            let mut device = Ends {
                primary: encoded.primary, backup: encoded.backup, sectors: table.sectors, position: 0,
            };
            prop_assert_eq!(read(&mut device).unwrap(), table);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(header in prop::collection::vec(any::<u8>(), 92), valid in any::<bool>()) {
            let mut image = image(&table(100, vec![partition("a", 34, 60)]));
            image[512 + 24..512 + 92].copy_from_slice(&header[24..]);
            if valid {
                image[512 + 16..512 + 20].fill(0);
                let mut checksum = flate2::Crc::new();
                checksum.update(&image[512..512 + 92]);
                image[512 + 16..512 + 20].copy_from_slice(&checksum.sum().to_le_bytes());
            }
            let _ = read(&mut io::Cursor::new(image));
        }
    }
}

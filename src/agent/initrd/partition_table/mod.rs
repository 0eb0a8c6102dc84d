//! The partition table of a disk that is in use: read, change, write so that a power cut loses nothing.
//!
//! Takes an open disk (or image file), gives a [`Gpt`] value; [`Gpt::write`] puts it back. Both headers and both entry
//! arrays are checked by CRC; the primary wins, the backup serves when the primary is damaged. Format: UEFI
//! Specification 2.10, chapter 5.3; oracle: `sgdisk -v`. The protective MBR is left alone: it may hold boot code.
//!
//! ```text
//! LBA 0     1       2 ……… 33                                  end-32 ……… end-1   end
//!     MBR   header  entries   first usable ……… last usable   entries (backup)   header (backup)
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context as _, Result, bail, ensure};

use crate::hex;

#[cfg(test)]
pub(crate) mod tests;

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER_BYTES: usize = 92;
/// Largest entry array that is read: 128 entries of 128 bytes are usual, this is 64 times as much.
const MAX_ARRAY_BYTES: u64 = 1 << 20;
/// Code units of the name field.
const NAME_UNITS: usize = 36;

/// One partition as the table has it. GUIDs are in the byte order of their text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the partition, from 1: the `5` of `vda5`.
    pub number: u32,
    pub type_guid: [u8; 16],
    pub unique_guid: [u8; 16],
    pub first_lba: u64,
    /// The last sector that belongs to it.
    pub last_lba: u64,
    pub name: String,
}

/// Which of the two copies on the disk were good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    Both,
    PrimaryOnly,
    BackupOnly,
}

/// A checked table. Changes are made to this value and written as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpt {
    pub sector_bytes: u64,
    pub copies: Copies,
    header: Header,
    /// The entry array as it is on the disk: fields that we do not know survive a change.
    array: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    my_lba: u64,
    alternate_lba: u64,
    first_usable_lba: u64,
    last_usable_lba: u64,
    disk_guid: [u8; 16],
    partition_entry_lba: u64,
    entry_count: u32,
    entry_bytes: u32,
}

/// Reads the table of a disk of `disk_bytes` bytes. `None`: there is no GPT on it.
///
/// # Errors
/// The disk cannot be read, or it had a GPT of which both copies are damaged.
pub fn read(disk: &File, disk_bytes: u64, sector_bytes: u64) -> Result<Option<Gpt>> {
    ensure!(matches!(sector_bytes, 512 | 1024 | 2048 | 4096), "a sector of {sector_bytes} bytes is not usable");
    let sectors = disk_bytes / sector_bytes;
    if sectors < 6 {
        return Ok(None);
    }
    let last_lba = sectors - 1;
    let primary = read_copy(disk, 1, sectors, sector_bytes)?;
    let backup_lba = match &primary {
        Found::Good(header, _) => header.alternate_lba,
        Found::Absent | Found::Damaged(_) => last_lba,
    };
    // The alternate of an image that was copied to a larger disk is not at the end of the disk, but where it was.
    let backup = if backup_lba > 1 && backup_lba <= last_lba {
        read_copy(disk, backup_lba, sectors, sector_bytes)?
    } else {
        Found::Absent
    };
    let table = |header, array, copies| Some(Gpt { sector_bytes, copies, header, array });
    match (primary, backup) {
        (Found::Good(header, array), Found::Good(..)) => Ok(table(header, array, Copies::Both)),
        (Found::Good(header, array), _) => Ok(table(header, array, Copies::PrimaryOnly)),
        (_, Found::Good(backup, array)) => {
            let header = Header { my_lba: 1, alternate_lba: backup.my_lba, partition_entry_lba: 2, ..backup };
            Ok(table(header, array, Copies::BackupOnly))
        }
        (Found::Damaged(why), _) => bail!("both copies of the partition table are damaged (primary: {why})"),
        (Found::Absent, Found::Damaged(why)) => bail!("no primary partition table, and the backup is damaged: {why}"),
        (Found::Absent, Found::Absent) => Ok(None),
    }
}

enum Found {
    Absent,
    Damaged(String),
    Good(Header, Vec<u8>),
}

/// Reads and checks the copy whose header is at `lba`.
fn read_copy(disk: &File, lba: u64, sectors: u64, sector_bytes: u64) -> Result<Found> {
    let mut sector = vec![0; usize::try_from(sector_bytes).context("sizing a sector")?];
    disk.read_exact_at(&mut sector, lba * sector_bytes).with_context(|| format!("reading sector {lba}"))?;
    if &sector[..8] != SIGNATURE {
        return Ok(Found::Absent);
    }
    let header = match check_header(&sector, lba, sectors, sector_bytes) {
        Ok(header) => header,
        Err(why) => return Ok(Found::Damaged(why)),
    };
    let mut array = vec![0; header.array_bytes()];
    disk.read_exact_at(&mut array, header.partition_entry_lba * sector_bytes)
        .with_context(|| format!("reading the partition entries at sector {}", header.partition_entry_lba))?;
    if crc32(&array) != u32_at(&sector, 88) {
        return Ok(Found::Damaged(format!("the entries of the header at sector {lba} do not match their checksum")));
    }
    Ok(Found::Good(header, array))
}

fn check_header(sector: &[u8], lba: u64, sectors: u64, sector_bytes: u64) -> Result<Header, String> {
    let size = usize::try_from(u32_at(sector, 12)).unwrap_or(usize::MAX);
    if size < HEADER_BYTES || size > sector.len() {
        return Err(format!("the header at sector {lba} claims to be {size} bytes long"));
    }
    let mut zeroed = sector[..size].to_vec();
    zeroed[16..20].fill(0);
    if crc32(&zeroed) != u32_at(sector, 16) {
        return Err(format!("the header at sector {lba} does not match its checksum"));
    }
    let header = Header {
        my_lba: u64_at(sector, 24),
        alternate_lba: u64_at(sector, 32),
        first_usable_lba: u64_at(sector, 40),
        last_usable_lba: u64_at(sector, 48),
        disk_guid: swap_guid(array_at(sector, 56)),
        partition_entry_lba: u64_at(sector, 72),
        entry_count: u32_at(sector, 80),
        entry_bytes: u32_at(sector, 84),
    };
    if header.my_lba != lba {
        return Err(format!("the header at sector {lba} says that it is at {}", header.my_lba));
    }
    let array_bytes = u64::from(header.entry_count) * u64::from(header.entry_bytes);
    if !header.entry_bytes.is_power_of_two()
        || header.entry_bytes < 128
        || !(1..=MAX_ARRAY_BYTES).contains(&array_bytes)
    {
        return Err(format!("{} entries of {} bytes are not usable", header.entry_count, header.entry_bytes));
    }
    let array_end = header.partition_entry_lba.checked_add(array_bytes.div_ceil(sector_bytes));
    if header.partition_entry_lba < 2 || array_end.is_none_or(|end| end > sectors) {
        return Err(format!("the entries at sector {} are not on the disk", header.partition_entry_lba));
    }
    if header.first_usable_lba > header.last_usable_lba || header.last_usable_lba >= sectors {
        return Err(format!(
            "the usable sectors {}–{} are not on the disk",
            header.first_usable_lba, header.last_usable_lba
        ));
    }
    Ok(header)
}

impl Header {
    /// At most [`MAX_ARRAY_BYTES`], as checked when the header was read.
    fn array_bytes(&self) -> usize {
        usize::try_from(u64::from(self.entry_count) * u64::from(self.entry_bytes)).unwrap_or(0)
    }

    fn encode(&self, array_crc: u32, sector_bytes: usize) -> Vec<u8> {
        let mut sector = vec![0; sector_bytes];
        sector[..8].copy_from_slice(SIGNATURE);
        put(&mut sector, 8, &REVISION.to_le_bytes());
        put(&mut sector, 12, &92_u32.to_le_bytes());
        put(&mut sector, 24, &self.my_lba.to_le_bytes());
        put(&mut sector, 32, &self.alternate_lba.to_le_bytes());
        put(&mut sector, 40, &self.first_usable_lba.to_le_bytes());
        put(&mut sector, 48, &self.last_usable_lba.to_le_bytes());
        put(&mut sector, 56, &swap_guid(self.disk_guid));
        put(&mut sector, 72, &self.partition_entry_lba.to_le_bytes());
        put(&mut sector, 80, &self.entry_count.to_le_bytes());
        put(&mut sector, 84, &self.entry_bytes.to_le_bytes());
        put(&mut sector, 88, &array_crc.to_le_bytes());
        let crc = crc32(&sector[..HEADER_BYTES]);
        put(&mut sector, 16, &crc.to_le_bytes());
        sector
    }
}

impl Gpt {
    /// The used entries, in the order of the table.
    pub fn entries(&self) -> Vec<Entry> {
        (1..=self.header.entry_count)
            .zip(self.slots())
            .filter_map(|(number, slot)| decode_entry(number, slot))
            .collect()
    }

    fn slots(&self) -> impl Iterator<Item = &[u8]> {
        self.array.chunks_exact(usize::try_from(self.header.entry_bytes).unwrap_or(usize::MAX))
    }

    pub fn last_usable_lba(&self) -> u64 {
        self.header.last_usable_lba
    }

    pub fn first_usable_lba(&self) -> u64 {
        self.header.first_usable_lba
    }

    /// The last sector a partition may use on a disk of this size.
    pub fn last_usable_on(&self, disk_bytes: u64) -> Option<u64> {
        (disk_bytes / self.sector_bytes).checked_sub(2 + self.array_sectors())
    }

    /// Bytes that the disk must have for a partition that ends with this sector.
    pub fn disk_bytes_for(&self, last_lba: u64) -> Option<u64> {
        last_lba.checked_add(2 + self.array_sectors())?.checked_mul(self.sector_bytes)
    }

    fn array_sectors(&self) -> u64 {
        (u64::from(self.header.entry_count) * u64::from(self.header.entry_bytes)).div_ceil(self.sector_bytes)
    }

    /// Whether backup and usable range are where they belong on a disk of this size.
    pub fn fills(&self, disk_bytes: u64) -> bool {
        self.copies == Copies::Both
            && self.header.alternate_lba == (disk_bytes / self.sector_bytes).saturating_sub(1)
            && Some(self.header.last_usable_lba) == self.last_usable_on(disk_bytes)
    }

    /// Moves the backup to the end of a disk of this size and makes the space before it usable. Only the value
    /// changes; [`Gpt::write`] puts it on the disk.
    ///
    /// # Errors
    /// A partition lies outside the disk: it has become smaller.
    pub fn fit(&mut self, disk_bytes: u64) -> Result<()> {
        let last_usable = self.last_usable_on(disk_bytes).context("the disk is too small for a partition table")?;
        for entry in self.entries() {
            ensure!(
                entry.last_lba <= last_usable,
                "partition {} (`{}`) ends at sector {}, but the disk's last usable sector is {last_usable}: \
                 has the disk been made smaller?",
                entry.number,
                entry.name,
                entry.last_lba
            );
        }
        self.header.last_usable_lba = last_usable;
        self.header.alternate_lba = disk_bytes / self.sector_bytes - 1;
        Ok(())
    }

    /// Adds a partition in the first free slot and returns its number.
    ///
    /// # Errors
    /// No free slot, or the range is not free.
    pub fn add(&mut self, entry: Entry) -> Result<u32> {
        ensure!(
            entry.first_lba >= self.header.first_usable_lba
                && entry.first_lba <= entry.last_lba
                && entry.last_lba <= self.header.last_usable_lba,
            "sectors {}–{} are not inside the usable range {}–{}",
            entry.first_lba,
            entry.last_lba,
            self.header.first_usable_lba,
            self.header.last_usable_lba
        );
        let used = self.entries();
        if let Some(other) =
            used.iter().find(|other| entry.first_lba <= other.last_lba && other.first_lba <= entry.last_lba)
        {
            bail!(
                "sectors {}–{} overlap partition {} (`{}`, {}–{})",
                entry.first_lba,
                entry.last_lba,
                other.number,
                other.name,
                other.first_lba,
                other.last_lba
            );
        }
        let number = (1..=self.header.entry_count)
            .find(|number| used.iter().all(|other| other.number != *number))
            .context("the partition table has no free slot")?;
        self.put_entry(&Entry { number, ..entry })?;
        Ok(number)
    }

    /// Replaces the entry that has the same number.
    pub fn put_entry(&mut self, entry: &Entry) -> Result<()> {
        let bytes = usize::try_from(self.header.entry_bytes).context("sizing an entry")?;
        let index = usize::try_from(entry.number.checked_sub(1).context("partitions count from 1")?)?;
        let slot = self.array.chunks_exact_mut(bytes).nth(index).context("the table has no such slot")?;
        put(slot, 0, &swap_guid(entry.type_guid));
        put(slot, 16, &swap_guid(entry.unique_guid));
        put(slot, 32, &entry.first_lba.to_le_bytes());
        put(slot, 40, &entry.last_lba.to_le_bytes());
        let units: Vec<u16> = entry.name.encode_utf16().collect();
        ensure!(units.len() <= NAME_UNITS, "the partition name `{}` is too long", entry.name);
        slot[56..56 + 2 * NAME_UNITS].fill(0);
        for (index, unit) in units.iter().enumerate() {
            put(slot, 56 + 2 * index, &unit.to_le_bytes());
        }
        Ok(())
    }

    /// Writes backup and primary, in this order, each synced before the next. A power cut before the primary leaves
    /// the old table; a power cut within the primary leaves a bad checksum there and the new table at the disk's end,
    /// where [`read`] finds it.
    pub fn write(&mut self, disk: &File) -> Result<()> {
        let sector_bytes = usize::try_from(self.sector_bytes).context("sizing a sector")?;
        let crc = crc32(&self.array);
        let primary = Header { my_lba: 1, partition_entry_lba: 2, ..self.header.clone() };
        let backup_entries = primary.alternate_lba.checked_sub(self.array_sectors());
        let backup_entries = backup_entries
            .filter(|entries| *entries > primary.last_usable_lba)
            .context("the partition table leaves no room for its backup")?;
        ensure!(
            primary.first_usable_lba >= 2 + self.array_sectors(),
            "the partition table leaves no room for its entries before sector {}",
            primary.first_usable_lba
        );
        let backup = Header {
            my_lba: primary.alternate_lba,
            alternate_lba: 1,
            partition_entry_lba: backup_entries,
            ..primary.clone()
        };
        let padded = usize::try_from(self.array_sectors())? * sector_bytes;
        let mut array = self.array.clone();
        array.resize(padded, 0);

        let at_end = [array.as_slice(), &backup.encode(crc, sector_bytes)].concat();
        disk.write_all_at(&at_end, backup.partition_entry_lba * self.sector_bytes)
            .context("writing the backup partition table")?;
        disk.sync_all().context("syncing the backup partition table")?;
        // One write for header and entries, so that the window between them is as small as the disk can make it.
        let at_start = [primary.encode(crc, sector_bytes).as_slice(), &array].concat();
        disk.write_all_at(&at_start, self.sector_bytes).context("writing the partition table")?;
        disk.sync_all().context("syncing the partition table")?;
        self.header = primary;
        self.copies = Copies::Both;
        Ok(())
    }
}

fn decode_entry(number: u32, slot: &[u8]) -> Option<Entry> {
    let type_guid = swap_guid(array_at(slot, 0));
    if type_guid == [0; 16] {
        return None;
    }
    let units: Vec<u16> = slot[56..56 + 2 * NAME_UNITS]
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    Some(Entry {
        number,
        type_guid,
        unique_guid: swap_guid(array_at(slot, 16)),
        first_lba: u64_at(slot, 32),
        last_lba: u64_at(slot, 40),
        name: String::from_utf16_lossy(&units),
    })
}

/// Between the text's byte order and the disk's: the first three fields are little-endian there.
fn swap_guid(mut guid: [u8; 16]) -> [u8; 16] {
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid
}

/// A GUID constant of `contract`, as bytes in the order of its text.
pub fn parse_guid(text: &str) -> Option<[u8; 16]> {
    hex::decode(&text.replace('-', ""))
}

/// CRC-32 of IEEE 802.3, as UEFI wants it. Bit by bit: the arrays are a few KiB.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

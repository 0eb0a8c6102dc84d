//! A FAT volume as a listing, and files of it, from bytes that nobody vouches for.
//!
//! Every number is checked against the volume, and a cluster belongs to one file or directory: what leads in circles,
//! out of the volume or nowhere is an error with its offset. The crate `fatfs`, which reads the same in the tests, believes
//! what it reads: chains without an end are followed for ever, cluster 1 is a panic. Specification: Microsoft's, 2004.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use super::error::FatError;
use super::geometry::{ENTRY, FIRST_CLUSTER, Type};
use super::names::{DIRECTORY, LAST_PART, LONG_NAME, PART_PLACES, VOLUME, checksum};

/// Largest directory (the specification's section 6).
const DIRECTORY_BYTES_MAX: u64 = 65_536 * ENTRY as u64;
/// Longest path that is listed; Windows stops at 260 characters.
const PATH_MAX: usize = 1024;
/// Bytes of the table that are read at once: whole entries of 12, 16 and 32 bits.
const PIECE: usize = 3 << 14;
/// Bits of `NTRes`: the two parts of a short name are lower case (as Windows NT and Linux have it).
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// A line for the volume, then one for each path, directories with a `/` before what they hold.
pub fn dump<D: Read + Seek>(device: D) -> Result<String, FatError> {
    let mut volume = Volume::open(device)?;
    let root = volume.root()?;
    let label = root
        .chunks_exact(ENTRY)
        .take_while(|entry| entry[0] != 0)
        .find(|entry| entry[0] != DELETED && entry[11] & LONG_NAME != LONG_NAME && entry[11] & VOLUME != 0);
    let label = label.map(|entry| text(&entry[..11])).unwrap_or_default();
    let (id, clusters, size) = (volume.id, volume.clusters, volume.cluster_bytes);
    let mut listing = format!("{:?} label `{}` id {:04X}-{:04X}", volume.fat_type, label, id >> 16, id & 0xffff);
    listing += &format!(", {} of {clusters} clusters of {size} free\n", volume.free()?);
    walk(&mut volume, &root, "", &mut |_, path, entry| {
        let Found { time, date, .. } = entry;
        let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
        let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
        let when = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        listing += &match entry.directory {
            true => format!("{when} {:>10} {path}/\n", ""),
            false => format!("{when} {:>10} {path}\n", entry.size),
        };
        Ok(())
    })?;
    Ok(listing)
}

/// First byte of an entry that was deleted.
const DELETED: u8 = 0xe5;

/// Paths (`EFI/Linux/node.efi`) and bytes of the files that are `wanted`, in the volume's order. One with more than `max`
/// bytes is an error.
pub fn files<D: Read + Seek>(
    device: D,
    wanted: impl Fn(&str) -> bool,
    max: u64,
) -> Result<Vec<(String, Vec<u8>)>, FatError> {
    let mut volume = Volume::open(device)?;
    let root = volume.root()?;
    let mut files = Vec::new();
    walk(&mut volume, &root, "", &mut |volume, path, entry| {
        if !entry.directory && wanted(path) {
            files.push((path.to_owned(), volume.file(entry, max)?));
        }
        Ok(())
    })?;
    Ok(files)
}

/// Called with the path of an entry.
type Visit<'a, D> = dyn FnMut(&mut Volume<D>, &str, &Found) -> Result<(), FatError> + 'a;

/// Visits everything below a directory, directories before what they hold.
fn walk<D: Read + Seek>(
    volume: &mut Volume<D>,
    directory: &[u8],
    prefix: &str,
    visit: &mut Visit<'_, D>,
) -> Result<(), FatError> {
    for entry in entries(volume.fat_type, directory) {
        let path = format!("{prefix}{}", entry.name);
        if path.len() > PATH_MAX {
            return Err(damaged(0, "a path longer than 1024 bytes"));
        }
        visit(volume, &path, &entry)?;
        if entry.directory {
            let below = volume.directory(entry.cluster)?;
            walk(volume, &below, &format!("{path}/"), visit)?;
        }
    }
    Ok(())
}

/// An entry that names a file or a directory.
struct Found {
    name: String,
    directory: bool,
    time: u16,
    date: u16,
    /// The first one; 0 of a file that is empty.
    cluster: u32,
    size: u32,
}

/// What is in a directory, but for itself and its parent.
fn entries(fat_type: Type, directory: &[u8]) -> impl Iterator<Item = Found> {
    let mut long_name = LongName::default();
    directory.chunks_exact(ENTRY).take_while(|entry| entry[0] != 0).filter_map(move |entry| {
        if entry[0] == DELETED || entry[11] & LONG_NAME == LONG_NAME {
            long_name.take(entry);
            return None;
        }
        let name = std::mem::take(&mut long_name).of(entry).unwrap_or_else(|| short_name(entry));
        let high = if fat_type == Type::Fat32 { u32::from(u16_at(entry, 20)) << 16 } else { 0 };
        let found = Found {
            name,
            directory: entry[11] & DIRECTORY != 0,
            time: u16_at(entry, 22),
            date: u16_at(entry, 24),
            cluster: high | u32::from(u16_at(entry, 26)),
            size: u32_at(entry, 28),
        };
        (entry[11] & VOLUME == 0 && found.name != "." && found.name != "..").then_some(found)
    })
}

/// The parts of a long name, which come before the entry that it names, the last part first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    checksum: u8,
    /// Number of the part that came last.
    part: u8,
}

impl LongName {
    fn take(&mut self, entry: &[u8]) {
        let number = entry[0] & !LAST_PART;
        if entry[0] & LAST_PART != 0 && entry[0] != DELETED {
            *self = LongName { units: Vec::new(), checksum: entry[13], part: number };
        } else if entry[0] != DELETED && number + 1 == self.part && entry[13] == self.checksum {
            self.part = number;
        } else {
            *self = LongName::default();
            return;
        }
        let units: Vec<u16> = PART_PLACES.iter().map(|place| u16_at(entry, *place)).collect();
        self.units.splice(0..0, units);
    }

    /// The name, if it is whole and that of this entry.
    fn of(self, entry: &[u8]) -> Option<String> {
        let whole = self.part == 1 && self.checksum == checksum(&entry[..11]);
        let units = self.units.split(|unit| *unit == 0).next().unwrap_or_default();
        whole.then(|| printable(&String::from_utf16_lossy(units)))
    }
}

fn short_name(entry: &[u8]) -> String {
    let lower = |text: String, bit: u8| if entry[12] & bit == 0 { text } else { text.to_ascii_lowercase() };
    let (base, extension) = (text(&entry[..8]), text(&entry[8..11]));
    let (base, extension) = (lower(base, LOWER_BASE), lower(extension, LOWER_EXTENSION));
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// Without the blanks behind it. The other half of the character set depends on the country.
fn text(bytes: &[u8]) -> String {
    let wide = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER };
    printable(bytes.iter().map(wide).collect::<String>().trim_end_matches(' '))
}

/// So that a name stays in its line.
fn printable(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

struct Volume<D> {
    device: D,
    fat_type: Type,
    id: u32,
    /// Bytes from the start of the volume.
    fat: u64,
    /// Where the root directory of FAT12 and FAT16 is, and its bytes.
    root: (u64, u64),
    /// The first cluster of FAT32's.
    root_cluster: u32,
    data: u64,
    cluster_bytes: u64,
    clusters: u32,
    /// Clusters of what was read.
    met: BTreeSet<u32>,
}

impl<D: Read + Seek> Volume<D> {
    fn open(mut device: D) -> Result<Volume<D>, FatError> {
        let io = |error| FatError::Io { doing: "opening the FAT volume", error };
        let length = device.seek(SeekFrom::End(0)).map_err(io)?;
        let mut boot = [0; 512];
        device.seek(SeekFrom::Start(0)).map_err(io)?;
        device.read_exact(&mut boot).map_err(io)?;
        let sector = u64::from(u16_at(&boot, 11));
        let cluster_sectors = u64::from(boot[13]);
        let (reserved, fats) = (u64::from(u16_at(&boot, 14)), u64::from(boot[16]));
        if boot[510..] != [0x55, 0xaa] || !matches!(sector, 512 | 1024 | 2048 | 4096) {
            return Err(damaged(11, "this is no boot sector of FAT"));
        }
        if !cluster_sectors.is_power_of_two() || reserved == 0 || fats == 0 {
            return Err(damaged(13, "a volume without clusters, boot sector or table"));
        }
        let either = |small: u16, large: u32| if small == 0 { u64::from(large) } else { u64::from(small) };
        let (fat16, root_entries) = (u16_at(&boot, 22), u64::from(u16_at(&boot, 17)));
        let sectors = either(u16_at(&boot, 19), u32_at(&boot, 32));
        let fat_sectors = either(fat16, u32_at(&boot, 36));
        let root_bytes = root_entries * ENTRY as u64;
        let root_sector = reserved + fats * fat_sectors;
        let data_sector = root_sector + root_bytes.div_ceil(sector);
        let clusters = sectors.checked_sub(data_sector).map(|sectors| sectors / cluster_sectors);
        let clusters = clusters.and_then(|clusters| u32::try_from(clusters).ok()).filter(|count| *count < 1 << 28);
        let clusters = clusters.ok_or(damaged(19, "the tables do not fit the volume"))?;
        // As Linux tells the types apart: FAT32 has no 16-bit size of the table, the others differ in their clusters.
        let fat_type = match clusters {
            _ if fat16 == 0 => Type::Fat32,
            ..4085 => Type::Fat12,
            _ => Type::Fat16,
        };
        if fat_sectors * sector * 8 < (u64::from(clusters) + 2) * fat_type.entry_bits() {
            return Err(damaged(22, "the table is too small for the clusters"));
        }
        if sectors * sector > length {
            return Err(damaged(length, "the volume is cut off"));
        }
        let id = if fat_type == Type::Fat32 { u32_at(&boot, 67) } else { u32_at(&boot, 39) };
        Ok(Volume {
            device,
            fat_type,
            id,
            fat: reserved * sector,
            root: (root_sector * sector, root_bytes),
            root_cluster: u32_at(&boot, 44),
            data: data_sector * sector,
            cluster_bytes: cluster_sectors * sector,
            clusters,
            met: BTreeSet::new(),
        })
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), FatError> {
        let done = self.device.seek(SeekFrom::Start(offset)).and_then(|_| self.device.read_exact(buffer));
        done.map_err(|error| FatError::Io { doing: "reading the FAT volume", error })
    }

    fn root(&mut self) -> Result<Vec<u8>, FatError> {
        if self.fat_type == Type::Fat32 {
            return self.directory(self.root_cluster);
        }
        let (offset, length) = self.root;
        let mut bytes = vec![0; usize::try_from(length).expect("16 bits of entries")];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of the directory that starts with this cluster.
    fn directory(&mut self, first: u32) -> Result<Vec<u8>, FatError> {
        let bytes = self.chain(first, DIRECTORY_BYTES_MAX + 1)?;
        if bytes.len() as u64 > DIRECTORY_BYTES_MAX {
            return Err(damaged(self.fat, "a directory of more than 2 MiB"));
        }
        Ok(bytes)
    }

    fn file(&mut self, entry: &Found, max: u64) -> Result<Vec<u8>, FatError> {
        let size = u64::from(entry.size);
        if size > max {
            let error = io::Error::other(format!("`{}` is too large", entry.name));
            return Err(FatError::Io { doing: "reading a file", error });
        }
        let mut bytes = if size == 0 { Vec::new() } else { self.chain(entry.cluster, size)? };
        if (bytes.len() as u64) < size {
            return Err(damaged(self.fat, "a file ends before its size"));
        }
        bytes.truncate(usize::try_from(size).expect("the bytes are there"));
        Ok(bytes)
    }

    /// The bytes of the clusters from `first` on, up to the chain's end or until there are `enough`.
    fn chain(&mut self, first: u32, enough: u64) -> Result<Vec<u8>, FatError> {
        let mut bytes = Vec::new();
        let mut next = Some(first);
        // The table stands for the entry, too, that names the first cluster.
        let mut named_at = self.fat;
        while let Some(cluster) = next.filter(|_| (bytes.len() as u64) < enough) {
            let number = cluster.checked_sub(FIRST_CLUSTER).filter(|number| *number < self.clusters);
            let number = number.ok_or(damaged(named_at, "a file or directory leads out of the volume"))?;
            if !self.met.insert(cluster) {
                return Err(damaged(named_at, "two files or directories, or one twice, have the same cluster"));
            }
            let start = bytes.len();
            bytes.resize(start + usize::try_from(self.cluster_bytes).expect("at most 512 KiB"), 0);
            self.read(self.data + u64::from(number) * self.cluster_bytes, &mut bytes[start..])?;
            let at = u64::from(cluster) * self.fat_type.entry_bits() / 8;
            let mut entry = [0; 4];
            let width = if self.fat_type == Type::Fat32 { 4 } else { 2 };
            self.read(self.fat + at, &mut entry[..width])?;
            named_at = self.fat + at;
            next = self.fat_type.link(u32::from_le_bytes(entry), cluster);
        }
        Ok(bytes)
    }

    /// Clusters that nothing uses.
    fn free(&mut self) -> Result<u32, FatError> {
        let bits = self.fat_type.entry_bits();
        let bytes = ((u64::from(self.clusters) + 2) * bits).div_ceil(8);
        let (mut free, mut offset, mut number) = (0, 0, 0);
        let mut piece = vec![0; PIECE];
        while offset < bytes {
            let length = usize::try_from(bytes - offset).map_or(PIECE, |left| left.min(PIECE));
            self.read(self.fat + offset, &mut piece[..length])?;
            // The last entry's end may be a byte that is not there.
            piece[length..].fill(0);
            for index in 0..PIECE as u64 * 8 / bits {
                let at = usize::try_from(index * bits / 8).expect("within the piece");
                let entry = std::array::from_fn(|byte| piece.get(at + byte).copied().unwrap_or(0));
                let used = self.fat_type.value(u32::from_le_bytes(entry), number) != 0;
                if (FIRST_CLUSTER..self.clusters + FIRST_CLUSTER).contains(&number) && !used {
                    free += 1;
                }
                number += 1;
            }
            offset += PIECE as u64;
        }
        Ok(free)
    }
}

fn damaged(offset: u64, problem: &'static str) -> FatError {
    FatError::Damaged { offset, problem }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

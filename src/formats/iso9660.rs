//! ISO 9660 images (ECMA-119) with Joliet names: metadata seeds for platforms that take only CD-ROMs, and installers.
//!
//! Takes a label, a time and files for the root directory (there are no others); [`write`] gives the image, [`plan`] what
//! lies in front of the files and where these are to lie, for images that start a machine. Readers find the names as
//! they are through Joliet, and `META_DAT`-like ones without it. Oracles: `isoinfo`, `xorriso`, `blkid`, Linux.
//!
//! ```text
//! system area │ descriptors │ path tables │ boot catalog │ root directory, twice │ files
//! ```

pub mod el_torito;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// Bytes of a sector of a CD.
pub const SECTOR: usize = 2048;
/// Sectors before the first volume descriptor.
const SYSTEM_AREA: usize = 16;
/// Escape sequence of Joliet with UCS-2 level 3, in the supplementary descriptor.
const JOLIET: &[u8] = b"%/E";
/// Characters in a volume label: what Joliet has room for.
const LABEL_MAX: usize = 16;
/// Characters in a Joliet name.
const NAME_MAX: usize = 64;
/// Sectors of the two pairs of path tables.
const PATH_TABLES: usize = 4;
/// Sectors that an image has fewer of: 4 GiB.
const SECTORS_MAX: usize = 1 << 21;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoError {
    BadLabel(String),
    BadName(String),
    TooLarge,
}

impl fmt::Display for IsoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IsoError::BadLabel(label) => {
                write!(f, "`{label}` is no label: it needs 1 to {LABEL_MAX} letters, digits, `-` or `_`")
            }
            IsoError::BadName(name) => write!(
                f,
                "`{name}` cannot be on a CD image: it needs 1 to {NAME_MAX} ASCII characters without `*/:;?\\`, once"
            ),
            IsoError::TooLarge => f.write_str("the files are too large for a CD image"),
        }
    }
}

impl std::error::Error for IsoError {}

/// One of the two directories: the same files under the names of one character set.
struct Directory {
    /// Identifiers with version, as bytes, with the index of the file; sorted by identifier.
    records: Vec<(Vec<u8>, usize)>,
    sector: usize,
    sectors: usize,
}

/// What starts a machine from the image, by the names of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot<'a> {
    /// A FAT volume: firmware looks for its boot loader there.
    pub efi: &'a str,
    /// Code for a BIOS, which must be told where it lies ([`el_torito::boot_info`]).
    pub bios: Option<&'a str>,
}

/// An image without the contents of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All that lies in front of the files, the empty system area (its first 32 KiB) included.
    pub head: Vec<u8>,
    /// The first sector of each file.
    pub places: Vec<usize>,
    /// Of the whole image.
    pub sectors: usize,
}

/// The image, whole sectors of 2048 bytes.
pub fn write(label: &str, epoch: i64, files: &[(&str, &[u8])]) -> Result<Vec<u8>, IsoError> {
    let sizes: Vec<(&str, u64)> = files.iter().map(|(name, bytes)| (*name, bytes.len() as u64)).collect();
    let mut image = plan(label, epoch, &sizes, None)?.head;
    for (_, bytes) in files {
        image.extend(sectors_of(bytes.to_vec()));
    }
    Ok(image)
}

/// Where everything lies, for files of these names and sizes.
pub fn plan(label: &str, epoch: i64, files: &[(&str, u64)], boot: Option<&Boot<'_>>) -> Result<Layout, IsoError> {
    let good = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if label.is_empty() || label.len() > LABEL_MAX || !label.chars().all(good) {
        return Err(IsoError::BadLabel(label.to_owned()));
    }
    let (mut short_names, mut names) = (BTreeSet::new(), BTreeSet::new());
    let (mut plain, mut joliet) = (Vec::new(), Vec::new());
    for (index, (name, _)) in files.iter().enumerate() {
        let bad = |character: char| {
            !(character.is_ascii_graphic() || character == ' ')
                || matches!(character, '*' | '/' | ':' | ';' | '?' | '\\')
        };
        let dots = *name == "." || *name == "..";
        if name.is_empty() || name.len() > NAME_MAX || dots || name.contains(bad) || !names.insert(name) {
            return Err(IsoError::BadName((*name).to_owned()));
        }
        plain.push((short_name(name, &mut short_names).into_bytes(), index));
        joliet.push((ucs2(&format!("{name};1")), index));
    }
    let directory = |mut records: Vec<(Vec<u8>, usize)>, sector| {
        records.sort();
        // Sizes do not depend on where the files are.
        let sectors = directory_bytes(&records, (sector, 0), &|_| (0, 0), DateTime::UNIX_EPOCH).len() / SECTOR;
        Directory { records, sector, sectors }
    };
    // Behind the primary descriptor; its place is fixed (El Torito 1.0, 2.0).
    let descriptors = if boot.is_some() { 4 } else { 3 };
    let path_tables = SYSTEM_AREA + descriptors;
    let catalog = path_tables + PATH_TABLES;
    let directories = catalog + usize::from(boot.is_some());
    let plain = directory(plain, directories);
    let joliet = directory(joliet, directories + plain.sectors);

    let mut places = Vec::new();
    let mut next = joliet.sector + joliet.sectors;
    for (_, size) in files {
        let size = usize::try_from(*size).map_err(|_| IsoError::TooLarge)?;
        places.push((next, size));
        next = next.saturating_add(size.div_ceil(SECTOR));
    }
    if next >= SECTORS_MAX {
        return Err(IsoError::TooLarge);
    }

    let date = DateTime::from_timestamp(epoch, 0).unwrap_or_default();
    let mut image = vec![0; SYSTEM_AREA * SECTOR];
    image.extend(descriptor(label, &plain, None, (path_tables, next), date));
    image.extend(boot.iter().flat_map(|_| el_torito::descriptor(catalog)));
    image.extend(descriptor(label, &joliet, Some(JOLIET), (path_tables + 2, next), date));
    let mut end = vec![255];
    end.extend(b"CD001\x01");
    image.extend(sectors_of(end));
    for directory in [&plain, &joliet] {
        image.extend(sectors_of(path_table(directory.sector, u32::to_le_bytes, u16::to_le_bytes)));
        image.extend(sectors_of(path_table(directory.sector, u32::to_be_bytes, u16::to_be_bytes)));
    }
    if let Some(boot) = boot {
        let place = |name: &str| {
            let found = files.iter().zip(&places).find(|((file, _), _)| *file == name);
            found.map(|(_, place)| *place).ok_or_else(|| IsoError::BadName(name.to_owned()))
        };
        image.extend(el_torito::catalog(place(boot.efi)?, boot.bios.map(place).transpose()?));
    }
    for directory in [&plain, &joliet] {
        let own = (directory.sector, directory.sectors * SECTOR);
        image.extend(directory_bytes(&directory.records, own, &|index| places[index], date));
    }
    Ok(Layout { head: image, places: places.into_iter().map(|(sector, _)| sector).collect(), sectors: next })
}

/// `META_DAT.;1`: eight and three characters of the basic set; the number of a file where two would be the same.
fn short_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let keep = |text: &str, length: usize| -> String {
        let basic =
            |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' };
        text.chars().take(length).map(basic).collect()
    };
    let (base, extension) = (keep(base, 8), keep(extension, 3));
    let numbered = (1..).map(|number: u32| {
        let digits = number.to_string();
        format!("{}{digits}.{extension};1", &base[..base.len().min(8_usize.saturating_sub(digits.len()))])
    });
    let mut names = std::iter::once(format!("{base}.{extension};1")).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.expect("there are more numbers than files")
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Pads to whole sectors.
fn sectors_of(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

/// A number in both byte orders, as most fields are.
fn both32(value: usize) -> [u8; 8] {
    let value = u32::try_from(value).expect("an image has less than 4 GiB");
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    std::array::from_fn(|index| if index < 4 { little[index] } else { big[index - 4] })
}

fn both16(value: u16) -> [u8; 4] {
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    [little[0], little[1], big[0], big[1]]
}

/// ECMA-119 9.1.
fn record(identifier: &[u8], (sector, length): (usize, usize), is_directory: bool, date: DateTime<Utc>) -> Vec<u8> {
    let size = (33 + identifier.len()).next_multiple_of(2);
    let mut record = vec![u8::try_from(size).expect("names have at most 66 characters"), 0];
    record.extend(both32(sector));
    record.extend(both32(length));
    record.push(u8::try_from((date.year() - 1900).clamp(0, 255)).expect("clamped"));
    let parts = [date.month(), date.day(), date.hour(), date.minute(), date.second(), 0];
    record.extend(parts.map(|part| u8::try_from(part).expect("a part of a date is less than 60")));
    record.extend([if is_directory { 2 } else { 0 }, 0, 0]);
    record.extend(both16(1));
    record.push(u8::try_from(identifier.len()).expect("names have at most 66 characters"));
    record.extend(identifier);
    record.resize(size, 0);
    record
}

/// The records of a directory: itself, its parent (the root is its own), its files. None crosses a sector's end.
fn directory_bytes(
    records: &[(Vec<u8>, usize)],
    own: (usize, usize),
    place: &dyn Fn(usize) -> (usize, usize),
    date: DateTime<Utc>,
) -> Vec<u8> {
    let mut bytes = record(&[0], own, true, date);
    bytes.extend(record(&[1], own, true, date));
    for (identifier, index) in records {
        let record = record(identifier, place(*index), false, date);
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes = sectors_of(bytes);
        }
        bytes.extend(record);
    }
    sectors_of(bytes)
}

/// The root directory is the only entry (ECMA-119 9.4).
fn path_table(sector: usize, u32_bytes: fn(u32) -> [u8; 4], u16_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut table = vec![1, 0];
    table.extend(u32_bytes(u32::try_from(sector).expect("directories are at the start")));
    table.extend(u16_bytes(1));
    table.extend([0, 0]);
    table
}

/// Primary volume descriptor, or supplementary for Joliet (ECMA-119 8.4, 8.5), with its path table's sector and the
/// sectors of the image.
fn descriptor(
    label: &str,
    directory: &Directory,
    escapes: Option<&[u8]>,
    (table, sectors): (usize, usize),
    date: DateTime<Utc>,
) -> Vec<u8> {
    let is_joliet = escapes.is_some();
    let mut descriptor = vec![0; SECTOR];
    let mut put = |at: usize, bytes: &[u8]| descriptor[at..at + bytes.len()].copy_from_slice(bytes);
    let text = |text: &str, length: usize| -> Vec<u8> {
        let mut bytes = if is_joliet { ucs2(text) } else { text.as_bytes().to_vec() };
        let blank: &[u8] = if is_joliet { &[0, b' '] } else { b" " };
        while bytes.len() + blank.len() <= length {
            bytes.extend(blank);
        }
        bytes.resize(length, 0);
        bytes
    };
    put(0, if is_joliet { &[2] } else { &[1] });
    put(1, b"CD001\x01");
    put(8, &text("", 32));
    put(40, &text(label, 32));
    put(80, &both32(sectors));
    put(88, escapes.unwrap_or_default());
    put(120, &both16(1));
    put(124, &both16(1));
    put(128, &both16(2048));
    put(132, &both32(10)); // size of the path table
    let table_sector = |sector: usize| u32::try_from(sector).expect("path tables are at the start");
    put(140, &table_sector(table).to_le_bytes());
    put(148, &table_sector(table + 1).to_be_bytes());
    put(156, &record(&[0], (directory.sector, directory.sectors * SECTOR), true, date));
    // Volume set, publisher, preparer, application; copyright, abstract, bibliography.
    for (at, length) in [(190, 128), (318, 128), (446, 128), (574, 128), (702, 37), (739, 37), (776, 37)] {
        put(at, &text("", length));
    }
    let written = format!("{:04}{}00\0", date.year().clamp(1, 9999), date.format("%m%d%H%M%S"));
    // Made, changed; no expiry, no date from which it counts.
    put(813, written.as_bytes());
    put(830, written.as_bytes());
    put(847, b"0000000000000000\0");
    put(864, b"0000000000000000\0");
    put(881, &[1]);
    descriptor
}

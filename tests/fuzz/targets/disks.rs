//! Disks, file systems and what lies on them.
//!
//! Images are mostly zeros. The input has a number of sectors (16 bits, at most [`SECTORS_MAX`]), then for each sector
//! that has something its number (16 bits) and its 512 bytes; numbers are little-endian.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;

use nodesmith::agent::first_boot::source::volume as label;
use nodesmith::agent::initrd::partition_table as table;
use nodesmith::formats::device::ReadAt;
use nodesmith::formats::erofs::read::{self, Image, ReadError};
use nodesmith::formats::erofs::{self as root, Codec, ExtentSize, Options, dump};
use nodesmith::formats::form_cache::NoCache;
use nodesmith::formats::{fat as esp, gpt as partitions, iso9660, netdisk as netdisks, qcow2 as cow, verity as tree};
use nodesmith::formats::{vhd as vhds, vhdx as vhdxs, vmdk as vmdks};
use nodesmith::netdisk_index::{HEAD_BYTES, Index, index_length};
use nodesmith::tree::{self as files, Content, Contents, Digest, Origin, Tree};
use nodesmith::verity_superblock::{SUPERBLOCK_BYTES, Superblock};

const SECTOR: usize = 512;
const SECTORS_MAX: usize = 4096;

fn image(data: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let Some((sectors, records)) = data.split_at_checked(2) else { return Vec::new() };
    let sectors = number(sectors).min(SECTORS_MAX);
    let mut image = vec![0; sectors * SECTOR];
    for record in records.chunks(2 + SECTOR).filter(|record| record.len() > 2) {
        let (at, bytes) = (number(record) * SECTOR, &record[2..]);
        if let Some(room) = image.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }
    image
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// No content is stored: small ones are inline.
struct Nothing;

impl Contents for Nothing {
    fn open(&self, _: &Digest) -> std::io::Result<File> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn erofs_tree(image: &[u8]) -> Result<Tree, ReadError> {
    let image = Image::open(image)?;
    // What one file takes is the reader's affair; that many inodes share the same blocks is ours.
    let mut left = 16_u64 << 20;
    let mut sink = |size: u64, reader: &mut dyn Read| {
        left = left.checked_sub(size).ok_or(std::io::ErrorKind::FileTooLarge)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, size);
        Ok(Content::inline(bytes))
    };
    read::tree(&image, &Origin::from("the image"), &mut sink)
}

/// A tree that was read is written, and read again as the same.
pub(crate) fn erofs(data: &[u8]) {
    let bytes = image(data);
    if let Ok(image) = Image::open(bytes.as_slice()) {
        let _ = dump::dump(&image);
    }
    let Ok(tree) = erofs_tree(&bytes) else { return };
    let options = Options {
        uuid: [1; 16],
        label: root::label("fuzz").unwrap(),
        epoch: 1_700_000_000,
        codec: Codec::Lz4hc { level: 3 },
        extent: ExtentSize::new(16 << 10).unwrap(),
        threads: NonZeroUsize::MIN,
    };
    let mut out = Cursor::new(Vec::new());
    if root::write(&tree, &Nothing, &options, &NoCache, &mut out).is_ok() {
        let again = erofs_tree(out.get_ref()).unwrap();
        assert_eq!(files::dump::dump(&again), files::dump::dump(&tree));
    }
}

pub(crate) fn fat(data: &[u8]) {
    let image = image(data);
    let _ = esp::dump(Cursor::new(&image));
    let files = esp::files(Cursor::new(&image), |_| true, image.len() as u64).unwrap_or_default();
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= image.len());
}

pub(crate) fn volume(data: &[u8]) {
    if let Some(volume) = label::read(&file(&image(data))) {
        assert!(volume.label.chars().count() <= 32);
    }
}

pub(crate) fn qcow2(data: &[u8]) {
    let image = image(data);
    let _ = cow::dump(&mut Cursor::new(&image));
    if let Ok(reader) = cow::Reader::open(file(&image)) {
        read_parts(&reader);
    }
}

/// Reads at the start, in the middle and at the end.
fn read_parts(reader: &dyn ReadAt) {
    let size = reader.size().unwrap();
    for start in [0, 1 << 16, size / 2, size.saturating_sub(1 << 16)] {
        let mut part = vec![0; usize::try_from(size.saturating_sub(start).min(1 << 17)).unwrap()];
        let _ = reader.read_exact_at(&mut part, start);
    }
}

pub(crate) fn vmdk(data: &[u8]) {
    let image = image(data);
    let _ = vmdks::dump(&image.as_slice());
    if let Ok(reader) = vmdks::Reader::open(file(&image)) {
        read_parts(&reader);
    }
}

/// The checksums of the footer and of a header behind its copy are made right first, or else nothing behind them would
/// be looked at.
pub(crate) fn vhd(data: &[u8]) {
    let mut image = image(data);
    let footer = image.len().saturating_sub(SECTOR);
    for (at, length, sum_at) in [(footer, SECTOR, 64), (SECTOR, 2 * SECTOR, 36)] {
        if let Some(structure) = image.get_mut(at..at + length) {
            structure[sum_at..sum_at + 4].fill(0);
            let sum = !structure.iter().map(|byte| u32::from(*byte)).sum::<u32>();
            structure[sum_at..sum_at + 4].copy_from_slice(&sum.to_be_bytes());
        }
    }
    let _ = vhds::dump(&image.as_slice());
    if let Ok(reader) = vhds::Reader::open(file(&image)) {
        read_parts(&reader);
    }
}

/// As for `vhd`: headers and region tables get the right checksums.
pub(crate) fn vhdx(data: &[u8]) {
    let mut image = image(data);
    for (at, length) in [(64 << 10, 4 << 10), (128 << 10, 4 << 10), (192 << 10, 64 << 10), (256 << 10, 64 << 10)] {
        if let Some(structure) = image.get_mut(at..at + length) {
            structure[4..8].fill(0);
            let sum = crc32c(structure);
            structure[4..8].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let _ = vhdxs::dump(&image.as_slice());
    if let Ok(reader) = vhdxs::Reader::open(file(&image)) {
        read_parts(&reader);
    }
}

/// The digest of the index is made right first, or else nothing in it would be looked at.
pub(crate) fn netdisk(data: &[u8]) {
    let mut image = image(data);
    if let Some(head) = image.first_chunk::<HEAD_BYTES>()
        && let Ok(length) = index_length(head)
        && let Some(index) = image.get(HEAD_BYTES..HEAD_BYTES + length)
    {
        let digest = Digest::of(index);
        image[64..96].copy_from_slice(&digest.0);
    }
    let _ = netdisks::dump(&image.as_slice());
    if let Ok(index) = Index::decode(&image) {
        let encoded = index.encode();
        assert_eq!(encoded, image[..encoded.len()]);
        assert!(index.extents.iter().all(|extent| extent.offset + extent.bytes <= index.disk_bytes));
    }
    if let Ok(reader) = netdisks::Reader::open(image.as_slice()) {
        read_parts(&reader);
    }
}

/// Both readers of partition tables, and the agent's writer: the checksums are made right first, or else nothing
/// behind them would be looked at.
pub(crate) fn gpt(data: &[u8]) {
    let mut image = image(data);
    both_gpt_readers(&image);
    if image.len() >= 3 * SECTOR {
        seal_table(&mut image, SECTOR);
        let last = image.len() - SECTOR;
        seal_table(&mut image, last);
        both_gpt_readers(&image);
    }
}

fn both_gpt_readers(image: &[u8]) {
    if let Ok(found) = partitions::read(&mut Cursor::new(image)) {
        let _ = partitions::dump(&found);
        let encoded = partitions::encode(&found).unwrap();
        let mut disk = encoded.primary;
        disk.resize(usize::try_from(found.sectors).unwrap() * SECTOR - encoded.backup.len(), 0);
        disk.extend(encoded.backup);
        assert_eq!(partitions::read(&mut Cursor::new(disk.as_slice())).unwrap(), found);
        let agents = table::read(&file(&disk), disk.len() as u64, 512).unwrap().unwrap();
        assert_eq!(agents.copies, table::Copies::Both);
        assert_eq!(agents.entries().len(), found.partitions.len());
    }
    let (disk, bytes) = (file(image), image.len() as u64);
    if let Ok(Some(mut table)) = table::read(&disk, bytes, 512) {
        let _ = (table.fills(bytes), table.disk_bytes_for(table.last_usable_lba()));
        let larger = bytes + (64 << 10);
        if table.fit(larger).is_ok() {
            let entry = table::Entry {
                number: 0,
                type_guid: [1; 16],
                unique_guid: [2; 16],
                first_lba: bytes / 512,
                last_lba: bytes / 512,
                name: "var".to_owned(),
            };
            let _ = table.add(entry);
            disk.set_len(larger).unwrap();
            if table.write(&disk).is_ok() {
                let again = table::read(&disk, larger, 512).unwrap().unwrap();
                assert_eq!(again.copies, table::Copies::Both);
                assert_eq!(again.entries(), table.entries());
            }
        }
    }
}

/// Makes the checksums of a header and of its entries right, if there is one.
fn seal_table(image: &mut [u8], header: usize) {
    let number = |image: &[u8], at: usize, length: usize| {
        let bytes = &image[header + at..header + at + length];
        bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    if !image[header..].starts_with(b"EFI PART") {
        return;
    }
    let (first, count, size) = (number(image, 72, 8), number(image, 80, 4), number(image, 84, 4));
    let start = usize::try_from(first.saturating_mul(512)).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(count.saturating_mul(size)).unwrap_or(usize::MAX));
    if let Some(entries) = image.get(start..end) {
        let sum = crc32(entries);
        image[header + 88..header + 92].copy_from_slice(&sum.to_le_bytes());
    }
    image[header + 16..header + 20].fill(0);
    let length = usize::try_from(number(image, 12, 4)).unwrap_or(usize::MAX).min(SECTOR);
    let sum = crc32(&image[header..header + length]);
    image[header + 16..header + 20].copy_from_slice(&sum.to_le_bytes());
}

/// Of gzip and GPT.
fn crc32(bytes: &[u8]) -> u32 {
    crc(bytes, 0xedb8_8320)
}

/// Castagnoli's.
fn crc32c(bytes: &[u8]) -> u32 {
    crc(bytes, 0x82f6_3b78)
}

fn crc(bytes: &[u8], polynomial: u32) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { polynomial } else { 0 })
    })
}

/// A hash partition; and data that is sealed, verified and damaged.
pub(crate) fn verity(data: &[u8]) {
    let hash_device = image(data);
    let _ = (tree::dump(&hash_device), tree::verify(&mut [0; 4096].as_slice(), &hash_device, [0; 32]));
    if let Ok(superblock) = Superblock::parse(&hash_device) {
        assert_eq!(superblock.encode(), hash_device[..SUPERBLOCK_BYTES]);
    }
    let mut content = data[..data.len().min(16 << 10)].to_vec();
    content.resize(content.len().next_multiple_of(4096).max(4096), 0);
    let made = tree::format(&mut content.as_slice(), content.len() as u64 / 4096, [3; 32], [4; 16]).unwrap();
    tree::verify(&mut content.as_slice(), &made.hash_device, made.root_hash).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    tree::verify(&mut content.as_slice(), &made.hash_device, made.root_hash).unwrap_err();
}

/// Volumes for metadata with files from the input: each a line with its name, and its content up to a line of `%%`.
/// What the writers make is found by the agent and by a reader.
pub(crate) fn seed(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (volume_label, rest) = text.split_once('\n').unwrap_or((text, ""));
    let entries = rest.split("\n%%\n").map(|entry| entry.split_once('\n').unwrap_or((entry, "")));
    let entries: Vec<(&str, &[u8])> = entries.map(|(name, content)| (name, content.as_bytes())).collect();
    if let Ok(image) = iso9660::write(volume_label, 1_700_000_000, &entries) {
        assert!(image.len().is_multiple_of(2048));
        assert_eq!(label::read(&file(&image)).unwrap().label, volume_label);
    }
    if let Ok(image) = esp::seed(volume_label, 1, 1_700_000_000, &entries) {
        let found = label::read(&file(&image)).unwrap();
        assert_eq!(found.label, volume_label.to_ascii_uppercase().trim_end());
        let listing = esp::dump(Cursor::new(image)).unwrap();
        for (name, content) in entries {
            // Behind the time and the size. A directory that two paths name is called as the first one does.
            let is_it = |line: &&str| line.get(31..).is_some_and(|path| path.eq_ignore_ascii_case(name));
            let line = listing.lines().find(is_it).unwrap();
            assert_eq!(line.split_whitespace().nth(2), Some(content.len().to_string().as_str()), "{listing}");
        }
    }
}

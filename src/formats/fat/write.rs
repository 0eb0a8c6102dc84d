//! Makes volumes: sizes first, then places, then the tables and directories that name the places.

use std::collections::BTreeMap;
use std::fs::File;

use super::error::FatError;
use super::geometry::{ENTRY, FAT32_CLUSTERS, FIRST_CLUSTER, Geometry, SECTOR, Type};
use super::names::{self, DirectoryBuilder};
use super::time;
use crate::formats::sparse::{self, Source};

/// Smallest and largest FAT32 volume that [`write`] makes.
pub const FAT32_MIN_BYTES: u64 = 34 << 20;
const FAT32_MAX_BYTES: u64 = 1 << 40;
/// Volumes that [`build`] makes have whole MiB, so that their types are clear, and at most what FAT16 can hold.
const SMALL_UNIT: u64 = 1 << 20;
const SMALL_MAX_BYTES: u64 = 1 << 30;

/// What a volume is, apart from its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Size of the volume; whole sectors of 512 bytes.
    pub bytes: u64,
    /// At most 11 characters; lower case becomes upper case, since FAT labels have no other.
    pub label: String,
    /// Serial number, shown as `XXXX-XXXX`.
    pub id: u32,
    /// Time of every file and directory, seconds since 1970, UTC. Times outside FAT's years become the nearest.
    pub epoch: i64,
}

/// A file and where it goes: `EFI/BOOT/BOOTX64.EFI`. Directories are made as they are needed.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub path: &'a str,
    pub source: Source<'a>,
}

/// Makes a FAT32 volume at `offset` in a fresh image; what stays empty stays a hole.
pub fn write(volume: &Volume, entries: &[Entry<'_>], out: &File, offset: u64) -> Result<(), FatError> {
    if !(FAT32_MIN_BYTES..=FAT32_MAX_BYTES).contains(&volume.bytes) || !volume.bytes.is_multiple_of(SECTOR) {
        return Err(FatError::BadSize { bytes: volume.bytes, least: FAT32_MIN_BYTES });
    }
    // Clusters of 4 KiB, the page size, as soon as the volume has enough of them.
    let geometries = [8, 4, 2, 1].map(|sectors| Geometry::of(Type::Fat32, volume.bytes / SECTOR, sectors));
    let geometry = geometries.into_iter().find(|geometry| geometry.clusters >= FAT32_CLUSTERS);
    let geometry = geometry.ok_or(FatError::BadSize { bytes: volume.bytes, least: FAT32_MIN_BYTES })?;
    for (position, piece) in layout(volume, entries, &geometry, offset / SECTOR)? {
        let written = match piece {
            Piece::Bytes(bytes) => sparse::write_at(out, offset + position, &bytes),
            Piece::Source(source) => source.write_to(out, offset + position),
        };
        written.map_err(|error| FatError::Io { doing: "writing the FAT volume", error })?;
    }
    Ok(())
}

/// Makes a FAT12 or FAT16 volume of whole MiB in memory.
pub fn build(volume: &Volume, entries: &[Entry<'_>]) -> Result<Vec<u8>, FatError> {
    let bad_size = FatError::BadSize { bytes: volume.bytes, least: SMALL_UNIT };
    if !(SMALL_UNIT..=SMALL_MAX_BYTES).contains(&volume.bytes) || !volume.bytes.is_multiple_of(SMALL_UNIT) {
        return Err(bad_size);
    }
    let geometry = Geometry::small(volume.bytes / SECTOR);
    let mut image = vec![0; usize::try_from(volume.bytes).map_err(|_| bad_size)?];
    for (position, piece) in layout(volume, entries, &geometry, 0)? {
        let start = usize::try_from(position).expect("the layout lies within the image");
        match piece {
            Piece::Bytes(bytes) => image[start..start + bytes.len()].copy_from_slice(&bytes),
            Piece::Source(source) => {
                let length = usize::try_from(source.length()).expect("the layout lies within the image");
                let read = source.read_exact(&mut image[start..start + length]);
                read.map_err(|error| FatError::Io { doing: "reading a file for the FAT volume", error })?;
            }
        }
    }
    Ok(image)
}

/// A small volume for a metadata seed (NoCloud: label `CIDATA`), as large as its files ask for.
pub fn seed(label: &str, id: u32, epoch: i64, files: &[(&str, &[u8])]) -> Result<Vec<u8>, FatError> {
    // A cluster lost for each file and directory, and the tables: less than a 32nd and 256 KiB.
    let content: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64 + 32 * 1024).sum();
    let bytes = (content + content / 32 + (256 << 10)).next_multiple_of(SMALL_UNIT);
    let entries: Vec<Entry<'_>> =
        files.iter().map(|(path, bytes)| Entry { path, source: Source::Bytes(bytes) }).collect();
    build(&Volume { bytes, label: label.to_owned(), id, epoch }, &entries)
}

/// Bytes that stand somewhere in the volume.
enum Piece<'a> {
    Bytes(Vec<u8>),
    Source(Source<'a>),
}

/// A directory or a file: what it is called in its parent, and what it is.
struct Node<'a> {
    name: &'a str,
    content: Content<'a>,
}

enum Content<'a> {
    /// Numbers of the nodes in it.
    Directory(Vec<usize>),
    File(Source<'a>),
}

/// Everything that is not zero in the volume, with the byte where it starts.
fn layout<'a>(
    volume: &Volume,
    entries: &[Entry<'a>],
    geometry: &Geometry,
    sectors_before: u64,
) -> Result<Vec<(u64, Piece<'a>)>, FatError> {
    let label = names::label(&volume.label)?;
    let nodes = nodes(entries)?;
    let stamp = time::Stamp::of(volume.epoch);
    let is_fat32 = geometry.fat_type == Type::Fat32;

    // Sizes first, then places, then the directories that hold the places.
    let size = |index: usize| match &nodes[index].content {
        Content::File(source) => source.length(),
        Content::Directory(children) => {
            let own = if index == 0 { 1 } else { 2 };
            let names: usize = children.iter().map(|child| names::entries(nodes[*child].name)).sum();
            ((names + own) * ENTRY) as u64
        }
    };
    let mut chains = Vec::new();
    let mut next = u64::from(FIRST_CLUSTER);
    for index in 0..nodes.len() {
        let in_root_area = index == 0 && !is_fat32;
        let clusters = if in_root_area { 0 } else { size(index).div_ceil(geometry.cluster_bytes()) };
        chains.push((next, clusters));
        next = next.checked_add(clusters).ok_or(FatError::Full { bytes: 0, needed_bytes: u64::MAX })?;
    }
    let used = next - u64::from(FIRST_CLUSTER);
    if used > geometry.clusters {
        let bytes = geometry.clusters * geometry.cluster_bytes();
        return Err(FatError::Full { bytes, needed_bytes: used.saturating_mul(geometry.cluster_bytes()) });
    }
    if !is_fat32 && size(0) > geometry.root * SECTOR {
        return Err(FatError::RootFull { entries: size(0) / ENTRY as u64 });
    }
    let small = |cluster: u64| u32::try_from(cluster).expect("a FAT volume has less than 2^32 clusters");
    // A directory names its parent; an empty file, and the root as a parent, have cluster 0.
    let first = |index: usize| if chains[index].1 == 0 { 0 } else { small(chains[index].0) };
    let parents = parents(&nodes);

    let free = small(geometry.clusters - used);
    let mut pieces = boot_sectors(volume, geometry, &label, sectors_before, (free, small(next)));
    let fat = table(geometry.fat_type, &chains);
    pieces.push((geometry.reserved * SECTOR, Piece::Bytes(fat.clone())));
    pieces.push(((geometry.reserved + geometry.fat) * SECTOR, Piece::Bytes(fat)));
    for (index, node) in nodes.iter().enumerate() {
        let place = match first(index) {
            0 if index == 0 => (geometry.reserved + 2 * geometry.fat) * SECTOR,
            0 => continue,
            cluster => geometry.cluster(cluster),
        };
        let piece = match &node.content {
            Content::File(source) => Piece::Source(*source),
            Content::Directory(children) => {
                let mut directory = DirectoryBuilder::new(stamp, children.iter().map(|child| nodes[*child].name));
                if index == 0 {
                    directory.label(&label);
                } else {
                    let parent = if parents[index] == 0 { 0 } else { first(parents[index]) };
                    directory.dots(first(index), parent);
                }
                for child in children {
                    let length = match &nodes[*child].content {
                        Content::File(source) => {
                            Some(u32::try_from(source.length()).expect("the sizes of files are checked"))
                        }
                        Content::Directory(_) => None,
                    };
                    directory.add(nodes[*child].name, first(*child), length);
                }
                Piece::Bytes(directory.finish())
            }
        };
        pieces.push((place, piece));
    }
    Ok(pieces)
}

/// The tree of files and directories: the root is the first, every directory comes before what it holds, and
/// siblings are in the order in which the entries name them.
fn nodes<'a>(entries: &[Entry<'a>]) -> Result<Vec<Node<'a>>, FatError> {
    let mut nodes = vec![Node { name: "", content: Content::Directory(Vec::new()) }];
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for Entry { path, source } in entries {
        let bad = |problem| FatError::BadPath { path: (*path).to_owned(), problem };
        if source.length() > u64::from(u32::MAX) {
            return Err(bad("a file has less than 4 GiB"));
        }
        let mut parent = 0;
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        for end in ends {
            let (above, is_file) = (&path[..end], end == path.len());
            let name = above.rsplit('/').next().unwrap_or_default();
            names::check(name).map_err(bad)?;
            let known = seen.get(&above.to_ascii_uppercase()).copied();
            let known_directory = known.filter(|known| matches!(nodes[*known].content, Content::Directory(_)));
            parent = match (known, known_directory) {
                (Some(_), Some(directory)) if !is_file => directory,
                (Some(_), _) => return Err(bad("another file or directory has this path")),
                (None, _) => {
                    let number = nodes.len();
                    let content = if is_file { Content::File(*source) } else { Content::Directory(Vec::new()) };
                    nodes.push(Node { name, content });
                    if let Content::Directory(children) = &mut nodes[parent].content {
                        children.push(number);
                    }
                    seen.insert(above.to_ascii_uppercase(), number);
                    number
                }
            };
        }
    }
    Ok(nodes)
}

/// For each node the number of the directory that it is in; the root is its own.
fn parents(nodes: &[Node<'_>]) -> Vec<usize> {
    let mut parents = vec![0; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        if let Content::Directory(children) = &node.content {
            children.iter().for_each(|child| parents[*child] = index);
        }
    }
    parents
}

/// The table up to the last cluster in use; `chains` are first clusters and lengths, one behind the other.
fn table(fat_type: Type, chains: &[(u64, u64)]) -> Vec<u8> {
    // Media type, and "shut down properly, no errors".
    let mut links: Vec<u32> = vec![0x0fff_fff8, 0x0fff_ffff];
    for (first, clusters) in chains {
        let next = (first + 1..first + clusters).map(|cluster| u32::try_from(cluster).unwrap_or(u32::MAX));
        links.extend(next);
        if *clusters > 0 {
            links.push(0x0fff_ffff);
        }
    }
    match fat_type {
        Type::Fat32 => links.into_iter().flat_map(u32::to_le_bytes).collect(),
        Type::Fat16 => links.into_iter().flat_map(|link| [low(link), low(link >> 8)]).collect(),
        // Two entries of twelve bits in three bytes.
        Type::Fat12 => {
            let pairs = links.chunks(2).map(|pair| (pair[0] & 0xfff, pair.get(1).unwrap_or(&0) & 0xfff));
            pairs.flat_map(|(a, b)| [low(a), low(a >> 8 | b << 4), low(b >> 4)]).collect()
        }
    }
}

/// The low eight bits.
fn low(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

/// Boot sector, and for FAT32 the sector of free clusters and copies of both.
fn boot_sectors<'a>(
    volume: &Volume,
    geometry: &Geometry,
    label: &[u8; 11],
    sectors_before: u64,
    (free, next_free): (u32, u32),
) -> Vec<(u64, Piece<'a>)> {
    let u16_of = |value: u64| u16::try_from(value).unwrap_or(0).to_le_bytes();
    let u32_of = |value: u64| u32::try_from(value).unwrap_or(0).to_le_bytes();
    let is_fat32 = geometry.fat_type == Type::Fat32;
    let mut boot = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, if is_fat32 { &[0xeb, 0x58, 0x90] } else { &[0xeb, 0x3c, 0x90] });
    // The name that the specification advises, since some readers look at it.
    put(3, b"MSWIN4.1");
    put(11, &u16_of(SECTOR));
    put(13, &u16_of(geometry.sectors_per_cluster)[..1]);
    put(14, &u16_of(geometry.reserved));
    put(16, &[2]);
    put(17, &u16_of(geometry.root * SECTOR / ENTRY as u64));
    // Numbers that do not fit 16 bits are 0 there and stand in the 32-bit field.
    let sectors16 = if is_fat32 { [0; 2] } else { u16_of(geometry.sectors) };
    put(19, &sectors16);
    put(21, &[0xf8]);
    put(24, &[63, 0, 255, 0]);
    put(28, &u32_of(sectors_before));
    if sectors16 == [0; 2] {
        put(32, &u32_of(geometry.sectors));
    }
    let extended = if is_fat32 {
        put(36, &u32_of(geometry.fat));
        put(44, &FIRST_CLUSTER.to_le_bytes());
        put(48, &[1, 0, 6, 0]);
        64
    } else {
        put(22, &u16_of(geometry.fat));
        36
    };
    put(extended, &[0x80, 0, 0x29]);
    put(extended + 3, &volume.id.to_le_bytes());
    put(extended + 7, label);
    put(
        extended + 18,
        match geometry.fat_type {
            Type::Fat12 => b"FAT12   ",
            Type::Fat16 => b"FAT16   ",
            Type::Fat32 => b"FAT32   ",
        },
    );
    // Nobody boots from here: halt, for ever.
    put(extended + 26, &[0xf4, 0xeb, 0xfd]);
    put(510, &[0x55, 0xaa]);
    if !is_fat32 {
        return vec![(0, Piece::Bytes(boot))];
    }
    let mut info = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RRaA");
    put(484, b"rrAa");
    put(488, &free.to_le_bytes());
    put(492, &next_free.to_le_bytes());
    put(510, &[0x55, 0xaa]);
    boot.extend(info);
    vec![(0, Piece::Bytes(boot.clone())), (6 * SECTOR, Piece::Bytes(boot))]
}

//! The three types of FAT volume, and where the parts of one lie.

/// Bytes in a sector.
pub(super) const SECTOR: u64 = 512;
/// Fewest clusters of a FAT16 and of a FAT32 volume: readers tell the types apart by nothing else (3.5 in the
/// specification). The first is exact; the second leaves the distance that the specification advises.
const FAT16_CLUSTERS: u64 = 4085;
pub(super) const FAT32_CLUSTERS: u64 = 65_525 + 16;
/// Entries in the root directory of a FAT12 or FAT16 volume, and bytes in an entry.
pub(super) const ROOT_ENTRIES: u64 = 512;
pub(super) const ENTRY: usize = 32;
/// First cluster's number.
pub(super) const FIRST_CLUSTER: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Fat12,
    Fat16,
    Fat32,
}

impl Type {
    pub(super) fn entry_bits(self) -> u64 {
        match self {
            Type::Fat12 => 12,
            Type::Fat16 => 16,
            Type::Fat32 => 32,
        }
    }

    /// What the table says of a cluster, from the bytes at its place.
    pub(super) fn value(self, bytes: u32, cluster: u32) -> u32 {
        match self {
            Type::Fat12 if cluster % 2 == 1 => bytes >> 4 & 0xfff,
            Type::Fat12 => bytes & 0xfff,
            Type::Fat16 => bytes & 0xffff,
            // The four bits above are nobody's.
            Type::Fat32 => bytes & 0x0fff_ffff,
        }
    }

    /// The cluster that follows; none at the end of a chain.
    pub(super) fn link(self, bytes: u32, cluster: u32) -> Option<u32> {
        let end = match self {
            Type::Fat12 => 0xff8,
            Type::Fat16 => 0xfff8,
            Type::Fat32 => 0x0fff_fff8,
        };
        Some(self.value(bytes, cluster)).filter(|next| *next < end)
    }
}

/// Where the parts of a volume lie, in sectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) fat_type: Type,
    pub(super) sectors: u64,
    pub(super) sectors_per_cluster: u64,
    /// Boot sector and its relatives.
    pub(super) reserved: u64,
    /// One of the two tables.
    pub(super) fat: u64,
    /// Root directory, unless it is a chain of clusters like any other (FAT32).
    pub(super) root: u64,
    pub(super) clusters: u64,
}

impl Geometry {
    pub(super) fn of(fat_type: Type, sectors: u64, sectors_per_cluster: u64) -> Geometry {
        let root = if fat_type == Type::Fat32 { 0 } else { ROOT_ENTRIES * ENTRY as u64 / SECTOR };
        let reserved = if fat_type == Type::Fat32 { 32 } else { 1 };
        // As many entries as there would be clusters without any table: at most a few sectors too many.
        let fat = ((sectors / sectors_per_cluster + 2) * fat_type.entry_bits()).div_ceil(SECTOR * 8);
        // Clusters lie at multiples of their size, so that they are whole blocks of the disk under the volume.
        let start = (reserved + 2 * fat + root).next_multiple_of(sectors_per_cluster);
        let clusters = sectors.saturating_sub(start) / sectors_per_cluster;
        Geometry { fat_type, sectors, sectors_per_cluster, reserved: start - 2 * fat - root, fat, root, clusters }
    }

    /// FAT12 where that is enough, else FAT16, with the smallest clusters.
    pub(super) fn small(sectors: u64) -> Geometry {
        let fat12 = Geometry::of(Type::Fat12, sectors, 1);
        if fat12.clusters < FAT16_CLUSTERS {
            return fat12;
        }
        let mut sectors_per_cluster = 1;
        while sectors / sectors_per_cluster >= FAT32_CLUSTERS - 32 {
            sectors_per_cluster *= 2;
        }
        Geometry::of(Type::Fat16, sectors, sectors_per_cluster)
    }

    pub(super) fn cluster_bytes(&self) -> u64 {
        self.sectors_per_cluster * SECTOR
    }

    /// Byte at which a cluster starts.
    pub(super) fn cluster(&self, number: u32) -> u64 {
        let data = self.reserved + 2 * self.fat + self.root;
        data * SECTOR + u64::from(number - FIRST_CLUSTER) * self.cluster_bytes()
    }
}

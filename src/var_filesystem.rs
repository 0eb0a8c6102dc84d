//! The file systems that `/var` may have: a row for each, with all that builder and agent must know of it.
//!
//! The builder takes from a row what an image needs (package, kernel), the agent what it does on the node: it makes a
//! new file system, tells which one is there, mends it and lets it grow, with the image's own programs.

use std::fmt;

/// Bytes at the start of a partition that tell its file system and its size.
pub const START_BYTES: usize = 2048;

/// One row. Two rows are the same if their words are.
pub struct VarFilesystem {
    /// In recipes, on the kernel command line, and to mount(2).
    pub word: &'static str,
    /// The kernel's module; a kernel may have it built in.
    pub module: &'static str,
    /// The kernel's build option for it, without `CONFIG_`.
    pub kernel_option: &'static str,
    /// Debian's and Red Hat's package with the programs below.
    pub package: &'static str,
    /// Makes it: a device is given behind the arguments.
    pub mkfs: Program,
    /// Mends it before it is mounted: a device is given behind the arguments.
    pub mend: Option<Mend>,
    /// Makes it fill its partition while it is mounted.
    pub growth: Growth,
    /// Whether mkfs leaves a `/lost+found`.
    pub has_lost_and_found: bool,
    /// Its signature: offset from the partition's start, and bytes.
    pub magic: (usize, &'static [u8]),
    /// Bytes of a block and number of blocks, as the partition's start tells; nothing if it tells impossible ones.
    pub size: fn(&[u8; START_BYTES]) -> Option<(u64, u64)>,
}

/// A program of the image, with the first of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    pub path: &'static str,
    pub arguments: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mend {
    pub program: Program,
    /// Exit statuses up to this one mean a sound file system.
    pub sound: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// `EXT4_IOC_RESIZE_FS`, given the number of blocks.
    Ext4Ioctl,
    /// A program of the image, which is given `/var` behind its arguments.
    Program(Program),
}

/// The first row is the default.
pub const VAR_FILESYSTEMS: &[VarFilesystem] = &[
    VarFilesystem {
        word: "ext4",
        module: "ext4",
        kernel_option: "EXT4_FS",
        package: "e2fsprogs",
        // The inode tables are cleared by the kernel later; discarding is left to the administrator's fstrim.
        mkfs: Program {
            path: "/usr/sbin/mkfs.ext4",
            arguments: &["-q", "-F", "-L", "var", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"],
        },
        // e2fsck(8): 1 corrected, 2 also asks for a reboot, which only matters for a mounted one.
        mend: Some(Mend { program: Program { path: "/usr/sbin/e2fsck", arguments: &["-p"] }, sound: 3 }),
        growth: Growth::Ext4Ioctl,
        has_lost_and_found: true,
        magic: (1024 + 56, &[0x53, 0xef]),
        size: ext4_size,
    },
    VarFilesystem {
        word: "xfs",
        module: "xfs",
        kernel_option: "XFS_FS",
        package: "xfsprogs",
        mkfs: Program { path: "/usr/sbin/mkfs.xfs", arguments: &["-q", "-f", "-K", "-L", "var"] },
        // The kernel replays its journal; xfs_repair wants to be asked.
        mend: None,
        growth: Growth::Program(Program { path: "/usr/sbin/xfs_growfs", arguments: &["-d"] }),
        has_lost_and_found: false,
        magic: (0, b"XFSB"),
        size: xfs_size,
    },
];

/// The words of [`VAR_FILESYSTEMS`].
pub const WORDS: &[&str] = &words::<{ VAR_FILESYSTEMS.len() }>();

const fn words<const N: usize>() -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = VAR_FILESYSTEMS[at].word;
        at += 1;
    }
    words
}

impl VarFilesystem {
    /// What a recipe or a command line gets that names none.
    pub const DEFAULT: &VarFilesystem = &VAR_FILESYSTEMS[0];

    pub fn named(word: &str) -> Option<&'static VarFilesystem> {
        VAR_FILESYSTEMS.iter().find(|row| row.word == word)
    }

    /// The one whose partition starts with these bytes.
    pub fn found_in(start: &[u8; START_BYTES]) -> Option<&'static VarFilesystem> {
        VAR_FILESYSTEMS.iter().find(|row| row.is_in(start))
    }

    /// Whether a partition that starts with these bytes holds this one.
    pub fn is_in(&self, start: &[u8; START_BYTES]) -> bool {
        let (offset, bytes) = self.magic;
        start.get(offset..).is_some_and(|rest| rest.starts_with(bytes))
    }
}

impl PartialEq for VarFilesystem {
    fn eq(&self, other: &VarFilesystem) -> bool {
        self.word == other.word
    }
}

impl Eq for VarFilesystem {}

impl fmt::Debug for VarFilesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

/// `struct ext4_super_block`, at byte 1024.
fn ext4_size(start: &[u8; START_BYTES]) -> Option<(u64, u64)> {
    let u32_at = |offset: usize| {
        let bytes = &start[1024 + offset..][..4];
        u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let shift = u32::try_from(u32_at(24)).ok().filter(|shift| *shift <= 6)?;
    // s_blocks_count_hi counts only with the feature `64bit` (0x80 in s_feature_incompat).
    let high = if u32_at(96) & 0x80 != 0 { u32_at(336) } else { 0 };
    Some((1024 << shift, high << 32 | u32_at(4)))
}

/// `struct xfs_dsb`, big-endian: sb_blocksize and sb_dblocks.
fn xfs_size(start: &[u8; START_BYTES]) -> Option<(u64, u64)> {
    let block = u64::from(u32::from_be_bytes([start[4], start[5], start[6], start[7]]));
    let mut blocks = [0; 8];
    blocks.copy_from_slice(&start[8..16]);
    (512..=65536).contains(&block).then_some((block, u64::from_be_bytes(blocks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_every_signature_names_one_row() {
        assert_eq!(WORDS.len(), VAR_FILESYSTEMS.len());
        for row in VAR_FILESYSTEMS {
            assert_eq!(VarFilesystem::named(row.word), Some(row));
            let mut start = [0; START_BYTES];
            start[row.magic.0..][..row.magic.1.len()].copy_from_slice(row.magic.1);
            assert_eq!(VarFilesystem::found_in(&start), Some(row));
        }
        assert_eq!((VarFilesystem::named("btrfs"), VarFilesystem::found_in(&[0; START_BYTES])), (None, None));
        assert_eq!(VarFilesystem::DEFAULT.word, "ext4");
    }

    /// A third row, seen by everyone who asks a recipe or a disk for its file system.
    #[cfg(feature = "builder")]
    #[test]
    fn a_new_file_system_is_one_row() {
        use crate::agent::initrd::filesystem_tools;
        const TOY: &VarFilesystem = &VarFilesystem {
            word: "toyfs",
            module: "toy_fs",
            kernel_option: "TOY_FS",
            package: "toyprogs",
            mkfs: Program { path: "/usr/sbin/mkfs.toy", arguments: &["-q"] },
            mend: None,
            growth: Growth::Program(Program { path: "/usr/sbin/toygrow", arguments: &[] }),
            has_lost_and_found: false,
            magic: (7, b"TOY"),
            size: |start| Some((512, u64::from(start[0]))),
        };
        let mut world = crate::assemble::tests::World::new();
        world.recipe.disk.var = TOY;
        let words = crate::image::command_line::command_line(&world.recipe, &crate::tree::Digest([0; 32]));
        assert!(words.contains(" nodesmith.var-fs=toyfs "), "{words}");
        let (assembled, recipe, contents) = (world.assemble().unwrap(), &world.recipe, &world.store);
        let (tree, kernel) = (&assembled.tree, &assembled.kernel);
        let found = crate::checks::run(&crate::checks::Subject { recipe, tree, contents, kernel, packages: &[] });
        let found = found.unwrap().to_string();
        assert!(found.contains("CONFIG_TOY_FS") && found.contains("`/usr/sbin/mkfs.toy` [no-formatter]"), "{found}");
        let device = std::path::Path::new("/dev/vda4");
        assert_eq!(filesystem_tools::arguments(&TOY.mkfs, device), ["-q", "/dev/vda4"]);
        let start: [u8; START_BYTES] = std::array::from_fn(|at| b"\x08......TOY".get(at).copied().unwrap_or(0));
        assert!(TOY.is_in(&start) && VarFilesystem::found_in(&start).is_none());
        assert_eq!(filesystem_tools::blocks_to_grow_to(&start, 1 << 30, TOY).unwrap(), Some(1 << 21));
        assert_eq!(filesystem_tools::blocks_to_grow_to(&start, 1 << 20, TOY).unwrap(), None);
    }

    #[test]
    fn the_size_of_an_ext4_is_read_from_its_superblock() {
        let mut start = [0; START_BYTES];
        start[1028..1032].copy_from_slice(&1000_u32.to_le_bytes());
        start[1048] = 2;
        start[1360] = 1;
        assert_eq!(ext4_size(&start), Some((4096, 1000)));
        start[1120] = 0x80;
        assert_eq!(ext4_size(&start), Some((4096, (1 << 32) + 1000)));
        start[1048] = 200;
        assert_eq!(ext4_size(&start), None);
    }

    #[test]
    fn the_size_of_an_xfs_is_read_from_its_superblock() {
        let mut start = [0; START_BYTES];
        start[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        start[8..16].copy_from_slice(&70_000_u64.to_be_bytes());
        assert_eq!(xfs_size(&start), Some((4096, 70_000)));
        start[4] = 1;
        assert_eq!(xfs_size(&start), None);
    }
}

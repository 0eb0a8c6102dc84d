//! The file system of `/var`: made, told, mended and grown with the image's own programs.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::cmdline::VarFilesystem;
use crate::agent::block_device::Partition;
use crate::agent::report::console;
use crate::agent::sysroot::{SYSROOT, below};
use crate::agent::{run, sys};
use crate::contract;

/// A partition that would grow by less than this is left alone: not worth a new table.
pub const GROW_AT_LEAST: u64 = 16 << 20;

/// e2fsck's exit statuses up to this one mean a sound file system (e2fsck(8): 1 corrected, 2 also asks for a reboot,
/// which only matters for a mounted one).
const E2FSCK_MENDED: i32 = 3;

/// Runs the image's own mkfs, from the verified root, and waits until everything is on the disk.
pub fn make(partition: &Partition, filesystem: VarFilesystem) -> Result<()> {
    let (program, options): (&str, &[&str]) = match filesystem {
        // The inode tables are cleared by the kernel later; discarding is left to the administrator's fstrim.
        VarFilesystem::Ext4 => (
            "/usr/sbin/mkfs.ext4",
            &["-q", "-F", "-L", "var", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"],
        ),
        VarFilesystem::Xfs => ("/usr/sbin/mkfs.xfs", &["-q", "-f", "-K", "-L", "var"]),
    };
    ensure!(
        below(Path::new(SYSROOT), program).exists(),
        "the image has no {program}: its recipe lacks the package that makes {} file systems",
        filesystem.name()
    );
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    arguments.push(partition.path.clone().into_os_string());
    run::in_root(Path::new(SYSROOT), program, &arguments)?;
    let device = std::fs::OpenOptions::new()
        .write(true)
        .open(&partition.path)
        .with_context(|| format!("opening {}", partition.path.display()))?;
    device.sync_all().with_context(|| format!("syncing {}", partition.path.display()))
}

/// Replays the journal and mends what can be mended without asking: a file system that the kernel marked as damaged
/// would refuse to grow for ever. What it cannot mend is said, and left to the mount to judge.
pub fn check_ext4(partition: &Partition) {
    const PROGRAM: &str = "/usr/sbin/e2fsck";
    let arguments = ["-p".into(), partition.path.clone().into_os_string()];
    if let Err(error) = run::in_root_until(Path::new(SYSROOT), PROGRAM, &arguments, E2FSCK_MENDED) {
        console::complain(&format!("/var: {error:#}"));
    }
}

/// The file system that is there decides, not the command line: a recipe may change its mind between two versions.
pub fn detect(partition: &Partition) -> Result<VarFilesystem> {
    let device = File::open(&partition.path).with_context(|| format!("opening {}", partition.path.display()))?;
    let mut start = [0; 2048];
    device.read_exact_at(&mut start, 0).with_context(|| format!("reading {}", partition.path.display()))?;
    if start[..4] == *b"XFSB" {
        return Ok(VarFilesystem::Xfs);
    }
    if start[1024 + 56..][..2] == [0x53, 0xef] {
        return Ok(VarFilesystem::Ext4);
    }
    bail!("{} is named `{}` but holds neither ext4 nor xfs", partition.path.display(), contract::VAR_LABEL)
}

/// Makes a mounted file system fill its partition. Asked at every boot: a power cut between the two enlargements is
/// made up for at the next one.
pub fn grow(partition: &Partition, filesystem: VarFilesystem) -> Result<bool> {
    let device = File::open(&partition.path).with_context(|| format!("opening {}", partition.path.display()))?;
    let mut start = [0; 2048];
    device.read_exact_at(&mut start, 0).with_context(|| format!("reading {}", partition.path.display()))?;
    let (block, blocks) = match filesystem {
        VarFilesystem::Ext4 => ext4_size(&start),
        VarFilesystem::Xfs => xfs_size(&start),
    }
    .with_context(|| format!("the {} superblock of /var has impossible sizes", filesystem.name()))?;
    let possible = partition.bytes / block;
    if possible.saturating_sub(blocks).saturating_mul(block) < GROW_AT_LEAST {
        return Ok(false);
    }
    match filesystem {
        VarFilesystem::Ext4 => {
            let mounted = format!("{SYSROOT}/var");
            let directory = File::open(&mounted).with_context(|| format!("opening {mounted}"))?;
            sys::grow_ext4(&directory, possible).context("growing the ext4 file system of /var")?;
        }
        VarFilesystem::Xfs => run::in_root(Path::new(SYSROOT), "/usr/sbin/xfs_growfs", &["-d".into(), "/var".into()])?,
    }
    console::say(&format!("/var has grown to {} MiB", partition.bytes >> 20));
    Ok(true)
}

/// Block size and number of blocks that an ext4 superblock names (`struct ext4_super_block`, at byte 1024).
fn ext4_size(start: &[u8; 2048]) -> Option<(u64, u64)> {
    let u32_at = |offset: usize| {
        let bytes = &start[1024 + offset..][..4];
        u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let shift = u32::try_from(u32_at(24)).ok().filter(|shift| *shift <= 6)?;
    // s_blocks_count_hi counts only with the feature `64bit` (0x80 in s_feature_incompat).
    let high = if u32_at(96) & 0x80 != 0 { u32_at(336) } else { 0 };
    Some((1024 << shift, high << 32 | u32_at(4)))
}

/// The same for XFS (`struct xfs_dsb`, big-endian: sb_blocksize and sb_dblocks).
fn xfs_size(start: &[u8; 2048]) -> Option<(u64, u64)> {
    let block = u64::from(u32::from_be_bytes([start[4], start[5], start[6], start[7]]));
    let mut blocks = [0; 8];
    blocks.copy_from_slice(&start[8..16]);
    (512..=65536).contains(&block).then_some((block, u64::from_be_bytes(blocks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_ext4_is_read_from_its_superblock() {
        let mut start = [0; 2048];
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
        let mut start = [0; 2048];
        start[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        start[8..16].copy_from_slice(&70_000_u64.to_be_bytes());
        assert_eq!(xfs_size(&start), Some((4096, 70_000)));
        start[4] = 1;
        assert_eq!(xfs_size(&start), None);
    }
}

//! The file system of `/var`: made, told, mended and grown with the image's own programs, as its row says.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::agent::block_device::BlockDevice;
use crate::agent::report::console;
use crate::agent::sysroot::{SYSROOT, below};
use crate::agent::{run, sys};
use crate::contract;
use crate::var_filesystem::{Growth, Program, START_BYTES, VarFilesystem, WORDS};

/// A partition that would grow by less than this is left alone: not worth a new table.
pub const GROW_AT_LEAST: u64 = 16 << 20;

/// Runs the image's own mkfs, from the verified root, and waits until everything is on the disk.
pub fn make(device: &BlockDevice, filesystem: &VarFilesystem) -> Result<()> {
    let program = filesystem.mkfs;
    ensure!(
        below(Path::new(SYSROOT), program.path).exists(),
        "the image has no {}: its recipe lacks the package that makes {} file systems",
        program.path,
        filesystem.word
    );
    run::in_root(Path::new(SYSROOT), program.path, &arguments(&program, &device.path))?;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&device.path)
        .with_context(|| format!("opening {}", device.path.display()))?;
    file.sync_all().with_context(|| format!("syncing {}", device.path.display()))
}

/// Mends what can be mended without asking, where there is a program for that: a file system that the kernel marked as
/// damaged would refuse to grow for ever. What it cannot mend is said, and left to the mount to judge.
pub fn mend(device: &BlockDevice, filesystem: &VarFilesystem) {
    let Some(mend) = filesystem.mend else { return };
    let arguments = arguments(&mend.program, &device.path);
    if let Err(error) = run::in_root_until(Path::new(SYSROOT), mend.program.path, &arguments, mend.sound) {
        console::complain(&format!("/var: {error:#}"));
    }
}

/// The file system that is there decides, not the command line: a recipe may change its mind between two versions.
pub fn detect(device: &BlockDevice) -> Result<&'static VarFilesystem> {
    let holds = || {
        let (path, label, known) = (device.path.display(), contract::VAR_LABEL, WORDS.join(" nor "));
        format!("{path} is named `{label}` but holds neither {known}")
    };
    VarFilesystem::found_in(&start_of(device)?).with_context(holds)
}

/// Makes a mounted file system fill its device. Asked at every boot: a power cut between the two enlargements is made up
/// for at the next one.
pub fn grow(device: &BlockDevice, filesystem: &VarFilesystem) -> Result<bool> {
    let Some(blocks) = blocks_to_grow_to(&start_of(device)?, device.bytes, filesystem)? else { return Ok(false) };
    match filesystem.growth {
        Growth::Ext4Ioctl => {
            let mounted = format!("{SYSROOT}/var");
            let directory = File::open(&mounted).with_context(|| format!("opening {mounted}"))?;
            sys::grow_ext4(&directory, blocks).context("growing the ext4 file system of /var")?;
        }
        Growth::Program(program) => {
            run::in_root(Path::new(SYSROOT), program.path, &arguments(&program, Path::new("/var")))?;
        }
    }
    console::say(&format!("/var has grown to {} MiB", device.bytes >> 20));
    Ok(true)
}

/// Blocks that the file system could have on a device of `bytes` bytes; nothing where it is not worth it.
pub fn blocks_to_grow_to(start: &[u8; START_BYTES], bytes: u64, filesystem: &VarFilesystem) -> Result<Option<u64>> {
    let (block, blocks) = (filesystem.size)(start)
        .with_context(|| format!("the {} superblock of /var has impossible sizes", filesystem.word))?;
    let possible = bytes / block;
    let gain = possible.saturating_sub(blocks).saturating_mul(block);
    Ok(Some(possible).filter(|_| gain >= GROW_AT_LEAST))
}

/// The program's own arguments, then what it is to work on.
pub fn arguments(program: &Program, on: &Path) -> Vec<OsString> {
    let own = program.arguments.iter().map(OsString::from);
    own.chain([on.as_os_str().to_owned()]).collect()
}

fn start_of(device: &BlockDevice) -> Result<[u8; START_BYTES]> {
    let file = File::open(&device.path).with_context(|| format!("opening {}", device.path.display()))?;
    let mut start = [0; START_BYTES];
    file.read_exact_at(&mut start, 0).with_context(|| format!("reading {}", device.path.display()))?;
    Ok(start)
}

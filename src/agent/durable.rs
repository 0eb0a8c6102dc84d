//! Files that are there as a whole or not at all, also after a power cut; and files that go without a trace.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces `path` by a file with these bytes and this mode: written beside it, synced, renamed, directory synced.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_as(path, bytes, mode, None)
}

/// The same with owner and mode of the file that is there.
pub fn rewrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let old = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    write_as(path, bytes, old.mode() & 0o7777, Some((old.uid(), old.gid())))
}

fn write_as(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
    let directory = path.parent().with_context(|| format!("{} has no directory", path.display()))?;
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?;
    let mut temporary = name.to_os_string();
    temporary.push(".nodeinit-new");
    let temporary = directory.join(temporary);
    let write = || -> std::io::Result<()> {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        if let Some((user, group)) = owner {
            fchown(&file, Some(user), Some(group))?;
        }
        // After creation, because the umask cuts the mode given there.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// The bytes of a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Overwrites a file with zeros and removes it. A missing one is well, a link is only removed.
///
/// As good as the disk allows: a flash disk may keep the old block where only its maker finds it.
pub fn wipe(path: &Path) -> Result<()> {
    let directory = path.parent().with_context(|| format!("{} has no directory", path.display()))?;
    let wipe = || -> std::io::Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        if metadata.is_file() {
            let file = OpenOptions::new().write(true).open(path)?;
            overwrite(&file)?;
        }
        fs::remove_file(path)?;
        File::open(directory)?.sync_all()
    };
    wipe().with_context(|| format!("wiping {}", path.display()))
}

/// Zeros instead of a file's content, on the disk when this returns.
pub fn overwrite(mut file: &File) -> std::io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all(&ZEROS[..length])?;
        left = left.saturating_sub(u64::try_from(length).unwrap_or(left));
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_wiped_file_is_zeros_for_whoever_holds_it_open() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("secret");
        write(&path, &[b'x'; 5000], 0o600).unwrap();
        let mut held = File::open(&path).unwrap();
        wipe(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        let mut rest = Vec::new();
        held.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, vec![0; 5000]);
        wipe(&path).unwrap();
    }

    #[test]
    fn wiping_a_link_leaves_its_target() {
        let work = tempfile::tempdir().unwrap();
        let (path, target) = (work.path().join("link"), work.path().join("target"));
        write(&target, b"kept", 0o600).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        wipe(&path).unwrap();
        assert_eq!(read(&target).unwrap().unwrap(), b"kept");
        assert!(fs::symlink_metadata(&path).is_err());
    }
}

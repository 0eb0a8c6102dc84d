//! Files that are there as a whole or not at all, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces `path` by a file with these bytes and this mode: written beside it, synced, renamed, directory synced.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let directory = path.parent().with_context(|| format!("{} has no directory", path.display()))?;
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?;
    let mut temporary = name.to_os_string();
    temporary.push(".nodeinit-new");
    let temporary = directory.join(temporary);
    let write = || -> std::io::Result<()> {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        // After creation, because the umask cuts the mode given there.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

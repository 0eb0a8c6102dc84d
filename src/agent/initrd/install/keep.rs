//! Metadata that came along with what is installed, kept for the first boot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::agent::durable;
use crate::agent::initrd::selinux_label::label_like;

/// Writes the texts as files of a directory that only root can read: there may be tokens in them.
pub fn keep(texts: &[(&str, Vec<u8>)], directory: &Path) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    let above = directory.parent().context("the metadata has no place")?;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))
        .with_context(|| format!("closing {}", directory.display()))?;
    label_like(directory, above);
    for (name, bytes) in texts {
        let path = directory.join(name);
        durable::write(&path, bytes, 0o600)?;
        label_like(&path, above);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::agent::first_boot::metadata::{Origin, USER_DATA};
    use crate::agent::first_boot::source::nocloud;

    #[test]
    fn what_is_kept_is_read_by_the_first_boot_and_by_nobody_else() {
        let work = tempfile::tempdir().unwrap();
        let directory = work.path().join("nodeinit/metadata");
        keep(&[], &directory).unwrap();
        assert!(!directory.exists());
        keep(&[(USER_DATA, b"#cloud-config\n".to_vec())], &directory).unwrap();
        let metadata = nocloud::read_directory(&directory, Origin::named("test")).unwrap();
        assert_eq!(metadata.texts[USER_DATA].text, "#cloud-config\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&directory), mode(&directory.join(USER_DATA))), (0o700, 0o600));
    }
}

//! The machine id, which an image cannot have: machine-id(5).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::selinux_label::{label, set_label};
use crate::agent::{durable, random};
use crate::hex;

/// Gives the node its machine id if it has none: random, persistent in the overlay of `/etc`. Returns whether it did.
///
/// `uninitialized` counts as none: systemd would take it for a first boot and enable every unit there is.
pub fn make(root: &Path) -> Result<bool> {
    let path = root.join("etc/machine-id");
    match fs::read_to_string(&path) {
        Ok(text) if !matches!(text.trim(), "" | "uninitialized") => return Ok(false),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("reading {}", path.display()));
        }
        _ => {}
    }
    // As systemd makes them: some readers want a valid UUID.
    let id = random::uuid()?;
    let label = label(&path);
    durable::write(&path, format!("{}\n", hex::encode(&id)).as_bytes(), 0o444)?;
    set_label(&path, label);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rustix::fs::XattrFlags;

    use super::*;
    use crate::agent::initrd::selinux_label::LABEL;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/machine-id"), "").unwrap();
        root
    }

    #[test]
    fn a_machine_id_is_made_once_and_is_unique() {
        let made = || {
            let root = root();
            assert!(make(root.path()).unwrap());
            assert!(!make(root.path()).unwrap());
            fs::read_to_string(root.path().join("etc/machine-id")).unwrap()
        };
        let (first, second) = (made(), made());
        assert_ne!(first, second);
        assert!(first.len() == 33 && first.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    }

    #[test]
    fn the_machine_id_has_the_label_of_the_file_that_it_replaces() {
        let root = root();
        let path = root.path().join("etc/machine-id");
        let label = b"system_u:object_r:machineid_t:s0\0";
        if let Err(error) = rustix::fs::lsetxattr(&path, LABEL, label, XattrFlags::empty()) {
            return crate::oracle::skip(&format!("no labels here: {error}"));
        }
        assert!(make(root.path()).unwrap());
        assert_eq!(super::label(&path).unwrap(), label);
        assert_eq!(super::label(&root.path().join("etc")), None);
    }
}

//! `/var` as a template, and the mount points of the root.
//!
//! A node's `/var` is a partition that does not exist in the image. What packages put there becomes the template that
//! the initrd copies into a new one. The root keeps an empty skeleton below the mount point: services that start
//! before `/var` is mounted look for `/var/tmp` (systemd-resolved with a private `/tmp` fails without it).

use super::root::Root;
use crate::contract;
use crate::tree::{InodeId, TreePath};

/// Directories that something is mounted over, or that a node's administrator expects.
const MOUNT_POINTS: [(&str, u16); 14] = [
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/efi", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/opt/cni/bin", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
];
const SKELETON: [(&str, u16); 5] =
    [("/var/cache", 0o755), ("/var/lib", 0o755), ("/var/log", 0o755), ("/var/spool", 0o755), ("/var/tmp", 0o1777)];

pub(crate) fn split(root: &mut Root) -> anyhow::Result<()> {
    for (path, mode) in SKELETON {
        if !root.exists(path) {
            root.directory_with(path, mode, 0, 0)?;
        }
    }
    move_tree(root, "/var", contract::VAR_TEMPLATE)?;
    root.directory_with("/var", 0o755, 0, 0)?;
    for (path, mode) in SKELETON {
        root.directory_with(path, mode, 0, 0)?;
    }
    for (path, mode) in MOUNT_POINTS {
        root.directory(path)?;
        let at = root.path(path)?;
        root.tree.update(&at, |inode| inode.mode = mode)?;
    }
    // The kubelet makes plugins' directories here, and some charts mount it: it has to exist on a read-only root.
    root.directory("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")?;
    for path in &root.inputs.recipe.writable {
        root.directory(path)?;
    }
    Ok(())
}

/// Moves everything at and below `from` to `to`, which must not exist; hard links stay hard links.
fn move_tree(root: &mut Root, from: &str, to: &str) -> anyhow::Result<()> {
    let (from, to) = (root.path(from)?, root.path(to)?);
    if let Some(parent) = to.parent() {
        root.directory(&parent.to_string())?;
    }
    let entries: Vec<(TreePath, InodeId)> = root.tree.below(&from).map(|(path, id, _)| (path.clone(), id)).collect();
    let mut moved: std::collections::BTreeMap<InodeId, TreePath> = std::collections::BTreeMap::new();
    let origin = root.origin.clone();
    for (path, id) in &entries {
        let target = to.join(&path.as_bytes()[from.as_bytes().len()..])?;
        match moved.get(id) {
            Some(first) => root.tree.link(first, target, &origin)?,
            None => {
                let inode = root.tree.inode(*id).clone();
                root.tree.insert(target.clone(), inode)?;
                moved.insert(*id, target);
            }
        }
    }
    root.tree.remove_all(&from);
    Ok(())
}

//! Whether anything is in the image that each node must have of its own.

use super::finding::Findings;
use super::subject::Subject;
use crate::tree::TreePath;

pub(super) fn machine_id(subject: &Subject) -> Findings {
    let found = match subject.lookup("/etc/machine-id")? {
        None => "`/etc/machine-id` is missing: systemd could not make it on a read-only root",
        Some(_) if subject.text("/etc/machine-id")?.is_empty() => return Ok(vec![]),
        Some(_) => "`/etc/machine-id` is not empty: every node would have this identity",
    };
    Ok(vec![found.to_owned().into()])
}

pub(super) fn host_keys(subject: &Subject) -> Findings {
    let directory = TreePath::parse("/etc/ssh")?;
    let keys = subject
        .tree
        .below(&directory)
        .filter(|(path, _, _)| path.name().starts_with(b"ssh_host_") && path.name().ends_with(b"_key"));
    Ok(keys
        .map(|(path, _, inode)| format!("`{path}` from {} would be every node's key", inode.origin).into())
        .collect())
}

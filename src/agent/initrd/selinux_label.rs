//! SELinux's labels of what the initrd makes: before a policy is loaded the kernel gives none.

use std::path::Path;

use rustix::fs::XattrFlags;

use crate::agent::report::console;

/// The attribute that holds the label of a file.
pub const LABEL: &str = "security.selinux";

/// The label that the file at `path` has, if any.
pub fn label(path: &Path) -> Option<Vec<u8>> {
    let mut label = vec![0; 4096];
    let length = rustix::fs::lgetxattr(path, LABEL, label.as_mut_slice()).ok()?;
    label.truncate(length);
    Some(label)
}

/// Labels what was made before a policy is loaded, when the kernel gives no labels: services start before anything else
/// could. A node without this label is still one, so a failure is only said.
pub fn set_label(path: &Path, label: Option<Vec<u8>>) {
    if let Some(label) = label
        && let Err(error) = rustix::fs::lsetxattr(path, LABEL, &label, XattrFlags::empty())
    {
        console::complain(&format!("labelling {}: {error}", path.display()));
    }
}

/// The label of `model`, if it has one, also for `path`.
pub fn label_like(path: &Path, model: &Path) {
    set_label(path, label(model));
}

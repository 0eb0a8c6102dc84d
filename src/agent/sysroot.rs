//! A root that is mounted below another one: where, and where its own absolute paths lie then.

use std::path::{Path, PathBuf};

/// Where the initrd mounts the root.
pub const SYSROOT: &str = "/sysroot";

/// Where this absolute path of the node lies below `root`.
pub fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

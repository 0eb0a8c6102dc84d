//! The kernel of an image: it goes into the boot image and not into the root.

use crate::package::{FileEntry, Package, PackageId};
use crate::tree::Content;

/// The kernel of an image, as its package brings it.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    pub package: PackageId,
    /// As `uname -r` says it, and as its directory in `/usr/lib/modules` is called.
    pub release: String,
    pub image: Content,
    /// The kernel's configuration, `CONFIG_X=y` lines; empty if the package has none.
    pub config: String,
}

/// The release of the first kernel among the packages: what `uname -r` says on the node.
pub(crate) fn release(packages: &[&Package]) -> Option<String> {
    let release = |file: &FileEntry| {
        let path = file.path.to_string();
        let in_modules = || {
            let rest = path.strip_prefix("/lib/modules/").or_else(|| path.strip_prefix("/usr/lib/modules/"))?;
            rest.strip_suffix("/vmlinuz")
        };
        path.strip_prefix("/boot/vmlinuz-").or_else(in_modules).map(str::to_owned)
    };
    packages.iter().flat_map(|package| &package.files).find_map(release)
}

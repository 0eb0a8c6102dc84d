//! Whether the kernel is what the recipe says, and can mount this image.

use super::finding::{Finding, Findings};
use super::subject::Subject;
use crate::assemble::KernelFiles;
use crate::recipe::Compression;
use crate::resolve::is_of_line;

/// Whether a line is maintained, and what its kernels can read, is judged by the recipe's word; so the word must be
/// true.
pub(super) fn line(subject: &Subject) -> Findings {
    let (line, release) = (&subject.recipe.kernel.line, &subject.kernel.release);
    if is_of_line(release, line) {
        return Ok(vec![]);
    }
    let text = format!("the recipe says that the kernel is of the line {line}, and its package has {release}");
    Ok(vec![Finding::at(text, &subject.recipe.kernel.package.location)])
}

pub(super) fn features(subject: &Subject) -> Findings {
    let KernelFiles { config, release, .. } = subject.kernel;
    if config.is_empty() {
        let text = format!("kernel {release} comes without its configuration");
        return Ok(vec![Finding::at(text, &subject.recipe.kernel.package.location)]);
    }
    let codec = match subject.recipe.compression {
        Compression::Zstd { .. } => "EROFS_FS_ZIP_ZSTD",
        Compression::Lz4hc { .. } => "EROFS_FS_ZIP",
    };
    let filesystem = subject.recipe.disk.var.kernel_option;
    // Each is needed before or for mounting the root; `m` will do, the initrd brings modules.
    let wanted = ["EROFS_FS", codec, "BLK_DEV_DM", "DM_VERITY", "OVERLAY_FS", filesystem, "VFAT_FS", "CGROUPS"];
    let built_in = ["EFI_STUB", "DEVTMPFS", "TMPFS", "BLK_DEV_INITRD"];
    let has = |name: &str, values: &[&str]| {
        config.lines().any(|line| {
            let value = line.strip_prefix("CONFIG_").and_then(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.is_some_and(|value| values.contains(&value))
        })
    };
    let absent = wanted.iter().filter(|name| !has(name, &["y", "m"]));
    let absent = absent.chain(built_in.iter().filter(|name| !has(name, &["y"])));
    let text = |name| format!("kernel {release} was built without CONFIG_{name}");
    Ok(absent.map(|name| Finding::at(text(name), &subject.recipe.kernel.package.location)).collect())
}

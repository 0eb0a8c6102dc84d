//! What can be written on a node whose root cannot: `/var` filled, `/etc` overlaid, the image's list of directories
//! bound from `/var`.
//!
//! Each step finds out from the disk whether it has been done, and marks itself done as its last write, so that a
//! power cut anywhere leads to the same node.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::MountFlags;

use super::copy;
use super::selinux_label::label_like;
use crate::agent::durable;
use crate::agent::sysroot::below;
use crate::contract;

/// Fills a new `/var` from the image's template. Returns whether it did.
pub fn populate(root: &Path) -> Result<bool> {
    let marker = below(root, contract::VAR_POPULATED);
    if marker.exists() {
        return Ok(false);
    }
    let (template, var) = (below(root, contract::VAR_TEMPLATE), root.join("var"));
    if template.is_dir() {
        copy::tree(&template, &var).context("filling /var")?;
    }
    for directory in [contract::ETC_UPPER, contract::ETC_WORK, contract::WRITABLE_STORE] {
        let directory = below(root, directory);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    }
    copy::sync(&var)?;
    durable::write(&marker, b"", 0o644)?;
    label_like(&marker, &var);
    Ok(true)
}

/// Lays the persistent upper layer over `/etc`. The lower layer changes with the image, so nothing that ties the
/// upper one to it (redirects, index, metadata-only copies) may be recorded.
pub fn overlay_etc(root: &Path) -> Result<()> {
    let etc = root.join("etc");
    let (upper, work) = (below(root, contract::ETC_UPPER), below(root, contract::ETC_WORK));
    for directory in [&upper, &work] {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    // The overlay's root shows the upper directory's own owner, mode and label.
    let metadata = fs::metadata(&etc).with_context(|| format!("reading {}", etc.display()))?;
    fs::set_permissions(&upper, metadata.permissions()).context("preparing the upper layer of /etc")?;
    copy::xattrs(&etc, &upper).context("preparing the upper layer of /etc")?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={},redirect_dir=off,index=off,metacopy=off",
        etc.display(),
        upper.display(),
        work.display()
    );
    let options = std::ffi::CString::new(options).context("mounting the overlay of /etc")?;
    rustix::mount::mount("overlay", &etc, "overlay", MountFlags::NODEV | MountFlags::NOSUID, options.as_c_str())
        .context("mounting the overlay of /etc")?;
    // The kernel's own, made anew by each mount.
    label_like(&work.join("work"), &work);
    Ok(())
}

/// Binds each declared directory to its persistent copy, made from the image's content at first use.
pub fn bind(root: &Path, paths: &[String]) -> Result<()> {
    label_like(&below(root, contract::WRITABLE_STORE), root);
    for path in paths {
        let target = below(root, path);
        ensure!(
            fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_dir()),
            "the image declares {path} writable, but it has no such directory"
        );
        let stored = below(&below(root, contract::WRITABLE_STORE), path);
        directories_above(root, path)?;
        initialise(&target, &stored).with_context(|| format!("making {path} writable"))?;
        rustix::mount::mount_bind(&stored, &target).with_context(|| format!("binding {path}"))?;
        let flags = MountFlags::BIND | MountFlags::NODEV | MountFlags::NOSUID;
        rustix::mount::mount_remount(&target, flags, c"").with_context(|| format!("binding {path}"))?;
    }
    Ok(())
}

/// Makes the directories in which the copy of `path` lies, with the labels that the image's own have.
fn directories_above(root: &Path, path: &str) -> Result<()> {
    let (mut image, mut stored) = (root.to_owned(), below(root, contract::WRITABLE_STORE));
    fs::create_dir_all(&stored).with_context(|| format!("making {}", stored.display()))?;
    for part in Path::new(path).parent().into_iter().flat_map(Path::components).skip(1) {
        image.push(part);
        stored.push(part);
        match fs::create_dir(&stored) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.with_context(|| format!("making {}", stored.display()))?,
        }
        label_like(&stored, &image);
    }
    Ok(())
}

/// Copies beside the final name and renames, so that a half copy is never taken for the real one.
fn initialise(from: &Path, stored: &Path) -> Result<()> {
    if stored.exists() {
        return Ok(());
    }
    let parent = stored.parent().context("the store of writable paths has no root")?;
    let mut name = stored.as_os_str().to_os_string();
    name.push(".nodeinit-new");
    let temporary = PathBuf::from(name);
    match fs::remove_dir_all(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", temporary.display()));
        }
        _ => {}
    }
    copy::tree(from, &temporary)?;
    copy::sync(&temporary)?;
    fs::rename(&temporary, stored).with_context(|| format!("making {}", stored.display()))?;
    copy::sync(parent)
}

#[cfg(test)]
mod tests {
    use rustix::fs::XattrFlags;

    use super::*;
    use crate::agent::initrd::selinux_label::{self, LABEL};

    fn root_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = below(root.path(), path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn var_is_filled_once_and_again_after_a_cut() {
        let root = root_with(&[("/usr/share/factory/var/lib/x", "1"), ("/var/.keep", "")]);
        assert!(populate(root.path()).unwrap());
        assert_eq!(fs::read_to_string(root.path().join("var/lib/x")).unwrap(), "1");
        assert!(below(root.path(), contract::ETC_WORK).is_dir());
        fs::write(root.path().join("var/lib/x"), "changed by the node").unwrap();
        assert!(!populate(root.path()).unwrap());
        fs::remove_file(below(root.path(), contract::VAR_POPULATED)).unwrap();
        assert!(populate(root.path()).unwrap());
        assert_eq!(fs::read_to_string(root.path().join("var/lib/x")).unwrap(), "1");
    }

    #[test]
    fn what_is_made_early_has_the_label_of_its_like_in_the_image() {
        let root = root_with(&[("/opt/cni/bin/bridge", "elf"), ("/usr/share/factory/var/lib/x", "1")]);
        let set = |path: &str, label: &[u8]| {
            let path = root.path().join(path);
            rustix::fs::lsetxattr(path, LABEL, label, XattrFlags::empty())
        };
        if let Err(error) = set("opt", b"usr_t\0") {
            return crate::oracle::skip(&format!("no labels here: {error}"));
        }
        set("opt/cni", b"lib_t\0").unwrap();
        set("usr/share/factory/var", b"var_t\0").unwrap();
        fs::create_dir(root.path().join("var")).unwrap();
        populate(root.path()).unwrap();
        directories_above(root.path(), "/opt/cni/bin").unwrap();
        let label = |path: &str| selinux_label::label(&below(root.path(), path));
        assert_eq!(label(contract::VAR_POPULATED).unwrap(), b"var_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable/opt").unwrap(), b"usr_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable/opt/cni").unwrap(), b"lib_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable"), None);
    }

    #[test]
    fn a_writable_directory_starts_with_the_images_content_and_survives_a_cut() {
        let root =
            root_with(&[("/opt/cni/bin/bridge", "elf"), ("/var/lib/nodeinit/writable/opt/cni/bin.nodeinit-new/x", "")]);
        let stored = below(root.path(), "/var/lib/nodeinit/writable/opt/cni/bin");
        directories_above(root.path(), "/opt/cni/bin").unwrap();
        initialise(&root.path().join("opt/cni/bin"), &stored).unwrap();
        assert_eq!(fs::read_dir(&stored).unwrap().count(), 1);
        fs::write(stored.join("calico"), "elf").unwrap();
        initialise(&root.path().join("opt/cni/bin"), &stored).unwrap();
        assert!(stored.join("calico").exists());
    }
}

//! What can be written on a node whose root cannot: `/var` filled, `/etc` overlaid, the image's list of directories
//! bound from `/var`, the machine id.
//!
//! Each step finds out from the disk whether it has been done, and marks itself done as its last write, so that a
//! power cut anywhere leads to the same node.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::XattrFlags;
use rustix::mount::MountFlags;
use serde::Deserialize;

use super::{console, copy, durable};
use crate::contract;
use crate::hex;

/// Where this absolute path of the node lies below `root`.
pub fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

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

/// The part of the image's identity that the initrd needs.
#[derive(Debug, Default, Deserialize)]
struct ImageInfo {
    #[serde(default)]
    writable: Vec<String>,
}

/// The directories that the image declares writable, checked.
///
/// # Errors
/// A path that is not absolute and plain, is covered by `/etc` or `/var`, or lies in another one of the list.
pub fn declared(root: &Path) -> Result<Vec<String>> {
    let path = below(root, contract::IMAGE_INFO);
    let info: ImageInfo = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => ImageInfo::default(),
        bytes => serde_json::from_slice(&bytes.with_context(|| format!("reading {}", path.display()))?)
            .with_context(|| format!("reading {}", path.display()))?,
    };
    let mut taken = vec!["/etc", "/var", "/usr", "/run", "/dev", "/proc", "/sys"];
    // `/usr` itself may not be writable, a directory in it may (CNI plugins, flexvolumes).
    let inside_usr_is_fine = |outer: &str| outer == "/usr";
    for path in &info.writable {
        let mut parts = Path::new(path).components();
        let plain = parts.next() == Some(Component::RootDir)
            && parts.clone().count() > 0
            && parts.all(|part| matches!(part, Component::Normal(_)))
            && !path.ends_with('/');
        ensure!(plain, "the image's writable path `{path}` is not an absolute path of plain names");
        for other in &taken {
            let (inner, outer) = (Path::new(path), Path::new(other));
            if inner == outer || inner.starts_with(outer) && !inside_usr_is_fine(other) || outer.starts_with(inner) {
                bail!("the image's writable path `{path}` overlaps `{other}`");
            }
        }
        taken.push(path);
    }
    Ok(info.writable)
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

/// Gives the node its machine id if it has none: random, persistent in the overlay of `/etc`. Returns whether it did.
///
/// `uninitialized` counts as none: systemd would take it for a first boot and enable every unit there is.
pub fn machine_id(root: &Path) -> Result<bool> {
    let path = root.join("etc/machine-id");
    match fs::read_to_string(&path) {
        Ok(text) if !matches!(text.trim(), "" | "uninitialized") => return Ok(false),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("reading {}", path.display()));
        }
        _ => {}
    }
    let mut id = [0; 16];
    super::random(&mut id)?;
    // A valid version 4 UUID, as systemd makes them: some readers want one.
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let label = label(&path);
    durable::write(&path, format!("{}\n", hex::encode(&id)).as_bytes(), 0o444)?;
    set_label(&path, label);
    Ok(true)
}

/// SELinux's label of a file.
const LABEL: &str = "security.selinux";

/// The label that the file at `path` has, if any.
fn label(path: &Path) -> Option<Vec<u8>> {
    let mut label = vec![0; 4096];
    let length = rustix::fs::lgetxattr(path, LABEL, label.as_mut_slice()).ok()?;
    label.truncate(length);
    Some(label)
}

/// Labels what was made before a policy is loaded, when the kernel gives no labels: services start before anything else
/// could. A node without this label is still one, so a failure is only said.
fn set_label(path: &Path, label: Option<Vec<u8>>) {
    if let Some(label) = label
        && let Err(error) = rustix::fs::lsetxattr(path, LABEL, &label, XattrFlags::empty())
    {
        console::complain(&format!("labelling {}: {error}", path.display()));
    }
}

/// The label of `model`, if it has one, also for `path`.
fn label_like(path: &Path, model: &Path) {
    set_label(path, label(model));
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_machine_id_is_made_once_and_is_unique() {
        let make = || {
            let root = root_with(&[("/etc/machine-id", "")]);
            assert!(machine_id(root.path()).unwrap());
            assert!(!machine_id(root.path()).unwrap());
            fs::read_to_string(root.path().join("etc/machine-id")).unwrap()
        };
        let (first, second) = (make(), make());
        assert_ne!(first, second);
        assert!(first.len() == 33 && first.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    }

    #[test]
    fn the_machine_id_has_the_label_of_the_file_that_it_replaces() {
        let root = root_with(&[("/etc/machine-id", "")]);
        let path = root.path().join("etc/machine-id");
        let label = b"system_u:object_r:machineid_t:s0\0";
        if let Err(error) = rustix::fs::lsetxattr(&path, LABEL, label, XattrFlags::empty()) {
            return crate::oracle::skip(&format!("no labels here: {error}"));
        }
        assert!(machine_id(root.path()).unwrap());
        assert_eq!(super::label(&path).unwrap(), label);
        assert_eq!(super::label(&root.path().join("etc")), None);
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
        let label = |path: &str| super::label(&below(root.path(), path));
        assert_eq!(label(contract::VAR_POPULATED).unwrap(), b"var_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable/opt").unwrap(), b"usr_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable/opt/cni").unwrap(), b"lib_t\0");
        assert_eq!(label("/var/lib/nodeinit/writable"), None);
    }

    #[test]
    fn writable_paths_are_plain_and_apart() {
        let read = |list: &str| {
            let root = root_with(&[(contract::IMAGE_INFO, &format!("{{\"name\": \"x\", \"writable\": {list}}}"))]);
            declared(root.path()).map_err(|error| error.to_string())
        };
        assert_eq!(read("[\"/opt/cni/bin\", \"/home\", \"/usr/libexec/kubernetes\"]").unwrap().len(), 3);
        assert!(read("[\"/home/../etc\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"home\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"/\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"/var/lib\"]").unwrap_err().contains("overlaps `/var`"));
        assert!(read("[\"/opt\", \"/opt/cni/bin\"]").unwrap_err().contains("overlaps `/opt`"));
        assert_eq!(declared(root_with(&[]).path()).unwrap(), Vec::<String>::new());
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

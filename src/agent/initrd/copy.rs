//! A directory of the image copied to `/var`: owners, modes, times, xattrs, hard links, devices.
//!
//! The copy may be cut at any point and done again: what is there already is replaced, and the caller writes its
//! marker only after [`sync`].

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// Copies everything in `from` into `to`; `to` gets the owner, mode and xattrs of `from`, and is made if need be (its
/// parent must exist).
pub fn tree(from: &Path, to: &Path) -> Result<()> {
    let mut links = BTreeMap::new();
    node(from, to, &mut links)
}

/// Waits until everything on the file system of `path` is on the disk.
pub fn sync(path: &Path) -> Result<()> {
    let directory = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    rustix::fs::syncfs(&directory).with_context(|| format!("syncing {}", path.display()))
}

/// Hard links seen so far: inode of the source → first copy.
type Links = BTreeMap<(u64, u64), PathBuf>;

fn node(from: &Path, to: &Path, links: &mut Links) -> Result<()> {
    let metadata = fs::symlink_metadata(from).with_context(|| format!("reading {}", from.display()))?;
    if metadata.is_dir() {
        return directory(from, to, &metadata, links);
    }
    let make = || -> io::Result<()> {
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if metadata.nlink() > 1
            && let Some(first) = links.get(&(metadata.dev(), metadata.ino()))
        {
            return fs::hard_link(first, to);
        }
        let kind = metadata.file_type();
        if kind.is_symlink() {
            symlink(fs::read_link(from)?, to)?;
        } else if kind.is_file() {
            fs::copy(from, to)?;
        } else {
            let kind = if kind.is_fifo() {
                FileType::Fifo
            } else if kind.is_socket() {
                FileType::Socket
            } else if kind.is_block_device() {
                FileType::BlockDevice
            } else {
                FileType::CharacterDevice
            };
            rustix::fs::mknodat(CWD, to, kind, Mode::from_raw_mode(0o600), metadata.rdev())?;
        }
        attributes(from, to, &metadata)
    };
    make().with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    if metadata.nlink() > 1 {
        links.entry((metadata.dev(), metadata.ino())).or_insert_with(|| to.to_owned());
    }
    Ok(())
}

fn directory(from: &Path, to: &Path, metadata: &Metadata, links: &mut Links) -> Result<()> {
    match fs::create_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && to.is_dir() => {}
        other => other.with_context(|| format!("making {}", to.display()))?,
    }
    let mut children: Vec<PathBuf> = fs::read_dir(from)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(|| format!("listing {}", from.display()))?;
    children.sort();
    for child in children {
        let name = child.file_name().with_context(|| format!("{} has no name", child.display()))?;
        node(&child, &to.join(name), links)?;
    }
    // After the children, because they change the directory's time.
    attributes(from, to, metadata).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Owner first (it clears setuid and capabilities), then mode and xattrs, times last.
fn attributes(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    if metadata.is_symlink() {
        lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    } else {
        chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
        fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    xattrs(from, to)?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(metadata.mtime(), metadata.mtime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    Ok(rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies the extended attributes. A source without support for them has none.
pub fn xattrs(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = vec![
        0;
        match rustix::fs::llistxattr_query(from) {
            Err(rustix::io::Errno::NOTSUP) => return Ok(()),
            size => size?,
        }
    ];
    let filled = rustix::fs::llistxattr(from, names.as_mut_slice())?;
    for name in names[..filled].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; rustix::fs::lgetxattr_query(from, name)?];
        let size = rustix::fs::lgetxattr(from, name, value.as_mut_slice())?;
        rustix::fs::lsetxattr(to, name, &value[..size], XattrFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_modes_links_and_times_and_can_be_done_again() {
        let work = tempfile::tempdir().unwrap();
        let (from, to) = (work.path().join("from"), work.path().join("to"));
        fs::create_dir_all(from.join("log")).unwrap();
        fs::set_permissions(from.join("log"), fs::Permissions::from_mode(0o2755)).unwrap();
        fs::write(from.join("log/a"), "text").unwrap();
        fs::set_permissions(from.join("log/a"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(from.join("log/a"), from.join("log/b")).unwrap();
        symlink("/run", from.join("run")).unwrap();
        tree(&from, &to).unwrap();
        // A cut copy: half a file, and a link that was not yet made.
        fs::write(to.join("log/a"), "te").unwrap();
        fs::remove_file(to.join("run")).unwrap();
        tree(&from, &to).unwrap();

        assert_eq!(fs::metadata(to.join("log")).unwrap().mode() & 0o7777, 0o2755);
        let (a, b) = (fs::metadata(to.join("log/a")).unwrap(), fs::metadata(to.join("log/b")).unwrap());
        assert_eq!((a.ino(), a.nlink(), a.mode() & 0o7777), (b.ino(), 2, 0o640));
        assert_eq!(a.mtime_nsec(), fs::metadata(from.join("log/a")).unwrap().mtime_nsec());
        assert_eq!(fs::read(to.join("log/b")).unwrap(), b"text");
        assert_eq!(fs::read_link(to.join("run")).unwrap(), Path::new("/run"));
    }
}

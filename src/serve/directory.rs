//! Regular files below a directory, by names that strangers give, and nothing else of this machine.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Entries of a directory that are looked at.
const ENTRIES: usize = 10_000;
/// How often a path is walked again that others rename meanwhile (openat2(2), `EAGAIN`).
const WALKS: usize = 8;

#[derive(Debug)]
pub(crate) struct Directory {
    root: OwnedFd,
    path: PathBuf,
    /// How paths below it are walked.
    resolve: ResolveFlags,
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// A strong validator (RFC 9110, 8.8.3), in quotes: another file or another content has another one.
    pub(crate) tag: String,
}

impl Found {
    /// The whole content, if it has no more than `most` bytes.
    pub(crate) fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        let length = usize::try_from(self.bytes).ok().filter(|_| self.bytes <= most).ok_or_else(too_large)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Whether a name may be served: no dot file, and nothing that a path or a line of the log could take for something else.
pub(crate) fn is_visible(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 255
        && !name.contains(|c: char| c == '/' || c.is_control())
}

impl Directory {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Directory> {
        Directory::with(path, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
    }

    /// One whose links may lead anywhere: Debian's `/usr/lib/ipxe/ipxe.efi` leads to `/boot`.
    pub(crate) fn with_links(path: &Path) -> anyhow::Result<Directory> {
        Directory::with(path, ResolveFlags::NO_MAGICLINKS)
    }

    fn with(path: &Path, resolve: ResolveFlags) -> anyhow::Result<Directory> {
        let opening = || format!("opening the directory {}", path.display());
        let path = fs::canonicalize(path).with_context(opening)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty()).with_context(opening)?;
        Ok(Directory { root, path, resolve })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file below it with these names, `None` if there is no such regular file: symbolic links count as
    /// long as they stay below the directory (see [`Directory::with_links`]).
    ///
    /// # Errors
    /// This machine's own trouble.
    pub(crate) fn file(&self, names: &[impl AsRef<str>]) -> io::Result<Option<Found>> {
        if names.is_empty() || !names.iter().all(|name| is_visible(name.as_ref())) {
            return Ok(None);
        }
        let path: PathBuf = names.iter().map(AsRef::<str>::as_ref).collect();
        // A pipe must not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let walk = || openat2(&self.root, &path, flags, Mode::empty(), self.resolve);
        let opened = (0..WALKS).map(|_| walk()).find(|opened| !matches!(opened, Err(Errno::AGAIN)));
        let file = match opened.unwrap_or(Err(Errno::AGAIN)) {
            Ok(file) => File::from(file),
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO | Errno::NOSYS | Errno::AGAIN)) => {
                return Err(error.into());
            }
            Err(_) => return Ok(None),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let (bytes, modified) = (metadata.len(), metadata.mtime());
        let tag = format!("\"{:x}-{bytes:x}-{modified:x}.{:x}\"", metadata.ino(), metadata.mtime_nsec());
        Ok(Some(Found { file, bytes, modified, tag }))
    }

    /// Names of the regular files in it that may be served, in order.
    pub(crate) fn files(&self) -> io::Result<Vec<String>> {
        self.names(|name| Ok(self.file(&[name])?.is_some()))
    }

    /// Names of the directories in it, in order.
    pub(crate) fn directories(&self) -> io::Result<Vec<String>> {
        self.names(|name| Ok(self.path.join(name).is_dir()))
    }

    fn names(&self, counts: impl Fn(&str) -> io::Result<bool>) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)?.take(ENTRIES) {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if is_visible(&name) && counts(&name)? {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_below_the_directory_are_opened() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("inner")).unwrap();
        for (name, text) in [("root/a", "1"), ("root/inner/b", "22"), ("root/.hidden", "3"), ("outside", "4")] {
            fs::write(place.path().join(name), text).unwrap();
        }
        for (name, target) in [("in", "inner/b"), ("out", "../outside"), ("absolute", "/etc/passwd"), ("loop", "loop")]
        {
            symlink(target, root.join(name)).unwrap();
        }
        symlink("/proc/self/fd/0", root.join("magic")).unwrap();
        symlink("..", root.join("inner/up")).unwrap();
        assert!(Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
        let directory = Directory::open(&root).unwrap();
        let bytes = |names: &[&str]| directory.file(names).unwrap().map(|found| found.bytes);
        for (names, expected) in [(&["a"][..], 1), (&["inner", "b"], 2), (&["in"], 2), (&["inner", "up", "a"], 1)] {
            assert_eq!(bytes(names), Some(expected), "{names:?}");
        }
        let long = "x".repeat(300);
        let long = long.as_str();
        for names in [
            &[][..],
            &["inner"],
            &["missing"],
            &["out"],
            &["absolute"],
            &["loop"],
            &["magic"],
            &["pipe"],
            &[".hidden"],
            &["..", "outside"],
            &["inner", "..", "a"],
            &["inner/b"],
            &["a\0"],
            &["a", "b"],
            &["inner", "up", "up", "outside"],
            &[""],
            &[long],
        ] {
            assert_eq!(bytes(names), None, "{names:?}");
        }
        assert_eq!(directory.files().unwrap(), ["a", "in"]);
        let trusting = Directory::with_links(&root).unwrap();
        assert_eq!(trusting.file(&["out"]).unwrap().map(|found| found.bytes), Some(1));
        assert!(trusting.file(&["..", "outside"]).unwrap().is_none() && trusting.file(&["magic"]).unwrap().is_none());
        assert_eq!(directory.directories().unwrap(), ["inner"]);
    }

    #[test]
    fn another_content_is_another_tag() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let tag = || directory.file(&["a"]).unwrap().unwrap().tag;
        fs::write(place.path().join("a"), "one").unwrap();
        let first = tag();
        assert_eq!(first, tag());
        fs::write(place.path().join("b"), "two").unwrap();
        fs::rename(place.path().join("b"), place.path().join("a")).unwrap();
        assert_ne!(first, tag());
        let found = directory.file(&["a"]).unwrap().unwrap();
        assert_eq!(found.read(3).unwrap(), b"two");
        assert_eq!(found.read(2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}

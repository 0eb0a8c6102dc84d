//! The file system as a script sees it: system calls over the [`Tree`].
//!
//! Paths are bytes and absolute; links, `.` and `..` mean what they mean to Linux. Everything that changes is noted for
//! the script that runs. What is outside an image is a fixed fact: a few device nodes are there, `/proc` and `/sys` are
//! empty, the time is the recipe's epoch, the user is root.

mod change;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shell::{Bytes, Errno, Facts, FileId, Kind, Stop, StopKind};
use crate::tree::{self, Contents, Inode, InodeId, Origin, Tree, TreePath};

/// Symlinks that are followed in one path.
const LINKS: usize = 40;
/// Largest file that a script may make or read whole, in bytes.
const LARGEST: u64 = 64 << 20;
const SET_GID: u16 = 0o2000;
/// Device nodes that are there although nobody made them: path, major and minor number, mode.
const DEVICES: [(&str, u32, u32, u16); 7] = [
    ("/dev/console", 5, 1, 0o600),
    ("/dev/full", 1, 7, 0o666),
    ("/dev/null", 1, 3, 0o666),
    ("/dev/random", 1, 8, 0o666),
    ("/dev/tty", 5, 0, 0o666),
    ("/dev/urandom", 1, 9, 0o666),
    ("/dev/zero", 1, 5, 0o666),
];

/// What became of a path while a script ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Made,
    /// Other content, target, owner, mode or attributes.
    Changed,
    Removed,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Change::Made => "made",
            Change::Changed => "changed",
            Change::Removed => "removed",
        }
    }
}

pub struct Files<'a> {
    pub tree: Tree,
    contents: &'a dyn Contents,
    /// The time of everything that scripts make, in seconds since 1970.
    pub epoch: i64,
    /// Who makes what is made now.
    pub origin: Origin,
    /// What the running script has changed so far.
    pub changes: BTreeMap<TreePath, Change>,
    /// Paths that only the node's first boot makes, and what makes them there: changing one does nothing now.
    pub later: BTreeMap<TreePath, String>,
    /// Files of packages that the recipe drops: scripts find them where they ask, and they are in no image.
    pub ghosts: BTreeMap<TreePath, u16>,
    /// Paths by which files were opened for writing.
    opened: BTreeMap<FileId, TreePath>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files for {}", self.origin)
    }
}

/// What a call gives: the run goes on with the error number, but not without the store.
pub type Result<T> = std::result::Result<std::result::Result<T, Errno>, Stop>;

impl<'a> Files<'a> {
    pub fn new(tree: Tree, contents: &'a dyn Contents, epoch: i64, origin: Origin) -> Files<'a> {
        let (changes, later, ghosts, opened) = Default::default();
        Files { tree, contents, epoch, origin, changes, later, ghosts, opened }
    }

    /// Where `path` leads. Only the last name may be missing; the last link is followed if `follow`.
    pub fn resolve(&self, path: &[u8], follow: bool) -> std::result::Result<TreePath, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        let must_be_directory = path.ends_with(b"/") || path.ends_with(b"/.");
        if let Some(found) = self.resolve_plain(path, follow || must_be_directory) {
            let other = |path| self.tree.get(path).is_some_and(|inode| inode.kind != tree::Kind::Directory);
            return if must_be_directory && other(&found) { Err(Errno::NotDirectory) } else { Ok(found) };
        }
        self.follow(path, follow || must_be_directory, must_be_directory)
    }

    /// Goes down a path name by name.
    fn follow(&self, path: &[u8], follow: bool, must_be_directory: bool) -> std::result::Result<TreePath, Errno> {
        let mut todo: Vec<Bytes> = names(path);
        todo.reverse();
        let mut done = TreePath::root();
        let mut followed = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                done = done.parent().unwrap_or_else(TreePath::root);
                continue;
            }
            let next = done.join(&name).map_err(|_| Errno::NameTooLong)?;
            let last = todo.is_empty();
            match self.tree.get(&next).map(|inode| &inode.kind) {
                Some(tree::Kind::Symlink(target)) if !last || follow => {
                    followed += 1;
                    if followed > LINKS {
                        return Err(Errno::Loop);
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(names(target).into_iter().rev());
                }
                Some(tree::Kind::Directory) => done = next,
                Some(_) if !last || must_be_directory => return Err(Errno::NotDirectory),
                // Before the package that brings it, `/dev` is there all the same.
                None if !last && next.as_bytes() != b"/dev" => return Err(Errno::NoEntry),
                _ => done = next,
            }
        }
        Ok(done)
    }

    /// A path that the tree has as it is written: nothing above a path of the tree is a link.
    fn resolve_plain(&self, path: &[u8], follow: bool) -> Option<TreePath> {
        let path = TreePath::parse(path).ok()?;
        let there = match self.tree.get(&path) {
            Some(inode) => !follow || !matches!(inode.kind, tree::Kind::Symlink(_)),
            None => self.tree.get(&path.parent()?).is_some_and(|inode| inode.kind == tree::Kind::Directory),
        };
        there.then_some(path)
    }

    /// The path and inode that are there.
    pub fn find(&self, path: &[u8], follow: bool) -> std::result::Result<(TreePath, InodeId), Errno> {
        let path = self.resolve(path, follow)?;
        let id = self.tree.id(&path).ok_or(Errno::NoEntry)?;
        Ok((path, id))
    }

    pub fn inode(&self, path: &[u8], follow: bool) -> Option<&Inode> {
        self.find(path, follow).ok().map(|(_, id)| self.tree.inode(id))
    }

    pub fn exists(&self, path: &[u8]) -> bool {
        self.facts(path, true).is_some()
    }

    pub fn is_directory(&self, path: &[u8]) -> bool {
        self.inode(path, true).is_some_and(|inode| inode.kind == tree::Kind::Directory)
    }

    /// What `stat` or `lstat` says; nothing if it fails.
    pub fn facts(&self, path: &[u8], follow: bool) -> Option<Facts> {
        self.status(path, follow).ok()
    }

    /// What `stat` or `lstat` says, or why it fails.
    pub fn status(&self, path: &[u8], follow: bool) -> std::result::Result<Facts, Errno> {
        let resolved = self.resolve(path, follow)?;
        let Some(id) = self.tree.id(&resolved) else { return self.facts_of_absent(&resolved).ok_or(Errno::NoEntry) };
        let inode = self.tree.inode(id);
        let (kind, size) = match &inode.kind {
            tree::Kind::Directory => (Kind::Directory, 4096),
            tree::Kind::File(content) => (Kind::File, content.size()),
            tree::Kind::Symlink(target) => (Kind::Symlink, target.len() as u64),
            tree::Kind::CharDevice { .. } => (Kind::CharDevice, 0),
            tree::Kind::BlockDevice { .. } => (Kind::BlockDevice, 0),
            tree::Kind::Fifo => (Kind::Fifo, 0),
        };
        let Inode { mode, uid, gid, mtime, .. } = *inode;
        Ok(Facts { kind, mode, uid, gid, size, mtime, inode: id.0 as u64, links: self.tree.links(id) as u64 })
    }

    /// Devices, the files of dropped packages, and what the first boot makes.
    fn facts_of_absent(&self, path: &TreePath) -> Option<Facts> {
        let (kind, mode, size) = match (device(path), self.ghosts.get(path)) {
            (Some((.., mode)), _) => (Kind::CharDevice, *mode, 0),
            (None, Some(mode)) => (Kind::File, *mode, 1),
            (None, None) if self.later.contains_key(path) => (Kind::File, 0o600, 1),
            (None, None) => return None,
        };
        Some(Facts { kind, mode, uid: 0, gid: 0, size, mtime: self.epoch, inode: u64::MAX, links: 1 })
    }

    /// Major and minor number of a device that is there although nobody made it.
    pub fn device_numbers(&self, path: &[u8]) -> Option<(u32, u32)> {
        let path = self.resolve(path, true).ok()?;
        device(&path).filter(|_| self.tree.id(&path).is_none()).map(|(_, major, minor, _)| (*major, *minor))
    }

    /// The whole content of a regular file.
    pub fn read(&self, path: &[u8]) -> Result<Bytes> {
        let resolved = match self.resolve(path, true) {
            Ok(resolved) => resolved,
            Err(errno) => return Ok(Err(errno)),
        };
        match self.tree.get(&resolved).map(|inode| &inode.kind) {
            None => match resolved.as_bytes() {
                b"/dev/null" => Ok(Ok(Vec::new())),
                b"/dev/random" | b"/dev/urandom" => Err(Stop::refused("/dev/urandom", RANDOM)),
                b"/dev/zero" | b"/dev/full" => Err(Stop::unsupported("/dev/zero", "reading it")),
                _ if let Some(program) = self.later.get(&resolved) => Err(Stop::refused(
                    program,
                    format!("it makes `{resolved}` at a node's first boot: nobody can read it yet"),
                )),
                _ => Ok(Err(Errno::NoEntry)),
            },
            Some(tree::Kind::File(content)) if content.size() > LARGEST => {
                Err(Stop::limit(format!("reading `{resolved}`, which has {} bytes", content.size())))
            }
            Some(tree::Kind::File(content)) => match content.read(self.contents) {
                Ok(bytes) => Ok(Ok(bytes)),
                Err(error) => Err(Stop::new(StopKind::Failure(format!("reading `{resolved}` of the root: {error}")))),
            },
            Some(tree::Kind::Directory) => Ok(Err(Errno::IsDirectory)),
            Some(_) => Ok(Err(Errno::NoDevice)),
        }
    }

    /// The names in a directory, sorted by their bytes.
    pub fn list(&self, path: &[u8]) -> std::result::Result<Vec<Bytes>, Errno> {
        let (path, id) = self.find(path, true)?;
        match self.tree.inode(id).kind {
            tree::Kind::Directory => Ok(self.tree.children(&path).map(|(path, ..)| path.name().to_vec()).collect()),
            _ => Err(Errno::NotDirectory),
        }
    }

    /// Where a symlink points.
    pub fn target(&self, path: &[u8]) -> std::result::Result<Bytes, Errno> {
        let (_, id) = self.find(path, false)?;
        match &self.tree.inode(id).kind {
            tree::Kind::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::Invalid),
        }
    }

    /// Whether a path exists from the first boot on, so that changing it now is left to what makes it.
    pub fn is_later(&self, path: &[u8]) -> bool {
        self.resolve(path, true).is_ok_and(|path| self.later.contains_key(&path))
    }

    /// Whether a path is there although the tree does not have it, or will be: a device, a file of a dropped package,
    /// something that the first boot makes. Changing it does nothing, and succeeds.
    fn is_elsewhere(&self, path: &TreePath) -> bool {
        let absent = self.tree.id(path).is_none();
        self.later.contains_key(path) || absent && (self.ghosts.contains_key(path) || device(path).is_some())
    }
}

fn device(path: &TreePath) -> Option<&'static (&'static str, u32, u32, u16)> {
    DEVICES.iter().find(|(device, ..)| device.as_bytes() == path.as_bytes())
}

pub const RANDOM: &str = "what is random must not be in an image that every node shares";

fn names(path: &[u8]) -> Vec<Bytes> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.map(<[u8]>::to_vec).collect()
}

/// `path` without the slashes at its end.
fn trim(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    if end == 0 { path } else { &path[..end] }
}

fn errno(error: &tree::TreeError) -> Errno {
    match error.problem {
        tree::Problem::Occupied(_) => Errno::Exists,
        tree::Problem::NoParent | tree::Problem::NoSuchPath => Errno::NoEntry,
        tree::Problem::ParentNotDirectory(_) => Errno::NotDirectory,
        tree::Problem::NotEmpty => Errno::NotEmpty,
        tree::Problem::IsDirectory => Errno::IsDirectory,
        tree::Problem::SymlinkLoop => Errno::Loop,
        tree::Problem::BadSymlinkTarget | tree::Problem::BadMode | tree::Problem::BadXattr(_) => Errno::Invalid,
    }
}

#[cfg(test)]
mod tests;

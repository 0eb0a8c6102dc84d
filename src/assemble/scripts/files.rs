//! The file system as a script sees it: system calls over the [`Tree`].
//!
//! Paths are bytes and absolute; links, `.` and `..` mean what they mean to Linux. Everything that changes is noted for
//! the script that runs. What is outside an image is a fixed fact: a few device nodes are there, `/proc` and `/sys` are
//! empty, the time is the recipe's epoch, the user is root.

use std::collections::BTreeMap;

use crate::shell::{Bytes, Errno, Facts, FileId, Kind, Stop, StopKind};
use crate::tree::{self, Content, Contents, Inode, InodeId, Origin, Tree, TreePath};

/// Symlinks that are followed in one path.
const LINKS: usize = 40;
/// Largest file that a script may make or read whole, in bytes.
const LARGEST: u64 = 64 << 20;
const SET_GID: u16 = 0o2000;
/// The attribute that holds a file's capabilities.
pub const CAPABILITY: &[u8] = b"security.capability";
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Made,
    /// Other content, target, owner, mode or attributes.
    Changed,
    Removed,
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
        let mut todo: Vec<Bytes> = names(path);
        todo.reverse();
        let must_be_directory = path.ends_with(b"/") || path.ends_with(b"/.");
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
                Some(tree::Kind::Symlink(target)) if !last || follow || must_be_directory => {
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

    /// Devices and the files of dropped packages.
    fn facts_of_absent(&self, path: &TreePath) -> Option<Facts> {
        let (kind, mode, size) = match (device(path), self.ghosts.get(path)) {
            (Some((.., mode)), _) => (Kind::CharDevice, *mode, 0),
            (None, Some(mode)) => (Kind::File, *mode, 1),
            (None, None) => return None,
        };
        Some(Facts { kind, mode, uid: 0, gid: 0, size, mtime: self.epoch, inode: u64::MAX, links: 1 })
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

    fn note(&mut self, path: &TreePath, change: Change) {
        let before = self.changes.get(path);
        let after = match (before, change) {
            (Some(Change::Made), Change::Removed) => None,
            (Some(Change::Made), _) => Some(Change::Made),
            (Some(Change::Removed), Change::Made) => Some(Change::Changed),
            _ => Some(change),
        };
        match after {
            Some(after) => drop(self.changes.insert(path.clone(), after)),
            None => drop(self.changes.remove(path)),
        }
    }

    /// A new inode for `path`: in a directory with its setgid bit set it gets the directory's group, and a directory
    /// the bit too.
    fn new_inode(&self, path: &TreePath, kind: tree::Kind, mode: u16) -> Inode {
        let mut inode = Inode::new(kind, mode, self.epoch, &self.origin);
        let parent = path.parent().and_then(|parent| self.tree.get(&parent));
        if let Some(parent) = parent.filter(|parent| parent.mode & SET_GID != 0) {
            inode.gid = parent.gid;
            if inode.kind == tree::Kind::Directory {
                inode.mode |= SET_GID;
            }
        }
        inode
    }

    /// Adds an inode at a path where nothing is.
    pub fn make(&mut self, path: &[u8], kind: tree::Kind, mode: u16) -> std::result::Result<TreePath, Errno> {
        let slash = path.ends_with(b"/") && kind != tree::Kind::Directory;
        // The kernel makes directories, and nothing else, by names with a slash behind them.
        let path = self.resolve(if slash { path } else { trim(path) }, false)?;
        if self.facts_at(&path) {
            return Err(Errno::Exists);
        }
        if self.later.contains_key(&path) {
            return Ok(path);
        }
        if slash {
            return Err(Errno::NoEntry);
        }
        let inode = self.new_inode(&path, kind, mode);
        self.tree.insert(path.clone(), inode).map_err(|error| errno(&error))?;
        self.note(&path, Change::Made);
        Ok(path)
    }

    fn facts_at(&self, path: &TreePath) -> bool {
        self.tree.id(path).is_some()
    }

    pub fn make_directory(&mut self, path: &[u8], mode: u16) -> std::result::Result<TreePath, Errno> {
        self.make(path, tree::Kind::Directory, mode)
    }

    /// `mkdir -p`: what is missing is made, parents with 0755.
    pub fn make_directories(&mut self, path: &[u8], mode: u16) -> std::result::Result<(), Errno> {
        let all = names(path);
        let mut at = Vec::new();
        for (index, name) in all.iter().enumerate() {
            at.push(b'/');
            at.extend_from_slice(name);
            if self.is_directory(&at) {
                continue;
            }
            self.make_directory(&at, if index + 1 == all.len() { mode } else { 0o755 })?;
        }
        Ok(())
    }

    pub fn make_link(&mut self, target: &[u8], path: &[u8]) -> std::result::Result<TreePath, Errno> {
        if target.is_empty() {
            return Err(Errno::NoEntry);
        }
        self.make(path, tree::Kind::Symlink(target.to_vec()), 0o777)
    }

    /// Another name of what is at `existing`, whose last link is not followed.
    pub fn hard_link(&mut self, existing: &[u8], path: &[u8]) -> std::result::Result<(), Errno> {
        let (existing, id) = self.find(existing, false)?;
        if self.tree.inode(id).kind == tree::Kind::Directory {
            return Err(Errno::NotPermitted);
        }
        let path = self.resolve(path, false)?;
        if self.facts_at(&path) {
            return Err(Errno::Exists);
        }
        self.tree.link(&existing, path.clone(), &self.origin.clone()).map_err(|error| errno(&error))?;
        self.note(&path, Change::Made);
        Ok(())
    }

    /// Opens for writing: makes the file with this mode, or finds it, emptied if `truncate`.
    pub fn open_to_write(
        &mut self,
        path: &[u8],
        mode: u16,
        truncate: bool,
        new: bool,
    ) -> std::result::Result<FileId, Errno> {
        let resolved = self.resolve(path, true)?;
        let Some(id) = self.tree.id(&resolved) else {
            if path.ends_with(b"/") {
                return Err(Errno::IsDirectory);
            }
            let inode = self.new_inode(&resolved, tree::Kind::File(Content::inline(Vec::new())), mode);
            let id = self.tree.insert(resolved.clone(), inode).map_err(|error| errno(&error))?;
            self.note(&resolved, Change::Made);
            return Ok(self.opened(id, resolved));
        };
        match &self.tree.inode(id).kind {
            tree::Kind::File(_) if new => return Err(Errno::Exists),
            tree::Kind::File(_) => {}
            tree::Kind::Directory => return Err(Errno::IsDirectory),
            _ => return Err(Errno::NoDevice),
        }
        if truncate {
            self.fill(id, Content::inline(Vec::new()));
            self.note(&resolved, Change::Changed);
        }
        Ok(self.opened(id, resolved))
    }

    fn opened(&mut self, id: InodeId, path: TreePath) -> FileId {
        let file = FileId(id.0 as u64);
        self.opened.insert(file, path);
        file
    }

    /// Gives the inode of a regular file another content, under all its names. Capabilities go, as when root writes.
    fn fill(&mut self, id: InodeId, content: Content) {
        let (epoch, origin) = (self.epoch, self.origin.clone());
        self.tree.change(id, |inode| {
            inode.kind = tree::Kind::File(content);
            inode.mtime = epoch;
            inode.origin = origin;
            inode.xattrs.remove(CAPABILITY);
        });
    }

    /// Writes at an offset, or at the end, of an open file.
    pub fn write(&mut self, file: FileId, at: Option<u64>, bytes: &[u8]) -> std::result::Result<(), Stop> {
        let id = InodeId(usize::try_from(file.0).unwrap_or_default());
        let tree::Kind::File(content) = &self.tree.inode(id).kind else { return Ok(()) };
        let mut whole = content.read(self.contents).map_err(|error| {
            Stop::new(StopKind::Failure(format!("reading a file of the root to write to it: {error}")))
        })?;
        let start = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(whole.len());
        let end = start.saturating_add(bytes.len());
        if end as u64 > LARGEST {
            return Err(Stop::limit(format!("a file of {end} bytes")));
        }
        whole.resize(whole.len().max(end), 0);
        whole[start..end].copy_from_slice(bytes);
        self.fill(id, Content::inline(whole));
        if let Some(path) = self.opened.get(&file).cloned() {
            self.note(&path, Change::Changed);
        }
        Ok(())
    }

    /// A file with these bytes in place of what may be there, as `> path` would write it; a new one has this mode.
    pub fn put(&mut self, path: &[u8], bytes: Bytes, mode: u16) -> std::result::Result<(), Errno> {
        self.put_content(path, Content::inline(bytes), mode)
    }

    /// The same with a content that nobody has to read.
    pub fn put_content(&mut self, path: &[u8], content: Content, mode: u16) -> std::result::Result<(), Errno> {
        let resolved = self.resolve(path, true)?;
        if self.later.contains_key(&resolved) || self.tree.id(&resolved).is_none() && device(&resolved).is_some() {
            return Ok(());
        }
        self.open_to_write(path, mode, true, false)?;
        let (path, id) = self.find(path, true)?;
        self.fill(id, content);
        self.note(&path, Change::Changed);
        Ok(())
    }

    /// A file with the content (not read), mode, owner, time and attributes of another, at a path where nothing is.
    pub fn put_inode(&mut self, path: &[u8], inode: Inode) -> std::result::Result<(), Errno> {
        let path = self.resolve(path, false)?;
        if self.later.contains_key(&path) {
            return Ok(());
        }
        self.tree.insert(path.clone(), inode).map_err(|error| errno(&error))?;
        self.note(&path, Change::Made);
        Ok(())
    }

    /// `unlink`.
    pub fn remove(&mut self, path: &[u8]) -> std::result::Result<(), Errno> {
        let resolved = self.resolve(path, false)?;
        if self.is_elsewhere(&resolved) {
            self.ghosts.remove(&resolved);
            return Ok(());
        }
        let (path, id) = self.find(path, false)?;
        if self.tree.inode(id).kind == tree::Kind::Directory {
            return Err(Errno::IsDirectory);
        }
        self.tree.remove(&path, &self.origin.clone()).map_err(|error| errno(&error))?;
        self.note(&path, Change::Removed);
        Ok(())
    }

    /// `rmdir`.
    pub fn remove_directory(&mut self, path: &[u8]) -> std::result::Result<(), Errno> {
        match trim(path).rsplit(|byte| *byte == b'/').next() {
            Some(b".") => return Err(Errno::Invalid),
            Some(b"..") => return Err(Errno::NotEmpty),
            _ => {}
        }
        let (path, id) = self.find(trim(path), false)?;
        if self.tree.inode(id).kind != tree::Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        self.tree.remove(&path, &self.origin.clone()).map_err(|error| errno(&error))?;
        self.note(&path, Change::Removed);
        Ok(())
    }

    /// `rm -r`.
    pub fn remove_all(&mut self, path: &[u8]) -> std::result::Result<(), Errno> {
        let resolved = self.resolve(trim(path), false)?;
        if resolved.is_root() {
            return Err(Errno::NotPermitted);
        }
        if self.tree.id(&resolved).is_none() {
            return self.remove(path);
        }
        let path = resolved;
        let below: Vec<TreePath> = self.tree.below(&path).map(|(path, ..)| path.clone()).collect();
        self.tree.remove_all(&path);
        below.iter().for_each(|path| self.note(path, Change::Removed));
        Ok(())
    }

    /// rename(2): `to` may be a file that goes, or an empty directory if `from` is one.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> std::result::Result<(), Errno> {
        let slash = from.ends_with(b"/") || to.ends_with(b"/");
        let (from, id) = self.find(trim(from), false)?;
        let to = self.resolve(trim(to), false)?;
        if slash && self.tree.inode(id).kind != tree::Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        if self.later.contains_key(&to) {
            // What the first boot makes there will not be this.
            return self.remove(&[b"/", from.as_bytes()].concat());
        }
        if from == to {
            return Ok(());
        }
        if to.starts_with(&from) {
            return Err(Errno::Invalid);
        }
        let origin = self.origin.clone();
        if let Some(other) = self.tree.get(&to) {
            let directory = |inode: &Inode| inode.kind == tree::Kind::Directory;
            match (directory(self.tree.inode(id)), directory(other)) {
                (true, false) => return Err(Errno::NotDirectory),
                (false, true) => return Err(Errno::IsDirectory),
                _ => {}
            }
            // Two names of one file stay as they are.
            if self.tree.id(&to) == Some(id) {
                return Ok(());
            }
            self.tree.remove(&to, &origin).map_err(|error| errno(&error))?;
            self.note(&to, Change::Removed);
        }
        let below: Vec<TreePath> = self.tree.below(&from).map(|(path, ..)| path.clone()).collect();
        self.tree.rename(&from, &to, &origin).map_err(|error| errno(&error))?;
        for path in below {
            let moved = to.join(&path.as_bytes()[from.as_bytes().len()..]);
            self.note(&path, Change::Removed);
            if let Ok(moved) = moved {
                self.note(&moved, Change::Made);
            }
        }
        Ok(())
    }

    /// Changes mode, owner, time or attributes.
    pub fn update(
        &mut self,
        path: &[u8],
        follow: bool,
        change: impl FnOnce(&mut Inode),
    ) -> std::result::Result<(), Errno> {
        let resolved = self.resolve(path, follow)?;
        if self.is_elsewhere(&resolved) {
            return Ok(());
        }
        let (path, id) = self.find(path, follow)?;
        let before = self.tree.inode(id).clone();
        self.tree.change(id, change);
        if *self.tree.inode(id) != before {
            self.note(&path, Change::Changed);
        }
        Ok(())
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

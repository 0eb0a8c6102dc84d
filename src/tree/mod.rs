//! The root file system as a value.
//!
//! A [`Tree`] is a table of inodes and a map from paths to them; two paths with the same inode are hard links. Every
//! insertion is checked (names, parents, kinds, sizes), and every inode remembers who brought it, so the writers in
//! `formats/` cannot fail because of what the tree holds. Contents are digests: the tree of a whole node is a few MiB.

pub mod content;
pub mod dump;
pub mod path;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

pub use content::{Content, Contents, Digest};
pub use path::TreePath;

/// Largest number of bytes an xattr's value may have (`XATTR_SIZE_MAX` of Linux).
const XATTR_VALUE_MAX: usize = 65_535;
/// Symlinks in one path that are followed before it counts as a loop (`MAXSYMLINKS` of Linux).
const SYMLINKS_MAX: usize = 40;

/// Index of an inode in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId(pub usize);

/// Who brought an inode: `systemd 257.13-1`, `overlay overlays/common`, `nodesmith: accounts`.
pub type Origin = Arc<str>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Content),
    Symlink(Vec<u8>),
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

impl Kind {
    /// The letter that `ls -l` shows, also used by the dump.
    pub fn letter(&self) -> char {
        match self {
            Kind::Directory => 'd',
            Kind::File(_) => '-',
            Kind::Symlink(_) => 'l',
            Kind::CharDevice { .. } => 'c',
            Kind::BlockDevice { .. } => 'b',
            Kind::Fifo => 'p',
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    pub kind: Kind,
    /// Permission bits, setuid, setgid and sticky: `0o7777` at most.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Full names (`security.capability`) and values.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub origin: Origin,
}

impl Inode {
    /// An inode owned by root, with no xattrs.
    pub fn new(kind: Kind, mode: u16, mtime: i64, origin: &Origin) -> Inode {
        Inode { kind, mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new(), origin: origin.clone() }
    }
}

/// Why an insertion was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeError {
    pub path: TreePath,
    pub origin: Origin,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Something stands there already, brought by this origin.
    Occupied(Origin),
    NoParent,
    /// The parent is no directory; it was brought by this origin.
    ParentNotDirectory(Origin),
    NoSuchPath,
    NotEmpty,
    IsDirectory,
    SymlinkLoop,
    BadSymlinkTarget,
    BadMode,
    BadXattr(String),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TreeError { path, origin, problem } = self;
        write!(f, "`{path}` from {origin}: ")?;
        match problem {
            Problem::Occupied(other) => write!(f, "{other} already has this path"),
            Problem::NoParent => f.write_str("its directory does not exist"),
            Problem::ParentNotDirectory(other) => write!(f, "its parent, from {other}, is not a directory"),
            Problem::NoSuchPath => f.write_str("no such path"),
            Problem::NotEmpty => f.write_str("the directory is not empty"),
            Problem::IsDirectory => f.write_str("a directory cannot have a second name"),
            Problem::SymlinkLoop => f.write_str("too many symbolic links on the way"),
            Problem::BadSymlinkTarget => f.write_str("a symlink target has 1 to 4095 bytes and no NUL"),
            Problem::BadMode => f.write_str("the mode has bits other than 07777"),
            Problem::BadXattr(name) => {
                write!(f, "the extended attribute `{name}` has an unknown prefix or is too long")
            }
        }
    }
}

impl std::error::Error for TreeError {}

/// See the module's description. The root directory always exists.
#[derive(Debug, Clone)]
pub struct Tree {
    inodes: Vec<Inode>,
    /// How many paths each inode has.
    names: Vec<usize>,
    paths: BTreeMap<TreePath, InodeId>,
}

impl Tree {
    /// A tree with only a root directory, mode 0755.
    pub fn new(mtime: i64, origin: &Origin) -> Tree {
        let root = Inode::new(Kind::Directory, 0o755, mtime, origin);
        Tree { inodes: vec![root], names: vec![1], paths: BTreeMap::from([(TreePath::root(), InodeId(0))]) }
    }

    pub fn id(&self, path: &TreePath) -> Option<InodeId> {
        self.paths.get(path).copied()
    }

    pub fn get(&self, path: &TreePath) -> Option<&Inode> {
        self.id(path).map(|id| &self.inodes[id.0])
    }

    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0]
    }

    /// Every path with its inode: a directory right before what it holds, siblings by their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, InodeId, &Inode)> {
        self.paths.iter().map(|(path, id)| (path, *id, &self.inodes[id.0]))
    }

    /// `directory` itself and everything below it.
    pub fn below<'a>(&'a self, directory: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, InodeId, &'a Inode)> {
        self.paths
            .range::<TreePath, _>((Bound::Included(directory), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(directory))
            .map(|(path, id)| (path, *id, &self.inodes[id.0]))
    }

    /// What lies directly in `directory`; what lies below that is skipped, not looked at.
    pub fn children<'a>(&'a self, directory: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, InodeId, &'a Inode)> {
        let mut after = Bound::Excluded(directory.clone());
        std::iter::from_fn(move || {
            let (path, id) = self.paths.range((after.clone(), Bound::Unbounded)).next()?;
            after = Bound::Included(path.behind());
            path.starts_with(directory).then(|| (path, *id, &self.inodes[id.0]))
        })
    }

    /// How many paths lead to an inode.
    pub fn links(&self, id: InodeId) -> usize {
        self.names[id.0]
    }

    fn add(&mut self, path: TreePath, inode: Inode) -> InodeId {
        let id = InodeId(self.inodes.len());
        self.inodes.push(inode);
        self.names.push(0);
        self.name(path, id);
        id
    }

    /// Gives `id` the name `path`, which may have been another's.
    fn name(&mut self, path: TreePath, id: InodeId) {
        self.names[id.0] += 1;
        if let Some(old) = self.paths.insert(path, id) {
            self.names[old.0] -= 1;
        }
    }

    fn unname(&mut self, path: &TreePath) -> Option<InodeId> {
        let id = self.paths.remove(path)?;
        self.names[id.0] -= 1;
        Some(id)
    }

    /// Adds an inode at a free path whose parent is a directory.
    pub fn insert(&mut self, path: TreePath, inode: Inode) -> Result<InodeId, TreeError> {
        let fail = |problem| Err(TreeError { path: path.clone(), origin: inode.origin.clone(), problem });
        if let Some(other) = self.get(&path) {
            return fail(Problem::Occupied(other.origin.clone()));
        }
        if let Some(problem) = self.parent_problem(&path).or_else(|| inode_problem(&inode)) {
            return fail(problem);
        }
        Ok(self.add(path, inode))
    }

    /// Puts `inode` where something may stand already; a directory replaces only a directory, keeping what it holds,
    /// and anything else only what is not one.
    pub fn replace(&mut self, path: TreePath, inode: Inode) -> Result<InodeId, TreeError> {
        let Some(old) = self.id(&path) else { return self.insert(path, inode) };
        let was_directory = self.inodes[old.0].kind == Kind::Directory;
        if was_directory != (inode.kind == Kind::Directory) {
            let problem = Problem::Occupied(self.inodes[old.0].origin.clone());
            return Err(TreeError { path, origin: inode.origin, problem });
        }
        if let Some(problem) = inode_problem(&inode) {
            return Err(TreeError { path, origin: inode.origin, problem });
        }
        if was_directory {
            self.inodes[old.0] = inode;
            return Ok(old);
        }
        Ok(self.add(path, inode))
    }

    /// Gives the inode at `existing` (not a directory) a second name.
    pub fn link(&mut self, existing: &TreePath, path: TreePath, origin: &Origin) -> Result<(), TreeError> {
        let fail = |path, problem| Err(TreeError { path, origin: origin.clone(), problem });
        let Some(id) = self.id(existing) else { return fail(existing.clone(), Problem::NoSuchPath) };
        if self.inodes[id.0].kind == Kind::Directory {
            return fail(path, Problem::IsDirectory);
        }
        if let Some(other) = self.get(&path) {
            let problem = Problem::Occupied(other.origin.clone());
            return fail(path, problem);
        }
        if let Some(problem) = self.parent_problem(&path) {
            return fail(path, problem);
        }
        self.name(path, id);
        Ok(())
    }

    /// Moves `from` and everything below it to `to`, which must be free and not lie below `from`.
    pub fn rename(&mut self, from: &TreePath, to: &TreePath, origin: &Origin) -> Result<(), TreeError> {
        let fail = |path: &TreePath, problem| Err(TreeError { path: path.clone(), origin: origin.clone(), problem });
        if from.is_root() || self.id(from).is_none() {
            return fail(from, Problem::NoSuchPath);
        }
        if let Some(other) = self.get(to) {
            return fail(to, Problem::Occupied(other.origin.clone()));
        }
        if let Some(problem) = self.parent_problem(to).or(to.starts_with(from).then_some(Problem::NoParent)) {
            return fail(to, problem);
        }
        let below: Vec<TreePath> = self.below(from).map(|(path, _, _)| path.clone()).collect();
        let mut moved = Vec::with_capacity(below.len());
        for path in &below {
            let Ok(target) = to.join(&path.as_bytes()[from.as_bytes().len()..]) else {
                return fail(to, Problem::NoSuchPath);
            };
            moved.push(target);
        }
        for (path, target) in below.iter().zip(moved) {
            if let Some(id) = self.unname(path) {
                self.name(target, id);
            }
        }
        Ok(())
    }

    /// Takes one path away. A directory must be empty. Other names of the inode stay.
    pub fn remove(&mut self, path: &TreePath, origin: &Origin) -> Result<Inode, TreeError> {
        let fail = |problem| Err(TreeError { path: path.clone(), origin: origin.clone(), problem });
        let Some(id) = self.id(path).filter(|_| !path.is_root()) else { return fail(Problem::NoSuchPath) };
        if self.below(path).nth(1).is_some() {
            return fail(Problem::NotEmpty);
        }
        self.unname(path);
        Ok(self.inodes[id.0].clone())
    }

    /// Takes `path` and everything below it away; how many paths went.
    pub fn remove_all(&mut self, path: &TreePath) -> usize {
        let gone: Vec<TreePath> = self.below(path).map(|(path, _, _)| path.clone()).collect();
        gone.iter().filter(|path| !path.is_root() && self.unname(path).is_some()).count()
    }

    /// Changes an inode in place (owner, mode, xattrs, time); its kind must stay what it is.
    pub fn update(&mut self, path: &TreePath, change: impl FnOnce(&mut Inode)) -> Result<(), TreeError> {
        let nobody = Origin::from("nodesmith");
        let fail = |problem| Err(TreeError { path: path.clone(), origin: nobody.clone(), problem });
        let Some(id) = self.id(path) else { return fail(Problem::NoSuchPath) };
        let mut inode = self.inodes[id.0].clone();
        change(&mut inode);
        match inode_problem(&inode) {
            Some(problem) => fail(problem),
            None => {
                self.inodes[id.0] = inode;
                Ok(())
            }
        }
    }

    /// Changes an inode under all its names. A directory stays one, nothing else becomes one, and what makes the inode
    /// one that no tree may hold is not done.
    pub fn change(&mut self, id: InodeId, change: impl FnOnce(&mut Inode)) {
        let mut inode = self.inodes[id.0].clone();
        change(&mut inode);
        let directory = |inode: &Inode| inode.kind == Kind::Directory;
        if inode_problem(&inode).is_none() && directory(&inode) == directory(&self.inodes[id.0]) {
            self.inodes[id.0] = inode;
        }
    }

    /// The path that `path` leads to when symlinks in its *parents* are followed, as a lookup with `lstat` would.
    /// Components that do not exist stay as they are written.
    pub fn resolve_parents(&self, path: &TreePath, origin: &Origin) -> Result<TreePath, TreeError> {
        self.walk(path, origin, false)
    }

    /// The path that `path` leads to when every symlink is followed.
    pub fn resolve(&self, path: &TreePath, origin: &Origin) -> Result<TreePath, TreeError> {
        self.walk(path, origin, true)
    }

    fn walk(&self, path: &TreePath, origin: &Origin, follow_last: bool) -> Result<TreePath, TreeError> {
        let fail = |problem| TreeError { path: path.clone(), origin: origin.clone(), problem };
        let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        todo.reverse();
        let mut done = TreePath::root();
        let mut followed = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                done = done.parent().unwrap_or_else(TreePath::root);
                continue;
            }
            let next = done.join(&name).map_err(|_| fail(Problem::BadSymlinkTarget))?;
            match self.get(&next).map(|inode| &inode.kind) {
                Some(Kind::Symlink(target)) if follow_last || !todo.is_empty() => {
                    followed += 1;
                    if followed > SYMLINKS_MAX {
                        return Err(fail(Problem::SymlinkLoop));
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
                    let names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
                    todo.extend(names.into_iter().rev());
                }
                _ => done = next,
            }
        }
        Ok(done)
    }

    fn parent_problem(&self, path: &TreePath) -> Option<Problem> {
        let parent = path.parent()?;
        match self.get(&parent) {
            None => Some(Problem::NoParent),
            Some(Inode { kind: Kind::Directory, .. }) => None,
            Some(other) => Some(Problem::ParentNotDirectory(other.origin.clone())),
        }
    }
}

fn inode_problem(inode: &Inode) -> Option<Problem> {
    if inode.mode & !0o7777 != 0 {
        return Some(Problem::BadMode);
    }
    if let Kind::Symlink(target) = &inode.kind
        && (target.is_empty() || target.len() > path::PATH_MAX || target.contains(&0))
    {
        return Some(Problem::BadSymlinkTarget);
    }
    let bad = |(name, value): &(&Vec<u8>, &Vec<u8>)| {
        let prefixes = [b"user.".as_slice(), b"trusted.", b"security."];
        let lists = [b"system.posix_acl_access".as_slice(), b"system.posix_acl_default"];
        !(prefixes.iter().any(|prefix| name.starts_with(prefix)) || lists.contains(&name.as_slice()))
            || name.len() > path::NAME_MAX
            || value.len() > XATTR_VALUE_MAX
    };
    let xattr = inode.xattrs.iter().find(bad)?;
    Some(Problem::BadXattr(path::escape(xattr.0)))
}

#[cfg(test)]
mod tests;

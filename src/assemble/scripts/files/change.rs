//! System calls that change something.

use super::{Change, Files, LARGEST, SET_GID, device, errno, names, trim};
use crate::file_capabilities;
use crate::shell::{Bytes, Errno, FileId, Stop, StopKind};
use crate::tree::{self, Content, Inode, InodeId, TreePath};

impl Files<'_> {
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
        if device(&path).is_some() {
            return Err(Errno::Exists);
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
        let slash = path.ends_with(b"/");
        let path = self.resolve(path, false)?;
        if self.facts_at(&path) {
            return Err(Errno::Exists);
        }
        if slash {
            return Err(Errno::NoEntry);
        }
        if self.tree.inode(id).kind == tree::Kind::Directory {
            return Err(Errno::NotPermitted);
        }
        if self.later.contains_key(&path) {
            return Ok(());
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
            inode.xattrs.remove(file_capabilities::ATTRIBUTE);
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
        // A link is no directory, and what it leads to is not what is named.
        if path.ends_with(b"/") && self.target(trim(path)).is_ok() {
            return Err(Errno::NotDirectory);
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

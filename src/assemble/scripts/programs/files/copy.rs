//! Copying, as cp and install do it. What a file holds is never read: its content gets another name.

use std::collections::{BTreeMap, BTreeSet};

use super::complaints::complain;
use super::operands::{at, has_content, status};
use super::path_names::{joined, parent_name};
use super::quoting::quoted;
use super::targets::Backup;
use super::walk::Follow;
use crate::assemble::scripts::programs::call::Call;
use crate::file_capabilities;
use crate::shell::{Bytes, Errno, Facts, Kind, Stop, World};
use crate::tree::{self, Content, Inode, TreePath};

const LISTS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// What is to be done where something stands already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    Always,
    Ask,
    Never,
    /// What is older than the source.
    Older,
}

/// What a copy has of its source beside the content.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preserve {
    pub(super) mode: bool,
    pub(super) owner: bool,
    pub(super) time: bool,
    pub(super) links: bool,
    pub(super) attributes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    Copies,
    HardLinks,
    Symlinks,
}

#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) recursive: bool,
    pub(super) follow: Follow,
    pub(super) preserve: Preserve,
    /// New files have the mode that a program's new files have.
    pub(super) plain_mode: bool,
    pub(super) overwrite: Overwrite,
    pub(super) verbose: bool,
    /// What cannot be written to is removed.
    pub(super) force: bool,
    /// What stands there is removed, not written to.
    pub(super) remove: bool,
    pub(super) making: Making,
    pub(super) backup: Option<Backup>,
    /// Whether devices and pipes are read: always, unless directories are copied.
    pub(super) as_regular: bool,
}

#[derive(Debug)]
enum Task {
    Copy {
        source: Bytes,
        target: Bytes,
        operand: bool,
    },
    /// Gives a directory what it has of its source, when everything is in it.
    Finish {
        target: Bytes,
        source: Inode,
    },
}

/// One run of cp.
#[derive(Debug)]
pub(super) struct Copier {
    pub(super) wish: Wish,
    pub(super) failed: bool,
    /// By the source's inode, the first copy of what has several names.
    copied: BTreeMap<u64, Bytes>,
    /// Directories that this run has made.
    made: BTreeSet<u64>,
    /// Files that this run has made from its operands: two operands of one name do not overwrite each other.
    fresh: BTreeSet<TreePath>,
    operands: BTreeSet<TreePath>,
    tasks: Vec<Task>,
}

impl Copier {
    pub(super) fn new(wish: Wish) -> Copier {
        let (copied, made, fresh, operands, tasks) = Default::default();
        Copier { wish, failed: false, copied, made, fresh, operands, tasks }
    }

    /// Copies one operand and everything below it; whether all went well.
    pub(super) fn copy(&mut self, call: &mut Call, source: &[u8], target: &[u8]) -> Result<bool, Stop> {
        let failed = std::mem::take(&mut self.failed);
        self.tasks.push(Task::Copy { source: source.to_vec(), target: target.to_vec(), operand: true });
        while let Some(task) = self.tasks.pop() {
            call.machine.spend(2)?;
            match task {
                Task::Copy { source, target, operand } => self.entry(call, &source, &target, operand)?,
                Task::Finish { target, source } => self.finish(call, &target, true, &source),
            }
        }
        let well = !self.failed;
        self.failed |= failed;
        Ok(well)
    }

    fn complain(&mut self, call: &mut Call, text: impl std::fmt::Display) -> Result<(), Stop> {
        complain(call, &mut self.failed, text)
    }

    fn entry(&mut self, call: &mut Call, source: &[u8], target: &[u8], operand: bool) -> Result<(), Stop> {
        let follow = self.wish.follow == Follow::Always || self.wish.follow == Follow::Operands && operand;
        has_content(call, source)?;
        let facts = match source {
            b"/dev/stdin" if self.wish.as_regular => piped(call),
            _ => status(call, source, follow),
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(errno) => return self.complain(call, format!("cannot stat {}: {errno}", quoted(source))),
        };
        if facts.kind == Kind::Directory && !self.wish.recursive {
            return self.complain(call, format!("-r not specified; omitting directory {}", quoted(source)));
        }
        let resolved = call.machine.files.resolve(&at(call, source), false).ok();
        if operand && self.wish.backup.is_none() && resolved.is_some_and(|path| !self.operands.insert(path)) {
            let what = if facts.kind == Kind::Directory { "directory" } else { "file" };
            return call.error(format!("warning: source {what} {} specified more than once", quoted(source)));
        }
        let Some(room) = self.room(call, source, target, &facts)? else { return Ok(()) };
        if facts.kind == Kind::Directory {
            return self.directory(call, source, target, &facts, room);
        }
        self.tell(call, source, target, &room)?;
        if self.linked_before(call, &facts, target, &room)? {
            return Ok(());
        }
        let made = match self.wish.making {
            Making::Symlinks => self.make_symlink(call, source, target)?,
            Making::HardLinks => self.make_hard_link(call, source, target, follow)?,
            Making::Copies => self.put(call, source, target, &facts, &room)?,
        };
        if made && (operand || self.wish.preserve.links) {
            self.remember(call, target, &facts);
        }
        Ok(())
    }

    fn tell(&self, call: &mut Call, source: &[u8], target: &[u8], room: &Room) -> Result<(), Stop> {
        if !self.wish.verbose {
            return Ok(());
        }
        let kept = match room {
            Room::New { backup: Some(backup) } => format!(" (backup: {})", quoted(backup)),
            _ => String::new(),
        };
        call.out(format!("{} -> {}{kept}\n", quoted(source), quoted(target)))
    }

    /// Looks at what stands at the target, and makes room; nothing if the target stays as it is.
    fn room(&mut self, call: &mut Call, source: &[u8], target: &[u8], facts: &Facts) -> Result<Option<Room>, Stop> {
        let wish = &self.wish;
        let written_through = (facts.kind == Kind::File || wish.as_regular && !is_link_or_directory(facts))
            && wish.making == Making::Copies
            && wish.backup.is_none()
            && !wish.remove;
        let there = match status(call, target, written_through) {
            Ok(there) => there,
            Err(Errno::NoEntry) => return Ok(Some(Room::New { backup: None })),
            Err(Errno::Loop) if wish.force => {
                let _ = call.machine.files.remove(&at(call, target));
                return Ok(Some(Room::New { backup: None }));
            }
            Err(errno) => {
                self.complain(call, format!("cannot stat {}: {errno}", quoted(target)))?;
                return Ok(None);
            }
        };
        if self.wish.overwrite == Overwrite::Never && facts.kind != Kind::Directory {
            return Ok(None);
        }
        match self.same_file(call, source, target, facts, &there) {
            Same::Different => {}
            Same::Done => return Ok(None),
            Same::Refused => {
                self.complain(call, format!("{} and {} are the same file", quoted(source), quoted(target)))?;
                return Ok(None);
            }
        }
        if facts.kind == Kind::Directory && there.kind == Kind::Directory {
            return Ok(Some(Room::Over));
        }
        match self.wish.overwrite {
            Overwrite::Older if there.mtime >= facts.mtime && facts.kind != Kind::Directory => return Ok(None),
            Overwrite::Ask => return call.unsupported(format!("asking whether to overwrite {}", quoted(target))),
            _ => {}
        }
        if facts.kind == Kind::Directory {
            let (target, source) = (quoted(target), quoted(source));
            self.complain(call, format!("cannot overwrite non-directory {target} with directory {source}"))?;
            return Ok(None);
        }
        if there.kind == Kind::Directory {
            self.complain(call, format!("cannot overwrite directory {} with non-directory", quoted(target)))?;
            return Ok(None);
        }
        if self.is_fresh(call, target) {
            let (target, source) = (quoted(target), quoted(source));
            self.complain(call, format!("will not overwrite just-created {target} with {source}"))?;
            return Ok(None);
        }
        self.clear(call, source, target, facts, &there)
    }

    fn is_fresh(&self, call: &Call, target: &[u8]) -> bool {
        let resolved = call.machine.files.resolve(&at(call, target), false);
        resolved.is_ok_and(|path| self.fresh.contains(&path))
    }

    /// Moves what stands there away, removes it, or lets it be overwritten.
    fn clear(
        &mut self,
        call: &mut Call,
        source: &[u8],
        target: &[u8],
        facts: &Facts,
        there: &Facts,
    ) -> Result<Option<Room>, Stop> {
        if let Some(backup) = self.wish.backup.as_ref().map(|backup| backup.name(call, target)) {
            if status(call, &backup, true).is_ok_and(|kept| kept.inode == facts.inode) {
                let (target, source) = (quoted(target), quoted(source));
                self.complain(call, format!("backing up {target} might destroy source;  {source} not copied"))?;
                return Ok(None);
            }
            let renamed = call.machine.files.rename(&at(call, target), &at(call, &backup));
            return Ok(match renamed {
                Ok(()) => Some(Room::New { backup: Some(backup) }),
                Err(errno) => {
                    self.complain(call, format!("cannot backup {}: {errno}", quoted(target)))?;
                    None
                }
            });
        }
        let one_of_many = self.wish.preserve.links && there.links > 1;
        let never_followed = self.wish.follow == Follow::Never && facts.kind != Kind::File;
        if !(self.wish.remove || one_of_many || never_followed) {
            return Ok(Some(Room::Over));
        }
        let removed = call.machine.files.remove(&at(call, target));
        if let Err(errno) = removed {
            self.complain(call, format!("cannot remove {}: {errno}", quoted(target)))?;
            return Ok(None);
        }
        if self.wish.verbose {
            call.out(format!("removed {}\n", quoted(target)))?;
        }
        Ok(Some(Room::New { backup: None }))
    }

    /// Whether source and target are one file, so that there is nothing to do, or nothing that may be done.
    fn same_file(&self, call: &Call, source: &[u8], target: &[u8], facts: &Facts, there: &Facts) -> Same {
        let wish = &self.wish;
        let same = facts.inode == there.inode;
        let direct = |word: &[u8]| status(call, word, false);
        let name = |word: &[u8]| call.machine.files.resolve(&at(call, word), false).ok();
        if same && wish.making == Making::HardLinks {
            return Same::Done;
        }
        let (Ok(source_link), Ok(target_link)) = (direct(source), direct(target)) else { return Same::Different };
        let links = (source_link.kind == Kind::Symlink, target_link.kind == Kind::Symlink);
        let same_link = source_link.inode == target_link.inode;
        let same_name = name(source) == name(target);
        if wish.follow == Follow::Never && links == (true, true) {
            return match (same_name, same_link && wish.backup.is_none()) {
                (true, _) => Same::Refused,
                (false, true) => Same::Done,
                (false, false) => Same::Different,
            };
        }
        if wish.follow != Follow::Never && (!same || links == (true, true) && wish.remove) {
            return Same::Different;
        }
        if wish.backup.is_some() {
            let over_referent = !same_link && wish.follow != Follow::Never && links == (true, false);
            return if over_referent || same_link && same_name { Same::Refused } else { Same::Different };
        }
        if wish.remove && (links.1 || same_link && target_link.links > 1 && !same_name) {
            return Same::Different;
        }
        if links == (false, false) {
            return match (same_link, wish.making) {
                (false, _) => Same::Different,
                (true, Making::HardLinks) => Same::Done,
                (true, _) => Same::Refused,
            };
        }
        if wish.making == Making::Symlinks && links.1 {
            return Same::Different;
        }
        let inode = |word: &[u8]| status(call, word, true).map(|facts| facts.inode);
        if wish.follow == Follow::Never && (inode(source).is_err() || inode(source) != inode(target)) {
            return Same::Different;
        }
        Same::Refused
    }

    fn directory(
        &mut self,
        call: &mut Call,
        source: &[u8],
        target: &[u8],
        facts: &Facts,
        room: Room,
    ) -> Result<(), Stop> {
        if self.made.contains(&facts.inode) {
            // How far cp comes before it notices depends on the order of the directory on disk.
            return call.unsupported(format!("copying the directory {} into itself", quoted(source)));
        }
        let Some(inode) = call.machine.files.inode(&at(call, source), true).cloned() else { return Ok(()) };
        if matches!(room, Room::New { .. }) {
            let umask = call.shell.umask;
            let mode = if self.wish.plain_mode { 0o777 } else { inode.mode & 0o1777 };
            if let Err(errno) = call.machine.files.make(&at(call, target), tree::Kind::Directory, mode & !umask) {
                return self.complain(call, format!("cannot create directory {}: {errno}", quoted(target)));
            }
            self.made.extend(status(call, target, true).ok().map(|facts| facts.inode));
            self.tell(call, source, target, &room)?;
        }
        self.tasks.push(Task::Finish { target: target.to_vec(), source: inode });
        let names = call.machine.files.list(&at(call, source)).unwrap_or_default();
        let copies = names.iter().rev().map(|name| {
            let (source, target) = (joined(source, name), joined(target, name));
            Task::Copy { source, target, operand: false }
        });
        self.tasks.extend(copies);
        Ok(())
    }

    /// Links to the copy that was made of another name of the same file, if one was.
    fn linked_before(&mut self, call: &mut Call, facts: &Facts, target: &[u8], room: &Room) -> Result<bool, Stop> {
        if !self.wish.preserve.links || self.wish.making != Making::Copies {
            return Ok(false);
        }
        let Some(earlier) = self.copied.get(&facts.inode).cloned() else { return Ok(false) };
        if matches!(room, Room::Over) {
            let _ = call.machine.files.remove(&at(call, target));
        }
        if let Err(errno) = call.machine.files.hard_link(&earlier, &at(call, target)) {
            let text = format!("cannot create hard link {} to {}: {errno}", quoted(target), quoted(&earlier));
            self.complain(call, text)?;
        }
        Ok(true)
    }

    fn remember(&mut self, call: &Call, target: &[u8], facts: &Facts) {
        self.fresh.extend(call.machine.files.resolve(&at(call, target), false).ok());
        if facts.links > 1 || self.wish.follow != Follow::Never {
            self.copied.entry(facts.inode).or_insert(at(call, target));
        }
    }

    fn make_symlink(&mut self, call: &mut Call, source: &[u8], target: &[u8]) -> Result<bool, Stop> {
        let parent = |word: &[u8]| status(call, parent_name(word), true).map(|facts| facts.inode);
        if !source.starts_with(b"/") && parent(target) != parent(b"x") {
            let text = "can make relative symbolic links only in current directory";
            self.complain(call, format!("{}: {text}", super::quoting::plain(target)))?;
            return Ok(false);
        }
        let path = at(call, target);
        if self.wish.force || self.wish.remove {
            let _ = call.machine.files.remove(&path);
        }
        if let Err(errno) = call.machine.files.make_link(source, &path) {
            let text = format!("cannot create symbolic link {} to {}: {errno}", quoted(target), quoted(source));
            self.complain(call, text)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn make_hard_link(&mut self, call: &mut Call, source: &[u8], target: &[u8], follow: bool) -> Result<bool, Stop> {
        let path = at(call, target);
        let existing = match call.machine.files.resolve(&at(call, source), follow) {
            Ok(resolved) => [b"/", resolved.as_bytes()].concat(),
            Err(_) => at(call, source),
        };
        if self.wish.force || self.wish.remove {
            let _ = call.machine.files.remove(&path);
        }
        if let Err(errno) = call.machine.files.hard_link(&existing, &path) {
            let text = format!("cannot create hard link {} to {}: {errno}", quoted(target), quoted(source));
            self.complain(call, text)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Makes or fills the copy of what is no directory.
    fn put(&mut self, call: &mut Call, source: &[u8], target: &[u8], facts: &Facts, room: &Room) -> Result<bool, Stop> {
        let path = at(call, target);
        let inode = call.machine.files.inode(&at(call, source), true).cloned();
        let direct = call.machine.files.inode(&at(call, source), false).cloned();
        let umask = call.shell.umask;
        let special = |kind: &tree::Kind, mode: u16| (kind.clone(), mode & 0o1777 & !umask);
        let (what, kind, mode) = match (facts.kind, &inode, &direct) {
            (Kind::Symlink, _, Some(direct)) => ("symbolic link", direct.kind.clone(), 0o777),
            (Kind::Fifo, Some(inode), _) if !self.wish.as_regular => {
                let (kind, mode) = special(&inode.kind, inode.mode);
                ("fifo", kind, mode)
            }
            (Kind::CharDevice | Kind::BlockDevice, Some(inode), _) if !self.wish.as_regular => {
                let (kind, mode) = special(&inode.kind, inode.mode);
                ("special file", kind, mode)
            }
            _ => {
                let content = content(call, source, inode.as_ref())?;
                let Ok(()) = self.write(call, target, content, facts, room)? else { return Ok(false) };
                self.give(call, target, true, facts, inode.as_ref());
                return Ok(true);
            }
        };
        if let Err(errno) = call.machine.files.make(&path, kind, mode) {
            self.complain(call, format!("cannot create {what} {}: {errno}", quoted(target)))?;
            return Ok(false);
        }
        self.give(call, target, false, facts, direct.as_ref());
        Ok(true)
    }

    fn write(
        &mut self,
        call: &mut Call,
        target: &[u8],
        content: Content,
        facts: &Facts,
        room: &Room,
    ) -> Result<Result<(), ()>, Stop> {
        let path = at(call, target);
        let mode = if self.wish.plain_mode { 0o666 } else { facts.mode & 0o777 } & !call.shell.umask;
        if matches!(room, Room::New { .. })
            && status(call, target, false).is_ok_and(|facts| facts.kind == Kind::Symlink)
        {
            self.complain(call, format!("not writing through dangling symlink {}", quoted(target)))?;
            return Ok(Err(()));
        }
        let written = match target.ends_with(b"/") {
            true => Err(Errno::NotDirectory),
            false => call.machine.files.put_content(&path, content, mode),
        };
        match written {
            Ok(()) => Ok(Ok(())),
            Err(Errno::NoDevice) => call.unsupported(format!("writing to {}, which is no file", quoted(target))),
            Err(errno) => {
                self.complain(call, format!("cannot create regular file {}: {errno}", quoted(target)))?;
                Ok(Err(()))
            }
        }
    }

    /// Gives a copy what it is to have of its source.
    fn give(&self, call: &mut Call, target: &[u8], follow: bool, facts: &Facts, source: Option<&Inode>) {
        match source {
            Some(source) => self.finish(call, target, follow, source),
            None if self.wish.preserve.time => {
                let mtime = facts.mtime;
                let _ = call.machine.files.update(&at(call, target), follow, |inode| inode.mtime = mtime);
            }
            None => {}
        }
    }

    pub(super) fn finish(&self, call: &mut Call, target: &[u8], follow: bool, source: &Inode) {
        let preserve = self.wish.preserve;
        // It was made or written a moment ago.
        let _ = call.machine.files.update(&at(call, target), follow, |inode| {
            if preserve.time {
                inode.mtime = source.mtime;
            }
            if preserve.owner {
                (inode.uid, inode.gid) = (source.uid, source.gid);
                if inode.kind != tree::Kind::Directory {
                    inode.mode &= if inode.mode & 0o010 == 0 { !0o4000 } else { !0o6000 };
                    inode.xattrs.remove(file_capabilities::ATTRIBUTE);
                }
            }
            if preserve.attributes {
                let others = source.xattrs.iter().filter(|(name, _)| !LISTS.contains(&name.as_slice()));
                inode.xattrs.extend(others.map(|(name, value)| (name.clone(), value.clone())));
            }
            if preserve.mode && !matches!(inode.kind, tree::Kind::Symlink(_)) {
                // The rights are set as an access list, which leaves the bits above them, unless the source has some.
                let upper = if source.mode & 0o7000 == 0 { inode.mode & 0o7000 } else { 0 };
                inode.mode = source.mode | upper;
                for list in LISTS {
                    match source.xattrs.get(list) {
                        Some(value) => drop(inode.xattrs.insert(list.to_vec(), value.clone())),
                        None => drop(inode.xattrs.remove(list)),
                    }
                }
            }
        });
    }
}

/// What the target is, when room was made.
#[derive(Debug)]
enum Room {
    /// Nothing stands there; what stood there may have another name now.
    New { backup: Option<Bytes> },
    /// Something that is written to.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Same {
    Different,
    /// Nothing has to be done.
    Done,
    Refused,
}

fn is_link_or_directory(facts: &Facts) -> bool {
    matches!(facts.kind, Kind::Symlink | Kind::Directory)
}

/// The standard input as a file.
fn piped(call: &Call) -> Result<Facts, Errno> {
    let mtime = call.machine.files.epoch;
    Ok(Facts { kind: Kind::File, mode: 0o600, uid: 0, gid: 0, size: 0, mtime, inode: u64::MAX, links: 1 })
}

/// What the copy will hold.
fn content(call: &Call, source: &[u8], inode: Option<&Inode>) -> Result<Content, Stop> {
    let files = &call.machine.files;
    let device = files.resolve(&at(call, source), true);
    match (inode.map(|inode| &inode.kind), device) {
        (Some(tree::Kind::File(content)), _) => Ok(content.clone()),
        (_, _) if source == b"/dev/stdin" => Ok(Content::inline(call.input())),
        (Some(tree::Kind::CharDevice { major: 1, minor: 3 }), _) => Ok(Content::inline(Vec::new())),
        (None, Ok(path)) if path.as_bytes() == b"/dev/null" => Ok(Content::inline(Vec::new())),
        (None, Ok(path)) if path.as_bytes() == b"/dev/urandom" || path.as_bytes() == b"/dev/random" => {
            Err(Stop::refused(call.name, crate::assemble::scripts::files::RANDOM))
        }
        _ => call.unsupported(format!("reading {}, which is no regular file", quoted(source))),
    }
}

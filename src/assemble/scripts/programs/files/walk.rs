//! Walking down a directory: everything below an operand, a directory before and again after what it holds.

use super::operands::at;
use super::path_names::joined;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Facts, Kind, Stop, World};

/// Which symlinks count as what they point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Never,
    /// Those that are named themselves.
    Operands,
    Always,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As a program shows it: the operand and what is below it.
    pub(super) shown: Bytes,
    pub(super) path: Bytes,
    pub(super) depth: usize,
    /// How many bytes of `shown` are the operand.
    pub(super) operand: usize,
    pub(super) facts: Facts,
    /// Whether `facts` are those of what a link points to.
    pub(super) followed: bool,
}

impl Entry {
    pub(super) fn is_directory(&self) -> bool {
        self.facts.kind == Kind::Directory
    }
}

#[derive(Debug)]
pub(super) enum Event {
    Enter(Entry),
    /// A directory behind everything that it holds.
    Leave(Entry),
    /// A directory that holds itself, by a link.
    Circle(Entry),
    /// Something that is not there, or a directory that went away.
    Failed(Bytes, Errno),
}

#[derive(Debug)]
pub(super) struct Walk {
    follow: Follow,
    operand: usize,
    start: Option<(Bytes, Bytes)>,
    /// The directory that was entered last, unless nobody wants to see what it holds.
    ahead: Option<Entry>,
    levels: Vec<(Entry, std::vec::IntoIter<Bytes>)>,
}

impl Walk {
    pub(super) fn new(call: &Call, word: &[u8], follow: Follow) -> Walk {
        Walk {
            follow,
            operand: word.len(),
            start: Some((word.to_vec(), at(call, word))),
            ahead: None,
            levels: Vec::new(),
        }
    }

    /// The directory that was just entered is not looked into; there will be no [`Event::Leave`] of it either.
    pub(super) fn skip(&mut self) {
        self.ahead = None;
    }

    pub(super) fn next(&mut self, call: &mut Call) -> Result<Option<Event>, Stop> {
        call.machine.spend(1)?;
        if let Some((shown, path)) = self.start.take() {
            return Ok(Some(self.look(call, shown, path, 0)));
        }
        if let Some(directory) = self.ahead.take() {
            match call.machine.files.list(&directory.path) {
                Ok(names) => self.levels.push((directory, names.into_iter())),
                Err(errno) => return Ok(Some(Event::Failed(directory.shown, errno))),
            }
        }
        let Some((directory, names)) = self.levels.last_mut() else { return Ok(None) };
        if let Some(name) = names.next() {
            let (shown, path) = (joined(&directory.shown, &name), joined(&directory.path, &name));
            let depth = directory.depth + 1;
            return Ok(Some(self.look(call, shown, path, depth)));
        }
        Ok(self.levels.pop().map(|(directory, _)| Event::Leave(directory)))
    }

    fn look(&mut self, call: &Call, shown: Bytes, path: Bytes, depth: usize) -> Event {
        let follow = self.follow == Follow::Always || self.follow == Follow::Operands && depth == 0;
        let files = &call.machine.files;
        let direct = files.status(&path, false);
        let is_link = direct.as_ref().is_ok_and(|facts| facts.kind == Kind::Symlink);
        let behind = if follow && is_link { files.status(&path, true) } else { Err(Errno::NoEntry) };
        let (facts, followed) = match (behind, direct) {
            (Ok(facts), _) => (facts, true),
            // A link that leads nowhere is itself.
            (Err(Errno::NoEntry), Ok(facts)) => (facts, false),
            (Err(Errno::NoEntry), Err(errno)) | (Err(errno), _) => return Event::Failed(shown, errno),
        };
        let entry = Entry { shown, path, depth, operand: self.operand, facts, followed };
        if entry.is_directory() {
            if self.levels.iter().any(|(above, _)| above.facts.inode == entry.facts.inode) {
                return Event::Circle(entry);
            }
            self.ahead = Some(entry.clone());
        }
        Event::Enter(entry)
    }
}

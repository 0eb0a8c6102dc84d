//! The links of a group: whether they are as they should be, and how they get there.

use super::{Installation, NEW, Operation, Program, Step, shown};
use crate::assemble::scripts::programs::alternatives::state::{Choice, Group, Slave};
use crate::shell::{Bytes, Errno, Kind};

impl Program<'_, '_, '_> {
    /// Links of the group that have another place now.
    pub(super) fn evolve(&mut self, group: &mut Group, new: &Installation, current: Option<&[u8]>) -> Step<()> {
        if group.link != new.link && self.kind(&group.link) == Some(Kind::Symlink) {
            let (name, from, to) = (shown(&group.name), shown(&group.link), shown(&new.link));
            self.tell(0, format!("renaming {name} link from {from} to {to}"))?;
            self.move_file(&group.link.clone(), &new.link)?;
        }
        self.modified |= group.link != new.link;
        group.link = new.link.clone();
        for slave in &new.slaves {
            self.evolve_slave(group, slave, new, current)?;
            group.put_slave(slave.clone());
        }
        Ok(())
    }

    pub(super) fn evolve_slave(
        &mut self,
        group: &Group,
        slave: &Slave,
        new: &Installation,
        current: Option<&[u8]>,
    ) -> Step<()> {
        let Some(old) = group.slaves.iter().find(|old| old.name == slave.name) else {
            self.updated.insert(slave.name.clone());
            return Ok(());
        };
        if old.link == slave.link || self.kind(&old.link) != Some(Kind::Symlink) {
            return Ok(());
        }
        let file = match current == Some(new.choice.target.as_slice()) {
            true => new.choice.slaves.get(&slave.name).cloned(),
            false => self.read_link(&self.in_links(&slave.name)),
        };
        let keeps = match file {
            Some(file) => !self.is_missing(&file)?,
            None => false,
        };
        if keeps {
            let (name, from, to) = (shown(&slave.name), shown(&old.link), shown(&slave.link));
            self.tell(0, format!("renaming {name} slave link from {from} to {to}"))?;
            self.move_file(&old.link.clone(), &slave.link)?;
        } else {
            self.remove_file(&old.link.clone())?;
        }
        self.updated.insert(slave.name.clone());
        Ok(())
    }

    /// Whether links are not as they should be; `true` if only slaves that this call brings are not.
    pub(super) fn needs_update(&mut self, group: &Group, current: Option<&[u8]>) -> Step<Option<bool>> {
        if self.read_link(&group.link) != Some(self.in_links(&group.name)) {
            return Ok(Some(false));
        }
        let Some(current) = current else { return Ok(Some(false)) };
        let Some(choice) = group.choice(current).cloned() else { return Ok(None) };
        let mut only_slaves = None;
        for slave in &group.slaves {
            if self.is_broken(slave, &choice)? {
                if !self.updated.contains(&slave.name) {
                    return Ok(Some(false));
                }
                only_slaves = Some(true);
            }
        }
        Ok(only_slaves)
    }

    /// The file of a slave, if it is there.
    pub(super) fn slave_file(&mut self, choice: &Choice, name: &[u8]) -> Step<Option<Bytes>> {
        let Some(file) = choice.slave(name).cloned() else { return Ok(None) };
        Ok(if self.is_missing(&file)? { None } else { Some(file) })
    }

    pub(super) fn is_broken(&mut self, slave: &Slave, choice: &Choice) -> Step<bool> {
        let at = self.in_links(&slave.name);
        Ok(match self.slave_file(choice, &slave.name)? {
            Some(file) => self.read_link(&slave.link).as_ref() != Some(&at) || self.read_link(&at) != Some(file),
            None => self.kind(&slave.link).is_some() || self.kind(&at).is_some(),
        })
    }

    /// Makes the new links beside the old ones.
    pub(super) fn prepare(&mut self, group: &Group, target: &[u8]) -> Step<()> {
        let Some(choice) = group.choice(target).cloned() else {
            return self.fail(format!("can't install unknown choice {}", shown(target)));
        };
        self.prepare_one(&group.name, &group.link, target)?;
        for slave in &group.slaves {
            if let Some(file) = self.slave_file(&choice, &slave.name)? {
                self.prepare_one(&slave.name, &slave.link, &file)?;
                continue;
            }
            if let Some(file) = choice.slave(&slave.name) {
                let (link, file, name) = (shown(&slave.link), shown(file), shown(&group.name));
                let text = format!("because associated file {file} (of link group {name}) doesn't exist");
                self.warn(format!("skip creation of {link} {text}"))?;
            }
            if self.can_go(&slave.link) {
                self.operations.push(Operation::Remove(slave.link.clone()));
            } else {
                self.warn(format!("not removing {} since it's not a symlink", shown(&slave.link)))?;
            }
            self.operations.push(Operation::Remove(self.in_links(&slave.name)));
        }
        Ok(())
    }

    pub(super) fn can_go(&self, link: &[u8]) -> bool {
        self.force || self.kind(link).is_none_or(|kind| kind == Kind::Symlink)
    }

    pub(super) fn prepare_one(&mut self, name: &[u8], link: &[u8], file: &[u8]) -> Step<()> {
        if self.is_missing(&self.links.clone())? {
            let path = self.call.path(&self.links);
            if let Err(errno) = self.call.machine.files.make_directories(&path, 0o755) {
                return self.fail(format!("cannot create alternatives directory '{}': {errno}", shown(&path)));
            }
        }
        let at = self.in_links(name);
        self.link_beside(file, &at)?;
        let stands = match self.kind(link) {
            None => false,
            Some(Kind::Symlink) => self.read_link(link).as_ref() == Some(&at),
            Some(_) if self.force => false,
            Some(_) => {
                self.warn(format!("not replacing {} with a link", shown(link)))?;
                true
            }
        };
        if stands && !self.force { Ok(()) } else { self.link_beside(&at, link) }
    }

    /// A link under a name of its own, that is moved to its place at the end.
    pub(super) fn link_beside(&mut self, target: &[u8], place: &[u8]) -> Step<()> {
        let new = [place, NEW].concat();
        self.remove_file(&new)?;
        let path = self.call.path(&new);
        if let Err(errno) = self.call.machine.files.make_link(target, &path) {
            return self.fail(format!("error creating symbolic link '{}': {errno}", shown(&new)));
        }
        self.operations.push(Operation::Move(new, place.to_vec()));
        Ok(())
    }

    pub(super) fn move_file(&mut self, from: &[u8], to: &[u8]) -> Step<()> {
        let (source, place) = (self.call.path(from), self.call.path(to));
        match self.call.machine.files.rename(&source, &place) {
            Ok(()) => Ok(()),
            Err(errno) => self.fail(format!("unable to install '{}' as '{}': {errno}", shown(from), shown(to))),
        }
    }

    pub(super) fn remove_file(&mut self, path: &[u8]) -> Step<()> {
        let at = self.call.path(path);
        match self.call.machine.files.remove(&at) {
            Ok(()) | Err(Errno::NoEntry) => Ok(()),
            Err(errno) => self.fail(format!("unable to remove '{}': {errno}", shown(path))),
        }
    }
}

//! After files were pruned: choices and slaves whose files are gone go too, and the links follow.

use super::end::LINKS;
use super::state::{Alternatives, Choice, Group, Slave};
use super::{debian, red_hat};
use crate::assemble::scripts::files::Files;
use crate::package::Family;
use crate::shell::{Bytes, Errno};
use crate::tree::Kind;

impl Alternatives {
    /// Makes links and state true again. A state file that was pruned stays away.
    pub fn relink(&mut self, files: &mut Files, family: Family) -> Result<(), Errno> {
        let there = |files: &Files, path: &[u8]| files.inode(path, true).is_some();
        let mut gone = Vec::new();
        for group in self.groups.values_mut() {
            group.choices.retain(|choice| there(files, &choice.target));
            for choice in &mut group.choices {
                choice.slaves.retain(|_, file| there(files, file));
            }
            let Some(best) = shown_choice(files, group).cloned() else {
                let master = Slave { name: group.name.clone(), link: group.link.clone() };
                [&master].into_iter().chain(&group.slaves).try_for_each(|slave| take_away(files, slave))?;
                remove(files, &state_path(family, &group.name))?;
                gone.push(group.name.clone());
                continue;
            };
            link(files, group, &best)?;
            group.slaves.retain(|slave| group.choices.iter().any(|choice| choice.slave(&slave.name).is_some()));
            let path = state_path(family, &group.name);
            if there(files, &path) {
                files.put(
                    &path,
                    if family == Family::Deb { group.debian_file() } else { group.red_hat_file() },
                    0o644,
                )?;
            }
        }
        gone.iter().for_each(|name| self.forget(name));
        Ok(())
    }
}

/// What the links lead to from now on: what they led to if it is there and somebody chose it, else the best.
fn shown_choice<'g>(files: &Files, group: &'g mut Group) -> Option<&'g Choice> {
    let current = files.target(&in_links(&group.name)).ok();
    let stays = current.as_deref().is_some_and(|current| group.choice(current).is_some());
    if !group.auto && stays {
        return group.choice(&current?);
    }
    group.auto = true;
    group.best(current.as_deref())
}

fn in_links(name: &[u8]) -> Bytes {
    [LINKS.as_bytes(), b"/", name].concat()
}

fn state_path(family: Family, name: &[u8]) -> Bytes {
    let states = if family == Family::Deb { debian::STATES } else { red_hat::STATES };
    [states.as_bytes(), b"/", name].concat()
}

fn link(files: &mut Files, group: &Group, choice: &Choice) -> Result<(), Errno> {
    put(files, &group.name, &group.link, &choice.target)?;
    for slave in &group.slaves {
        match choice.slave(&slave.name) {
            Some(file) => put(files, &slave.name, &slave.link, file)?,
            None => take_away(files, slave)?,
        }
    }
    Ok(())
}

/// Both links, but where a real file stands or the directory is gone.
fn put(files: &mut Files, name: &[u8], link: &[u8], target: &[u8]) -> Result<(), Errno> {
    let at = in_links(name);
    for (link, target) in [(at.as_slice(), target), (link, &at)] {
        match files.target(link) {
            Ok(known) if known == target => {}
            Ok(_) => {
                files.remove(link)?;
                files.make_link(target, link)?;
            }
            Err(Errno::NoEntry) => match files.make_link(target, link) {
                Ok(_) | Err(Errno::NoEntry) => {}
                Err(errno) => return Err(errno),
            },
            Err(_) => {}
        }
    }
    Ok(())
}

/// The link of a slave, if it is ours, and the one in `/etc/alternatives`.
fn take_away(files: &mut Files, slave: &Slave) -> Result<(), Errno> {
    let at = in_links(&slave.name);
    if files.target(&slave.link).is_ok_and(|target| target == at) {
        remove(files, &slave.link)?;
    }
    remove(files, &at)
}

fn remove(files: &mut Files, path: &[u8]) -> Result<(), Errno> {
    match files.inode(path, false).map(|inode| inode.kind == Kind::Directory) {
        Some(false) => files.remove(path),
        _ => Ok(()),
    }
}

//! dpkg's `update-alternatives`, step by step as update-alternatives(1) and its messages say.
//!
//! The state file in the tree is the truth, so that a script may look at it or put one there. Only the log is not
//! written: it would say when, and nothing reads it.

mod arguments;
mod links;
mod selections;

use std::collections::BTreeSet;

use super::end::{End, LINKS, Step};
use super::state::{Choice, Group, Slave, debian_rank};
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Kind, Stop};

pub(super) const STATES: &str = "/var/lib/dpkg/alternatives";
/// Behind the name of a link that is not in place yet.
const NEW: &[u8] = b".dpkg-tmp";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Install,
    Set,
    Remove,
    RemoveAll,
    Auto,
    Display,
    Query,
    List,
    GetSelections,
    SetSelections,
}

/// What an operation does when everything is prepared.
enum Operation {
    Remove(Bytes),
    Move(Bytes, Bytes),
}

/// What `--install` brings.
struct Installation {
    link: Bytes,
    slaves: Vec<Slave>,
    choice: Choice,
}

struct Program<'p, 'c, 'a> {
    call: &'p mut Call<'c, 'a>,
    links: Bytes,
    states: Bytes,
    /// -1 quiet, 0 normal, 1 verbose.
    verbosity: i8,
    force: bool,
    /// Slaves whose link this call brings or changes.
    updated: BTreeSet<Bytes>,
    operations: Vec<Operation>,
    modified: bool,
}

/// What the arguments ask for.
#[derive(Default)]
struct Request {
    action: Option<Action>,
    name: Bytes,
    path: Bytes,
    installation: Option<Installation>,
}

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let mut program = Program {
        call,
        links: LINKS.as_bytes().to_vec(),
        states: STATES.as_bytes().to_vec(),
        verbosity: 0,
        force: false,
        updated: BTreeSet::new(),
        operations: Vec::new(),
        modified: false,
    };
    match program.run() {
        Ok(()) => Ok(0),
        Err(End::Exit(status)) => Ok(status),
        Err(End::Stop(stop)) => Err(stop),
    }
}

/// What a state file may not say of its slaves, though an earlier `--install` may have written it.
fn different_links(group: &Group) -> Result<(), String> {
    for (index, slave) in group.slaves.iter().enumerate() {
        let before = &group.slaves[..index];
        if before.iter().any(|other| other.name == slave.name) {
            return Err(format!("duplicate slave name {}", shown(&slave.name)));
        }
        if slave.link == group.link {
            return Err(format!("slave link same as main link {}", shown(&group.link)));
        }
        if before.iter().any(|other| other.link == slave.link) {
            return Err(format!("duplicate slave link {}", shown(&slave.link)));
        }
    }
    Ok(())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'a> Program<'_, '_, 'a> {
    fn fail<T>(&mut self, text: impl std::fmt::Display) -> Step<T> {
        self.call.error(format!("error: {text}"))?;
        Err(End::Exit(2))
    }

    fn warn(&mut self, text: impl std::fmt::Display) -> Step<()> {
        if self.verbosity >= 0 {
            self.call.error(format!("warning: {text}"))?;
        }
        Ok(())
    }

    fn tell(&mut self, at: i8, text: impl std::fmt::Display) -> Step<()> {
        if self.verbosity >= at {
            self.call.out(format!("update-alternatives: {text}\n"))?;
        }
        Ok(())
    }

    fn run(&mut self) -> Step<()> {
        let request = self.arguments()?;
        let Some(action) = request.action else { return self.fail("a command is missing") };
        match (action, request.installation) {
            (Action::Install, Some(installation)) => self.install(&request.name, installation),
            (Action::GetSelections, _) => self.get_selections(),
            (Action::SetSelections, _) => self.set_selections(),
            (action, _) => self.act(action, &request.name, &request.path),
        }
    }

    /// Whether nothing is at a path, links followed. A file of a package that the recipe drops is still there.
    fn is_missing(&mut self, path: &[u8]) -> Step<bool> {
        let path = self.call.path(path);
        if self.call.machine.files.facts(&path, true).is_some() {
            return Ok(false);
        }
        match self.call.machine.files.find(&path, true) {
            Err(errno) if errno != Errno::NoEntry => self.fail(format!("cannot stat file '{}': {errno}", shown(&path))),
            _ => Ok(true),
        }
    }

    /// What a link leads to; nothing if there is none.
    fn read_link(&self, path: &[u8]) -> Option<Bytes> {
        self.call.machine.files.target(&self.call.path(path)).ok()
    }

    fn kind(&self, path: &[u8]) -> Option<Kind> {
        self.call.machine.files.facts(&self.call.path(path), false).map(|facts| facts.kind)
    }

    fn in_links(&self, name: &[u8]) -> Bytes {
        [&self.links, b"/".as_slice(), name].concat()
    }

    /// The state file, without choices that are gone; nothing if there is none.
    fn load(&mut self, name: &[u8], warn: bool) -> Step<Option<Group>> {
        let path = self.call.path(&[&self.states, b"/".as_slice(), name].concat());
        let text = match self.call.machine.files.read(&path)? {
            Ok(text) if !text.is_empty() => text,
            Ok(_) | Err(Errno::NoEntry) => return Ok(None),
            Err(errno) => return self.fail(format!("cannot open file '{}': {errno}", shown(&path))),
        };
        crate::shell::World::spend(self.call.machine, 1 + text.len() as u64 / 64)?;
        let parsed = Group::parse(name, &text, debian_rank);
        let mut group = match parsed.and_then(|group| different_links(&group).map(|()| group)) {
            Ok(group) => group,
            Err(_) if !warn => return Ok(None),
            Err(problem) => return self.fail(format!("{} corrupt: {problem}", shown(&path))),
        };
        for choice in std::mem::take(&mut group.choices) {
            if !self.is_missing(&choice.target)? {
                group.choices.push(choice);
                continue;
            }
            if warn {
                let (target, name) = (shown(&choice.target), shown(name));
                let text = "doesn't exist; removing from list of alternatives";
                self.warn(format!("alternative {target} (part of link group {name}) {text}"))?;
                self.modified = true;
            }
        }
        Ok(Some(group))
    }

    /// All groups that have a state file, in the order of their names.
    fn load_all(&mut self) -> Step<Vec<Group>> {
        let names = self.call.machine.files.list(&self.call.path(&self.states)).unwrap_or_default();
        let mut groups = Vec::new();
        for name in names.iter().filter(|name| !(name.ends_with(NEW) && name.len() > NEW.len())) {
            groups.extend(self.load(name, false)?);
        }
        crate::shell::World::spend(self.call.machine, 1 + names.len() as u64)?;
        Ok(groups)
    }

    fn install(&mut self, name: &[u8], new: Installation) -> Step<()> {
        self.check_installation(name, &new)?;
        let known = self.load(name, true)?;
        let current = self.current(name)?;
        let mut group = match known {
            Some(mut group) => {
                self.select_mode(&mut group, current.as_deref())?;
                self.evolve(&mut group, &new, current.as_deref())?;
                group
            }
            None => {
                let mut group =
                    Group { name: name.to_vec(), link: new.link, auto: true, slaves: new.slaves, choices: Vec::new() };
                // A link without a state is told of, and taken over.
                self.select_mode(&mut group, current.as_deref())?;
                group.auto = true;
                group
            }
        };
        group.put_choice(new.choice);
        self.modified = true;
        let wanted = match group.auto {
            true => group.best(current.as_deref()).map(|best| best.target.clone()),
            false => {
                let (links, name) = (shown(&self.links), shown(name));
                self.tell(1, format!("automatic updates of {links}/{name} are disabled; leaving it alone"))?;
                self.tell(1, format!("to return to automatic updates use 'update-alternatives --auto {name}'"))?;
                None
            }
        };
        self.update(group, current, wanted)
    }

    /// What the link in `/etc/alternatives` leads to.
    fn current(&mut self, name: &[u8]) -> Step<Option<Bytes>> {
        let path = self.in_links(name);
        match self.call.machine.files.target(&self.call.path(&path)) {
            Ok(target) => Ok(Some(target)),
            Err(Errno::NoEntry) => Ok(None),
            Err(errno) => self.fail(format!("cannot stat file '{}': {errno}", shown(&path))),
        }
    }

    /// A link that somebody else has changed is his choice, one that dangles nobody's.
    fn select_mode(&mut self, group: &mut Group, current: Option<&[u8]>) -> Step<()> {
        let at = format!("{}/{}", shown(&self.links), shown(&group.name));
        let auto = match current {
            None => {
                self.tell(1, format!("setting up automatic selection of {}", shown(&group.name)))?;
                true
            }
            Some(current) if group.choice(current).is_some() => group.auto,
            Some(current) if self.is_missing(current)? => {
                self.warn(format!("{at} is dangling; it will be updated with best choice"))?;
                true
            }
            Some(_) => {
                if group.auto {
                    let text = "has been changed (manually or by a script); switching to manual updates only";
                    self.warn(format!("{at} {text}"))?;
                }
                false
            }
        };
        self.modified |= auto != group.auto;
        group.auto = auto;
        Ok(())
    }

    fn act(&mut self, action: Action, name: &[u8], path: &[u8]) -> Step<()> {
        let Some(mut group) = self.load(name, true)? else {
            if action == Action::Remove {
                return self.tell(1, format!("no alternatives for {}", shown(name)));
            }
            return self.fail(format!("no alternatives for {}", shown(name)));
        };
        let current = self.current(name)?;
        match action {
            Action::Display => return self.out(super::display::user(&group, current.as_deref())),
            Action::Query => return self.out(super::display::query(&group, current.as_deref())),
            Action::List => return self.out(super::display::targets(&group)),
            _ => {}
        }
        self.select_mode(&mut group, current.as_deref())?;
        let wanted = match action {
            Action::Set => Some(self.set(&mut group, path)?),
            Action::Auto => {
                self.set_mode(&mut group, true);
                if group.choices.is_empty() {
                    self.tell(0, format!("there is no program which provides {}", shown(name)))?;
                }
                group.best(current.as_deref()).map(|best| best.target.clone())
            }
            Action::Remove => self.remove(&mut group, current.as_deref(), path)?,
            _ => {
                group.choices.clear();
                None
            }
        };
        self.update(group, current, wanted)
    }

    fn out(&mut self, text: Bytes) -> Step<()> {
        Ok(self.call.out(text)?)
    }

    fn set_mode(&mut self, group: &mut Group, auto: bool) {
        self.modified |= group.auto != auto;
        group.auto = auto;
    }

    fn set(&mut self, group: &mut Group, path: &[u8]) -> Step<Bytes> {
        if group.choice(path).is_none() {
            let (path, name) = (shown(path), shown(&group.name));
            return self.fail(format!("alternative {path} for {name} not registered; not setting"));
        }
        self.set_mode(group, false);
        Ok(path.to_vec())
    }

    fn remove(&mut self, group: &mut Group, current: Option<&[u8]>, path: &[u8]) -> Step<Option<Bytes>> {
        if group.choice(path).is_some() {
            group.choices.retain(|choice| choice.target != path);
            self.modified = true;
        } else {
            let (path, name) = (shown(path), shown(&group.name));
            self.tell(1, format!("alternative {path} for {name} not registered; not removing"))?;
        }
        if current != Some(path) {
            return Ok(None);
        }
        if !group.auto {
            let name = shown(&group.name);
            self.tell(0, format!("removing manually selected alternative - switching {name} to auto mode"))?;
            self.set_mode(group, true);
        }
        Ok(group.best(current).map(|best| best.target.clone()))
    }

    /// Puts links and state where they belong.
    fn update(&mut self, mut group: Group, current: Option<Bytes>, wanted: Option<Bytes>) -> Step<()> {
        if group.choices.is_empty() {
            return self.remove_group(&group);
        }
        if let Some(wanted) = wanted.filter(|wanted| current.as_ref() != Some(wanted)) {
            let mode = if group.auto { "auto" } else { "manual" };
            let (target, link, name) = (shown(&wanted), shown(&group.link), shown(&group.name));
            self.tell(0, format!("using {target} to provide {link} ({name}) in {mode} mode"))?;
            self.prepare(&group, &wanted)?;
        } else if let Some(only_slaves) = self.needs_update(&group, current.as_deref())? {
            self.repair(&mut group, current, only_slaves)?;
        }
        if self.modified {
            self.save(&mut group)?;
        }
        for operation in std::mem::take(&mut self.operations) {
            match operation {
                Operation::Remove(path) => self.remove_file(&path)?,
                Operation::Move(from, to) => self.move_file(&from, &to)?,
            }
        }
        Ok(())
    }

    fn repair(&mut self, group: &mut Group, current: Option<Bytes>, only_slaves: bool) -> Step<()> {
        let (target, name) = (current.as_deref().map_or("(null)".to_owned(), shown), shown(&group.name));
        if only_slaves {
            let text = format!("because link group {name} has changed slave links");
            self.tell(0, format!("updating alternative {target} {text}"))?;
        } else {
            let text = format!("because link group {name} is broken");
            self.warn(format!("forcing reinstallation of alternative {target} {text}"))?;
        }
        let Some(mut current) = current else { return Ok(()) };
        if group.choice(&current).is_none()
            && let Some(best) = group.best(None).map(|best| best.target.clone())
        {
            let best_shown = shown(&best);
            let text = format!("switching to {best_shown} for link group {name}");
            self.warn(format!("current alternative {target} is unknown, {text}"))?;
            current = best;
            self.set_mode(group, true);
        }
        self.prepare(group, &current)
    }

    /// Writes the state file, without slaves that no choice has.
    fn save(&mut self, group: &mut Group) -> Step<()> {
        let unused = |slave: &Slave| !group.choices.iter().any(|choice| choice.slave(&slave.name).is_some());
        let gone: Vec<Slave> = group.slaves.iter().filter(|slave| unused(slave)).cloned().collect();
        for slave in &gone {
            self.tell(1, format!("discarding obsolete slave link {} ({})", shown(&slave.name), shown(&slave.link)))?;
        }
        group.slaves.retain(|slave| !gone.contains(slave));
        group.slaves.sort_by(|a, b| a.name.cmp(&b.name));
        group.choices.sort_by(|a, b| a.target.cmp(&b.target));
        let choices = group.choices.iter().flat_map(|choice| choice.slaves.values().chain([&choice.target]));
        let slaves = group.slaves.iter().flat_map(|slave| [&slave.name, &slave.link]);
        if let Some(line) = choices.chain(slaves).chain([&group.link]).find(|line| line.contains(&b'\n')) {
            let line = shown(line);
            return self.fail(format!("newlines prohibited in update-alternatives files ({line})"));
        }
        let path = self.call.path(&[&self.states, b"/".as_slice(), &group.name].concat());
        let made = self.call.machine.files.make_directories(&self.call.path(&self.states), 0o755);
        let written = made.and_then(|()| self.call.machine.files.put(&path, group.debian_file(), 0o644));
        if let Err(errno) = written {
            return self.fail(format!("unable to create file '{}': {errno}", shown(&path)));
        }
        if self.states == STATES.as_bytes() {
            self.call.machine.alternatives.keep(group.clone());
        }
        Ok(())
    }

    fn remove_group(&mut self, group: &Group) -> Step<()> {
        let master = Slave { name: group.name.clone(), link: group.link.clone() };
        for Slave { name, link } in [&master].into_iter().chain(&group.slaves) {
            self.remove_file(&[link, NEW].concat())?;
            if self.can_go(link) {
                self.remove_file(link)?;
            }
            let at = self.in_links(name);
            self.remove_file(&[&at, NEW].concat())?;
            self.remove_file(&at)?;
        }
        self.remove_file(&[&self.states, b"/".as_slice(), &group.name].concat())?;
        if self.states == STATES.as_bytes() {
            self.call.machine.alternatives.forget(&group.name);
        }
        Ok(())
    }
}

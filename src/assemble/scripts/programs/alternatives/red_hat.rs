//! Red Hat's `alternatives` (chkconfig), step by step as alternatives(8) and its messages say.

use super::end::{End, LINKS, Step};
use super::state::{Choice, Group, Slave, c_number, red_hat_rank};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::results::UnitRequest;
use crate::shell::{Bytes, Errno, Kind, Stop};

pub(super) const STATES: &str = "/var/lib/alternatives";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Install,
    AddSlave,
    RemoveSlave,
    Set,
    Auto,
    Remove,
    RemoveAll,
    Display,
    List,
}

/// What the arguments ask for.
#[derive(Default)]
struct Request {
    action: Option<Action>,
    name: Bytes,
    target: Bytes,
    link: Bytes,
    slaves: Vec<(Slave, Bytes)>,
    choice: Option<Choice>,
}

/// A group as it is read: which choice is the best, and which one the links show.
struct Read {
    group: Group,
    best: usize,
    current: Option<usize>,
    current_link: Option<Bytes>,
}

struct Program<'p, 'c, 'a> {
    call: &'p mut Call<'c, 'a>,
    links: Bytes,
    states: Option<Bytes>,
    verbose: bool,
    keep_missing: bool,
    keep_foreign: bool,
    family: Option<Bytes>,
    service: Option<Bytes>,
}

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    // The package that has the program brings them; of a distribution without it nobody does.
    for place in [LINKS, STATES] {
        // Where that fails, the program itself tells what is missing.
        let _: Result<(), Errno> = call.machine.files.make_directories(place.as_bytes(), 0o755);
    }
    let mut program = Program {
        call,
        links: LINKS.as_bytes().to_vec(),
        states: None,
        verbose: false,
        keep_missing: false,
        keep_foreign: false,
        family: None,
        service: None,
    };
    match program.run() {
        Ok(()) => Ok(0),
        Err(End::Exit(status)) => Ok(status),
        Err(End::Stop(stop)) => Err(stop),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `//a///b` → `/a/b`
fn normal(path: &[u8]) -> Bytes {
    let mut path = path.to_vec();
    path.dedup_by(|next, before| (*next, *before) == (b'/', b'/'));
    path
}

impl Program<'_, '_, '_> {
    fn fail<T>(&mut self, text: impl std::fmt::Display) -> Step<T> {
        let text = text.to_string();
        self.call.shell.error(self.call.machine, &text)?;
        Err(End::Exit(2))
    }

    /// Tells what is wrong, and goes on: the links that can be made are made.
    fn wrong(&mut self, text: impl std::fmt::Display) -> Step<bool> {
        let text = text.to_string();
        self.call.shell.error(self.call.machine, &text)?;
        Ok(false)
    }

    fn usage<T>(&mut self) -> Step<T> {
        self.fail("usage: alternatives --install <link> <name> <path> <priority> …")
    }

    fn tell(&mut self, text: String) -> Step<()> {
        if self.verbose {
            self.call.out(text + "\n")?;
        }
        Ok(())
    }

    fn run(&mut self) -> Step<()> {
        let mut request = self.arguments()?;
        let links = self.call.path(&self.links);
        if !self.call.machine.files.is_directory(&links) {
            return self.fail(format!("altdir {} invalid", shown(&self.links)));
        }
        self.states_directory()?;
        let Some(action) = request.action else { return self.usage() };
        match action {
            Action::Install => self.install(&mut request),
            Action::AddSlave => self.add_slave(&request),
            Action::RemoveSlave => self.remove_slave(&request),
            Action::Set => self.set(&request),
            Action::Auto => {
                let mut read = self.read(&request.name)?;
                read.current = Some(read.best);
                read.group.auto = true;
                self.write(&mut read, false)
            }
            Action::Remove => self.remove(&request.name, &request.target),
            Action::RemoveAll => self.remove_all(&request.name),
            Action::Display => self.display(&request.name),
            Action::List => self.list(),
        }
    }

    fn arguments(&mut self) -> Step<Request> {
        let mut request = Request::default();
        let words = self.call.words.to_vec();
        if words.is_empty() {
            return self.usage();
        }
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let option = shown(&word);
            match option.as_str() {
                "--install" => {
                    self.choose(&mut request, Action::Install)?;
                    let (slave, target) = self.link_set(&mut words)?;
                    let priority = self.value(&mut words)?;
                    let Some(priority) = c_number(&shown(&priority)) else { return self.usage() };
                    (request.link, request.name) = (slave.link, slave.name);
                    request.choice = Some(Choice::new(target, priority));
                }
                "--slave" | "--follower" => {
                    if request.action.is_some_and(|action| action != Action::Install) {
                        return self.usage();
                    }
                    let slave = self.link_set(&mut words)?;
                    request.slaves.push(slave);
                }
                "--add-slave" | "--add-follower" => {
                    self.choose(&mut request, Action::AddSlave)?;
                    request.name = self.name(&mut words)?;
                    request.target = normal(&self.value(&mut words)?);
                    let slave = self.link_set(&mut words)?;
                    request.slaves.push(slave);
                }
                "--remove-slave" | "--remove-follower" => {
                    self.choose(&mut request, Action::RemoveSlave)?;
                    request.name = self.name(&mut words)?;
                    request.target = normal(&self.value(&mut words)?);
                    let name = self.value(&mut words)?;
                    request.slaves.push((Slave { name, link: Bytes::new() }, Bytes::new()));
                }
                "--set" | "--remove" => {
                    self.choose(&mut request, if option == "--set" { Action::Set } else { Action::Remove })?;
                    request.name = self.name(&mut words)?;
                    request.target = normal(&self.value(&mut words)?);
                }
                "--auto" | "--remove-all" | "--display" => {
                    self.choose(
                        &mut request,
                        match option.as_str() {
                            "--auto" => Action::Auto,
                            "--remove-all" => Action::RemoveAll,
                            _ => Action::Display,
                        },
                    )?;
                    request.name = self.name(&mut words)?;
                }
                "--list" => self.choose(&mut request, Action::List)?,
                "--initscript" => self.service = Some(self.value(&mut words)?),
                "--family" => {
                    let family = self.value(&mut words)?;
                    if family.contains(&b'@') {
                        return self.fail("--family can't contain the symbol '@'");
                    }
                    self.family = Some(family);
                }
                "--altdir" => self.links = normal(&self.value(&mut words)?),
                "--admindir" => self.states = Some(normal(&self.value(&mut words)?)),
                "--verbose" => self.verbose = true,
                "--keep-missing" => self.keep_missing = true,
                "--keep-foreign" => self.keep_foreign = true,
                "--config" => {
                    return Err(Stop::refused("alternatives", "`--config` asks somebody at a terminal").into());
                }
                option => return Err(Stop::unsupported("alternatives", format!("the option `{option}`")).into()),
            }
        }
        Ok(request)
    }

    fn choose(&mut self, request: &mut Request, action: Action) -> Step<()> {
        match request.action.replace(action) {
            None => Ok(()),
            Some(_) => self.usage(),
        }
    }

    fn value(&mut self, words: &mut impl Iterator<Item = Bytes>) -> Step<Bytes> {
        match words.next() {
            Some(value) => Ok(value),
            None => self.usage(),
        }
    }

    fn name(&mut self, words: &mut impl Iterator<Item = Bytes>) -> Step<Bytes> {
        match words.next() {
            Some(name) if !name.starts_with(b"/") => Ok(name),
            _ => self.usage(),
        }
    }

    /// Link, name and path.
    fn link_set(&mut self, words: &mut impl Iterator<Item = Bytes>) -> Step<(Slave, Bytes)> {
        let (link, name, path) = (self.value(words)?, self.name(words)?, self.value(words)?);
        if !link.starts_with(b"/") || !path.starts_with(b"/") {
            return self.usage();
        }
        Ok((Slave { name, link: normal(&link) }, normal(&path)))
    }

    fn states_directory(&mut self) -> Step<()> {
        let path = self.call.path(self.states.as_deref().unwrap_or(STATES.as_bytes()));
        if self.call.machine.files.is_directory(&path) {
            return Ok(());
        }
        if let Some(states) = &self.states {
            let states = shown(states);
            return self.fail(format!("admindir {states} invalid"));
        }
        match self.call.machine.files.make_directory(&path, 0o755) {
            Ok(_) | Err(Errno::Exists) => Ok(()),
            Err(errno) => self.fail(format!("failed to create admindir: {errno}")),
        }
    }

    fn state_path(&self, name: &[u8]) -> Bytes {
        let states = self.states.as_deref().unwrap_or(STATES.as_bytes());
        self.call.path(&normal(&[states, b"/", name].concat()))
    }

    fn in_links(&self, name: &[u8]) -> Bytes {
        [&self.links, b"/".as_slice(), name].concat()
    }

    /// Two paths of one program where `/usr/sbin` is `/usr/bin`.
    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        let program = |path: &[u8]| {
            let places = [b"/usr/bin/".as_slice(), b"/usr/sbin/", b"/bin/", b"/sbin/"];
            places.iter().find_map(|place| path.strip_prefix(*place)).map(<[u8]>::to_vec)
        };
        let merged = || self.call.machine.files.target(b"/usr/sbin").is_ok();
        a == b || merged() && program(a).is_some_and(|a| Some(a) == program(b))
    }

    /// Reads the state of a group: what is there, but for what is wrong, which ends the program.
    fn read(&mut self, name: &[u8]) -> Step<Read> {
        match self.read_any(name)? {
            Some((read, true)) => Ok(read),
            Some((_, false)) => {
                let path = self.in_links(name);
                self.fail(format!("failed to read link {}: No such file or directory", shown(&path)))
            }
            None => Err(End::Exit(2)),
        }
    }

    /// Nothing if there is no state; `false` if its link is gone.
    fn read_any(&mut self, name: &[u8]) -> Step<Option<(Read, bool)>> {
        let path = self.state_path(name);
        let text = match self.call.machine.files.read(&path)? {
            Ok(text) => text,
            Err(Errno::NoEntry) => return Ok(None),
            Err(errno) => return self.fail(format!("failed to open {}: {errno}", shown(&path))),
        };
        let mut group = match Group::parse(name, &text, red_hat_rank) {
            Ok(group) => group,
            Err(problem) => return self.fail(format!("{problem} in {}", shown(&path))),
        };
        if group.choices.is_empty() {
            return self.fail(format!("no choices in {}", shown(&path)));
        }
        let best = best(&group, |new, old| new.priority > old.priority);
        let current_link = self.call.machine.files.target(&self.call.path(&self.in_links(name))).ok();
        let Some(link) = &current_link else {
            return Ok(Some((Read { group, best, current: None, current_link }, false)));
        };
        let current = group.choices.iter().position(|choice| self.same(link, &choice.target));
        if current.is_none() {
            group.auto = false;
            self.tell("link points to no alternative -- setting mode to manual".to_owned())?;
        } else if group.auto && current != Some(best) {
            group.auto = false;
            self.tell("link changed -- setting mode to manual".to_owned())?;
        }
        Ok(Some((Read { group, best, current, current_link }, true)))
    }

    fn install(&mut self, request: &mut Request) -> Step<()> {
        let Some(mut choice) = request.choice.take() else { return self.usage() };
        choice.slaves = request.slaves.iter().map(|(slave, path)| (slave.name.clone(), path.clone())).collect();
        (choice.family, choice.service) = (self.family.clone(), self.service.clone());
        let slaves: Vec<Slave> = request.slaves.iter().map(|(slave, _)| slave.clone()).collect();
        let Some((mut read, _)) = self.read_any(&request.name)? else {
            let (name, link) = (request.name.clone(), request.link.clone());
            let group = Group { name, link, auto: true, slaves, choices: vec![choice] };
            return self.write(&mut Read { group, best: 0, current: None, current_link: None }, false);
        };
        if !self.same(&request.link, &read.group.link) {
            let (name, link) = (shown(&read.group.name), shown(&read.group.link));
            return self.fail(format!("the primary link for {name} must be {link}"));
        }
        let known = read.group.choices.iter().position(|known| self.same(&known.target, &choice.target));
        let mut all = read.group.slaves.clone();
        all.extend(
            slaves
                .iter()
                .filter(|slave| !read.group.slaves.iter().any(|known| self.same(&known.link, &slave.link)))
                .cloned(),
        );
        match known {
            Some(index) => read.group.choices[index] = choice,
            None => {
                let better = read.group.choices.get(read.best).is_none_or(|best| choice.priority > best.priority);
                read.group.choices.push(choice);
                if better {
                    read.best = read.group.choices.len() - 1;
                }
            }
        }
        if known.is_some() {
            self.drop_unused(&read.group.choices, &mut all)?;
        }
        self.match_slaves(&mut read.group, all, &slaves)?;
        self.write(&mut read, known.is_some())
    }

    /// Slaves that no choice has go, with their links.
    fn drop_unused(&mut self, choices: &[Choice], slaves: &mut Vec<Slave>) -> Step<()> {
        let used = |slave: &Slave| choices.iter().any(|choice| choice.slave(&slave.name).is_some());
        for slave in slaves.iter().filter(|slave| !used(slave)) {
            self.remove_links(slave)?;
        }
        slaves.retain(used);
        Ok(())
    }

    /// Every choice gets the same slaves, in the order of their links; one name has one link.
    fn match_slaves(&mut self, group: &mut Group, mut all: Vec<Slave>, new: &[Slave]) -> Step<()> {
        all.sort_by(|a, b| a.link.cmp(&b.link));
        for slave in &all {
            let others = group.slaves.iter().chain(new);
            let other =
                others.filter(|other| other.name == slave.name).find(|other| !self.same(&other.link, &slave.link));
            if let Some(other) = other {
                let (old, name, link) = (shown(&other.link), shown(&slave.name), shown(&slave.link));
                return self.fail(format!("link {old} incorrect for follower {name} ({link} {name})"));
            }
        }
        for choice in &mut group.choices {
            choice.slaves.retain(|name, _| all.iter().any(|slave| slave.name == *name));
        }
        group.slaves = all;
        Ok(())
    }

    fn position(&mut self, group: &Group, target: &[u8]) -> Step<usize> {
        match group.choices.iter().position(|choice| self.same(&choice.target, target)) {
            Some(index) => Ok(index),
            None => {
                let (target, name) = (shown(target), shown(&group.name));
                self.fail(format!("{target} has not been configured as an alternative for {name}"))
            }
        }
    }

    fn add_slave(&mut self, request: &Request) -> Step<()> {
        let mut read = self.read(&request.name)?;
        let index = self.position(&read.group, &request.target)?;
        for (slave, path) in &request.slaves {
            let mut all = read.group.slaves.clone();
            if !all.iter().any(|known| self.same(&known.link, &slave.link)) {
                all.push(slave.clone());
            }
            self.match_slaves(&mut read.group, all, &[])?;
            if let Some(choice) = read.group.choices.get_mut(index) {
                choice.slaves.insert(slave.name.clone(), path.clone());
            }
        }
        self.write(&mut read, true)
    }

    fn remove_slave(&mut self, request: &Request) -> Step<()> {
        let mut read = self.read(&request.name)?;
        let index = self.position(&read.group, &request.target)?;
        for (slave, _) in &request.slaves {
            if !read.group.slaves.iter().any(|known| known.name == slave.name) {
                let (slave, name, target) = (shown(&slave.name), shown(&request.name), shown(&request.target));
                return self
                    .fail(format!("{slave} has not been configured as an follower alternative for {name} ({target})"));
            }
            if let Some(choice) = read.group.choices.get_mut(index) {
                choice.slaves.remove(&slave.name);
            }
        }
        let mut all = read.group.slaves.clone();
        self.drop_unused(&read.group.choices, &mut all)?;
        self.match_slaves(&mut read.group, all, &[])?;
        self.write(&mut read, true)
    }

    /// By path, or by family: then its highest priority.
    fn set(&mut self, request: &Request) -> Step<()> {
        let mut read = self.read(&request.name)?;
        let choices = &read.group.choices;
        let of_family = |choice: &Choice| choice.family.as_ref() == Some(&request.target);
        let by_path = choices.iter().position(|choice| self.same(&choice.target, &request.target));
        let found = by_path.or_else(|| {
            let family = choices.iter().enumerate().filter(|(_, choice)| of_family(choice));
            family.rev().max_by_key(|(_, choice)| choice.priority).map(|(index, _)| index)
        });
        read.current = match found {
            Some(index) => Some(index),
            None => Some(self.position(&read.group, &request.target)?),
        };
        read.group.auto = false;
        self.write(&mut read, true)
    }

    fn remove(&mut self, name: &[u8], target: &[u8]) -> Step<()> {
        let mut read = self.read(name)?;
        let index = self.position(&read.group, target)?;
        if read.group.choices.len() == 1 {
            return self.remove_group(&read.group);
        }
        let family =
            read.current.and_then(|current| read.group.choices.get(current)).and_then(|choice| choice.family.clone());
        // The last choice takes the removed one's place.
        let last = read.group.choices.len() - 1;
        read.group.choices.swap_remove(index);
        read.current = match read.current {
            Some(current) if current == index => None,
            Some(current) if current == last => Some(index),
            current => current,
        };
        let of_family = |choice: &Choice| family.is_some() && choice.family == family;
        read.best = best(&read.group, |new, old| match (of_family(new), of_family(old)) {
            (true, false) => true,
            (false, true) => false,
            _ => new.priority > old.priority,
        });
        let mut force = false;
        if read.current.is_none() {
            let stays = read.group.choices.get(read.best).is_some_and(of_family);
            if stays {
                force = true;
            } else {
                read.group.auto = true;
            }
            read.current = Some(read.best);
        }
        self.write(&mut read, force)
    }

    fn remove_all(&mut self, name: &[u8]) -> Step<()> {
        let targets: Vec<Bytes> = self.read(name)?.group.choices.into_iter().map(|choice| choice.target).collect();
        targets.iter().try_for_each(|target| self.remove(name, target))
    }

    fn remove_group(&mut self, group: &Group) -> Step<()> {
        let mut well = self.remove_links(&Slave { name: group.name.clone(), link: group.link.clone() })?;
        for slave in &group.slaves {
            well &= self.remove_links(slave)?;
        }
        let path = self.state_path(&group.name);
        if let Err(errno) = self.call.machine.files.remove(&path) {
            well = self.wrong(format!("failed to remove {}: {errno}", shown(&path)))?;
        }
        if self.states.is_none() {
            self.call.machine.alternatives.forget(&group.name);
        }
        if well { Ok(()) } else { Err(End::Exit(2)) }
    }

    fn display(&mut self, name: &[u8]) -> Step<()> {
        let Read { group, best, current_link, .. } = self.read(name)?;
        let name = shown(&group.name);
        let mode = if group.auto { "auto" } else { "manual" };
        let mut text = format!("{name} - status is {mode}.\n");
        text += &format!(" link currently points to {}\n", current_link.as_deref().map_or("(null)".to_owned(), shown));
        for choice in &group.choices {
            let family = choice.family.as_ref().map(|family| format!("family {} ", shown(family))).unwrap_or_default();
            text += &format!("{} - {family}priority {}\n", shown(&choice.target), choice.priority);
            for slave in &group.slaves {
                let file = choice.slave(&slave.name).map_or("(null)".to_owned(), |file| shown(file));
                text += &format!(" follower {}: {file}\n", shown(&slave.name));
            }
        }
        let best = group.choices.get(best).map(|best| shown(&best.target)).unwrap_or_default();
        text += &format!("Current `best' version is {best}.\n");
        Ok(self.call.out(text)?)
    }

    fn list(&mut self) -> Step<()> {
        let path = self.state_path(b"");
        let names = self.call.machine.files.list(&path).unwrap_or_default();
        let wide = names.iter().map(Vec::len).max().unwrap_or(0);
        for name in names {
            let Read { group, current_link, .. } = self.read(&name)?;
            let mode = if group.auto { "auto  " } else { "manual" };
            let link = current_link.as_deref().map(shown).unwrap_or_default();
            self.call.out(format!("{:wide$}\t{mode}\t{link}\n", shown(&name)))?;
        }
        Ok(())
    }

    /// Writes the state, and the links if they are this program's to decide.
    fn write(&mut self, read: &mut Read, force: bool) -> Step<()> {
        let path = self.state_path(&read.group.name);
        if let Err(errno) = self.call.machine.files.put(&path, read.group.red_hat_file(), 0o644) {
            return self.fail(format!("failed to create {}: {errno}", shown(&path)));
        }
        if self.states.is_none() {
            self.call.machine.alternatives.keep(read.group.clone());
        }
        if read.group.auto {
            read.current = Some(read.best);
        }
        let shows = read.current.unwrap_or(0);
        let Some(choice) = read.group.choices.get(shows).cloned() else { return Ok(()) };
        let mut well = true;
        if force || read.group.auto {
            let master = Slave { name: read.group.name.clone(), link: read.group.link.clone() };
            well &= self.make_links(&master, &choice.target)?;
            for slave in &read.group.slaves {
                well &= match choice.slave(&slave.name) {
                    Some(file) => self.make_links(slave, file)?,
                    None => self.remove_links(slave)?,
                };
            }
        }
        self.services(&read.group, shows)?;
        if well { Ok(()) } else { Err(End::Exit(2)) }
    }

    /// The service of the choice that is shown is preset, those of the others are disabled.
    fn services(&mut self, group: &Group, shows: usize) -> Step<()> {
        for (index, choice) in group.choices.iter().enumerate() {
            let Some(service) = &choice.service else { continue };
            let name = shown(service);
            let places = ["/lib/systemd/system", "/etc/systemd/system"];
            if !places.iter().any(|place| self.call.machine.files.exists(format!("{place}/{name}.service").as_bytes()))
            {
                return Err(Stop::unsupported("alternatives", format!("the init script `{name}`")).into());
            }
            let unit = format!("{name}.service");
            let request = if index == shows { UnitRequest::Preset(unit) } else { UnitRequest::Disable(unit) };
            self.call.machine.units.push(request);
        }
        Ok(())
    }

    fn kind(&self, path: &[u8]) -> Option<Kind> {
        self.call.machine.files.facts(&self.call.path(path), false).map(|facts| facts.kind)
    }

    /// Whether a link leads into the directory of alternatives.
    fn is_ours(&self, link: &[u8]) -> bool {
        self.call.machine.files.target(&self.call.path(link)).is_ok_and(|target| target.starts_with(&self.links))
    }

    /// `false` if one of the links could not be made.
    fn make_links(&mut self, slave: &Slave, target: &[u8]) -> Step<bool> {
        let at = self.in_links(&slave.name);
        let (link, place) = (shown(&slave.link), shown(&at));
        let kind = self.kind(&slave.link);
        if kind.is_some_and(|kind| kind != Kind::Symlink) {
            let text = format!("failed to link {link} -> {place}: {link} exists and it is not a symlink");
            self.call.shell.error(self.call.machine, &text)?;
        } else if self.keep_foreign && kind.is_some() && !self.is_ours(&slave.link) {
            let links = shown(&self.links);
            let why = format!("--keep-foreign was set and link {link} points outside  {links}");
            self.call.shell.error(self.call.machine, &format!("failed to link {link} -> {place}: {why}"))?;
        } else if !self.put_link(&at, &slave.link)? {
            return Ok(false);
        }
        self.put_link(target, &at)
    }

    fn put_link(&mut self, target: &[u8], link: &[u8]) -> Step<bool> {
        let path = self.call.path(link);
        let files = &mut self.call.machine.files;
        if files.target(&path).is_ok_and(|known| known == target) {
            return Ok(true);
        }
        let made = match files.remove(&path) {
            Ok(()) | Err(Errno::NoEntry) => files.make_link(target, &path).map(drop),
            Err(errno) => Err(errno),
        };
        match made {
            Ok(()) => Ok(true),
            Err(errno) => self.wrong(format!("failed to link {} -> {}: {errno}", shown(link), shown(target))),
        }
    }

    fn remove_links(&mut self, slave: &Slave) -> Step<bool> {
        if self.keep_missing {
            return Ok(true);
        }
        let at = self.in_links(&slave.name);
        for path in [&at, &slave.link] {
            let foreign = path != &at && self.keep_foreign && !self.is_ours(path);
            if self.kind(path) == Some(Kind::Symlink) && !foreign {
                let place = self.call.path(path);
                if let Err(errno) = self.call.machine.files.remove(&place) {
                    return self.wrong(format!("failed to remove link {}: {errno}", shown(path)));
                }
            }
        }
        Ok(true)
    }
}

/// The first choice that no other is better than, each compared with the best before it.
fn best(group: &Group, better: impl Fn(&Choice, &Choice) -> bool) -> usize {
    let mut best = 0;
    for (index, choice) in group.choices.iter().enumerate() {
        if better(choice, &group.choices[best]) {
            best = index;
        }
    }
    best
}

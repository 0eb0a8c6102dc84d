//! What has to be done: [`NodeConfig`] and [`Facts`] → [`Plan`], a list that can be printed, judged and applied. Pure.
//!
//! Everything that can be a mistake of the metadata is found here, before the first write: a path that is not
//! writable, a group that the image lacks, a time zone that does not exist.

use std::fmt;

use super::accounts;
use super::config::{FileToWrite, NodeConfig, NodeName, User};
use super::facts::{Facts, NETWORK_DIRECTORY, TimeDaemon, ZONEINFO};
use super::join::secret::Secret;
use super::network;
use super::once::Once;
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Location};

pub mod kubernetes;

/// One thing to do. Each can be done twice without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    SetHostName(String),
    /// Replaces the file if it differs.
    WriteFile {
        path: String,
        content: Vec<u8>,
        mode: u32,
        owner: Owner,
    },
    /// Replaces the agent's own part of a text file that others write too.
    WriteBlock {
        path: String,
        lines: Vec<String>,
        mode: u32,
        owner: Owner,
    },
    MakeDirectory {
        path: String,
        mode: u32,
        owner: Owner,
    },
    Link {
        path: String,
        target: String,
    },
    Remove {
        path: String,
    },
    /// Replaces a file that only root may read, and leaves nothing of the old one.
    WriteSecret {
        path: String,
        content: Secret,
    },
    /// Removes such a file.
    Wipe {
        path: String,
    },
    AddUser {
        name: String,
        gecos: String,
        owner: Owner,
        home: String,
        shell: String,
    },
    JoinGroup {
        user: String,
        group: String,
    },
    Run {
        program: &'static str,
        arguments: &'static [&'static str],
    },
    /// A program that a package's script left to the first boot.
    Once(Once),
    /// Always the last: from here on the metadata counts as applied.
    MarkApplied(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Paths that only the agent writes.
const RESERVED: [&str; 3] = ["/var/lib/nodeinit", "/etc/machine-id", contract::VAR_POPULATED];

const SYSTEMCTL: &str = "/usr/bin/systemctl";

const ROOT: Owner = Owner { uid: 0, gid: 0 };

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What is odd but no mistake: shown in the status.
    pub notes: Vec<String>,
}

/// Written into the marker of a node that has no metadata.
pub const NO_METADATA: &str = "no-metadata";

/// Makes the plan.
pub fn plan(config: &NodeConfig, facts: &Facts) -> Result<Plan, Diagnostics> {
    let given = config.users.iter().filter_map(|user| Some(user.uid.as_ref()?.value)).collect();
    let (mistakes, plan) = (Diagnostics::default(), Plan::default());
    let mut planner = Planner { facts, mistakes, plan, added: Vec::new(), given, units_changed: false };
    let host = planner.names(config.name.as_ref());
    planner.network(config);
    for user in &config.users {
        planner.user(user);
    }
    planner.root_keys(&config.root_keys);
    for file in &config.files {
        planner.file(file);
    }
    planner.units_changed |= config.files.iter().any(|file| file.path.value.starts_with("/etc/systemd/system/"));
    if planner.units_changed {
        // systemd has read its units already; what has not been started yet takes the new ones.
        planner.push(Step::Run { program: SYSTEMCTL, arguments: &["daemon-reload"] });
    }
    planner.time(config);
    if facts.has_sshd {
        // Makes the keys that are missing: a power cut may have left some.
        planner.push(Step::Run { program: "/usr/bin/ssh-keygen", arguments: &["-A"] });
    }
    for once in &facts.once {
        planner.push(Step::Once(once.clone()));
    }
    planner.kubernetes(config, &host);
    planner.push(Step::MarkApplied(config.instance_id.clone()));
    planner.mistakes.or(planner.plan)
}

struct Planner<'a> {
    facts: &'a Facts,
    mistakes: Diagnostics,
    plan: Plan,
    /// Users that the plan adds, with their ids.
    added: Vec<(String, Owner)>,
    /// Numbers that the metadata gives to users: not to be given to others.
    given: Vec<u32>,
    /// systemd must read its units again.
    units_changed: bool,
}

impl Planner<'_> {
    fn push(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    fn mistake(&mut self, slug: &'static str, title: String, at: &Location, help: String) {
        self.mistakes.push(Diagnostic::new(slug, title).at(at, "here").help(help));
    }

    /// A node without a name takes one from its machine id, so that two nodes of one image differ; a name that the
    /// image's recipe gave stays. Returns the host name.
    fn names(&mut self, name: Option<&NodeName>) -> String {
        let derived = || {
            let id = self.facts.machine_id.get(..8).unwrap_or("unnamed");
            NodeName { host: format!("node-{id}"), fqdn: None }
        };
        let name = match (name, self.facts.hostname.as_str()) {
            (Some(name), _) => name.clone(),
            (None, "" | "localhost") => derived(),
            (None, host) => NodeName { host: host.to_owned(), fqdn: None },
        };
        let names = name.fqdn.iter().chain([&name.host]).cloned().collect::<Vec<_>>().join(" ");
        self.push(Step::SetHostName(name.host.clone()));
        self.push(Step::WriteBlock {
            path: "/etc/hosts".to_owned(),
            lines: vec![format!("127.0.1.1 {names}")],
            mode: 0o644,
            owner: ROOT,
        });
        name.host
    }

    fn network(&mut self, config: &NodeConfig) {
        let files = match &config.network {
            Some(network) => network::units(network),
            // The image's own default serves: DHCP on every wired interface.
            None => Vec::new(),
        };
        self.default_network(config.network.is_some());
        for ethernet in config.network.iter().flat_map(|network| &network.ethernets) {
            let Some(mac) = &ethernet.matching.mac else { continue };
            if !ethernet.optional && !self.facts.interfaces.iter().any(|interface| interface.mac == *mac) {
                let seen: Vec<String> =
                    self.facts.interfaces.iter().map(|seen| format!("{} {}", seen.name, seen.mac)).collect();
                let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
                self.plan
                    .notes
                    .push(format!("no interface has the address {mac} of `{}`; there are: {seen}", ethernet.id.value));
            }
        }
        let mut changed_links = false;
        for name in &self.facts.network_files {
            if files.iter().all(|file| file.name != *name) {
                self.push(Step::Remove { path: format!("{NETWORK_DIRECTORY}/{name}") });
            }
        }
        for file in files {
            changed_links |= file.name.ends_with(".link");
            self.push(Step::WriteFile {
                path: format!("{NETWORK_DIRECTORY}/{}", file.name),
                content: file.text.into_bytes(),
                mode: 0o644,
                owner: ROOT,
            });
        }
        if changed_links {
            // udev has named the interfaces already: once more, with the new files.
            let udevadm = "/usr/bin/udevadm";
            self.push(Step::Run { program: udevadm, arguments: &["control", "--reload"] });
            self.push(Step::Run { program: udevadm, arguments: &["trigger", "--action=add", "--subsystem-match=net"] });
            self.push(Step::Run { program: udevadm, arguments: &["settle", "--timeout=20"] });
        }
        if self.facts.networkd_runs {
            self.push(Step::Run { program: "/usr/bin/networkctl", arguments: &["reload"] });
        }
    }

    /// Interfaces that a network-config does not name stay as they are, and all that it names are waited for.
    fn default_network(&mut self, configured: bool) {
        let network = format!("{NETWORK_DIRECTORY}/{}", contract::DEFAULT_NETWORK);
        let wait = format!("/etc/systemd/system/{}", contract::WAIT_FOR_ANY_NETWORK);
        if configured {
            self.push(Step::Link { path: network, target: "/dev/null".to_owned() });
            self.push(Step::Link { path: wait, target: "/dev/null".to_owned() });
        } else if self.facts.network_masked {
            // The one that tells of an earlier run goes last, so that a power cut between them is made up for.
            self.push(Step::Remove { path: wait });
            self.push(Step::Remove { path: network });
        } else {
            return;
        }
        self.units_changed = true;
    }

    fn user(&mut self, user: &User) {
        let name = &user.name.value;
        let existing = accounts::user(&self.facts.passwd, name);
        let home = match (&user.home, accounts::home(&self.facts.passwd, name)) {
            (_, Some(home)) => home.to_owned(),
            (Some(home), None) => home.value.clone(),
            (None, None) => format!("/home/{name}"),
        };
        let home_at = user.home.as_ref().map_or(&user.name.location, |home| &home.location);
        let owner = match (existing, &user.uid) {
            (Some((uid, gid)), given) => {
                if let Some(given) = given.as_ref().filter(|given| given.value != uid) {
                    let title = format!("`{name}` has the uid {uid} already, not {}", given.value);
                    self.mistake("uid", title, &given.location, "leave `uid` out".to_owned());
                }
                Owner { uid, gid }
            }
            (None, Some(given)) => {
                let taken = accounts::id_is_used(&self.facts.passwd, given.value)
                    || self.added.iter().any(|(_, other)| other.uid == given.value);
                if taken {
                    let title = format!("the uid {} belongs to another user", given.value);
                    self.mistake("uid", title, &given.location, "choose another, or leave `uid` out".to_owned());
                }
                Owner { uid: given.value, gid: self.group_for(name, given.value) }
            }
            (None, None) => match self.free_id() {
                Some(id) => Owner { uid: id, gid: self.group_for(name, id) },
                None => {
                    let title = format!("there is no free uid for `{name}`");
                    return self.mistake("uid", title, &user.name.location, "give `uid`".to_owned());
                }
            },
        };
        let shell = match &user.shell {
            Some(shell) => {
                if !self.facts.present.contains(&shell.value) {
                    let title = format!("the image has no `{}`", shell.value);
                    self.mistake(
                        "shell",
                        title,
                        &shell.location,
                        "add its package to the recipe, or leave `shell` out".to_owned(),
                    );
                }
                shell.value.clone()
            }
            None if self.facts.present.contains("/bin/bash") => "/bin/bash".to_owned(),
            None => "/bin/sh".to_owned(),
        };
        if existing.is_none() {
            self.writable(&home, home_at);
            let gecos = user.gecos.clone();
            self.push(Step::AddUser { name: name.clone(), gecos, owner, home: home.clone(), shell });
            self.push(Step::MakeDirectory { path: home.clone(), mode: 0o700, owner });
            self.added.push((name.clone(), owner));
        }
        for group in &user.groups {
            if accounts::group(&self.facts.group, &group.value).is_none() {
                let title = format!("the image has no group `{}`", group.value);
                self.mistake(
                    "no-such-group",
                    title,
                    &group.location,
                    "groups come from the image's packages and recipe".to_owned(),
                );
            }
            self.push(Step::JoinGroup { user: name.clone(), group: group.value.clone() });
        }
        // A new user has no keys of earlier metadata that would have to go.
        if existing.is_some() || !user.keys.is_empty() {
            self.keys(&home, owner, &user.keys);
        }
    }

    fn free_id(&self) -> Option<u32> {
        accounts::free_ids(&self.facts.passwd, &self.facts.group).find(|id| {
            !self.given.contains(id) && self.added.iter().all(|(_, other)| other.uid != *id && other.gid != *id)
        })
    }

    /// A user's own group: the one of that name if there is one, else with the user's number if that is free.
    fn group_for(&self, name: &str, uid: u32) -> u32 {
        let taken = || accounts::id_is_used(&self.facts.group, uid);
        accounts::group(&self.facts.group, name)
            .unwrap_or_else(|| if taken() { self.free_id().unwrap_or(uid) } else { uid })
    }

    /// Also without keys: those of earlier metadata must go.
    fn root_keys(&mut self, keys: &[String]) {
        let home = accounts::home(&self.facts.passwd, "root").unwrap_or("/root").to_owned();
        self.keys(&home, ROOT, keys);
    }

    fn keys(&mut self, home: &str, owner: Owner, keys: &[String]) {
        let directory = format!("{home}/.ssh");
        if !keys.is_empty() {
            self.push(Step::MakeDirectory { path: directory.clone(), mode: 0o700, owner });
        }
        let mut lines = keys.to_vec();
        lines.dedup();
        self.push(Step::WriteBlock { path: format!("{directory}/authorized_keys"), lines, mode: 0o600, owner });
    }

    fn file(&mut self, file: &FileToWrite) {
        let path = &file.path;
        self.writable(&path.value, &path.location);
        if let Some(obstacle) = self.facts.obstacles.get(&path.value) {
            let title = format!("`{}` cannot be written: {obstacle}", path.value);
            self.mistake("not-a-file", title, &path.location, "choose another path".to_owned());
        }
        let (user, group) = &file.owner.value;
        let known = |name: &str| self.added.iter().find(|(added, _)| added == name).map(|(_, owner)| *owner);
        let uid = user.parse().ok().or_else(|| known(user).map(|owner| owner.uid));
        let uid = uid.or_else(|| accounts::user(&self.facts.passwd, user).map(|(uid, _)| uid));
        let gid = group.parse().ok().or_else(|| known(group).map(|owner| owner.gid));
        let gid = gid.or_else(|| accounts::group(&self.facts.group, group));
        match (uid, gid) {
            (Some(uid), Some(gid)) => self.push(Step::WriteFile {
                path: path.value.clone(),
                content: file.content.clone(),
                mode: file.mode,
                owner: Owner { uid, gid },
            }),
            (None, _) => {
                let title = format!("there is no user `{user}`");
                self.mistake("no-such-user", title, &file.owner.location, "name it under `users`".to_owned());
            }
            (_, None) => {
                let title = format!("the image has no group `{group}`");
                self.mistake("no-such-group", title, &file.owner.location, "for example `owner: root:root`".to_owned());
            }
        }
    }

    fn writable(&mut self, path: &str, at: &Location) {
        let inside = |directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let places: Vec<&str> =
            ["/etc", "/var"].into_iter().chain(self.facts.writable.iter().map(String::as_str)).collect();
        if !places.iter().any(|place| inside(place)) {
            let title = format!("`{path}` cannot be written: the root is immutable");
            self.mistake("not-writable", title, at, format!("writable: {}", places.join(", ")));
        } else if RESERVED.iter().any(|reserved| path == *reserved || inside(reserved)) {
            let title = format!("`{path}` belongs to the agent");
            self.mistake("not-writable", title, at, "choose another path".to_owned());
        }
    }

    fn time(&mut self, config: &NodeConfig) {
        if let Some(zone) = &config.timezone {
            let file = format!("{ZONEINFO}/{}", zone.value);
            if !self.facts.present.contains(&file) {
                let title = format!("the image has no time zone `{}`", zone.value);
                self.mistake(
                    "timezone",
                    title,
                    &zone.location,
                    "see `timedatectl list-timezones`; the recipe needs `tzdata`".to_owned(),
                );
            }
            self.push(Step::Link { path: "/etc/localtime".to_owned(), target: format!("..{file}") });
        }
        let Some(servers) = &config.time_servers else { return };
        let (path, text) = match self.facts.time_daemon {
            Some(TimeDaemon::Timesyncd) => {
                let names: Vec<&str> =
                    servers.value.servers.iter().chain(&servers.value.pools).map(String::as_str).collect();
                ("/etc/systemd/timesyncd.conf.d/50-nodeinit.conf", format!("[Time]\nNTP={}\n", names.join(" ")))
            }
            Some(TimeDaemon::Chrony) => {
                let line = |kind: &str, name: &String| format!("{kind} {name} iburst\n");
                let servers_text: String = servers.value.servers.iter().map(|name| line("server", name)).collect();
                let pools: String = servers.value.pools.iter().map(|name| line("pool", name)).collect();
                ("/etc/chrony/sources.d/nodeinit.sources", servers_text + &pools)
            }
            None => {
                let title = "the image has no time daemon that could use these servers".to_owned();
                let help = "add `systemd-timesyncd` or `chrony` to the recipe".to_owned();
                return self.mistake("no-time-daemon", title, &servers.location, help);
            }
        };
        self.push(Step::WriteFile { path: path.to_owned(), content: text.into_bytes(), mode: 0o644, owner: ROOT });
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::SetHostName(name) => write!(f, "set the host name to {name}"),
            Step::WriteFile { path, content, mode, owner } => {
                write!(f, "write {path} ({}, {mode:04o}, {owner})", counted(content.len(), "byte"))
            }
            Step::WriteBlock { path, lines, .. } if lines.is_empty() => write!(f, "leave nothing of ours in {path}"),
            Step::WriteBlock { path, lines, mode, owner } => {
                write!(f, "put {} of ours into {path} ({mode:04o}, {owner})", counted(lines.len(), "line"))
            }
            Step::MakeDirectory { path, mode, owner } => write!(f, "make the directory {path} ({mode:04o}, {owner})"),
            Step::Link { path, target } => write!(f, "link {path} to {target}"),
            Step::Remove { path } => write!(f, "remove {path}"),
            Step::WriteSecret { path, .. } => write!(f, "write {path} (secret, 0600, {ROOT})"),
            Step::Wipe { path } => write!(f, "wipe {path}"),
            Step::AddUser { name, owner, home, shell, .. } => {
                write!(f, "add the user {name} ({owner}, {home}, {shell})")
            }
            Step::JoinGroup { user, group } => write!(f, "make {user} a member of {group}"),
            Step::Run { program, arguments } => write!(f, "run {program} {}", arguments.join(" ")),
            // Of a shell's text the name that it was given.
            Step::Once(Once { arguments, .. }) if arguments.first().is_some_and(|first| first == "-c") => {
                write!(f, "run {}", arguments.get(2..).unwrap_or_default().join(" "))
            }
            Step::Once(Once { program, arguments, .. }) => write!(f, "run {program} {}", arguments.join(" ")),
            Step::MarkApplied(Some(id)) => write!(f, "mark {id} as applied"),
            Step::MarkApplied(None) => write!(f, "mark a node without metadata as set up"),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// One numbered line for each step, then the notes.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:2}. {step}", index + 1)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

#[cfg(test)]
pub(crate) mod tests;

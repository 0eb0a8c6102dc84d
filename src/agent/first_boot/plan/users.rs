//! Users: their accounts, groups and keys.

use super::planner::Planner;
use crate::agent::first_boot::account_files;
use crate::agent::first_boot::config::User;
use crate::agent::first_boot::step::{Owner, Step};

impl Planner<'_> {
    pub fn user(&mut self, user: &User) {
        let name = &user.name.value;
        let existing = account_files::user(&self.facts.passwd, name);
        let home = match (&user.home, account_files::home(&self.facts.passwd, name)) {
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
                let taken = account_files::id_is_used(&self.facts.passwd, given.value)
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
            if account_files::group(&self.facts.group, &group.value).is_none() {
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
        account_files::free_ids(&self.facts.passwd, &self.facts.group).find(|id| {
            !self.given.contains(id) && self.added.iter().all(|(_, other)| other.uid != *id && other.gid != *id)
        })
    }

    /// A user's own group: the one of that name if there is one, else with the user's number if that is free.
    fn group_for(&self, name: &str, uid: u32) -> u32 {
        let taken = || account_files::id_is_used(&self.facts.group, uid);
        account_files::group(&self.facts.group, name)
            .unwrap_or_else(|| if taken() { self.free_id().unwrap_or(uid) } else { uid })
    }

    /// Also without keys: those of earlier metadata must go.
    pub fn root_keys(&mut self, keys: &[String]) {
        let home = account_files::home(&self.facts.passwd, "root").unwrap_or("/root").to_owned();
        self.keys(&home, Owner::ROOT, keys);
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
}

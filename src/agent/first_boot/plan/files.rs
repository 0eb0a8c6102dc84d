//! The files that the metadata brings.

use super::planner::Planner;
use crate::agent::first_boot::account_files;
use crate::agent::first_boot::config::FileToWrite;
use crate::agent::first_boot::step::{Owner, Step};

impl Planner<'_> {
    pub fn file(&mut self, file: &FileToWrite) {
        let path = &file.path;
        self.writable(&path.value, &path.location);
        if let Some(obstacle) = self.facts.obstacles.get(&path.value) {
            let title = format!("`{}` cannot be written: {obstacle}", path.value);
            self.mistake("not-a-file", title, &path.location, "choose another path".to_owned());
        }
        let (user, group) = &file.owner.value;
        let known = |name: &str| self.added.iter().find(|(added, _)| added == name).map(|(_, owner)| *owner);
        let uid = user.parse().ok().or_else(|| known(user).map(|owner| owner.uid));
        let uid = uid.or_else(|| account_files::user(&self.facts.passwd, user).map(|(uid, _)| uid));
        let gid = group.parse().ok().or_else(|| known(group).map(|owner| owner.gid));
        let gid = gid.or_else(|| account_files::group(&self.facts.group, group));
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
}

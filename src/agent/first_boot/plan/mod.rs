//! What has to be done: [`NodeConfig`] and [`Facts`] → [`Plan`], a list that can be printed, judged and applied. Pure.
//!
//! Everything that can be a mistake of the metadata is found here, before the first write: a path that is not
//! writable, a group that the image lacks, a time zone that does not exist.

use super::config::NodeConfig;
use super::facts::Facts;
use super::step::{Plan, Step};
use crate::diag::Diagnostics;

pub mod cluster;
pub mod files;
pub mod names;
pub mod network;
pub mod networkd;
pub mod planner;
#[cfg(test)]
pub(crate) mod tests;
pub mod time;
pub mod users;

use planner::{Planner, SYSTEMCTL};

/// Makes the plan.
pub fn plan(config: &NodeConfig, facts: &Facts) -> Result<Plan, Diagnostics> {
    let given = config.users.iter().filter_map(|user| Some(user.uid.as_ref()?.value)).collect();
    let mut planner = Planner::new(facts, given);
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
        planner.push(Step::Run { program: SYSTEMCTL, arguments: vec!["daemon-reload"] });
    }
    planner.time(config);
    if facts.has_sshd {
        // Makes the keys that are missing: a power cut may have left some.
        planner.push(Step::Run { program: "/usr/bin/ssh-keygen", arguments: vec!["-A"] });
    }
    for once in &facts.once {
        planner.push(Step::Once(once.clone()));
    }
    planner.cluster(config, &host);
    planner.push(Step::MarkApplied(config.instance_id.clone()));
    planner.mistakes.or(planner.plan)
}

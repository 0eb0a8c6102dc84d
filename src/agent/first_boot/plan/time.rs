//! The time: zone and servers.

use super::planner::Planner;
use crate::agent::first_boot::config::NodeConfig;
use crate::agent::first_boot::facts::TimeDaemon;
use crate::agent::first_boot::paths::ZONEINFO;
use crate::agent::first_boot::step::{Owner, Step};

impl Planner<'_> {
    pub fn time(&mut self, config: &NodeConfig) {
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
        self.push(Step::WriteFile {
            path: path.to_owned(),
            content: text.into_bytes(),
            mode: 0o644,
            owner: Owner::ROOT,
        });
    }
}

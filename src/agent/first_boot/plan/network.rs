//! The network: networkd's files, and the image's own default out of their way.

use super::networkd;
use super::planner::Planner;
use crate::agent::first_boot::config::{Network, NodeConfig};
use crate::agent::first_boot::paths::NETWORK_DIRECTORY;
use crate::agent::first_boot::step::{Owner, Step};
use crate::contract;

impl Planner<'_> {
    pub fn network(&mut self, config: &NodeConfig) {
        let files = match &config.network {
            Some(network) => networkd::units(network),
            // The image's own default serves: DHCP on every wired interface.
            None => Vec::new(),
        };
        self.default_network(config.network.is_some());
        for (link, mac) in config.network.iter().flat_map(Network::awaited) {
            if !self.facts.interfaces.iter().any(|interface| interface.mac == mac) {
                let seen: Vec<String> =
                    self.facts.interfaces.iter().map(|seen| format!("{} {}", seen.name, seen.mac)).collect();
                let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
                self.plan
                    .notes
                    .push(format!("no interface has the address {mac} of `{}`; there are: {seen}", link.id.value));
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
                owner: Owner::ROOT,
            });
        }
        if changed_links {
            // udev has named the interfaces already: once more, with the new files.
            let udevadm = "/usr/bin/udevadm";
            self.push(Step::Run { program: udevadm, arguments: vec!["control", "--reload"] });
            self.push(Step::Run {
                program: udevadm,
                arguments: vec!["trigger", "--action=add", "--subsystem-match=net"],
            });
            self.push(Step::Run { program: udevadm, arguments: vec!["settle", "--timeout=20"] });
        }
        if self.facts.networkd_runs {
            self.push(Step::Run { program: "/usr/bin/networkctl", arguments: vec!["reload"] });
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
}

//! The host name, and the node's own line in `/etc/hosts`.

use super::planner::Planner;
use crate::agent::first_boot::config::NodeName;
use crate::agent::first_boot::step::{Owner, Step};

impl Planner<'_> {
    /// A node without a name takes one from its machine id, so that two nodes of one image differ; a name that the
    /// image's recipe gave stays. Returns the host name.
    pub fn names(&mut self, name: Option<&NodeName>) -> String {
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
            owner: Owner::ROOT,
        });
        name.host
    }
}

//! How far the node is on its way into a cluster: told by the join, shown by the status.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far the node is on its way into a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub state: MembershipState,
    /// `HOST:PORT` of the API server.
    pub endpoint: Option<String>,
    /// The node's name in the cluster.
    pub node: Option<String>,
    /// Counts from 1.
    pub attempt: u32,
    /// What has to happen next, and why it has not happened yet.
    pub waits_for: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipState {
    /// The metadata asks for none.
    #[default]
    None,
    /// For the network, the API server, or the next attempt.
    Waiting,
    Joining,
    Joined,
    /// Final until the metadata or the image is mended.
    Mistake,
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_deref().unwrap_or("a cluster");
        let node = self.node.as_deref().unwrap_or_default();
        match self.state {
            MembershipState::None => write!(f, "no member of any cluster"),
            MembershipState::Waiting => write!(f, "joining {endpoint} as {node}: waiting"),
            MembershipState::Joining => write!(f, "joining {endpoint} as {node} (attempt {})", self.attempt),
            MembershipState::Joined => write!(f, "member of {endpoint} as {node}"),
            MembershipState::Mistake => write!(f, "not joining {endpoint} as {node}"),
        }?;
        match &self.waits_for {
            Some(what) if self.state == MembershipState::Waiting => write!(f, " for {what}"),
            Some(what) => write!(f, ": {what}"),
            None => Ok(()),
        }
    }
}

//! The join as it is stored between the first boot, which writes it, and `nodeinit join`, which wipes it.
//!
//! The first boot runs before the network, and a join may take several boots: so what user-data asks for lies in
//! `/var` (mode 0600), together with the places where it was written, for messages about it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::join_words::Taint;
use crate::agent::report::membership::{Membership, MembershipState};
use crate::agent::secret::{self, Secret};
use crate::contract;

const SCHEMA: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    pub schema: u32,
    #[serde(default)]
    pub role: Role,
    /// Of the metadata that asks for the join.
    pub instance_id: Option<String>,
    pub endpoint: Endpoint,
    #[serde(with = "secret::exposed")]
    pub token: Secret,
    pub ca_cert_hashes: Vec<String>,
    /// The name of the node in the cluster.
    pub node: String,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub kubelet_extra_args: BTreeMap<String, String>,
    pub ignore_preflight_errors: Vec<String>,
    pub places: Places,
}

/// What the node becomes in its cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Also in requests of agents that knew no other.
    #[default]
    Worker,
}

/// Where the values stand, as `user-data:LINE:COLUMN`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Places {
    pub join: String,
    pub endpoint: String,
    pub token: String,
    pub ca_cert_hashes: String,
    pub ignore_preflight_errors: String,
}

/// What a request is made from, beside its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub endpoint: Endpoint,
    pub token: Secret,
    pub ca_cert_hashes: Vec<String>,
}

impl Request {
    /// A request without anything that is optional.
    pub fn new(node: String, instance_id: Option<String>, cluster: Cluster, places: Places) -> Request {
        Request {
            schema: SCHEMA,
            role: Role::default(),
            instance_id,
            endpoint: cluster.endpoint,
            token: cluster.token,
            ca_cert_hashes: cluster.ca_cert_hashes,
            node,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            kubelet_extra_args: BTreeMap::new(),
            ignore_preflight_errors: Vec::new(),
            places,
        }
    }

    /// The text of [`contract::JOIN_REQUEST`].
    pub fn text(&self) -> Secret {
        Secret::new(serde_json::to_string_pretty(self).expect("strings, lists and maps of strings are JSON") + "\n")
    }

    /// Reads that text.
    pub fn read(text: &[u8]) -> Result<Request> {
        // serde's message could quote the text.
        let request: Request = serde_json::from_slice(text)
            .map_err(|error| anyhow::anyhow!("not a join request (line {}, column {})", error.line(), error.column()))
            .with_context(|| format!("reading {}", contract::JOIN_REQUEST))?;
        ensure!(request.schema == SCHEMA, "{} has the unknown form {}", contract::JOIN_REQUEST, request.schema);
        Ok(request)
    }
}

/// What stands in [`contract::JOINED`]: the cluster that the node is a member of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Joined {
    pub endpoint: String,
    pub node: String,
    pub instance_id: Option<String>,
}

impl Joined {
    pub fn of(request: &Request) -> Joined {
        Joined {
            endpoint: request.endpoint.to_string(),
            node: request.node.clone(),
            instance_id: request.instance_id.clone(),
        }
    }

    pub fn membership(&self) -> Membership {
        Membership {
            state: MembershipState::Joined,
            endpoint: Some(self.endpoint.clone()),
            node: Some(self.node.clone()),
            ..Membership::default()
        }
    }

    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings are JSON") + "\n"
    }

    pub fn read(text: &[u8]) -> Result<Joined> {
        serde_json::from_slice(text).with_context(|| format!("reading {}", contract::JOINED))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::agent::cluster::{endpoint, join_words};

    pub(crate) const TOKEN: &str = "abcdef.0123456789abcdef";

    pub(crate) fn request() -> Request {
        let cluster = Cluster {
            endpoint: endpoint::parse("10.0.2.2:6443").unwrap(),
            token: join_words::token(TOKEN).unwrap(),
            ca_cert_hashes: vec![format!("sha256:{}", "0".repeat(64))],
        };
        let places = Places {
            join: "user-data:3:3".to_owned(),
            endpoint: "user-data:4:15".to_owned(),
            token: "user-data:5:12".to_owned(),
            ca_cert_hashes: "user-data:6:21".to_owned(),
            ignore_preflight_errors: "user-data:3:3".to_owned(),
        };
        Request {
            labels: [("zone".to_owned(), "a".to_owned()), ("b".to_owned(), String::new())].into(),
            taints: vec![join_words::taint("k=v:NoSchedule").unwrap()],
            kubelet_extra_args: [("v".to_owned(), "2".to_owned())].into(),
            ignore_preflight_errors: vec!["Swap".to_owned()],
            ..Request::new("n1".to_owned(), Some("i-1".to_owned()), cluster, places)
        }
    }

    #[test]
    fn a_request_reads_back_and_does_not_show_its_token() {
        let request = request();
        assert_eq!(Request::read(request.text().expose().as_bytes()).unwrap(), request);
        assert!(request.text().expose().contains(TOKEN));
        assert!(!format!("{request:?}").contains("0123456789abcdef"));
        let text = request.text().expose().replace("  \"role\": \"worker\",\n", "");
        assert_eq!(Request::read(text.as_bytes()).unwrap(), request, "an older one");
        assert!(Request::read(text.replace("{", "{\"role\": \"king\",").as_bytes()).is_err());
        let error = format!("{:#}", Request::read(b"{\"token\": 12").unwrap_err());
        assert!(error.contains(contract::JOIN_REQUEST) && !error.contains("12\""), "{error}");
    }
}

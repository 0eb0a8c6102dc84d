//! What a node is told to be: the checked vocabulary between the metadata's form (`documents/`) and the plan.
//!
//! A value of these types has the right shape; whether the image can do it is for `plan/`, which still knows where
//! each value was written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::agent::cluster::endpoint::Endpoint;
use crate::agent::cluster::join_words::Taint;
use crate::agent::cluster::request::Role;
use crate::agent::secret::Secret;
use crate::diag::Location;
use crate::yaml::Located;

/// Everything the metadata says. The default is a node without metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// Changes when the node is to be configured anew. `None`: there is no metadata.
    pub instance_id: Option<String>,
    pub name: Option<NodeName>,
    /// SSH keys of root.
    pub root_keys: Vec<String>,
    pub users: Vec<User>,
    pub files: Vec<FileToWrite>,
    pub timezone: Option<Located<String>>,
    pub time_servers: Option<Located<TimeServers>>,
    /// `None`: DHCP on every Ethernet interface.
    pub network: Option<Network>,
    pub kubernetes: Option<Kubernetes>,
    /// Authorities to trust beside the image's: the lines of PEM certificates.
    pub certificates: Vec<String>,
}

/// Host name, at most 63 bytes, and the name with its domain if one is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    pub host: String,
    pub fqdn: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: Located<String>,
    pub gecos: String,
    pub uid: Option<Located<u32>>,
    pub groups: Vec<Located<String>>,
    pub shell: Option<Located<String>>,
    pub home: Option<Located<String>>,
    pub keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToWrite {
    pub path: Located<String>,
    pub content: Vec<u8>,
    pub mode: u32,
    /// User and group, names or numbers.
    pub owner: Located<(String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeServers {
    pub servers: Vec<String>,
    pub pools: Vec<String>,
}

/// The node's network, in whatever form it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// In the order written: of two that mean the same interface the first has it.
    pub links: Vec<Link>,
}

impl Network {
    /// The links that the node waits for and knows by a MAC address, with that address.
    pub fn awaited(&self) -> impl Iterator<Item = (&Link, &str)> {
        self.links.iter().filter(|link| !link.optional).filter_map(|link| match &link.kind {
            LinkKind::Ethernet { matching, .. } => Some((link, matching.mac.as_deref()?)),
        })
    }
}

/// An interface: what it is, and how it is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name in the metadata, and the stem of its files.
    pub id: Located<String>,
    pub kind: LinkKind,
    /// Bytes.
    pub mtu: Option<u32>,
    /// The node does not wait for it.
    pub optional: bool,
    pub addressing: Addressing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// Wired interfaces of the machine.
    Ethernet { matching: Match, set_name: Option<String> },
}

/// The part of a link that IP needs; by default nothing is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addressing {
    pub dhcp4: bool,
    pub dhcp6: bool,
    /// `None`: as the kernel does.
    pub accept_ra: Option<bool>,
    /// With the length of the network's prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    pub routes: Vec<Route>,
    pub nameservers: Vec<IpAddr>,
    /// Domains in which short names are looked up.
    pub search: Vec<String>,
}

/// Which interfaces are meant; all that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Shell pattern over the kernel's name.
    pub name: Option<String>,
    /// Lower case, with colons.
    pub mac: Option<String>,
    /// Shell pattern over the driver's name.
    pub driver: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `None` is the default route of the gateway's family.
    pub to: Option<(IpAddr, u8)>,
    pub via: Option<IpAddr>,
    pub metric: Option<u32>,
    pub table: Option<u32>,
    pub on_link: bool,
}

/// What has to do with the cluster and its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    pub location: Location,
    pub join: Option<Join>,
    pub proxy: Option<Proxy>,
    pub mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub location: Location,
    /// What the node becomes.
    pub role: Role,
    pub endpoint: Located<Endpoint>,
    pub token: Located<Secret>,
    /// At least one.
    pub ca_cert_hashes: Located<Vec<String>>,
    /// Default the host name.
    pub node_name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub kubelet_extra_args: BTreeMap<String, String>,
    pub ignore_preflight_errors: Option<Located<Vec<String>>>,
}

/// The way out for the container runtime and the kubelet. URLs may hold passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    pub http: Option<Secret>,
    pub https: Option<Secret>,
    /// Hosts, domains and networks that are reached without it.
    pub no: Vec<String>,
}

/// Where images of a registry come from, if they can, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    pub registry: String,
    pub hosts: Vec<String>,
}

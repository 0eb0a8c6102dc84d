//! All that lies outside the join's flow, so that tests can let it fail, and cut the power, anywhere.

use std::time::Duration;

use anyhow::Result;

use super::endpoint::Endpoint;
use super::kubeadm::{Ended, Phase};
use crate::agent::report::membership::Membership;
use crate::agent::secret::Secret;

/// What the join does to the node and asks of the network. Paths are absolute paths of the node.
pub trait World {
    /// The bytes of a file; `None` if there is none.
    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>>;
    /// Replaces a file as a whole, once everything written before, by whomever, is on the disk.
    fn write(&mut self, path: &str, text: &str) -> Result<()>;
    /// Overwrites a file and removes it; a missing one is well.
    fn wipe(&mut self, path: &str) -> Result<()>;
    /// Runs one phase of kubeadm with this configuration.
    fn kubeadm(&mut self, phase: &Phase, configuration: &Secret) -> Result<Ended>;
    /// Keeps what a program wrote, for people who look closer.
    fn log(&mut self, output: &str);
    fn start_kubelet(&mut self) -> Result<()>;
    fn stop_kubelet(&mut self) -> Result<()>;
    /// Whether the endpoint takes connections; else why not.
    fn reach(&mut self, endpoint: &Endpoint) -> Result<(), String>;
    /// Whether the kubelet says that it is healthy; else why not.
    fn kubelet_health(&mut self) -> Result<(), String>;
    fn pause(&mut self, time: Duration);
    /// Shows how far the join is.
    fn tell(&mut self, membership: &Membership) -> Result<()>;
}

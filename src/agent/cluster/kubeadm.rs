//! kubeadm as the agent runs it: which of its phases, with what, and how such a run ended.

use super::request::Request;
use crate::agent::secret::Secret;
use crate::image_info::ImageKubernetes;

/// Its configuration, in memory only and only while it runs: it holds the token.
pub const CONFIGURATION: &str = "/run/nodeinit/kubeadm.json";
/// Holds the bootstrap token while kubeadm works.
pub const BOOTSTRAP_KUBECONFIG: &str = "/etc/kubernetes/bootstrap-kubelet.conf";

/// How kubeadm makes a node of one role, whatever fails or is cut in between.
#[derive(Debug, Clone, Copy)]
pub struct Workflow {
    /// In their order. A node is a member once all that they leave is there and whole.
    pub phases: &'static [Phase],
    /// Files that a run which was cut short may have left, and that would stop the next one.
    pub leftovers: &'static [&'static str],
    /// The configuration that all phases are run with.
    pub document: fn(&Request, &ImageKubernetes) -> Secret,
}

/// A phase of kubeadm.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// As kubeadm calls it.
    pub name: &'static str,
    /// kubeadm's, without those for the configuration.
    pub arguments: &'static [&'static str],
    /// Files of the cluster that it leaves. A phase without any can be run on a node that is still nobody's.
    pub leaves: &'static [(&'static str, Look)],
    /// A file that is there once it has started the kubelet, which then may end its work without kubeadm.
    pub starts_kubelet: Option<&'static str>,
}

/// Whether the text of a file is whole; its last line break is looked for in any case.
pub type Look = fn(&str) -> bool;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `None`: it was stopped because it took too long.
    pub code: Option<i32>,
    pub output: String,
}

//! kubeadm as the join runs it: which of its phases, with what, and how such a run ended.

use std::fmt;

/// Its configuration, in memory only and only while it runs: it holds the token.
pub const CONFIGURATION: &str = "/run/nodeinit/kubeadm.json";

/// The phases of `kubeadm join` that make a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPhase {
    Preflight,
    KubeletStart,
}

impl JoinPhase {
    /// As kubeadm calls it.
    pub fn name(self) -> &'static str {
        match self {
            JoinPhase::Preflight => "preflight",
            JoinPhase::KubeletStart => "kubelet-start",
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `None`: it was stopped because it took too long.
    pub code: Option<i32>,
    pub output: String,
}

impl fmt::Display for JoinPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

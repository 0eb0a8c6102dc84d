//! What makes a node of a cluster: the container runtime's configuration, and the kubelet's surroundings.

mod cni;
mod containerd;
pub(super) mod kubernetes;
pub(super) mod runtime;

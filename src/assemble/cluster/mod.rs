//! What makes a node of a cluster: the container runtime's configuration, and the kubelet's surroundings.

pub(super) mod containerd;
pub(super) mod kubernetes;

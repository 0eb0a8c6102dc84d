//! kubeadm's documents, one a file, and the parts that they share: pure, as JSON, which is YAML too.
//!
//! Forms: kubeadm's API reference. `v1beta2` and `v1beta3` take the kubelet's arguments as a map, `v1beta4` as a list.

pub mod join_configuration;
pub mod node_registration;

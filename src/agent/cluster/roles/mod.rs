//! What a node can become in its cluster: each role's workflow in a file of its own.

use super::kubeadm::Workflow;
use super::request::Role;

pub mod worker;

pub fn workflow(role: Role) -> &'static Workflow {
    match role {
        Role::Worker => &worker::WORKFLOW,
    }
}

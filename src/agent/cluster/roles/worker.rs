//! A worker: the two phases of `kubeadm join` that make one, and the files of both.
//!
//! The kubelet writes `kubelet.conf` before it has its certificate, so that file alone is no sign of a member. Paths
//! and their order of appearance: kubeadm's `kubelet-start` phase and the kubelet's certificate bootstrap (1.20.2).

use crate::agent::cluster::configuration::join_configuration::join_configuration;
use crate::agent::cluster::kubeadm::{BOOTSTRAP_KUBECONFIG, Look, Phase, Workflow};

pub const WORKFLOW: Workflow = Workflow {
    phases: &[
        Phase { name: "preflight", arguments: &["join", "phase", "preflight"], leaves: &[], starts_kubelet: None },
        Phase {
            name: "kubelet-start",
            arguments: &["join", "phase", "kubelet-start"],
            leaves: MEMBER,
            starts_kubelet: Some(KUBELET_ARGUMENTS),
        },
    ],
    leftovers: LEFTOVERS,
    document: join_configuration,
};

const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
const CLUSTER_CA: &str = "/etc/kubernetes/pki/ca.crt";
const KUBELET_CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";
/// Written right before the kubelet is started.
const KUBELET_ARGUMENTS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// A link to the newest one; holds certificate and key.
const CLIENT_CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// kubeadm refuses the first three, the kubelet chokes on the others if they are cut.
const LEFTOVERS: &[&str] = &[
    BOOTSTRAP_KUBECONFIG,
    KUBECONFIG,
    CLUSTER_CA,
    KUBELET_CONFIGURATION,
    KUBELET_ARGUMENTS,
    CLIENT_CERTIFICATE,
    "/var/lib/kubelet/pki/kubelet-client.key.tmp",
    "/var/lib/kubelet/pki/kubelet.crt",
    "/var/lib/kubelet/pki/kubelet.key",
    "/var/lib/kubelet/cpu_manager_state",
    "/var/lib/kubelet/memory_manager_state",
];

/// Files of a member and how each looks when it is whole.
const MEMBER: &[(&str, Look)] = &[
    (KUBECONFIG, |text| text.contains("client-key: ")),
    (CLUSTER_CA, |text| text.contains("-----END CERTIFICATE-----")),
    (KUBELET_CONFIGURATION, |text| text.contains("kind: KubeletConfiguration")),
    (KUBELET_ARGUMENTS, |text| text.contains("KUBELET_KUBEADM_ARGS=")),
    (CLIENT_CERTIFICATE, |text| {
        let last = text.rsplit("-----END ").next().unwrap_or_default();
        text.contains("-----END CERTIFICATE-----") && last.ends_with(" PRIVATE KEY-----\n") && last.lines().count() == 1
    }),
];

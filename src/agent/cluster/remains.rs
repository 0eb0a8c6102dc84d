//! What kubeadm and the kubelet leave on the disk, and whether it makes a member.
//!
//! The kubelet writes `kubelet.conf` before it has its certificate, and a power cut can leave any of these files empty
//! or short: only all of them, each with its end, make a member. Paths and their order of appearance: kubeadm's
//! `kubelet-start` phase and the kubelet's certificate bootstrap (1.20.2).

use anyhow::Result;

use super::world::World;

/// Holds the bootstrap token while kubeadm works.
pub const BOOTSTRAP_KUBECONFIG: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
const CLUSTER_CA: &str = "/etc/kubernetes/pki/ca.crt";
const KUBELET_CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";
/// Written right before the kubelet is started.
pub const KUBELET_ARGUMENTS: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// A link to the newest one; holds certificate and key.
const CLIENT_CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// What a join that was cut short may have left, and what would stop the next one: kubeadm refuses the first three, the
/// kubelet chokes on the others if they are cut.
pub const LEFTOVERS: &[&str] = &[
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

type Look = fn(&str) -> bool;

/// Files of a member and how each looks when it is whole. All of them end with a line break.
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

/// Whether the files of a member are there and whole.
pub fn is_member(world: &mut dyn World) -> Result<bool> {
    for (path, is_whole) in MEMBER {
        let Some(bytes) = world.read(path)? else { return Ok(false) };
        let text = String::from_utf8_lossy(&bytes);
        // A write that was cut can leave zeros.
        if !is_whole(&text) || !text.ends_with('\n') || text.contains('\0') {
            return Ok(false);
        }
    }
    Ok(true)
}

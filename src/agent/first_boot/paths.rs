//! Where the first boot writes, as far as the files of an earlier one are looked for there: plan and facts agree on it.

/// First line of the files that are written from the metadata and that can lie beside somebody else's.
pub const OURS: &str = "# Written by nodeinit from the node's metadata.\n";

pub const NETWORK_DIRECTORY: &str = "/etc/systemd/network";
pub const ZONEINFO: &str = "/usr/share/zoneinfo";
/// Where containerd looks for the hosts of a registry.
pub const CONTAINERD_HOSTS: &str = "/etc/containerd/certs.d";

const PROXY_DROP_IN: &str = "50-nodeinit-proxy.conf";
/// Services that start connections of their own to the outside.
const PROXIED: [&str; 2] = ["containerd.service", "kubelet.service"];

/// Where the proxy's drop-ins are.
pub fn proxy_drop_ins() -> [String; 2] {
    PROXIED.map(|service| format!("/etc/systemd/system/{service}.d/{PROXY_DROP_IN}"))
}

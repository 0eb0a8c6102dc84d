//! Where the first boot writes, as far as the files of an earlier one are looked for there: plan and facts agree on it.

use crate::runtime::Runtime;

/// First line of the files that are written from the metadata and that can lie beside somebody else's.
pub const OURS: &str = "# Written by nodeinit from the node's metadata.\n";

pub const NETWORK_DIRECTORY: &str = "/etc/systemd/network";
pub const ZONEINFO: &str = "/usr/share/zoneinfo";

const PROXY_DROP_IN: &str = "50-nodeinit-proxy.conf";

/// Services that start connections of their own to the outside.
pub fn connecting(runtime: &Runtime) -> impl Iterator<Item = &'static str> {
    runtime.connecting.iter().copied().chain(["kubelet.service"])
}

/// Where the proxy's drop-ins are.
pub fn proxy_drop_ins(runtime: &Runtime) -> impl Iterator<Item = String> {
    connecting(runtime).map(|service| format!("/etc/systemd/system/{service}.d/{PROXY_DROP_IN}"))
}

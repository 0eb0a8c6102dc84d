//! systemd-networkd's default: DHCP on every wired interface, until metadata says otherwise.

use crate::assemble::root::Root;
use crate::contract::{DEFAULT_NETWORK, WAIT_FOR_ANY_NETWORK};

/// `ether` alone matches bridges and veth pairs as well, which belong to the pods' network; those have a kind, and
/// hardware has none.
const DEFAULT: &str = "\
[Match]
Type=ether
Kind=!*

[Network]
DHCP=yes

[DHCPv4]
UseDomains=yes
UseMTU=yes
";

const WAIT_FOR_ANY: &str = "\
[Service]
ExecStart=
ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any
";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    if root.exists("/usr/lib/systemd/systemd-networkd") {
        root.file(&format!("/usr/lib/systemd/network/{DEFAULT_NETWORK}"), 0o644, DEFAULT)?;
        root.file(&format!("/usr/lib/systemd/system/{WAIT_FOR_ANY_NETWORK}"), 0o644, WAIT_FOR_ANY)?;
    }
    Ok(())
}

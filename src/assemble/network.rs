//! systemd-networkd's default: DHCP on every wired interface, until metadata says otherwise.

use super::root::Root;

/// Its name sorts behind whatever an overlay or the agent writes: networkd takes the first file that matches.
const DEFAULT_FILE: &str = "/usr/lib/systemd/network/95-nodesmith-dhcp.network";

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
";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    if root.exists("/usr/lib/systemd/systemd-networkd") {
        root.file(DEFAULT_FILE, 0o644, DEFAULT)?;
    }
    Ok(())
}

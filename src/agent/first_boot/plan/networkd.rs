//! [`Network`] → the texts below `/etc/systemd/network`: systemd.network(5), systemd.link(5).

use std::fmt::Write as _;

use crate::agent::first_boot::config::{Addressing, Link, LinkKind, Match, Network, Route};
use crate::agent::first_boot::paths::OURS;

/// A file of `/etc/systemd/network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    pub name: String,
    pub text: String,
}

/// One `.network` for each link, and a `.link` where an interface gets a name. The order of the links is the order of
/// the file names: networkd takes the first that matches.
pub fn units(network: &Network) -> Vec<UnitFile> {
    let mut files = Vec::new();
    for (index, link) in network.links.iter().enumerate() {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
        let id: String = link.id.value.chars().map(plain).collect();
        let stem = format!("10-nodeinit-{index:02}-{id}");
        match &link.kind {
            LinkKind::Ethernet { matching, set_name: Some(name) } => {
                let text = format!("{OURS}{}\n[Link]\nName={name}\n", match_section(matching, true));
                files.push(UnitFile { name: format!("{stem}.link"), text });
            }
            LinkKind::Ethernet { set_name: None, .. } => {}
        }
        files.push(UnitFile { name: format!("{stem}.network"), text: network_unit(link) });
    }
    files
}

fn match_section(matching: &Match, link: bool) -> String {
    let mut text = "\n[Match]\n".to_owned();
    // `.link` files are applied before anything can have changed the address.
    let mac_key = if link { "PermanentMACAddress" } else { "MACAddress" };
    let lines = [(mac_key, &matching.mac), ("Driver", &matching.driver)];
    let name_key = if link { "OriginalName" } else { "Name" };
    for (key, value) in [(name_key, &matching.name)].into_iter().chain(lines) {
        if let Some(value) = value {
            let _ = writeln!(text, "{key}={value}");
        }
    }
    text
}

fn network_unit(link: &Link) -> String {
    let matching = match &link.kind {
        LinkKind::Ethernet { set_name: Some(name), .. } => Match { name: Some(name.clone()), ..Match::default() },
        LinkKind::Ethernet { matching, set_name: None } => matching.clone(),
    };
    let mut text = format!("{OURS}{}", match_section(&matching, false));
    // A MAC address alone would match the VLANs and bridges above the interface too.
    if matching.name.is_none() {
        text.push_str("Kind=!*\n");
    }
    text + &link_section(link) + &addressing_sections(&link.addressing)
}

/// Empty if there is nothing to say.
fn link_section(link: &Link) -> String {
    let mut text = String::new();
    if let Some(mtu) = link.mtu {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    if link.optional {
        text.push_str("RequiredForOnline=no\n");
    }
    if text.is_empty() { text } else { format!("\n[Link]\n{text}") }
}

fn addressing_sections(addressing: &Addressing) -> String {
    let dhcp = match (addressing.dhcp4, addressing.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let mut text = format!("\n[Network]\nDHCP={dhcp}\n");
    if let Some(accept) = addressing.accept_ra {
        let _ = writeln!(text, "IPv6AcceptRA={}", if accept { "yes" } else { "no" });
    }
    for (address, prefix) in &addressing.addresses {
        let _ = writeln!(text, "Address={address}/{prefix}");
    }
    for server in &addressing.nameservers {
        let _ = writeln!(text, "DNS={server}");
    }
    if !addressing.search.is_empty() {
        let _ = writeln!(text, "Domains={}", addressing.search.join(" "));
    }
    for route in &addressing.routes {
        text.push_str(&route_section(route));
    }
    text
}

fn route_section(route: &Route) -> String {
    let mut text = "\n[Route]\n".to_owned();
    // Without a destination, networkd takes the gateway's family's default.
    if let Some((to, prefix)) = &route.to {
        let _ = writeln!(text, "Destination={to}/{prefix}");
    }
    if let Some(via) = &route.via {
        let _ = writeln!(text, "Gateway={via}");
    }
    if let Some(metric) = route.metric {
        let _ = writeln!(text, "Metric={metric}");
    }
    if let Some(table) = route.table {
        let _ = writeln!(text, "Table={table}");
    }
    if route.on_link {
        text.push_str("GatewayOnLink=yes\n");
    }
    text
}

//! The node's network: `network-config` version 2 → [`Network`] → files of systemd-networkd. Pure.
//!
//! Bonds and VLANs will follow; until then they are unknown keys, not silence. Formats: netplan's reference for
//! version 2 (the part that cloud-init shares), systemd.network(5), systemd.link(5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::config::{Ethernet, Match, Network, Route};
use super::yaml::{Located, Node, Reader, Unsupported, Value};
use crate::diag::Diagnostic;

mod render;
#[cfg(test)]
mod tests;

pub use render::{UnitFile, units};

const TOP_KEYS: &[&str] = &["version", "renderer", "ethernets"];
const TOP_UNSUPPORTED: &[Unsupported] = &[
    ("bonds", "only `ethernets` are configured so far"),
    ("bridges", "only `ethernets` are configured so far"),
    ("vlans", "only `ethernets` are configured so far"),
    ("config", "this is version 1: write version 2"),
];
const ETHERNET_KEYS: &[&str] = &[
    "match",
    "set-name",
    "dhcp4",
    "dhcp6",
    "accept-ra",
    "addresses",
    "gateway4",
    "gateway6",
    "routes",
    "nameservers",
    "mtu",
    "optional",
];
const ETHERNET_UNSUPPORTED: &[Unsupported] =
    &[("dhcp4-overrides", "leave it out"), ("dhcp6-overrides", "leave it out"), ("wakeonlan", "leave it out")];

/// Reads the file; `None` if it is empty.
pub fn parse(node: &Node, reader: &mut Reader) -> Option<Network> {
    // Netplan's own files have everything under `network`.
    let inner = match &node.value {
        Value::Null => return None,
        Value::Map(entries) if entries.len() == 1 && entries[0].0.value == "network" => &entries[0].1,
        _ => node,
    };
    let fields = reader.fields(inner, TOP_KEYS, TOP_UNSUPPORTED);
    match fields.get("version") {
        Some(version) if version.value == Value::Scalar("2".to_owned()) => {}
        Some(version) => reader.mistake("network-version", "only `version: 2` is understood", &version.at),
        None => reader.mistake("network-version", "there is no `version: 2`", &inner.at),
    }
    if let Some(renderer) = fields.get("renderer")
        && renderer.value != Value::Scalar("networkd".to_owned())
    {
        reader.mistake("network-renderer", "the node's network is run by `networkd`", &renderer.at);
    }
    let mut network = Network::default();
    if let Some(ethernets) = fields.get("ethernets") {
        match &ethernets.value {
            Value::Map(entries) => {
                for (id, node) in entries {
                    network.ethernets.extend(ethernet(reader, id, node));
                }
            }
            _ => reader.mistake("wrong-type", "expected a map from names to interfaces", &ethernets.at),
        }
    }
    same_match(reader, &network);
    Some(network)
}

/// Two definitions for the same interface: networkd would take the first by file name and ignore the other.
fn same_match(reader: &mut Reader, network: &Network) {
    for (index, ethernet) in network.ethernets.iter().enumerate() {
        if let Some(first) = network.ethernets[..index].iter().find(|first| first.matching == ethernet.matching) {
            let title = format!("`{}` and `{}` are for the same interface", first.id.value, ethernet.id.value);
            let mistake = Diagnostic::new("same-interface", title).at(&ethernet.id.at, "second");
            reader.mistakes.push(mistake.related(&first.id.at, "first"));
        }
    }
}

fn ethernet(reader: &mut Reader, id: &Located<String>, node: &Node) -> Option<Ethernet> {
    let fields = reader.fields(node, ETHERNET_KEYS, ETHERNET_UNSUPPORTED);
    let printable = |text: &str| !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic());
    if !printable(&id.value) || id.value.contains('/') {
        reader.mistake("interface-name", format!("`{}` is not a name for an interface", id.value), &id.at);
        return None;
    }
    let mut flag = |key| fields.get(key).and_then(|node| reader.boolean(node)).map(|flag| flag.value);
    let (dhcp4, dhcp6) = (flag("dhcp4").unwrap_or(false), flag("dhcp6").unwrap_or(false));
    let (accept_ra, optional) = (flag("accept-ra"), flag("optional").unwrap_or(false));
    let matching = match fields.get("match") {
        Some(node) => matching(reader, node)?,
        None => Match { name: Some(id.value.clone()), ..Match::default() },
    };
    let set_name = match fields.get("set-name") {
        Some(node) => set_name(reader, node, &matching),
        None => None,
    };
    let mut addresses = Vec::new();
    for node in fields.get("addresses").map(|node| reader.list(node)).unwrap_or_default() {
        let Some(text) = reader.text(node) else { continue };
        match text.value.split_once('/').and_then(|_| network_of(&text.value)) {
            Some(address) => addresses.push(address),
            None => {
                let title = format!("`{}` is not an address with a prefix", text.value);
                reader.mistake_with_help("address", title, &text.at, "for example `10.0.0.5/24`".to_owned());
            }
        }
    }
    let mut routes = Vec::new();
    for (key, any) in [("gateway4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)), ("gateway6", IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    {
        let Some(node) = fields.get(key) else { continue };
        if let Some(gateway) = address(reader, node) {
            if gateway.is_ipv4() == any.is_ipv4() {
                routes.push(Route { to: None, via: Some(gateway), metric: None, table: None, on_link: false });
            } else {
                reader.mistake("address", format!("`{gateway}` is of the other family than `{key}`"), &node.at);
            }
        }
    }
    for node in fields.get("routes").map(|node| reader.list(node)).unwrap_or_default() {
        routes.extend(route(reader, node));
    }
    let (mut nameservers, mut search) = (Vec::new(), Vec::new());
    if let Some(node) = fields.get("nameservers") {
        let fields = reader.fields(node, &["addresses", "search"], &[]);
        let servers = fields.get("addresses").map(|node| reader.list(node)).unwrap_or_default();
        nameservers = servers.iter().filter_map(|node| address(reader, node)).collect();
        for domain in fields.get("search").map(|node| reader.texts(node)).unwrap_or_default() {
            match super::nocloud::check_name(&domain.value) {
                Ok(()) => search.push(domain.value),
                Err(why) => reader.mistake("search", format!("`{}` is not a domain: {why}", domain.value), &domain.at),
            }
        }
    }
    Some(Ethernet {
        id: id.clone(),
        matching,
        set_name,
        dhcp4,
        dhcp6,
        accept_ra,
        addresses,
        routes,
        nameservers,
        search,
        mtu: fields.get("mtu").and_then(|node| reader.number(node, 68..=65_535)),
        optional,
    })
}

fn matching(reader: &mut Reader, node: &Node) -> Option<Match> {
    let fields = reader.fields(node, &["name", "macaddress", "driver"], &[]);
    let mut pattern = |key| -> Option<String> {
        let text = reader.text(fields.get(key)?)?;
        if text.value.is_empty() || text.value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '!') {
            reader.mistake("match", format!("`{}` is not a pattern for a `{key}`", text.value), &text.at);
            return None;
        }
        Some(text.value)
    };
    let (name, driver) = (pattern("name"), pattern("driver"));
    let mac = match fields.get("macaddress") {
        Some(node) => {
            let text = reader.text(node)?;
            let mac = text.value.to_ascii_lowercase().replace('-', ":");
            let parts: Vec<&str> = mac.split(':').collect();
            if parts.len() != 6 || !parts.iter().all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok()) {
                let title = format!("`{}` is not a MAC address", text.value);
                let help = "six pairs of hexadecimal digits, `52:54:00:12:34:56`".to_owned();
                reader.mistake_with_help("mac-address", title, &text.at, help);
                return None;
            }
            Some(mac)
        }
        None => None,
    };
    let matching = Match { name, mac, driver };
    if matching == Match::default() {
        reader.mistake("match", "this matches nothing: give `name`, `macaddress` or `driver`", &node.at);
        return None;
    }
    Some(matching)
}

fn set_name(reader: &mut Reader, node: &Node, matching: &Match) -> Option<String> {
    let text = reader.text(node)?;
    let good = (1..=15).contains(&text.value.len())
        && text.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !text.value.chars().all(|c| matches!(c, '.' | '0'..='9'));
    if !good {
        let title = format!("`{}` is not a name for an interface", text.value);
        let help = "1 to 15 letters, digits, `_`, `-` and `.`, not only digits".to_owned();
        reader.mistake_with_help("interface-name", title, &text.at, help);
        return None;
    }
    if matching.mac.is_none() {
        let help = "a name can change before it is matched, a MAC address does not".to_owned();
        reader.mistake_with_help("set-name", "`set-name` needs `match: {macaddress: …}`", &text.at, help);
        return None;
    }
    Some(text.value)
}

fn route(reader: &mut Reader, node: &Node) -> Option<Route> {
    let fields = reader.fields(node, &["to", "via", "metric", "table", "on-link"], &[]);
    let via = match fields.get("via") {
        Some(node) => Some(address(reader, node)?),
        None => None,
    };
    let to = match fields.get("to") {
        Some(node) => {
            let text = reader.text(node)?;
            match (text.value.as_str(), network_of(&text.value)) {
                ("default", _) => None,
                (_, Some(network)) => Some(network),
                _ => {
                    let title = format!("`{}` is not a destination", text.value);
                    reader.mistake_with_help("address", title, &text.at, "`default` or `10.0.0.0/8`".to_owned());
                    return None;
                }
            }
        }
        None => {
            reader.mistake("route", "this route has no `to`", &node.at);
            return None;
        }
    };
    if to.is_none() && via.is_none() {
        reader.mistake("route", "a default route needs `via`", &node.at);
        return None;
    }
    if let (Some((to, _)), Some(via)) = (to, via)
        && to.is_ipv4() != via.is_ipv4()
    {
        reader.mistake("route", format!("`{to}` and `{via}` are of different families"), &node.at);
        return None;
    }
    Some(Route {
        to,
        via,
        metric: fields.get("metric").and_then(|node| reader.number(node, 0..=u32::MAX)),
        table: fields.get("table").and_then(|node| reader.number(node, 1..=u32::MAX)),
        on_link: fields.get("on-link").and_then(|node| reader.boolean(node)).is_some_and(|flag| flag.value),
    })
}

fn address(reader: &mut Reader, node: &Node) -> Option<IpAddr> {
    let text = reader.text(node)?;
    let address = text.value.parse().ok();
    if address.is_none() {
        reader.mistake("address", format!("`{}` is not an IP address", text.value), &text.at);
    }
    address
}

/// `ADDRESS/PREFIX`, or an address alone as its host route.
fn network_of(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= longest)?,
        None => longest,
    };
    Some((address, prefix))
}

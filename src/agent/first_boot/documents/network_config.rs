//! `network-config` version 2 → [`Network`].
//!
//! Bonds and VLANs will follow; until then they are refused, not passed over. Format: netplan's reference for
//! version 2 (the part that cloud-init shares).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::shapes;
use crate::agent::dns_name;
use crate::agent::first_boot::config::{Ethernet, Match, Network, NodeConfig, Route};
use crate::diag::{Diagnostic, Diagnostics, Location, Source};
use crate::shape::conform;
use crate::yaml::{self, Kind, Located, Value};

#[cfg(test)]
mod tests;

/// Fills in the network, which an empty text leaves to the image.
pub fn read(source: &Arc<Source>, config: &mut NodeConfig, found: &mut Diagnostics) {
    config.network = network(source, found);
}

fn network(source: &Arc<Source>, found: &mut Diagnostics) -> Option<Network> {
    let value = yaml::parse(source).map_err(|mistakes| found.0.extend(mistakes.0)).ok()?;
    // Netplan's own files have everything under `network`.
    let inner = match value.entries() {
        _ if value.kind == Kind::Null => return None,
        [(key, inner)] if key.text == "network" => inner,
        _ => &value,
    };
    conform(inner, &shapes::NETWORK_CONFIG, &source.name, found);
    let ethernets = inner.get("ethernets").map(Value::entries).unwrap_or_default();
    let ethernets = ethernets.iter().filter_map(|(id, value)| {
        let id = Located::new(id.text.clone(), &id.location);
        ethernet(id, value, found)
    });
    let network = Network { ethernets: ethernets.collect() };
    same_match(&network, found);
    Some(network)
}

/// Notes a mistake; `None`, for callers that give up over it.
fn mistake<T>(slug: &'static str, title: String, at: &Location, help: &str, found: &mut Diagnostics) -> Option<T> {
    found.push(Diagnostic::new(slug, title).at(at, "here").help(help));
    None
}

/// Two definitions for the same interface: networkd would take the first by file name and ignore the other.
fn same_match(network: &Network, found: &mut Diagnostics) {
    for (index, ethernet) in network.ethernets.iter().enumerate() {
        if let Some(first) = network.ethernets[..index].iter().find(|first| first.matching == ethernet.matching) {
            let title = format!("`{}` and `{}` are for the same interface", first.id.value, ethernet.id.value);
            let mistake = Diagnostic::new("same-interface", title).at(&ethernet.id.location, "second");
            found.push(mistake.related(&first.id.location, "first"));
        }
    }
}

fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.flag()
}

/// The items of a list under this key.
fn items<'a>(value: Option<&'a Value>, key: &str) -> &'a [Value] {
    value.and_then(|value| value.get(key)).map(Value::items).unwrap_or_default()
}

fn ethernet(id: Located<String>, value: &Value, found: &mut Diagnostics) -> Option<Ethernet> {
    let printable = |text: &str| !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic());
    if !printable(&id.value) || id.value.contains('/') {
        let title = format!("`{}` is not a name for an interface", id.value);
        return mistake("interface-name", title, &id.location, "1 to 64 ASCII characters, no `/`", found);
    }
    let matching = match value.get("match") {
        Some(value) => matching(value, found)?,
        None => Match { name: Some(id.value.clone()), ..Match::default() },
    };
    let nameservers = value.get("nameservers");
    let servers = items(nameservers, "addresses").iter().filter_map(|value| address(value, found)).collect();
    Some(Ethernet {
        set_name: value.get("set-name").and_then(|value| set_name(value, &matching, found)),
        dhcp4: flag(value, "dhcp4").unwrap_or(false),
        dhcp6: flag(value, "dhcp6").unwrap_or(false),
        accept_ra: flag(value, "accept-ra"),
        addresses: items(Some(value), "addresses").iter().filter_map(|value| own_address(value, found)).collect(),
        routes: routes(value, found),
        nameservers: servers,
        search: items(nameservers, "search").iter().filter_map(|value| domain(value, found)).collect(),
        mtu: value.get("mtu").and_then(Value::number),
        optional: flag(value, "optional").unwrap_or(false),
        id,
        matching,
    })
}

fn own_address(value: &Value, found: &mut Diagnostics) -> Option<(IpAddr, u8)> {
    let text = value.text()?;
    text.split_once('/').and_then(|_| network_of(text)).or_else(|| {
        let title = format!("`{text}` is not an address with a prefix");
        mistake("address", title, &value.location, "for example `10.0.0.5/24`", found)
    })
}

fn domain(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    match dns_name::check(text) {
        Ok(()) => Some(text.to_owned()),
        Err(why) => {
            let title = format!("`{text}` is not a domain: {why}");
            mistake("search", title, &value.location, "for example `example.org`", found)
        }
    }
}

fn matching(value: &Value, found: &mut Diagnostics) -> Option<Match> {
    let mut pattern = |key| -> Option<String> {
        let text = value.get(key)?.located()?;
        if text.value.is_empty() || text.value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '!') {
            let title = format!("`{}` is not a pattern for a `{key}`", text.value);
            return mistake("match", title, &text.location, "a name, or a shell pattern such as `eth*`", found);
        }
        Some(text.value)
    };
    let (name, driver) = (pattern("name"), pattern("driver"));
    let mac = match value.get("macaddress") {
        Some(value) => Some(mac_address(value, found)?),
        None => None,
    };
    let matching = Match { name, mac, driver };
    if matching == Match::default() {
        let title = "this matches nothing".to_owned();
        return mistake("match", title, &value.location, "give `name`, `macaddress` or `driver`", found);
    }
    Some(matching)
}

/// In lower case, with colons.
fn mac_address(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    let mac = text.to_ascii_lowercase().replace('-', ":");
    let parts: Vec<&str> = mac.split(':').collect();
    if parts.len() != 6 || !parts.iter().all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok()) {
        let help = "six pairs of hexadecimal digits, `52:54:00:12:34:56`";
        return mistake("mac-address", format!("`{text}` is not a MAC address"), &value.location, help, found);
    }
    Some(mac)
}

fn set_name(value: &Value, matching: &Match, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    let good = (1..=15).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !text.chars().all(|c| matches!(c, '.' | '0'..='9'));
    if !good {
        let title = format!("`{text}` is not a name for an interface");
        let help = "1 to 15 letters, digits, `_`, `-` and `.`, not only digits";
        return mistake("interface-name", title, &value.location, help, found);
    }
    if matching.mac.is_none() {
        let title = "`set-name` needs `match: {macaddress: …}`".to_owned();
        let help = "a name can change before it is matched, a MAC address does not";
        return mistake("set-name", title, &value.location, help, found);
    }
    Some(text.to_owned())
}

/// The gateways, which are default routes, and the routes.
fn routes(ethernet: &Value, found: &mut Diagnostics) -> Vec<Route> {
    let mut routes = Vec::new();
    for (key, any) in [("gateway4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)), ("gateway6", IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    {
        let Some(value) = ethernet.get(key) else { continue };
        let Some(gateway) = address(value, found) else { continue };
        if gateway.is_ipv4() != any.is_ipv4() {
            let title = format!("`{gateway}` is of the other family than `{key}`");
            found.push(Diagnostic::new("address", title).at(&value.location, "the other family"));
        }
        routes.push(Route { to: None, via: Some(gateway), metric: None, table: None, on_link: false });
    }
    routes.extend(items(Some(ethernet), "routes").iter().filter_map(|value| route(value, found)));
    routes
}

fn route(value: &Value, found: &mut Diagnostics) -> Option<Route> {
    let via = match value.get("via") {
        Some(via) => Some(address(via, found)?),
        None => None,
    };
    let to = value.get("to")?;
    let text = to.text()?;
    let destination = match text {
        "default" => None,
        _ => Some(network_of(text).or_else(|| {
            let title = format!("`{text}` is not a destination");
            mistake("address", title, &to.location, "`default` or `10.0.0.0/8`", found)
        })?),
    };
    match (destination, via) {
        (None, None) => {
            let title = "a default route needs `via`".to_owned();
            return mistake("route", title, &value.location, "`via` is the router's address", found);
        }
        (Some((to, _)), Some(via)) if to.is_ipv4() != via.is_ipv4() => {
            let title = format!("`{to}` and `{via}` are of different families");
            return mistake("route", title, &value.location, "both IPv4 or both IPv6", found);
        }
        _ => {}
    }
    Some(Route {
        to: destination,
        via,
        metric: value.get("metric").and_then(Value::number),
        table: value.get("table").and_then(Value::number),
        on_link: flag(value, "on-link").unwrap_or(false),
    })
}

fn address(value: &Value, found: &mut Diagnostics) -> Option<IpAddr> {
    let text = value.text()?;
    text.parse().ok().or_else(|| {
        let title = format!("`{text}` is not an IP address");
        mistake("address", title, &value.location, "for example `10.0.0.1` or `fd00::1`", found)
    })
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

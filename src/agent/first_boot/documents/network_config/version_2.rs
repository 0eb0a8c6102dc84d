//! Version 2 → [`Network`].
//!
//! Bonds and VLANs will follow; until then they are refused, not passed over. Format: netplan's reference for
//! version 2 (the part that cloud-init shares).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::words::{address, domain, interface_name, mac_address, mistake, network_of, own_address};
use crate::agent::first_boot::config::{Addressing, Link, LinkKind, Match, Network, Route};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::{Located, Value};

pub fn read(value: &Value, found: &mut Diagnostics) -> Network {
    let ethernets = value.get("ethernets").map(Value::entries).unwrap_or_default();
    let links = ethernets.iter().filter_map(|(id, value)| {
        let id = Located::new(id.text.clone(), &id.location);
        ethernet(id, value, found)
    });
    Network { links: links.collect() }
}

fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.flag()
}

/// The items of a list under this key.
fn items<'a>(value: Option<&'a Value>, key: &str) -> &'a [Value] {
    value.and_then(|value| value.get(key)).map(Value::items).unwrap_or_default()
}

fn ethernet(id: Located<String>, value: &Value, found: &mut Diagnostics) -> Option<Link> {
    let printable = |text: &str| !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic());
    if !printable(&id.value) || id.value.contains('/') {
        let title = format!("`{}` is not a name for an interface", id.value);
        return mistake("interface-name", title, &id.location, "1 to 64 ASCII characters, no `/`", found);
    }
    let matching = match value.get("match") {
        Some(value) => matching(value, found)?,
        None => Match { name: Some(id.value.clone()), ..Match::default() },
    };
    let set_name = value.get("set-name").and_then(|value| set_name(value, &matching, found));
    Some(Link {
        id,
        kind: LinkKind::Ethernet { matching, set_name },
        mtu: value.get("mtu").and_then(Value::number),
        optional: flag(value, "optional").unwrap_or(false),
        addressing: addressing(value, found),
    })
}

/// What every kind of link can have.
fn addressing(link: &Value, found: &mut Diagnostics) -> Addressing {
    let nameservers = link.get("nameservers");
    Addressing {
        nameservers: items(nameservers, "addresses").iter().filter_map(|value| address(value, found)).collect(),
        dhcp4: flag(link, "dhcp4").unwrap_or(false),
        dhcp6: flag(link, "dhcp6").unwrap_or(false),
        accept_ra: flag(link, "accept-ra"),
        addresses: items(Some(link), "addresses").iter().filter_map(|value| own_address(value, found)).collect(),
        routes: routes(link, found),
        search: items(nameservers, "search").iter().filter_map(|value| domain(value, found)).collect(),
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

fn set_name(value: &Value, matching: &Match, found: &mut Diagnostics) -> Option<String> {
    let name = interface_name(value, found)?;
    if matching.mac.is_none() {
        let title = "`set-name` needs `match: {macaddress: …}`".to_owned();
        let help = "a name can change before it is matched, a MAC address does not";
        return mistake("set-name", title, &value.location, help, found);
    }
    Some(name)
}

/// The gateways, which are default routes, and the routes.
fn routes(link: &Value, found: &mut Diagnostics) -> Vec<Route> {
    let mut routes = Vec::new();
    for (key, any) in [("gateway4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)), ("gateway6", IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    {
        let Some(value) = link.get(key) else { continue };
        let Some(gateway) = address(value, found) else { continue };
        if gateway.is_ipv4() != any.is_ipv4() {
            let title = format!("`{gateway}` is of the other family than `{key}`");
            found.push(Diagnostic::new("address", title).at(&value.location, "the other family"));
        }
        routes.push(Route { to: None, via: Some(gateway), metric: None, table: None, on_link: false });
    }
    routes.extend(items(Some(link), "routes").iter().filter_map(|value| route(value, found)));
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

//! The rules for single values that every form of `network-config` has: each gives the checked value, or notes the
//! mistake at its place.

use std::net::IpAddr;

use crate::agent::dns_name;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::yaml::Value;

/// Notes a mistake; `None`, for callers that give up over it.
pub fn mistake<T>(slug: &'static str, title: String, at: &Location, help: &str, found: &mut Diagnostics) -> Option<T> {
    found.push(Diagnostic::new(slug, title).at(at, "here").help(help));
    None
}

pub fn address(value: &Value, found: &mut Diagnostics) -> Option<IpAddr> {
    let text = value.text()?;
    text.parse().ok().or_else(|| {
        let title = format!("`{text}` is not an IP address");
        mistake("address", title, &value.location, "for example `10.0.0.1` or `fd00::1`", found)
    })
}

/// An address of the node, with the length of its network's prefix.
pub fn own_address(value: &Value, found: &mut Diagnostics) -> Option<(IpAddr, u8)> {
    let text = value.text()?;
    text.split_once('/').and_then(|_| network_of(text)).or_else(|| {
        let title = format!("`{text}` is not an address with a prefix");
        mistake("address", title, &value.location, "for example `10.0.0.5/24`", found)
    })
}

/// `ADDRESS/PREFIX`, or an address alone as its host route.
pub fn network_of(text: &str) -> Option<(IpAddr, u8)> {
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

pub fn domain(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    match dns_name::check(text) {
        Ok(()) => Some(text.to_owned()),
        Err(why) => {
            let title = format!("`{text}` is not a domain: {why}");
            mistake("search", title, &value.location, "for example `example.org`", found)
        }
    }
}

/// In lower case, with colons.
pub fn mac_address(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    let mac = text.to_ascii_lowercase().replace('-', ":");
    let parts: Vec<&str> = mac.split(':').collect();
    if parts.len() != 6 || !parts.iter().all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok()) {
        let help = "six pairs of hexadecimal digits, `52:54:00:12:34:56`";
        return mistake("mac-address", format!("`{text}` is not a MAC address"), &value.location, help, found);
    }
    Some(mac)
}

/// A name that the kernel takes for an interface, and nobody takes for a number.
pub fn interface_name(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let text = value.text()?;
    let good = (1..=15).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !text.chars().all(|c| matches!(c, '.' | '0'..='9'));
    if !good {
        let title = format!("`{text}` is not a name for an interface");
        let help = "1 to 15 letters, digits, `_`, `-` and `.`, not only digits";
        return mistake("interface-name", title, &value.location, help, found);
    }
    Some(text.to_owned())
}

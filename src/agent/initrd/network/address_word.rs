//! The kernel's word `ip=` (`admin-guide/nfs/nfsroot.rst`), as far as it is meant for a node: `dhcp`, or
//! `CLIENT:SERVER:GATEWAY:NETMASK:HOST:DEVICE:none:DNS0:DNS1`. Pure.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail, ensure};

use super::dhcp::{Lease, prefix_of};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressWord {
    /// On this interface, by the kernel's name; on any, if none is named.
    Dhcp {
        device: Option<String>,
    },
    Static(Fixed),
}

impl Default for AddressWord {
    fn default() -> Self {
        AddressWord::Dhcp { device: None }
    }
}

impl AddressWord {
    /// The interface that is meant.
    pub fn device(&self) -> Option<&str> {
        match self {
            AddressWord::Dhcp { device } => device.as_deref(),
            AddressWord::Static(fixed) => fixed.device.as_deref(),
        }
    }
}

/// An address that nobody needs to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    pub lease: Lease,
    /// Its interface by the kernel's name; the first with a carrier, if none is named.
    pub device: Option<String>,
}

/// # Errors
/// It is neither, or has no address or netmask.
pub fn parse(word: &str) -> Result<AddressWord> {
    parts(word).with_context(|| format!("reading `ip={word}`"))
}

fn parts(word: &str) -> Result<AddressWord> {
    if matches!(word, "dhcp" | "on" | "any") {
        return Ok(AddressWord::default());
    }
    let mut parts = word.split(':');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (client, _server, gateway, netmask, _host, device) = (part(), part(), part(), part(), part(), part());
    match (client, part()) {
        (None, Some("dhcp" | "on" | "any")) => return Ok(AddressWord::Dhcp { device: device.map(str::to_owned) }),
        (Some(_), None | Some("none" | "off" | "static")) => {}
        (_, how) => bail!("`{}` is not supported here, only `dhcp` and `none`", how.unwrap_or(word)),
    }
    let address = |what: &str, text: Option<&str>| -> Result<Option<Ipv4Addr>> {
        text.map(|text| text.parse().with_context(|| format!("its {what} is no IPv4 address"))).transpose()
    };
    let mask = address("netmask", netmask)?.context("it has no netmask")?;
    let name_servers = [address("first DNS server", part())?, address("second DNS server", part())?];
    let lease = Lease {
        address: address("client", client)?.context("it has no client address")?,
        prefix: prefix_of(mask).context("its netmask is none")?,
        router: address("gateway", gateway)?,
        name_servers: name_servers.into_iter().flatten().collect(),
        ..Lease::default()
    };
    ensure!(!lease.address.is_unspecified(), "its client address is empty");
    Ok(AddressWord::Static(Fixed { lease, device: device.map(str::to_owned) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_addresses_and_dhcp_are_told_apart() {
        for (word, device) in [("dhcp", None), ("on", None), (":::::eth0:dhcp", Some("eth0"))] {
            assert_eq!(parse(word).unwrap(), AddressWord::Dhcp { device: device.map(str::to_owned) }, "{word}");
        }
        let AddressWord::Static(fixed) = parse("10.1.2.3::10.1.2.1:255.255.254.0:node:eth1:none:10.1.2.2").unwrap()
        else {
            panic!("no fixed address")
        };
        assert_eq!(fixed.device.as_deref(), Some("eth1"));
        assert_eq!(fixed.lease.to_string(), "10.1.2.3/23 by 10.1.2.1");
        assert_eq!(fixed.lease.name_servers, [Ipv4Addr::new(10, 1, 2, 2)]);
        let AddressWord::Static(fixed) = parse("10.1.2.3:::255.255.255.255").unwrap() else {
            panic!("no fixed address")
        };
        assert_eq!((fixed.device, fixed.lease.router, fixed.lease.prefix), (None, None, 32));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (word, why) in [
            ("", "only `dhcp` and `none`"),
            ("bootp", "no netmask"),
            ("10.1.2.3", "no netmask"),
            ("10.1.2.3:::255.0.255.0", "netmask is none"),
            ("10.1.2:::255.255.255.0", "its client is no IPv4 address"),
            ("0.0.0.0:::255.255.255.0", "client address is empty"),
            ("10.1.2.3::x:255.255.255.0", "its gateway is no"),
            ("10.1.2.3:::255.255.255.0:::bootp", "`bootp` is not supported"),
            (":::::eth0:none", "`none` is not supported"),
        ] {
            let error = format!("{:#}", parse(word).unwrap_err());
            assert!(error.contains(why), "{word}: {error}");
        }
    }
}

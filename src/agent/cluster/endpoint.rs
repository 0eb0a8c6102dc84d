//! Where the API server of a cluster is.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::agent::dns_name;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Endpoint, String> {
        parse(&text)
    }
}

/// `HOST:PORT`, `[IPv6]:PORT`.
///
/// # Errors
/// Why it is none: lower case, no full stop.
pub fn parse(text: &str) -> Result<Endpoint, String> {
    if text.contains("://") {
        return Err("it is an address without `https://`".to_owned());
    }
    let (host, port) = text.rsplit_once(':').ok_or("it has no port")?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or("its port is not a number from 1 to 65535")?;
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let address = rest.strip_suffix(']').ok_or("its `[` is not closed")?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "what stands in `[]` is not an IPv6 address")?;
            address
        }
        None if host.contains(':') => return Err("an IPv6 address stands in `[]`".to_owned()),
        None => host,
    };
    if host.parse::<IpAddr>().is_err() {
        // Only digits and dots, but no address: nobody's name.
        if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err("its host is neither an address nor a name".to_owned());
        }
        dns_name::check(host).map_err(|why| format!("its host is not a name: {why}"))?;
    }
    Ok(Endpoint { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_a_host_and_a_port() {
        for text in ["10.0.2.2:6443", "api.example.org:443", "[fd00::1]:6443", "a:1"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let bad = [
            "10.0.2.2",
            "10.0.2.2:",
            "10.0.2.2:0",
            "10.0.2.2:65536",
            "https://a:1",
            "fd00::1:6443",
            "[fd00::1]",
            "[a]:1",
            "10.0.2:6443",
            ":6443",
            "a_b:1",
            "a b:1",
            "[fd00::1:6443",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text:?} is accepted");
        }
    }
}

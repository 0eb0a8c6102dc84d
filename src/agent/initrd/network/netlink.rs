//! Links, addresses and routes by netlink (`linux/rtnetlink.h`): requests with one acknowledgement each.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ASK: u16 = 5;
/// `NLM_F_CREATE | NLM_F_REPLACE`.
const CREATE: u16 = 0x400 | 0x100;
const IFF_UP: u32 = 1;
const FAMILY: u8 = 2;
/// `RT_SCOPE_LINK` and the like.
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
/// `IFA_ADDRESS`, `IFA_LOCAL`; `RTA_DST`, `RTA_OIF`, `RTA_GATEWAY`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const DESTINATION: u16 = 1;
const INTERFACE: u16 = 4;
const GATEWAY: u16 = 5;
const HEADER_BYTES: usize = 16;
/// The kernel answers at once.
const LIMIT: Duration = Duration::from_secs(5);

/// A socket to the kernel.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub fn open() -> Result<Netlink> {
        // Protocol 0 is NETLINK_ROUTE.
        let kind = SocketType::RAW;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, None)
            .context("opening a netlink socket")?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(LIMIT))
            .context("opening a netlink socket")?;
        Ok(Netlink { socket, sequence: 0 })
    }

    pub fn set_up(&mut self, index: u32, up: bool) -> Result<()> {
        let flags = if up { IFF_UP } else { 0 };
        // struct ifinfomsg: family, kind, index, flags, which of them change.
        let words = [0, index, flags, IFF_UP].map(u32::to_ne_bytes).concat();
        self.ask(NEW_LINK, 0, &words).map_err(Into::into)
    }

    pub fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.ask(NEW_ADDRESS, CREATE, &address_message(index, address, prefix)).map_err(Into::into)
    }

    pub fn remove_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.ask(DELETE_ADDRESS, 0, &address_message(index, address, prefix)).context("removing the address")
    }

    /// A route to one host, or to all of them, directly or through a gateway.
    pub fn route(&mut self, index: u32, to: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> Result<()> {
        self.ask(NEW_ROUTE, CREATE, &route_message(index, to, gateway)).context("setting a route")
    }

    pub fn remove_route(&mut self, index: u32, to: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> Result<()> {
        self.ask(DELETE_ROUTE, 0, &route_message(index, to, gateway)).context("removing a route")
    }

    fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let message = message(kind, ASK | flags, self.sequence, body);
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, &message, SendFlags::empty(), &kernel)?;
        let mut answer = [0; 4096];
        loop {
            let (length, _) = rustix::net::recv(&self.socket, &mut answer, RecvFlags::empty())?;
            match acknowledgement(answer.get(..length).unwrap_or_default(), self.sequence) {
                None => {}
                Some(0) => return Ok(()),
                Some(code) => return Err(Errno::from_raw_os_error(code.saturating_neg())),
            }
        }
    }
}

fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    // No body has more than a few dozen bytes.
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
    message.extend([sequence, 0].map(u32::to_ne_bytes).concat());
    message.extend(body);
    message
}

/// Attributes of four bytes each.
fn attribute(kind: u16, value: [u8; 4]) -> Vec<u8> {
    [&8_u16.to_ne_bytes()[..], &kind.to_ne_bytes(), &value].concat()
}

/// `struct ifaddrmsg` with its attributes.
fn address_message(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![FAMILY, prefix, 0, SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    body.extend(attribute(LOCAL, address.octets()));
    body.extend(attribute(ADDRESS, address.octets()));
    body
}

/// `struct rtmsg` with its attributes: main table, set at boot, unicast.
fn route_message(index: u32, to: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> Vec<u8> {
    let scope = if gateway.is_some() { SCOPE_UNIVERSE } else { SCOPE_LINK };
    let prefix = if to.is_some() { 32 } else { 0 };
    let mut body = vec![FAMILY, prefix, 0, 0, 254, 3, scope, 1, 0, 0, 0, 0];
    if let Some(to) = to {
        body.extend(attribute(DESTINATION, to.octets()));
    }
    if let Some(gateway) = gateway {
        body.extend(attribute(GATEWAY, gateway.octets()));
    }
    body.extend(attribute(INTERFACE, index.to_ne_bytes()));
    body
}

/// The code (0 or a negative error) of the acknowledgement of that request, if it is among these messages.
fn acknowledgement(mut bytes: &[u8], sequence: u32) -> Option<i32> {
    while let Some(header) = bytes.get(..HEADER_BYTES) {
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let length = usize::try_from(u32::from_ne_bytes(word(0))).ok().filter(|length| *length >= HEADER_BYTES)?;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if kind == ERROR && u32::from_ne_bytes(word(8)) == sequence {
            let code = bytes.get(HEADER_BYTES..HEADER_BYTES + 4)?;
            return Some(i32::from_ne_bytes([code[0], code[1], code[2], code[3]]));
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_laid_out_as_the_kernel_reads_them() {
        let message = message(NEW_ADDRESS, ASK | CREATE, 7, &address_message(2, [10, 0, 2, 15].into(), 24));
        assert_eq!(message.len(), 40);
        assert_eq!(message[..4], 40_u32.to_ne_bytes());
        assert_eq!(message[16..20], [2, 24, 0, 0]);
        assert_eq!(message[28..32], [10, 0, 2, 15]);
        let route = route_message(2, None, Some([10, 0, 2, 2].into()));
        assert_eq!((route.len(), &route[..8]), (28, &[2, 0, 0, 0, 254, 3, 0, 1][..]));
        let host = route_message(2, Some([10, 0, 9, 1].into()), None);
        assert_eq!((host[1], host[6], host.len()), (32, SCOPE_LINK, 28));
    }

    #[test]
    fn the_acknowledgement_of_a_request_is_found_among_others() {
        let acknowledge = |sequence, code: i32| message(ERROR, 0, sequence, &code.to_ne_bytes());
        let both = [acknowledge(6, -17), acknowledge(7, -2)].concat();
        assert_eq!(acknowledgement(&both, 7), Some(-2));
        assert_eq!(acknowledgement(&both, 8), None);
        for length in 0..36 {
            assert_eq!(acknowledgement(&both[..length], 7), None, "{length}");
        }
        assert_eq!(acknowledgement(&[0; 64], 0), None);
    }

    #[test]
    fn the_kernel_understands_and_says_what_is_wrong() {
        // No privileges are needed for a request that fails.
        let mut netlink = Netlink::open().unwrap();
        let error = netlink.set_up(u32::MAX >> 1, true).unwrap_err();
        let errno = error.downcast_ref::<Errno>().unwrap();
        assert!(matches!(*errno, Errno::NODEV | Errno::PERM), "{error}");
    }
}

//! Which boot file a machine is told, and where the answer goes (PXE 2.1, 2.2; UEFI Specification, 24.7).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::packet::{Kind, Message};

/// What starts a kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loader {
    /// A file over TFTP.
    Tftp(&'static str),
    /// The image's own EFI program over HTTP, for machines with this number (PE's).
    Image(u16),
    /// The script, for iPXE.
    Script,
}

/// A kind of machine by the number that it gives itself (IANA, "Processor Architecture Types").
struct Machine {
    number: u16,
    /// For the log.
    name: &'static str,
    loader: Loader,
}

/// iPXE's programs have the names that Debian and iPXE's own site give them.
const MACHINES: &[Machine] = &[
    Machine { number: 0, name: "BIOS", loader: Loader::Tftp("undionly.kpxe") },
    Machine { number: 7, name: "x86-64 UEFI", loader: Loader::Tftp("ipxe.efi") },
    Machine { number: 9, name: "x86-64 UEFI", loader: Loader::Tftp("ipxe.efi") },
    Machine { number: 11, name: "arm64 UEFI", loader: Loader::Tftp("ipxe-arm64.efi") },
    Machine { number: 16, name: "x86-64 UEFI over HTTP", loader: Loader::Image(0x8664) },
    Machine { number: 19, name: "arm64 UEFI over HTTP", loader: Loader::Image(0xaa64) },
];

pub(super) const PXE: &str = "PXEClient";
pub(super) const HTTP: &str = "HTTPClient";
/// Where servers and clients listen (RFC 2131), and a proxy's boot service (PXE 2.1).
pub(super) const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
pub(super) const BOOT_SERVER_PORT: u16 = 4011;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// The class of the answer.
    pub(super) class: &'static str,
    pub(super) loader: Loader,
    /// Whom it is for.
    pub(super) name: &'static str,
}

/// What a message is answered with, `None` if it is not for a proxy: only machines that say they boot are answered, and a
/// request only where boot services are asked (others mean the server that gives addresses).
pub(super) fn choose(message: &Message, port: u16) -> Option<Choice> {
    let is_for_us = match message.kind {
        Kind::Discover => port != BOOT_SERVER_PORT,
        Kind::Request | Kind::Inform => port == BOOT_SERVER_PORT,
    };
    let class = [PXE, HTTP].into_iter().find(|class| message.vendor_class.starts_with(class.as_bytes()))?;
    if !is_for_us {
        return None;
    }
    if is_ipxe(&message.user_class) {
        return Some(Choice { class, loader: Loader::Script, name: "iPXE" });
    }
    let machine = MACHINES.iter().find(|machine| Some(machine.number) == message.architecture)?;
    let fits = matches!(machine.loader, Loader::Image(_)) == (class == HTTP);
    fits.then_some(Choice { class, loader: machine.loader, name: machine.name })
}

/// As iPXE sends it, and as RFC 3004 would have it: with its length before it.
fn is_ipxe(user_class: &[u8]) -> bool {
    user_class == b"iPXE" || user_class == b"\x04iPXE"
}

/// Where the answer goes: to a relay, to whoever has an address, else to all.
pub(super) fn destination(message: &Message, from: SocketAddrV4) -> SocketAddrV4 {
    if !message.relay.is_unspecified() {
        SocketAddrV4::new(message.relay, SERVER_PORT)
    } else if !from.ip().is_unspecified() {
        from
    } else if !message.address.is_unspecified() {
        SocketAddrV4::new(message.address, CLIENT_PORT)
    } else {
        SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{parse, tests::request};
    use super::*;

    fn message(kind: u8, class: &[u8], user_class: &[u8], architecture: u8) -> Message {
        parse(&request(&[(53, &[kind]), (60, class), (77, user_class), (93, &[0, architecture])])).unwrap()
    }

    #[test]
    fn each_kind_of_machine_gets_what_starts_it() {
        let chosen = |class: &[u8], user_class: &[u8], architecture| {
            choose(&message(1, class, user_class, architecture), SERVER_PORT).map(|it| (it.class, it.loader))
        };
        let pxe = b"PXEClient:Arch:00000:UNDI:002001";
        assert_eq!(chosen(pxe, b"", 0), Some((PXE, Loader::Tftp("undionly.kpxe"))));
        for architecture in [7, 9] {
            assert_eq!(chosen(pxe, b"", architecture), Some((PXE, Loader::Tftp("ipxe.efi"))));
        }
        assert_eq!(chosen(b"HTTPClient:Arch:00016", b"", 16), Some((HTTP, Loader::Image(0x8664))));
        assert_eq!(chosen(b"HTTPClient:Arch:00019", b"", 19), Some((HTTP, Loader::Image(0xaa64))));
        for user_class in [&b"iPXE"[..], b"\x04iPXE"] {
            assert_eq!(chosen(pxe, user_class, 0), Some((PXE, Loader::Script)));
        }
        for (class, architecture) in [(&b"udhcp 1.35"[..], 0), (b"", 0), (pxe, 99), (pxe, 16), (b"HTTPClient", 0)] {
            assert_eq!(chosen(class, b"", architecture), None);
        }
    }

    #[test]
    fn requests_are_answered_where_boot_services_are_asked_alone() {
        let answered = |kind, port| choose(&message(kind, b"PXEClient", b"", 0), port).is_some();
        assert!(answered(1, SERVER_PORT) && answered(3, BOOT_SERVER_PORT) && answered(8, BOOT_SERVER_PORT));
        assert!(!answered(3, SERVER_PORT) && !answered(8, SERVER_PORT) && !answered(1, BOOT_SERVER_PORT));
    }

    #[test]
    fn answers_find_who_asked() {
        let mut asked = message(1, b"PXEClient", b"", 0);
        let at = |text: &str| -> SocketAddrV4 { text.parse().unwrap() };
        assert_eq!(destination(&asked, at("0.0.0.0:68")), at("255.255.255.255:68"));
        asked.address = Ipv4Addr::new(192, 0, 2, 9);
        assert_eq!(destination(&asked, at("0.0.0.0:68")), at("192.0.2.9:68"));
        assert_eq!(destination(&asked, at("192.0.2.9:4011")), at("192.0.2.9:4011"));
        asked.relay = Ipv4Addr::new(192, 0, 2, 200);
        assert_eq!(destination(&asked, at("192.0.2.200:67")), at("192.0.2.200:67"));
    }
}

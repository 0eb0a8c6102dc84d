//! What machines say to `nodesmith serve`.

use std::net::Ipv4Addr;

use nodesmith::serve::dhcp::packet as dhcp;
use nodesmith::serve::http::range::{self, Asked};
use nodesmith::serve::http::{request, target};
use nodesmith::serve::identity::canonical;
use nodesmith::serve::tftp::packet as tftp;

/// A DHCP message: what is answered names the file, and has no address for the client.
pub(crate) fn dhcp(data: &[u8]) {
    let Some(message) = dhcp::parse(data) else { return };
    let reply = dhcp::Reply { server: Ipv4Addr::LOCALHOST, class: "PXEClient", boot_file: "ipxe.efi" };
    let bytes = dhcp::reply(&message, &reply);
    assert_eq!((&bytes[16..20], &bytes[28..34]), (&[0; 4][..], &message.mac[..]));
    assert!(bytes.len() >= 300 && bytes[108..].starts_with(b"ipxe.efi\0"));
    // A client takes nothing of it for a message of its own kind.
    assert_eq!(dhcp::parse(&bytes), None);
}

/// Requests, one behind the other, to their paths, nodes and ranges.
pub(crate) fn http(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((request, length))) = request::parse(rest) {
        assert!(length > 0 && length <= request::HEAD_MAX);
        rest = &rest[length..];
        if let Some(Asked::Part(part)) = request.range.as_ref().map(|value| range::parse(value, 1000)) {
            assert!(part.start < part.end && part.end <= 1000);
        }
        let Ok(target) = target::parse(&request.target) else { continue };
        let encoded: String = target.names.iter().map(|name| format!("/{}", target::encode(name))).collect();
        if !target.names.is_empty() {
            assert_eq!(target::parse(&encoded).unwrap().names, target.names);
        }
        for name in &target.names {
            assert!(![".", "..", ""].contains(&name.as_str()) && !name.contains(['/', '\0']), "{name:?}");
            if let Some(identity) = canonical(name) {
                assert_eq!(canonical(&identity).as_ref(), Some(&identity));
            }
        }
    }
}

/// A TFTP packet: terms that both sides can keep, and an answer that fits in a packet.
pub(crate) fn tftp(data: &[u8]) {
    let Some(tftp::Packet::Read { options, .. }) = tftp::parse(data) else { return };
    let terms = tftp::negotiate(&options, u64::MAX);
    assert!((8..=65464).contains(&terms.block_size) && (1..=64).contains(&terms.window) && terms.timeout != Some(0));
    assert!(terms.told.len() <= 4 && tftp::options(&terms.told).len() <= tftp::REQUEST_MAX);
}

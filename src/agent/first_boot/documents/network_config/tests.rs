//! Good files as the units they become, bad files as what is said about them.

use super::*;
use crate::agent::first_boot::config::{Addressing, Match};
use crate::agent::first_boot::plan::networkd::units;
use crate::shape::need;
use crate::yaml::Located;

fn rendered(text: &str) -> String {
    rendered_by(VERSIONS, text)
}

fn rendered_by(versions: &[Version], text: &str) -> String {
    let mut found = Diagnostics::default();
    let network = network(versions, &Source::new("network-config", text), &mut found);
    if !found.is_empty() {
        return found.to_string();
    }
    let files = network.map(|network| units(&network)).unwrap_or_default();
    files.iter().map(|file| format!("--- {}\n{}", file.name, file.text)).collect()
}

#[test]
fn static_addresses_routes_and_a_name_become_networkd_files() {
    insta::assert_snapshot!(rendered(
        "version: 2
ethernets:
  management:
    match: {macaddress: '52:54:00:AB:cd:01'}
    set-name: mgmt0
    addresses: [10.0.0.5/24, 'fd00::5/64']
    gateway4: 10.0.0.1
    nameservers: {addresses: [10.0.0.2, 'fd00::2'], search: [example.org, lab]}
  storage:
    match: {name: 'ens*', driver: 'virtio*'}
    addresses: [10.2.0.5/16]
    routes:
      - {to: 10.9.0.0/16, via: 10.2.0.1, metric: 50}
      - {to: 192.0.2.7, via: 10.2.0.9, table: 100, on-link: true}
    mtu: 9000
    optional: true
"
    ), @r"
    --- 10-nodeinit-00-management.link
    # Written by nodeinit from the node's metadata.

    [Match]
    PermanentMACAddress=52:54:00:ab:cd:01

    [Link]
    Name=mgmt0
    --- 10-nodeinit-00-management.network
    # Written by nodeinit from the node's metadata.

    [Match]
    Name=mgmt0

    [Network]
    DHCP=no
    Address=10.0.0.5/24
    Address=fd00::5/64
    DNS=10.0.0.2
    DNS=fd00::2
    Domains=example.org lab

    [Route]
    Gateway=10.0.0.1
    --- 10-nodeinit-01-storage.network
    # Written by nodeinit from the node's metadata.

    [Match]
    Name=ens*
    Driver=virtio*

    [Link]
    MTUBytes=9000
    RequiredForOnline=no

    [Network]
    DHCP=no
    Address=10.2.0.5/16

    [Route]
    Destination=10.9.0.0/16
    Gateway=10.2.0.1
    Metric=50

    [Route]
    Destination=192.0.2.7/32
    Gateway=10.2.0.9
    Table=100
    GatewayOnLink=yes
    ");
}

#[test]
fn dhcp_and_netplans_outer_key_are_read() {
    insta::assert_snapshot!(rendered("network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0: {dhcp4: yes, dhcp6: no, accept-ra: false}\n"), @r"
    --- 10-nodeinit-00-eth0.network
    # Written by nodeinit from the node's metadata.

    [Match]
    Name=eth0

    [Network]
    DHCP=ipv4
    IPv6AcceptRA=no
    ");
    assert_eq!(rendered(""), "");
}

#[test]
fn all_mistakes_of_a_file_are_reported_with_their_places() {
    insta::assert_snapshot!(rendered(
        "version: 1
renderer: NetworkManager
bonds: {}
ethernets:
  a: {dhcp: true, addresses: [10.0.0.5, 10.0.0.5/33, x]}
  b: {match: {}, dhcp4: maybe}
  c: {match: {macaddress: 52-54-00}, mtu: 12}
  d: {match: {name: eth1}, set-name: 'way-too-long-a-name', gateway4: 'fd00::1'}
  e: {match: {name: eth2}, set-name: lan0}
  f:
    match: {name: eth2}
    routes: [{via: 10.0.0.1}, {to: default}, {to: 10.0.0.0/8, via: 'fd00::1'}, {to: 300.0.0.1, via: 10.0.0.1}]
    nameservers: {addresses: [dns.example], search: [UPPER]}
"
    ), @r"
    network-config:1:10: `1` is not a value of `version` [unknown-word]; only `2` is known
    network-config:2:11: `NetworkManager` is not a value of `renderer` [unknown-word]; only `networkd` is known
    network-config:3:1: `bonds` is not done on this node [unsupported-key]; only `ethernets` are configured so far
    network-config:5:7: `a` has no key `dhcp` [unknown-key]; did you mean `dhcp4`?
    network-config:6:25: `dhcp4` takes true or false [wrong-kind]; write `true` or `false`, without quotes
    network-config:7:43: `12` is not a value of `mtu` [wrong-number]; a whole number from 68 to 65535
    network-config:12:14: `routes[0]` has no `to` [missing-key]; `to`: `default`, NETWORK/PREFIX or an address
    network-config:5:31: `10.0.0.5` is not an address with a prefix [address]; for example `10.0.0.5/24`
    network-config:5:41: `10.0.0.5/33` is not an address with a prefix [address]; for example `10.0.0.5/24`
    network-config:5:54: `x` is not an address with a prefix [address]; for example `10.0.0.5/24`
    network-config:6:14: this matches nothing [match]; give `name`, `macaddress` or `driver`
    network-config:7:27: `52-54-00` is not a MAC address [mac-address]; six pairs of hexadecimal digits, `52:54:00:12:34:56`
    network-config:8:38: `way-too-long-a-name` is not a name for an interface [interface-name]; 1 to 15 letters, digits, `_`, `-` and `.`, not only digits
    network-config:8:71: `fd00::1` is of the other family than `gateway4` [address]
    network-config:9:38: `set-name` needs `match: {macaddress: …}` [set-name]; a name can change before it is matched, a MAC address does not
    network-config:13:31: `dns.example` is not an IP address [address]; for example `10.0.0.1` or `fd00::1`
    network-config:12:31: a default route needs `via` [route]; `via` is the router's address
    network-config:12:46: `10.0.0.0` and `fd00::1` are of different families [route]; both IPv4 or both IPv6
    network-config:12:85: `300.0.0.1` is not a destination [address]; `default` or `10.0.0.0/8`
    network-config:13:54: `UPPER` is not a domain: it has `U` [search]; for example `example.org`
    network-config:10:3: `e` and `f` are for the same interface [same-interface]
    ");
}

/// A toy: one interface a file, by its address.
const TOY: Version = Version {
    word: "toy",
    shape: &Shape::Record(&[
        need("version", Shape::Word(&["toy"]), "the format"),
        need("mac", Shape::Text, "the interface"),
        need("ip", Shape::Text, "its address"),
    ]),
    read: |value, found| {
        let mut link = |mac: &Value| {
            let matching = Match { mac: words::mac_address(mac, found), ..Match::default() };
            Link {
                id: Located::new("toy".to_owned(), &mac.location),
                kind: LinkKind::Ethernet { matching, set_name: None },
                mtu: None,
                optional: false,
                addressing: Addressing {
                    addresses: value.get("ip").and_then(|ip| words::own_address(ip, found)).into_iter().collect(),
                    ..Addressing::default()
                },
            }
        };
        Network { links: value.get("mac").map(&mut link).into_iter().collect() }
    },
};

#[test]
fn another_version_is_a_reader_into_the_same_model() {
    let versions = [&[TOY], VERSIONS].concat();
    insta::assert_snapshot!(rendered_by(&versions, "{version: toy, mac: 52-54-00-12-34-56, ip: 10.0.0.5/24}"), @r"
    --- 10-nodeinit-00-toy.network
    # Written by nodeinit from the node's metadata.

    [Match]
    MACAddress=52:54:00:12:34:56
    Kind=!*

    [Network]
    DHCP=no
    Address=10.0.0.5/24
    ");
    insta::assert_snapshot!(rendered_by(&versions, "{version: toy, mac: x, ip: 10.0.0.5, ethernets: {}}"), @r"
    network-config:1:38: `network-config` has no key `ethernets` [unknown-key]; known are: version, mac, ip
    network-config:1:21: `x` is not a MAC address [mac-address]; six pairs of hexadecimal digits, `52:54:00:12:34:56`
    network-config:1:28: `10.0.0.5` is not an address with a prefix [address]; for example `10.0.0.5/24`
    ");
    let second = "{version: 2, ethernets: {eth0: {dhcp4: true}}}";
    assert_eq!(rendered_by(&versions, second), rendered(second));
    assert!(rendered_by(&versions, "{version: 7}").contains("only `2` is known"));
}

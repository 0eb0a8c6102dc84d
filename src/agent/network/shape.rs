//! What `network-config` may hold: version 2, the part that netplan and cloud-init share.

use crate::shape::{Field, Shape, TEXTS, may, need, refuse};

const ONLY_ETHERNETS: &str = "only `ethernets` are configured so far";

/// The file `network-config`, or what netplan's own files have under `network`.
pub const NETWORK_CONFIG: Shape = Shape::Record(&[
    need("version", Shape::Word(&["2"]), "version of the format, 2"),
    may("renderer", Shape::Word(&["networkd"]), "who runs the network: systemd-networkd"),
    may(
        "ethernets",
        Shape::Table(&Shape::Record(ETHERNET)),
        "interfaces, by their names or names for what `match` finds",
    ),
    refuse("bonds", ONLY_ETHERNETS),
    refuse("bridges", ONLY_ETHERNETS),
    refuse("vlans", ONLY_ETHERNETS),
    refuse("config", "this is version 1: write version 2"),
]);

const ETHERNET: &[Field] = &[
    may("match", Shape::Record(MATCH), "which interfaces are meant; all that is given must fit"),
    may("set-name", Shape::Text, "a new name, for an interface matched by its MAC address"),
    may("dhcp4", Shape::Flag, "default false"),
    may("dhcp6", Shape::Flag, "default false"),
    may("accept-ra", Shape::Flag, "take IPv6 routers' advertisements, default as the kernel does"),
    may("addresses", TEXTS, "ADDRESS/PREFIX"),
    may("gateway4", Shape::Text, "address of the IPv4 router"),
    may("gateway6", Shape::Text, "address of the IPv6 router"),
    may("routes", Shape::List(&Shape::Record(ROUTE)), "more routes"),
    may("nameservers", Shape::Record(NAMESERVERS), "DNS"),
    may("mtu", Shape::Number(68, 65_535), "bytes"),
    may("optional", Shape::Flag, "the node does not wait for it, default false"),
    refuse("dhcp4-overrides", "leave it out"),
    refuse("dhcp6-overrides", "leave it out"),
    refuse("wakeonlan", "leave it out"),
];

const MATCH: &[Field] = &[
    may("name", Shape::Text, "shell pattern over the kernel's name"),
    may("macaddress", Shape::Text, "six pairs of hexadecimal digits"),
    may("driver", Shape::Text, "shell pattern over the driver's name"),
];

const ROUTE: &[Field] = &[
    need("to", Shape::Text, "`default`, NETWORK/PREFIX or an address"),
    may("via", Shape::Text, "address of the router"),
    may("metric", Shape::Number(0, u32::MAX), "the lowest wins"),
    may("table", Shape::Number(1, u32::MAX), "number of the routing table"),
    may("on-link", Shape::Flag, "the router is reached directly, whatever the addresses say"),
];

const NAMESERVERS: &[Field] = &[
    may("addresses", TEXTS, "addresses of DNS servers"),
    may("search", TEXTS, "domains in which short names are looked up"),
];

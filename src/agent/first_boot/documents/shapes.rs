//! What `meta-data`, `user-data` and `network-config` (version 2, the part that netplan and cloud-init share) may hold:
//! the tables that the check and `nodesmith schema` share.
//!
//! Refused are the keys that cloud-init knows and this node does not do, with what to do instead: silence would be a
//! node that is not what its owner wrote.

use crate::shape::{Field, Shape, TEXTS, may, need, refuse};

const IMMUTABLE: &str = "the root is immutable: put it into the image's recipe";
pub const NO_SCRIPTS: &str = "scripts are not run: put files into `write_files` and units into the image's recipe";
pub const NO_PASSWORDS: &str = "nodes have no passwords: use `ssh_authorized_keys`";
const NO_DISKS: &str = "the agent grows the disk by itself; other disks are not set up yet";

const ONLY_ETHERNETS: &str = "only `ethernets` are configured so far";

/// The file `meta-data`.
pub const META_DATA: Shape = Shape::Record(&[
    need("instance-id", Shape::Text, "any name that changes when the node is to be configured anew"),
    may("local-hostname", Shape::Text, "the host name, if user-data gives none"),
    may("hostname", Shape::Text, "the same"),
    may("public-keys", Shape::Either(&TEXTS, &Shape::Table(&Shape::Text)), "root's SSH keys: a list, or name → key"),
]);

/// The file `user-data`, whose first line is `#cloud-config`.
pub const USER_DATA: Shape = Shape::Record(&[
    may("hostname", Shape::Text, "the host name; one with dots is the full name too"),
    may("fqdn", Shape::Text, "the host name with its domain"),
    may("users", Shape::List(&Shape::Either(&Shape::Word(&["default"]), &Shape::Record(USER))), "`default` is root"),
    may("ssh_authorized_keys", TEXTS, "root's SSH keys, each a line of `authorized_keys`"),
    may(
        "write_files",
        Shape::List(&Shape::Record(FILE)),
        "files below /etc, /var and the image's writable directories",
    ),
    may("timezone", Shape::Text, "a name such as Europe/Berlin or UTC"),
    may("ntp", Shape::Record(NTP), "where the time comes from"),
    may("ca_certs", Shape::Record(CA_CERTS), "certificate authorities to trust"),
    may("kubernetes", Shape::Record(KUBERNETES), "the cluster and its images; the image must have Kubernetes"),
    // Tools write these unasked; `user_data::ACCEPTED` has the one value that each can have.
    may("manage_etc_hosts", Shape::Flag, "can only be true"),
    may("package_update", Shape::Flag, "can only be false"),
    may("package_upgrade", Shape::Flag, "can only be false"),
    may("preserve_hostname", Shape::Flag, "can only be false"),
    may("ssh_pwauth", Shape::Flag, "can only be false"),
    refuse("apt", IMMUTABLE),
    refuse("bootcmd", NO_SCRIPTS),
    refuse("ca-certs", "write `ca_certs`"),
    refuse("chpasswd", NO_PASSWORDS),
    refuse("disk_setup", NO_DISKS),
    refuse("fs_setup", NO_DISKS),
    refuse("growpart", NO_DISKS),
    refuse("locale", IMMUTABLE),
    refuse("mounts", NO_DISKS),
    refuse("packages", IMMUTABLE),
    refuse("password", NO_PASSWORDS),
    refuse("power_state", NO_SCRIPTS),
    refuse("resize_rootfs", NO_DISKS),
    refuse("runcmd", NO_SCRIPTS),
    refuse("ssh_keys", "host keys are made on the node"),
    refuse("swap", "Kubernetes nodes have no swap"),
    refuse("user", "name the users under `users`"),
    refuse("yum_repos", IMMUTABLE),
]);

const USER: &[Field] = &[
    need("name", Shape::Text, "the account's name; `root` can only have keys"),
    may("gecos", Shape::Text, "the full name"),
    may("uid", Shape::Number(1, 60_000), "default the next free one"),
    may("groups", Shape::Either(&Shape::Text, &TEXTS), "more groups: a list, or one text with commas"),
    may("shell", Shape::Text, "default /bin/bash if the image has it"),
    may("homedir", Shape::Text, "default /home/NAME"),
    may("ssh_authorized_keys", TEXTS, "each a line of `authorized_keys`"),
    may("lock_passwd", Shape::Flag, "can only be true: nodes have no passwords"),
    refuse("passwd", NO_PASSWORDS),
    refuse("hashed_passwd", NO_PASSWORDS),
    refuse("plain_text_passwd", NO_PASSWORDS),
    refuse("sudo", "write a file below /etc/sudoers.d with `write_files`"),
    refuse("ssh_import_id", "the node asks no key server: use `ssh_authorized_keys`"),
];

const FILE: &[Field] = &[
    need("path", Shape::Text, "absolute, outside the immutable root"),
    may("content", Shape::Text, "default empty"),
    may("permissions", Shape::Text, "three or four octal digits, default 0644"),
    may("owner", Shape::Text, "USER or USER:GROUP, names or numbers, default root:root"),
    may("encoding", Shape::Word(&["b64", "base64", "text/plain"]), "how the content is written, default text/plain"),
    refuse("append", "write the whole file, or a drop-in beside it"),
    refuse("defer", "files are written after the users are there, always"),
    refuse("source", "give the `content`: the node fetches nothing"),
];

const NTP: &[Field] = &[
    may("enabled", Shape::Flag, "can only be true: a Kubernetes node keeps its time"),
    may("servers", TEXTS, "names or addresses"),
    may("pools", TEXTS, "names that stand for several servers"),
];

const CA_CERTS: &[Field] = &[
    may("trusted", TEXTS, "PEM certificates, added to the image's"),
    refuse("remove_defaults", "what the image trusts is its recipe's"),
];

const KUBERNETES: &[Field] = &[
    may("join", Shape::Record(JOIN), "the cluster that the node becomes a worker of"),
    may("proxy", Shape::Record(PROXY), "the way out for the container runtime and the kubelet"),
    may("registry-mirrors", Shape::Table(&TEXTS), "registry → URLs that are asked before it, in their order"),
    refuse("ca-certificates", "use `ca_certs: {trusted: [PEM]}`, beside `kubernetes`"),
    refuse("init", "the agent joins nodes, it does not make clusters yet"),
];

const JOIN: &[Field] = &[
    need("endpoint", Shape::Text, "HOST:PORT of the API server"),
    need("token", Shape::Text, "a bootstrap token, as `kubeadm token create` makes it"),
    need("ca-cert-hashes", TEXTS, "`sha256:` and 64 hexadecimal digits each, of the cluster's certificate authorities"),
    may("node-name", Shape::Text, "default the host name"),
    may("labels", Shape::Table(&Shape::Text), "that the node gives itself"),
    may("taints", TEXTS, "`KEY=VALUE:EFFECT` each"),
    may("kubelet-extra-args", Shape::Table(&Shape::Text), "arguments without their dashes → values"),
    may("ignore-preflight-errors", TEXTS, "names of kubeadm's checks whose failure does not matter here"),
    refuse("control-plane", "the agent joins workers only, yet"),
    refuse("certificate-key", "the agent joins workers only, yet"),
    refuse("unsafe-skip-ca-verification", "give `ca-cert-hashes`: without them anybody can be the cluster"),
];

const PROXY: &[Field] = &[
    may("http", Shape::Text, "URL of the proxy for http"),
    may("https", Shape::Text, "URL of the proxy for https"),
    may("no", TEXTS, "more hosts, domains and networks without it, as the cluster's pod and service networks"),
];

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

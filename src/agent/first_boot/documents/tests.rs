//! Metadata as people write it, good and bad.

use super::*;
use crate::agent::first_boot::metadata::Origin;
use crate::diag::Source;
use crate::ssh_key::tests::KEY;

fn metadata(files: &[(&'static str, &str)]) -> Metadata {
    let texts = files.iter().map(|(name, text)| (*name, Source::new(*name, *text))).collect();
    Metadata { origin: Origin::named("/dev/vdb (vfat)"), texts }
}

fn mistakes(files: &[(&'static str, &str)]) -> String {
    parse(&metadata(files)).unwrap_err().to_string()
}

const META: (&str, &str) = (META_DATA, "instance-id: i-1\nlocal-hostname: node-7\n");

#[test]
fn a_complete_user_data_is_understood() {
    let text = format!(
        "#cloud-config
hostname: worker-1
fqdn: worker-1.example.org
manage_etc_hosts: true
package_upgrade: false
ssh_authorized_keys: ['{KEY}']
users:
  - default
  - {{name: root, ssh_authorized_keys: ['restrict {KEY}']}}
  - name: admin
    gecos: The Admin
    uid: 1500
    groups: adm, systemd-journal
    shell: /bin/bash
    lock_passwd: true
    ssh_authorized_keys: ['{KEY}']
write_files:
  - {{path: /etc/motd, content: \"hello\\n\"}}
  - {{path: /var/lib/x, permissions: 0600, owner: 'admin:adm', encoding: b64, content: AAEC}}
timezone: Europe/Berlin
ntp: {{servers: [10.0.0.1], pools: [pool.example.org]}}
"
    );
    let config = parse(&metadata(&[META, (USER_DATA, &text)])).unwrap();
    assert_eq!(config.instance_id.as_deref(), Some("i-1"));
    let name = config.name.unwrap();
    assert_eq!((name.host.as_str(), name.fqdn.as_deref()), ("worker-1", Some("worker-1.example.org")));
    assert_eq!(config.root_keys, [KEY.to_owned(), format!("restrict {KEY}")]);
    let admin = &config.users[0];
    assert_eq!((admin.name.value.as_str(), admin.uid.as_ref().unwrap().value), ("admin", 1500));
    assert_eq!(admin.groups.iter().map(|group| group.value.as_str()).collect::<Vec<_>>(), ["adm", "systemd-journal"]);
    assert_eq!((config.files[0].mode, config.files[0].content.as_slice()), (0o644, &b"hello\n"[..]));
    assert_eq!((config.files[1].mode, config.files[1].content.as_slice()), (0o600, &[0, 1, 2][..]));
    assert_eq!(config.files[1].owner.value, ("admin".to_owned(), "adm".to_owned()));
    assert_eq!(config.time_servers.unwrap().value.servers, ["10.0.0.1"]);
    assert_eq!(config.network, None);
}

#[test]
fn a_full_name_and_an_instance_id_are_of_one_line() {
    let text = mistakes(&[META, (USER_DATA, "#cloud-config\nusers:\n  - {name: a, gecos: 'a:b'}\n")]);
    assert_eq!(text, "user-data:3:22: a user's full name has no `:` and no line break [gecos]");
    for id in ["'i 1'", "''"] {
        let text = mistakes(&[(META_DATA, &format!("instance-id: {id}\n"))]);
        assert_eq!(text, "meta-data:1:14: `instance-id` is empty or has blanks [instance-id]");
    }
}

#[test]
fn the_host_name_comes_from_user_data_then_meta_data() {
    let name = |files: &[(&'static str, &str)]| {
        let name = parse(&metadata(files)).unwrap().name;
        name.map(|name| (name.host, name.fqdn.unwrap_or_default())).unwrap_or_default()
    };
    let pair = |host: &str, fqdn: &str| (host.to_owned(), fqdn.to_owned());
    assert_eq!(name(&[META]), pair("node-7", ""));
    assert_eq!(name(&[META, (USER_DATA, "#cloud-config\nhostname: a.b.c\n")]), pair("a", "a.b.c"));
    assert_eq!(name(&[META, (USER_DATA, "#cloud-config\nfqdn: x.y\n")]), pair("x", "x.y"));
    assert_eq!(name(&[(META_DATA, "instance-id: i\n"), (USER_DATA, "")]), pair("", ""));
}

#[test]
fn all_mistakes_of_all_files_are_reported_at_once() {
    let text = "#cloud-config
hostnme: x
fqdn: Worker.example
runcmd: [reboot]
packages: [vim]
ssh_pwauth: true
ssh_authorized_keys: [ssh-ed25519 AAAA, {a: b}]
users:
  - {name: Admin}
  - {name: admin, shell: bash, uid: 99999, sudo: ALL, lock_passwd: false}
  - {name: admin, groups: [wheel, 'no such']}
  - {gecos: nobody}
  - {name: root, uid: 7}
write_files:
  - {path: etc/x, content: a}
  - {path: /etc/../x, permissions: '999'}
  - {path: /etc/a, encoding: gzip, content: a}
  - {path: /etc/b, encoding: b64, content: '?'}
  - {path: /etc/b, append: true}
  - {content: x}
timezone: ../../etc/passwd
ntp: {enabled: false, server: [a], pools: ['a b']}
";
    insta::assert_snapshot!(mistakes(&[
        (META_DATA, "local-hostname: node_7\npublic-keys: {a: x}\n"),
        (USER_DATA, text),
        (NETWORK_CONFIG, "version: 3\n"),
    ]), @r"
    meta-data:1:1: `meta-data` has no `instance-id` [missing-key]; `instance-id`: any name that changes when the node is to be configured anew
    meta-data:1:17: `node_7` is not a host name: it has `_` [host-name]; lower-case letters, digits and `-`, parts joined by dots
    meta-data:2:18: this is not an SSH public key: it names no key type (ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com) [ssh-key]
    user-data:2:1: `user-data` has no key `hostnme` [unknown-key]; did you mean `hostname`?
    user-data:3:7: `Worker.example` is not a host name: it has `W` [host-name]; lower-case letters, digits and `-`, parts joined by dots
    user-data:4:1: `runcmd` is not done on this node [unsupported-key]; scripts are not run: put files into `write_files` and units into the image's recipe
    user-data:5:1: `packages` is not done on this node [unsupported-key]; the root is immutable: put it into the image's recipe
    user-data:6:13: `ssh_pwauth` can only be `false` on this node [unsupported-value]; leave it out
    user-data:7:23: this is not an SSH public key: what follows `ssh-ed25519` is not such a key, or it was cut [ssh-key]
    user-data:7:41: `ssh_authorized_keys[1]` takes a text [wrong-kind]; write a single value
    user-data:9:12: `Admin` is not the name of a user or group [bad-account]; lower case letters, digits, `-` and `_`, 31 at most, beginning with a letter or `_`
    user-data:10:26: `bash` is not an absolute path [bad-path]; an absolute path without `.`, `..` and `:`
    user-data:10:37: `99999` is not a value of `uid` [wrong-number]; a whole number from 1 to 60000
    user-data:10:44: `sudo` is not done on this node [unsupported-key]; write a file below /etc/sudoers.d with `write_files`
    user-data:10:68: `lock_passwd` can only be `true` on this node [unsupported-value]; nodes have no passwords: use `ssh_authorized_keys`
    user-data:11:12: the user `admin` is there twice (first at user-data:10:12) [duplicate]
    user-data:11:35: `no such` is not the name of a user or group [bad-account]; lower case letters, digits, `-` and `_`, 31 at most, beginning with a letter or `_`
    user-data:12:5: `users[3]` has no `name` [missing-key]; `name`: the account's name; `root` can only have keys
    user-data:13:23: root's `uid` is the image's [root-user]
    user-data:15:12: `etc/x` is not a path for a file [bad-path]; an absolute path without `.` and `..`
    user-data:16:12: `/etc/../x` is not a path for a file [bad-path]; an absolute path without `.` and `..`
    user-data:16:36: `999` is not a file mode [permissions]; three or four octal digits, `'0644'`
    user-data:17:30: `gzip` is not a value of `encoding` [unknown-word]; known are: b64, base64, text/plain
    user-data:18:44: the content is not base64: it has `?` [base64]
    user-data:19:20: `append` is not done on this node [unsupported-key]; write the whole file, or a drop-in beside it
    user-data:20:5: `write_files[5]` has no `path` [missing-key]; `path`: absolute, outside the immutable root
    user-data:21:11: `../../etc/passwd` is not a time zone [bad-timezone]; a name below /usr/share/zoneinfo, such as UTC or Europe/Berlin
    user-data:22:16: `enabled` can only be `true` on this node [unsupported-value]; a Kubernetes node keeps its time
    user-data:22:23: `ntp` has no key `server` [unknown-key]; did you mean `servers`?
    user-data:22:44: `a b` is not a host name or address [time-server]
    network-config:1:10: `3` is not a value of `version` [unknown-word]; only `2` is known
    ");
}

#[test]
fn scripts_and_missing_meta_data_are_mistakes() {
    insta::assert_snapshot!(mistakes(&[(USER_DATA, "#!/bin/sh\necho hello\n")]), @r"
    the metadata on /dev/vdb (vfat) has no `meta-data` [no-meta-data]; it holds at least `instance-id: NAME`
    user-data:1:1: the first line is not `#cloud-config` [not-cloud-config]; scripts are not run: put files into `write_files` and units into the image's recipe
    ");
}

#[test]
fn broken_yaml_in_one_file_does_not_hide_the_others() {
    insta::assert_snapshot!(mistakes(&[
        (META_DATA, "instance-id: [\n"),
        (USER_DATA, "#cloud-config\nhostname: x: y\n"),
        (NETWORK_CONFIG, "version: 2\nethernet: {}\n"),
    ]), @r"
    meta-data:1:14: this is not valid YAML: unclosed bracket '[' [yaml-syntax]
    user-data:2:12: this is not valid YAML: mapping values are not allowed in this context [yaml-syntax]
    network-config:2:1: `network-config` has no key `ethernet` [unknown-key]; did you mean `ethernets`?
    ");
}

#[test]
fn the_cluster_is_understood() {
    let text = format!(
        "#cloud-config
kubernetes:
  join:
    endpoint: '[fd00::1]:6443'
    token: 123456.1234567890123456
    ca-cert-hashes: ['sha256:{}']
    node-name: n1.example
    labels: {{zone: 1, a.example/b: ''}}
    taints: ['k=v:NoSchedule', k:NoExecute]
    kubelet-extra-args: {{v: 2, feature-gates: 'A=true,B=false'}}
    ignore-preflight-errors: [Swap]
  proxy: {{https: 'https://proxy:3128', no: [10.244.0.0/16]}}
  registry-mirrors: {{docker.io: [https://a.example], _default: ['http://b:5000/v2']}}
",
        "0".repeat(64)
    );
    let config = parse(&metadata(&[META, (USER_DATA, &text)])).unwrap();
    let kubernetes = config.kubernetes.unwrap();
    let join = kubernetes.join.unwrap();
    assert_eq!(join.endpoint.value.to_string(), "[fd00::1]:6443");
    assert_eq!(join.token.value.expose(), "123456.1234567890123456");
    assert_eq!(join.node_name.as_deref(), Some("n1.example"));
    assert_eq!(join.labels, [("zone", "1"), ("a.example/b", "")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    assert_eq!((join.taints.len(), join.kubelet_extra_args["v"].as_str()), (2, "2"));
    assert_eq!(join.ignore_preflight_errors.unwrap().value, ["Swap"]);
    assert_eq!(kubernetes.proxy.unwrap().no, ["10.244.0.0/16"]);
    assert_eq!(kubernetes.mirrors.len(), 2);
}

#[test]
fn mistakes_about_the_cluster_have_their_places_and_show_no_secret() {
    let text = "#cloud-config
ca_certs: {trusted: [abc], remove_defaults: true}
kubernetes:
  join:
    endpoint: https://10.0.2.2:6443
    token: abcdef.0123456789ABCDEF
    ca-cert-hashes: [sha256:00, md5]
    node-name: Node
    labels: {node-role.kubernetes.io/worker: '', a b: c, c: [], d: 'e f'}
    taints: [a, 'a=b:Never']
    kubelet-extra-args: {cgroup-driver: cgroupfs, --v: 2, a: 'b c'}
    ignore-preflight-errors: [all]
    control-plane: true
    tokn: x
  proxy: {http: 'proxy:secret@host', no: ['a,b']}
  registry-mirrors: {https://docker.io: [a.example], b: x}
  ca-certificates: []
";
    insta::assert_snapshot!(mistakes(&[META, (USER_DATA, text)]), @r"
    user-data:2:22: this is not a list of PEM certificates: it has no `-----BEGIN CERTIFICATE-----` [certificate]
    user-data:2:28: `remove_defaults` is not done on this node [unsupported-key]; what the image trusts is its recipe's
    user-data:5:15: `https://10.0.2.2:6443` is not the address of an API server: it is an address without `https://` [endpoint]
    user-data:6:12: this is not a bootstrap token: it has not the form of 6 and 16 lower-case letters or digits with a `.` between them [token]
    user-data:7:22: `sha256:00` is not the hash of a certificate: it does not have 64 hexadecimal digits after `sha256:` [ca-cert-hash]
    user-data:7:33: `md5` is not the hash of a certificate: it does not start with `sha256:` [ca-cert-hash]
    user-data:8:16: `Node` is not the name of a node: it has `N` [node-name]
    user-data:9:14: `node-role.kubernetes.io/worker` is not a label of a node: a node may not give itself this label, the kubelet would not start: set it with `kubectl` [label]
    user-data:9:50: `a b` is not a label of a node: a key is 1 to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends [label]
    user-data:9:61: `c` takes a text [wrong-kind]; write a single value
    user-data:9:68: `e f` is not a label of a node: a value is empty, or up to 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends [label]
    user-data:10:14: `a` is not a taint: it has no effect, as in `key=value:NoSchedule` [taint]
    user-data:10:17: `a=b:Never` is not a taint: its effect is none of NoSchedule, PreferNoSchedule, NoExecute [taint]
    user-data:11:26: `cgroup-driver` is not an argument of the kubelet for this place: the image sets it, the same for the container runtime [kubelet-argument]
    user-data:11:51: `--v` is not an argument of the kubelet for this place: the name stands without its dashes [kubelet-argument]
    user-data:11:62: `b c` is not an argument of the kubelet for this place: it has ` `, which the kubelet's environment file cannot carry [kubelet-argument]
    user-data:12:31: `all` is not a preflight check to ignore: name the checks: with `all` nobody would learn what is wrong [preflight-check]
    user-data:13:5: `control-plane` is not done on this node [unsupported-key]; the agent joins workers only, yet
    user-data:14:5: `join` has no key `tokn` [unknown-key]; did you mean `token`?
    user-data:15:17: this is not the URL of a proxy: it begins with none of http, https, socks5, and `://` [proxy]
    user-data:15:43: `a,b` is not a host, domain or network: one for each item, as `10.0.0.0/8` or `.example.org` [no-proxy]
    user-data:16:22: `https://docker.io` is not a registry [bad-registry]; a host with an optional port, such as registry.k8s.io, or `_default`
    user-data:16:42: `a.example` is not the URL of a mirror: it begins with none of http, https, and `://` [registry-mirror]
    user-data:16:57: `b` takes a list [wrong-kind]; write `[one, two]`, or lines that begin with `- `
    user-data:17:3: `ca-certificates` is not done on this node [unsupported-key]; use `ca_certs: {trusted: [PEM]}`, beside `kubernetes`
    ");
    insta::assert_snapshot!(mistakes(&[META, (USER_DATA, "#cloud-config\nkubernetes: {join: {ca-cert-hashes: []}}\n")]), @r"
    user-data:2:20: `join` has no `endpoint` [missing-key]; `endpoint`: HOST:PORT of the API server
    user-data:2:20: `join` has no `token` [missing-key]; `token`: a bootstrap token, as `kubeadm token create` makes it
    user-data:2:37: without a hash anybody could be the cluster [no-ca-cert-hash]; `kubeadm token create --print-join-command` on the control plane shows it
    ");
}

/// A toy, as a source of another family might bring: an instance id and nothing else.
const TOY: Document = Document {
    name: "toy",
    read: |source, config, _| config.instance_id = Some(source.text.clone()),
    instance_id: Some(|source| Some(source.text.clone())),
};

#[test]
fn another_document_is_a_row_that_can_stand_for_meta_data() {
    let network = (NETWORK_CONFIG, "{version: 2, ethernets: {eth0: {dhcp4: true}}}");
    let documents = [&[TOY], DOCUMENTS].concat();
    let config = parse_by(&documents, &metadata(&[("toy", "i-2"), network])).unwrap();
    assert_eq!((config.instance_id.as_deref(), config.network.unwrap().links.len()), (Some("i-2"), 1));
    // A text that no row names is not read, so nobody says which instance this is.
    let texts = metadata(&[("other", "x"), (USER_DATA, "#!/bin/sh\n")]);
    let mistakes = parse_by(&documents, &texts).unwrap_err();
    assert_eq!(mistakes.0.iter().map(|mistake| mistake.slug).collect::<Vec<_>>(), ["no-meta-data", "not-cloud-config"]);
}

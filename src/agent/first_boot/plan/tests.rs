//! Plans as people read them.

use std::collections::BTreeMap;

use super::*;
use crate::agent::first_boot::documents;
use crate::agent::first_boot::facts::{Interface, TimeDaemon};
use crate::agent::first_boot::metadata::{META_DATA, Metadata, NETWORK_CONFIG, Origin, USER_DATA};
use crate::agent::first_boot::paths::ZONEINFO;
use crate::diag::Source;
use crate::ssh_key::tests::KEY;

pub(crate) fn facts() -> Facts {
    Facts {
        machine_id: "0123456789abcdef0123456789abcdef".to_owned(),
        hostname: "localhost".to_owned(),
        interfaces: vec![Interface { name: "ens3".to_owned(), mac: "52:54:00:12:34:56".to_owned() }],
        passwd: "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n".to_owned(),
        group: "root:x:0:\nadm:x:4:\nsystemd-journal:x:990:\n".to_owned(),
        writable: vec!["/opt/cni/bin".to_owned(), "/home".to_owned(), "/root".to_owned()],
        network_files: vec!["90-nodeinit-old.network".to_owned()],
        network_masked: false,
        present: ["/bin/bash".to_owned(), format!("{ZONEINFO}/Europe/Berlin")].into(),
        time_daemon: Some(TimeDaemon::Timesyncd),
        once: Vec::new(),
        has_sshd: true,
        obstacles: BTreeMap::new(),
        networkd_runs: false,
        certificates: "/etc/ssl/certs/ca-certificates.crt".to_owned(),
        ..Facts::default()
    }
}

pub(crate) fn config(user_data: &str, network_config: &str) -> NodeConfig {
    let texts = [
        (META_DATA, "instance-id: i-1\nlocal-hostname: node-7\n"),
        (USER_DATA, user_data),
        (NETWORK_CONFIG, network_config),
    ];
    let texts = texts.into_iter().map(|(name, text)| (name, Source::new(name, text))).collect();
    documents::parse(&Metadata { origin: Origin::named("test"), texts }).unwrap()
}

#[test]
fn a_node_without_metadata_gets_a_name_of_its_own() {
    let facts = Facts { network_files: Vec::new(), has_sshd: false, ..facts() };
    insta::assert_snapshot!(plan(&NodeConfig::default(), &facts).unwrap(), @r"
    1. set the host name to node-01234567
    2. put 1 line of ours into /etc/hosts (0644, 0:0)
    3. leave nothing of ours in /root/.ssh/authorized_keys
    4. mark a node without metadata as set up
    ");
}

#[test]
fn metadata_becomes_steps_in_a_fixed_order() {
    let user_data = format!(
        "#cloud-config
fqdn: node-7.example.org
ssh_authorized_keys: ['{KEY}', 'restrict {KEY}']
users:
  - {{name: admin, groups: [adm, systemd-journal], ssh_authorized_keys: ['{KEY}']}}
  - {{name: guest, uid: 1000, homedir: /var/guest, shell: /bin/bash}}
write_files:
  - {{path: /etc/systemd/system/containerd.service.d/proxy.conf, content: abc}}
  - {{path: /opt/cni/bin/plugin, content: x, permissions: '0755', owner: 'admin:adm'}}
timezone: Europe/Berlin
ntp: {{servers: [10.0.0.1], pools: [pool.example.org]}}
"
    );
    let network = "version: 2
ethernets:
  lan: {match: {macaddress: '52:54:00:12:34:56'}, set-name: lan0, dhcp4: true}
  other: {match: {macaddress: '52:54:00:00:00:01'}, dhcp4: true}
";
    insta::assert_snapshot!(plan(&config(&user_data, network), &facts()).unwrap(), @r"
     1. set the host name to node-7
     2. put 1 line of ours into /etc/hosts (0644, 0:0)
     3. link /etc/systemd/network/95-nodesmith-dhcp.network to /dev/null
     4. link /etc/systemd/system/systemd-networkd-wait-online.service.d/50-nodesmith-any.conf to /dev/null
     5. remove /etc/systemd/network/90-nodeinit-old.network
     6. write /etc/systemd/network/10-nodeinit-00-lan.link (113 bytes, 0644, 0:0)
     7. write /etc/systemd/network/10-nodeinit-00-lan.network (88 bytes, 0644, 0:0)
     8. write /etc/systemd/network/10-nodeinit-01-other.network (115 bytes, 0644, 0:0)
     9. run /usr/bin/udevadm control --reload
    10. run /usr/bin/udevadm trigger --action=add --subsystem-match=net
    11. run /usr/bin/udevadm settle --timeout=20
    12. add the user admin (1001:1001, /home/admin, /bin/bash)
    13. make the directory /home/admin (0700, 1001:1001)
    14. make admin a member of adm
    15. make admin a member of systemd-journal
    16. make the directory /home/admin/.ssh (0700, 1001:1001)
    17. put 1 line of ours into /home/admin/.ssh/authorized_keys (0600, 1001:1001)
    18. add the user guest (1000:1000, /var/guest, /bin/bash)
    19. make the directory /var/guest (0700, 1000:1000)
    20. make the directory /root/.ssh (0700, 0:0)
    21. put 2 lines of ours into /root/.ssh/authorized_keys (0600, 0:0)
    22. write /etc/systemd/system/containerd.service.d/proxy.conf (3 bytes, 0644, 0:0)
    23. write /opt/cni/bin/plugin (1 byte, 0755, 1001:4)
    24. run /usr/bin/systemctl daemon-reload
    25. link /etc/localtime to ../usr/share/zoneinfo/Europe/Berlin
    26. write /etc/systemd/timesyncd.conf.d/50-nodeinit.conf (37 bytes, 0644, 0:0)
    27. run /usr/bin/ssh-keygen -A
    28. mark i-1 as applied
    note: no interface has the address 52:54:00:00:00:01 of `other`; there are: ens3 52:54:00:12:34:56
    ");
}

#[test]
fn what_the_image_cannot_do_is_a_mistake_with_its_place() {
    let user_data = "#cloud-config
users:
  - {name: a, groups: [docker], shell: /bin/zsh, homedir: /usr/a}
  - {name: b, uid: 1}
  - {name: daemon, uid: 5}
write_files:
  - {path: /usr/bin/x}
  - {path: /etc}
  - {path: /etcetera/x}
  - {path: /var/lib/nodeinit/applied}
  - {path: /etc/x, owner: nobody}
  - {path: /etc/y, owner: 'root:wheel'}
timezone: Mars/Olympus
ntp: {servers: [a.example]}
";
    let obstacles = [("/etc/x".to_owned(), "/etc/x is a directory".to_owned())].into();
    let facts = Facts { time_daemon: None, obstacles, ..facts() };
    insta::assert_snapshot!(plan(&config(user_data, ""), &facts).unwrap_err(), @r"
    user-data:3:40: the image has no `/bin/zsh` [shell]; add its package to the recipe, or leave `shell` out
    user-data:3:59: `/usr/a` cannot be written: the root is immutable [not-writable]; writable: /etc, /var, /opt/cni/bin, /home, /root
    user-data:3:24: the image has no group `docker` [no-such-group]; groups come from the image's packages and recipe
    user-data:4:20: the uid 1 belongs to another user [uid]; choose another, or leave `uid` out
    user-data:5:25: `daemon` has the uid 1 already, not 5 [uid]; leave `uid` out
    user-data:7:12: `/usr/bin/x` cannot be written: the root is immutable [not-writable]; writable: /etc, /var, /opt/cni/bin, /home, /root
    user-data:8:12: `/etc` cannot be written: the root is immutable [not-writable]; writable: /etc, /var, /opt/cni/bin, /home, /root
    user-data:9:12: `/etcetera/x` cannot be written: the root is immutable [not-writable]; writable: /etc, /var, /opt/cni/bin, /home, /root
    user-data:10:12: `/var/lib/nodeinit/applied` belongs to the agent [not-writable]; choose another path
    user-data:11:12: `/etc/x` cannot be written: /etc/x is a directory [not-a-file]; choose another path
    user-data:11:27: there is no user `nobody` [no-such-user]; name it under `users`
    user-data:12:27: the image has no group `wheel` [no-such-group]; for example `owner: root:root`
    user-data:13:11: the image has no time zone `Mars/Olympus` [timezone]; see `timedatectl list-timezones`; the recipe needs `tzdata`
    user-data:14:6: the image has no time daemon that could use these servers [no-time-daemon]; add `systemd-timesyncd` or `chrony` to the recipe
    ");
}

#[test]
fn metadata_that_no_longer_has_a_network_gives_the_default_back() {
    let facts = Facts { network_files: Vec::new(), network_masked: true, ..facts() };
    let plan = plan(&config("#cloud-config\n", ""), &facts).unwrap().to_string();
    let wait = plan.find("remove /etc/systemd/system/systemd-networkd-wait-online").unwrap();
    assert!(wait < plan.find("remove /etc/systemd/network/95-nodesmith-dhcp.network").unwrap(), "{plan}");
}

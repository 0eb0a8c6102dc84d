//! A node joins that was started without a disk from the network, and one that a CD has installed: what `nodesmith serve`
//! and `nodesmith boot --cdrom` are for, with the real control plane.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Guest, cluster, until};
use crate::support::{build, place};

static IMAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    build("tests/boot/recipes/cluster-anywhere.yaml".as_ref(), "cluster-anywhere", "cluster-anywhere.lock")
});
const SOON: Duration = Duration::from_secs(120);

/// `nodesmith serve` in the cluster's network; its port.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(cluster: &Cluster) -> Server {
        let mut command = cluster.nodesmith();
        command.arg("serve").arg(IMAGE.parent().unwrap()).args(["--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        // Its log is read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.lines().for_each(drop));
        let first: Value = serde_json::from_str(&line).unwrap();
        let port = first["http"].as_str().unwrap().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Server { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The guest ends as a member, and its console.
fn joins(cluster: &Cluster, mut guest: Guest, node: &str) -> String {
    guest.until_member(|member| member["state"] == "joined");
    let serial = guest.serial().to_owned();
    let (code, report) = guest.end();
    let console = String::from_utf8_lossy(&fs::read(serial).unwrap()).into_owned();
    assert_eq!(code, Some(0), "{report}\n{console}");
    assert_eq!(report["kubernetes"]["state"], "joined");
    until("the node", SOON, || (!cluster.kubectl(&["get", &format!("node/{node}")]).is_empty()).then_some(()));
    console
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_node_without_a_disk_joins() {
    LazyLock::force(&IMAGE);
    let (cluster, _guest) = cluster();
    let server = Server::start(cluster);
    let seed = cluster.seed("diskless", |user_data| user_data);
    let url = format!("http://10.0.2.2:{}/boot.ipxe", server.port);
    let machine = ["--netboot", &url, "--firmware", "bios", "--memory", "6144"];
    let console = joins(cluster, cluster.start("diskless", &machine, &seed, "ready", &[]), "diskless");
    assert!(console.contains("cluster-anywhere.netdisk"), "{console}");
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_node_that_a_cd_has_installed_joins() {
    let (iso, disk) = (IMAGE.with_extension("iso"), place().join("installed-member.img"));
    let _ = fs::remove_file(&disk);
    let (cluster, _guest) = cluster();
    let seed = cluster.seed("installed", |user_data| user_data);
    let machine = ["--cdrom", iso.to_str().unwrap(), "--disk", disk.to_str().unwrap(), "--disk-size", "12GiB"];
    let console =
        joins(cluster, cluster.start("installed", &machine, &seed, "ready", &["--reboots", "1"]), "installed");
    assert!(console.contains("nodeinit: installed to vda: restarting"), "{console}");
    fs::remove_file(disk).unwrap();
}

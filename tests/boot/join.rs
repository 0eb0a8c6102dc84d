//! Nodes join a real API server: at once, when it is late, and after the power went; and never one that is not theirs.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{cluster, until};
use crate::support::{build, place};

/// Built once; the RPMs and images in it are those of `ci/cluster-fixture`.
static IMAGE: LazyLock<PathBuf> =
    LazyLock::new(|| build("tests/recipes/cluster.yaml".as_ref(), "cluster", "cluster.lock").with_extension("raw"));

/// How long the control plane may take for what it does by itself.
const SOON: Duration = Duration::from_secs(120);

fn pod(name: &str, node: &str, script: &str, restart: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"example.org/test": node},
            "restartPolicy": restart,
            "containers": [{
                "name": name,
                "image": "nodesmith.test/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["/bin/sh", "-c", script],
                "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
                "volumeMounts": [{"name": "answer", "mountPath": "/answer"}],
            }],
            "volumes": [{
                "name": "answer",
                "hostPath": {"path": "/var/lib/nodesmith-test/answer", "type": "DirectoryOrCreate"},
            }],
        },
    })
}

#[test]
fn a_node_joins_runs_pods_that_talk_and_is_the_same_member_after_a_reboot() {
    joins_and_runs_pods(&IMAGE, "member");
}

/// From power-on over pods to the second boot, with the checks of `overlays/cluster` inside.
pub(crate) fn joins_and_runs_pods(image: &Path, name: &str) {
    let (cluster, _guest) = cluster();
    let (of, node) = (|what: &str| format!("{what}-{name}"), format!("node/{name}"));
    // As the first process of a container, httpd would ignore SIGTERM and hold up the reboot for 90 seconds.
    let serve = "mkdir /tmp/www && echo pod-answers >/tmp/www/index.html && trap exit TERM && \
                 { httpd -f -p 8080 -h /tmp/www & wait; }";
    cluster.create(&of("server"), &pod(&of("server"), name, serve, "Always"));
    let seed = cluster.seed(name, |user_data| user_data);
    // Tests share the cluster, but never run two guests at a time.
    let requests = || cluster.kubectl(&["get", "csr", "--output", "name"]).lines().count();
    let requested = requests();
    let mut guest = cluster.boot(name, image, &seed, "verdict", &["--reboots", "1"]);
    guest.until_member(|member| member["state"] == "joined");
    let field = |kind: &str, path: &str| cluster.kubectl(&["get", kind, "--output", &format!("jsonpath={path}")]);
    let server = until("the server's address", SOON, || {
        Some(field(&format!("pod/{}", of("server")), "{.status.podIP}")).filter(|address| !address.is_empty())
    });
    let identity = field(&node, "{.metadata.uid} {.status.nodeInfo.machineID}");
    let first_boot = field(&node, "{.status.nodeInfo.bootID}");
    // A kubelet reports no address of a pod that ends at once; and with the answer in its place, the node reboots.
    let ask = format!(
        "until wget -q -O /tmp/text http://{server}:8080/; do sleep 1; done; sleep 15; cp /tmp/text /answer/text"
    );
    cluster.create(&of("client"), &pod(&of("client"), name, &ask, "OnFailure"));
    let client_pod = format!("pod/{}", of("client"));
    let client = until("the client's address", SOON, || {
        Some(field(&client_pod, "{.status.podIP}")).filter(|address| !address.is_empty())
    });
    until("the client's end", SOON, || (field(&client_pod, "{.status.phase}") == "Succeeded").then_some(()));
    assert!(client.starts_with("10.244.") && server.starts_with("10.244.") && client != server, "{client} {server}");
    assert_eq!(field(&node, "{.status.conditions[?(@.type=='Ready')].status}"), "True");
    let console = guest.console();
    let (code, report) = guest.end();
    assert_eq!(code, Some(0), "{report}\n{console}");
    assert_eq!(field(&node, "{.metadata.uid} {.status.nodeInfo.machineID}"), identity);
    until("the second boot's report", SOON, || {
        Some(field(&node, "{.status.nodeInfo.bootID}")).filter(|boot| *boot != first_boot)
    });
    // One request for a certificate: nothing joined twice.
    assert_eq!(requests(), requested + 1);
}

#[test]
fn the_manifest_repeats_what_the_lock_says_of_kubelet_and_kubeadm() {
    let read = |path: &Path| -> Value { serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
    let manifest = read(&IMAGE.with_extension("manifest.json"));
    let lock = read(&place().join("cluster.lock"));
    let entry = |packages: &Value, name: &str| -> Vec<String> {
        let packages = packages.as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        ["version", "sha256", "signer"].map(|key| package[key].as_str().unwrap().to_owned()).into()
    };
    let trusted = std::fs::read_to_string("target/kubernetes/rpms.yaml").unwrap();
    for name in ["kubelet", "kubeadm"] {
        let locked = entry(&lock["packages"], name);
        assert_eq!(locked[0], "1.20.2-150500.1.1");
        assert_eq!(locked[1].len(), 64);
        assert!(trusted.contains(&format!("fingerprint: {}", locked[2])), "{locked:?}");
        assert_eq!(entry(&manifest["kubernetes"]["packages"], name), locked);
    }
}

#[test]
fn a_cluster_with_another_authority_is_refused_at_the_line_of_the_hash() {
    let image = IMAGE.as_path();
    let (cluster, _guest) = cluster();
    let right = cluster.entrance["ca-cert-hash"].as_str().unwrap();
    let wrong = format!("sha256:{}", "ab".repeat(32));
    let seed = cluster.seed("stranger", |user_data| user_data.replace(right, &wrong));
    let guest = cluster.boot("wrong-hash", image, &seed, "ready", &["--reboots", "0"]);
    let console = guest.console();
    let (code, report) = guest.end();
    assert_eq!(code, Some(1), "{report}\n{console}");
    assert_eq!(report["state"], "mistake");
    assert!(report["messages"].to_string().contains("user-data:7:7: "), "{report}");
    assert!(report["messages"].to_string().contains("are pinned"), "{report}");
    assert_eq!(cluster.kubectl(&["get", "node/stranger", "--ignore-not-found"]), "");
}

#[test]
fn a_node_waits_for_an_api_server_that_comes_a_minute_later() {
    let image = IMAGE.as_path();
    let (cluster, _guest) = cluster();
    let seed = cluster.seed("patient", |user_data| user_data);
    cluster.control("stop-api");
    let started = Instant::now();
    let mut guest = cluster.boot("api-down", image, &seed, "ready", &["--reboots", "0"]);
    guest.until_member(|member| {
        let what = member["waits_for"].as_str().unwrap_or_default();
        member["state"] == "waiting" && what.contains("10.0.2.2:6443")
    });
    std::thread::sleep(Duration::from_secs(60).saturating_sub(started.elapsed()));
    cluster.control("start-api");
    let console = guest.console();
    let (code, report) = guest.end();
    assert_eq!(code, Some(0), "{report}\n{console}");
    assert_eq!(report["kubernetes"]["state"], "joined");
    until("the node", SOON, || (!cluster.kubectl(&["get", "node/patient"]).is_empty()).then_some(()));
}

#[test]
fn a_join_that_a_power_cut_ended_is_done_by_the_next_boot() {
    let image = IMAGE.as_path();
    let (cluster, _guest) = cluster();
    let seed = cluster.seed("unlucky", |user_data| user_data);
    let disk = place().join("unlucky.qcow2");
    let _ = std::fs::remove_file(&disk);
    let arguments = ["--reboots", "0", "--disk", disk.to_str().unwrap()];
    let mut guest = cluster.boot("power-cut", image, &seed, "ready", &arguments);
    guest.until_member(|member| member["waits_for"].as_str().unwrap_or_default().contains("kubelet-start"));
    guest.cut();
    assert_eq!(guest.end().0, Some(1));
    let guest = cluster.boot("after-power-cut", image, &seed, "ready", &arguments);
    let console = guest.console();
    let (code, report) = guest.end();
    assert_eq!(code, Some(0), "{report}\n{console}");
    assert_eq!(report["kubernetes"]["state"], "joined");
    until("the node", SOON, || (!cluster.kubectl(&["get", "node/unlucky"]).is_empty()).then_some(()));
    std::fs::remove_file(&disk).unwrap();
}

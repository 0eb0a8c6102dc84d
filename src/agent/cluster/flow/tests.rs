//! Joins of a node that lives in memory, whose cluster fails and whose power is cut.

use std::collections::{BTreeMap, VecDeque};

use anyhow::bail;

use super::*;
use crate::agent::cluster::endpoint::Endpoint;
use crate::agent::cluster::kubeadm::Ended;
use crate::agent::cluster::request::tests::{TOKEN, request};
use crate::agent::cluster::roles;
use crate::agent::secret::Secret;
use crate::image_info::KubeadmApi;
use crate::image_info::tests::kubernetes;

/// What one run of kubeadm does.
#[derive(Debug, Clone, Copy)]
enum Kubeadm {
    /// Both phases pass.
    Good,
    /// Preflight fails with these words.
    Fails(&'static str),
    /// `kubelet-start` writes its first files and fails with these words.
    StartsBadly(&'static str),
}

/// A node and the cluster as it sees it.
#[derive(Default)]
struct Node {
    files: BTreeMap<String, String>,
    kubelet_runs: bool,
    /// How often the endpoint still refuses.
    down: u32,
    /// How often the kubelet still is not healthy.
    unwell: u32,
    /// After this many pauses a kubelet that runs has its certificate.
    late: Option<u32>,
    /// One for each attempt; the last one stays.
    kubeadm: VecDeque<Kubeadm>,
    /// Certificates that the cluster gave out.
    joined: u32,
    waited: Duration,
    told: Vec<Membership>,
    logged: String,
    /// Writes and runs until the power is cut.
    left: Option<u32>,
    /// In place of that of the request's role.
    workflow: Option<&'static Workflow>,
}

/// What kubeadm and the kubelet write in `kubelet-start`, in their order.
fn member_files() -> [(&'static str, String); 6] {
    [
        (BOOTSTRAP_KUBECONFIG, format!("token: {TOKEN}\n")),
        ("/etc/kubernetes/pki/ca.crt", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n".to_owned()),
        ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n".to_owned()),
        ("/var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"\"\n".to_owned()),
        ("/etc/kubernetes/kubelet.conf", "client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n".to_owned()),
        (
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
            "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\ny\n-----END EC \
             PRIVATE KEY-----\n"
                .to_owned(),
        ),
    ]
}

impl Node {
    /// With a request on its disk.
    fn new(kubeadm: &[Kubeadm]) -> Node {
        let files = [(contract::JOIN_REQUEST.to_owned(), request().text().expose().to_owned())].into();
        Node { files, kubeadm: kubeadm.iter().copied().collect(), ..Node::default() }
    }

    /// Counts something that changes the node; fails once the power is off.
    fn tick(&mut self) -> Result<()> {
        match &mut self.left {
            Some(0) => bail!("power cut"),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    /// The unit's start: only while there is a request.
    fn run(&mut self) -> Result<End> {
        if self.files.contains_key(contract::JOINED) {
            clean_up(self)?;
            return Ok(End::Joined);
        }
        let text = self.files.get(contract::JOIN_REQUEST).expect("the unit's condition").clone();
        let request = Request::read(text.as_bytes())?;
        let workflow = self.workflow.unwrap_or(roles::workflow(request.role));
        join(self, workflow, &request, &kubernetes(KubeadmApi::V1Beta2))
    }

    fn start(&mut self, fails: Option<&'static str>) -> Result<Ended> {
        for (path, text) in member_files() {
            if fails.is_some() && path.ends_with(".pem") {
                break;
            }
            self.tick()?;
            self.files.insert(path.to_owned(), text);
            if path.ends_with(".env") {
                self.kubelet_runs = true;
            }
        }
        self.tick()?;
        self.files.remove(BOOTSTRAP_KUBECONFIG);
        if let Some(words) = fails {
            return Ok(Ended { code: Some(1), output: words.to_owned() });
        }
        self.joined += 1;
        Ok(Ended { code: Some(0), output: format!("leaked {TOKEN}") })
    }

    /// A phase of a role that only tests have: leaves its files, the last one only if it is good.
    fn make(&mut self, phase: &Phase, run: Kubeadm, configuration: &Secret) -> Result<Ended> {
        let kind = configuration.expose().lines().next().unwrap_or_default();
        self.logged.push_str(&format!("{} --config {kind}\n", phase.arguments.join(" ")));
        for (index, (path, _)) in phase.leaves.iter().enumerate() {
            self.tick()?;
            assert!(!self.files.contains_key(*path), "{path} of an earlier attempt is in the way");
            if let (Kubeadm::StartsBadly(words), true) = (run, index + 1 == phase.leaves.len()) {
                return Ok(Ended { code: Some(1), output: words.to_owned() });
            }
            self.files.insert((*path).to_owned(), "whole\n".to_owned());
        }
        self.kubelet_runs = true;
        Ok(Ended { code: Some(0), output: String::new() })
    }

    fn states(&self) -> Vec<String> {
        self.told.iter().map(Membership::to_string).collect()
    }
}

impl World for Node {
    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.files.get(path).map(|text| text.clone().into_bytes()))
    }

    fn write(&mut self, path: &str, text: &str) -> Result<()> {
        self.tick()?;
        self.files.insert(path.to_owned(), text.to_owned());
        Ok(())
    }

    fn wipe(&mut self, path: &str) -> Result<()> {
        if let Some(text) = self.files.get(path) {
            let zeros = "\0".repeat(text.len());
            self.tick()?;
            self.files.insert(path.to_owned(), zeros);
            self.tick()?;
            self.files.remove(path);
        }
        Ok(())
    }

    fn kubeadm(&mut self, phase: &Phase, configuration: &Secret) -> Result<Ended> {
        self.tick()?;
        assert!(configuration.expose().contains(TOKEN));
        let run = *self.kubeadm.front().expect("a script for kubeadm");
        if !phase.leaves.is_empty() && self.kubeadm.len() > 1 {
            self.kubeadm.pop_front();
        }
        let refused = ["/etc/kubernetes/kubelet.conf", BOOTSTRAP_KUBECONFIG, "/etc/kubernetes/pki/ca.crt"];
        match (phase.name, run) {
            ("preflight", _) if refused.iter().any(|path| self.files.contains_key(*path)) => {
                Ok(Ended { code: Some(1), output: "\t[ERROR FileAvailable--x]: x already exists\n".to_owned() })
            }
            ("preflight", _) if self.kubelet_runs => {
                Ok(Ended { code: Some(1), output: "\t[ERROR Port-10250]: Port 10250 is in use\n".to_owned() })
            }
            ("preflight", Kubeadm::Fails(words)) => {
                if self.kubeadm.len() > 1 {
                    self.kubeadm.pop_front();
                }
                Ok(Ended { code: Some(1), output: words.to_owned() })
            }
            ("preflight", _) => Ok(Ended { code: Some(0), output: String::new() }),
            ("kubelet-start", Kubeadm::StartsBadly(words)) => self.start(Some(words)),
            ("kubelet-start", _) => self.start(None),
            (_, run) => self.make(phase, run, configuration),
        }
    }

    fn log(&mut self, output: &str) {
        self.logged.push_str(output);
    }

    fn start_kubelet(&mut self) -> Result<()> {
        self.tick()?;
        self.kubelet_runs = true;
        Ok(())
    }

    fn stop_kubelet(&mut self) -> Result<()> {
        self.tick()?;
        self.kubelet_runs = false;
        Ok(())
    }

    fn reach(&mut self, _: &Endpoint) -> Result<(), String> {
        if self.down == 0 {
            return Ok(());
        }
        self.down -= 1;
        Err("connection refused".to_owned())
    }

    fn kubelet_health(&mut self) -> Result<(), String> {
        if !self.kubelet_runs {
            return Err("it does not run".to_owned());
        }
        if self.unwell == 0 {
            return Ok(());
        }
        self.unwell -= 1;
        Err("connection refused".to_owned())
    }

    fn pause(&mut self, time: Duration) {
        self.waited += time;
        match &mut self.late {
            Some(0) => {
                let (path, text) = member_files().into_iter().next_back().expect("the certificate");
                self.files.insert(path.to_owned(), text);
                self.joined += 1;
                self.late = None;
            }
            Some(left) if self.kubelet_runs => *left -= 1,
            _ => {}
        }
        assert!(self.waited < Duration::from_secs(24 * 3600), "waits for ever: {:?}", self.told.last());
    }

    fn tell(&mut self, membership: &Membership) -> Result<()> {
        self.told.push(membership.clone());
        Ok(())
    }
}

/// What must hold of every node that has joined.
fn assert_joined_once(node: &Node, when: &str) {
    assert_eq!(node.joined, 1, "{when}: certificates");
    assert!(node.kubelet_runs, "{when}: the kubelet does not run");
    let joined = Joined::read(node.files[contract::JOINED].as_bytes()).unwrap();
    assert_eq!((joined.endpoint.as_str(), joined.node.as_str()), ("10.0.2.2:6443", "n1"));
    for gone in [contract::JOIN_REQUEST, contract::JOIN_BEGUN, BOOTSTRAP_KUBECONFIG] {
        assert!(!node.files.contains_key(gone), "{when}: {gone} is still there");
    }
    let secret = "0123456789abcdef";
    assert!(node.files.values().all(|text| !text.contains(secret)), "{when}: the token is on the disk");
    assert!(!node.logged.contains(secret) && node.states().iter().all(|state| !state.contains(secret)), "{when}");
}

#[test]
fn a_node_joins() {
    let mut node = Node { unwell: 1, ..Node::new(&[Kubeadm::Good]) };
    assert_eq!(node.run().unwrap(), End::Joined);
    assert_joined_once(&node, "at once");
    assert_eq!(node.logged, "leaked <secret>");
    insta::assert_snapshot!(node.states().join("\n"), @r"
    joining 10.0.2.2:6443 as n1 (attempt 1): kubeadm's phase preflight
    joining 10.0.2.2:6443 as n1 (attempt 1): kubeadm's phase kubelet-start
    joining 10.0.2.2:6443 as n1 (attempt 1): the kubelet is not healthy: connection refused
    member of 10.0.2.2:6443 as n1
    ");
}

#[test]
fn failures_are_tried_again_with_longer_and_longer_pauses() {
    let refused = Kubeadm::Fails("error execution phase preflight: dial tcp 10.0.2.2:6443: connection refused");
    let mut node = Node::new(&[
        refused,
        Kubeadm::StartsBadly("error execution phase kubelet-start: timed out waiting for the condition"),
        refused,
        Kubeadm::Good,
    ]);
    assert_eq!(node.run().unwrap(), End::Joined);
    assert_joined_once(&node, "after three failures");
    let waits: Vec<String> =
        node.states().into_iter().filter(|state| state.contains("attempt") && state.contains("after")).collect();
    insta::assert_snapshot!(waits.join("\n"), @r"
    joining 10.0.2.2:6443 as n1: waiting for attempt 2 in 5 s, after: preflight: dial tcp 10.0.2.2:6443: connection refused
    joining 10.0.2.2:6443 as n1: waiting for attempt 3 in 10 s, after: kubelet-start: timed out waiting for the condition
    joining 10.0.2.2:6443 as n1: waiting for attempt 4 in 20 s, after: preflight: dial tcp 10.0.2.2:6443: connection refused
    ");
    assert_eq!([1, 2, 3, 7, 99].map(|attempt| pause_after(attempt).as_secs()), [5, 10, 20, 300, 300]);
}

#[test]
fn an_api_server_that_is_down_is_waited_for() {
    let mut node = Node { down: 30, ..Node::new(&[Kubeadm::Good]) };
    assert_eq!(node.run().unwrap(), End::Joined);
    assert_joined_once(&node, "API down");
    assert_eq!(node.waited, LOOK_AGAIN * 30);
    assert_eq!(
        node.states()[0],
        "joining 10.0.2.2:6443 as n1: waiting for the API server 10.0.2.2:6443: connection refused"
    );
}

#[test]
fn a_wrong_hash_is_final_and_nothing_is_left() {
    let words = "error execution phase preflight: couldn't validate the identity of the API Server: cluster CA found in \
                 cluster-info ConfigMap is invalid: none of the public keys \"sha256:ab\" are pinned";
    let mut node = Node::new(&[Kubeadm::Fails(words)]);
    let End::Mistake(text) = node.run().unwrap() else { panic!("joined") };
    assert!(text.starts_with("user-data:6:21: couldn't validate"), "{text}");
    assert_eq!((node.joined, node.waited), (0, Duration::ZERO));
    assert_eq!(node.told.last().unwrap().state, MembershipState::Mistake);
    // The token is gone, and what was wrong is still there for the next boot.
    assert_eq!(node.files, [(contract::JOIN_REFUSED.to_owned(), text)].into());
}

#[test]
fn files_of_another_cluster_are_not_touched() {
    let mut node = Node::new(&[Kubeadm::Good]);
    for (path, text) in member_files() {
        node.files.insert(path.to_owned(), text);
    }
    let mut expected = node.files.clone();
    let End::Mistake(text) = node.run().unwrap() else { panic!("joined") };
    assert!(text.contains("FileAvailable"), "{text}");
    expected.remove(contract::JOIN_REQUEST);
    expected.insert(contract::JOIN_REFUSED.to_owned(), text);
    assert_eq!(node.files, expected);
}

/// Boots until it has joined; the first boot's power is cut after this many changes. Returns whether it was.
fn joins_after_a_cut(node: &mut Node, cut: u32) -> bool {
    node.left = Some(cut);
    let was_cut = node.run().is_err();
    node.left = None;
    if was_cut {
        // The kubelet is started at boot if it is configured.
        node.kubelet_runs = node.files.contains_key("/var/lib/kubelet/config.yaml");
        if node.files.contains_key(contract::JOIN_REQUEST) {
            assert_eq!(node.run().unwrap(), End::Joined, "cut after {cut}");
        }
    }
    was_cut
}

#[test]
fn a_power_cut_anywhere_leads_to_the_same_member() {
    let scripts: [&[Kubeadm]; 2] =
        [&[Kubeadm::Good], &[Kubeadm::StartsBadly("error execution phase kubelet-start: x"), Kubeadm::Good]];
    for script in scripts {
        let mut cut = 0;
        loop {
            let mut node = Node::new(script);
            let was_cut = joins_after_a_cut(&mut node, cut);
            // A certificate may have been given out right before the cut, and not be counted by the script yet.
            node.joined = node.joined.max(1);
            assert_joined_once(&node, &format!("cut after {cut} changes of {script:?}"));
            if !was_cut {
                break;
            }
            cut += 1;
        }
        assert!(cut > 12, "only {cut} places to cut");
    }
}

#[test]
fn files_that_the_cut_left_empty_or_short_do_not_make_a_member() {
    for (path, text) in member_files().into_iter().skip(1) {
        for short in [String::new(), "\0".repeat(text.len()), text[..text.len() / 2].to_owned()] {
            let mut node = Node::new(&[Kubeadm::Good]);
            for (path, text) in member_files() {
                node.files.insert(path.to_owned(), text);
            }
            node.files.insert(contract::JOIN_BEGUN.to_owned(), String::new());
            node.files.insert(path.to_owned(), short.clone());
            node.kubelet_runs = true;
            assert_eq!(node.run().unwrap(), End::Joined);
            assert_joined_once(&node, &format!("{path} with {} bytes", short.len()));
        }
    }
}

#[test]
fn a_member_whose_mark_was_cut_off_joins_no_second_time() {
    let mut node = Node::new(&[Kubeadm::Good]);
    node.run().unwrap();
    // As if the cut had come right before the marker.
    node.files.remove(contract::JOINED);
    node.files.insert(contract::JOIN_REQUEST.to_owned(), request().text().expose().to_owned());
    node.files.insert(contract::JOIN_BEGUN.to_owned(), String::new());
    assert_eq!(node.run().unwrap(), End::Joined);
    assert_joined_once(&node, "with the files of a member");
}

#[test]
fn a_kubelet_that_is_slower_than_kubeadm_is_not_stopped() {
    let gave_up = Kubeadm::StartsBadly("error execution phase kubelet-start: timed out waiting for the condition");
    let mut node = Node { late: Some(40), ..Node::new(&[gave_up]) };
    assert_eq!(node.run().unwrap(), End::Joined);
    assert_joined_once(&node, "late");
    assert_eq!(node.told.last().unwrap().attempt, 1);
}

/// A toy role: kubeadm makes certificates, then what runs with them.
const TOY: Workflow = Workflow {
    phases: &[
        Phase {
            name: "certs",
            arguments: &["init", "phase", "certs", "all"],
            leaves: &[("/etc/toy/ca.crt", |text| text.contains("whole"))],
            starts_kubelet: None,
        },
        Phase {
            name: "manifests",
            arguments: &["init", "phase", "control-plane", "all"],
            leaves: &[("/etc/toy/scheduler", |text| text.contains("whole")), ("/etc/toy/api", |_| true)],
            starts_kubelet: None,
        },
    ],
    leftovers: &["/etc/toy/ca.crt", "/etc/toy/scheduler", "/etc/toy/api"],
    document: |request, _| Secret::new(format!("ToyConfiguration\ntoken: {}\n", request.token.expose())),
};

#[test]
fn another_role_is_another_workflow_of_the_same_flow() {
    let bad = Kubeadm::StartsBadly("error execution phase manifests: no room");
    let toy = || Node { workflow: Some(&TOY), ..Node::new(&[Kubeadm::Good, bad, Kubeadm::Good]) };
    let mut node = toy();
    assert_eq!(node.run().unwrap(), End::Joined);
    insta::assert_snapshot!(node.states().join("\n"), @r"
    joining 10.0.2.2:6443 as n1 (attempt 1): kubeadm's phase certs
    joining 10.0.2.2:6443 as n1 (attempt 1): kubeadm's phase manifests
    joining 10.0.2.2:6443 as n1: waiting for attempt 2 in 5 s, after: manifests: no room
    joining 10.0.2.2:6443 as n1 (attempt 2): kubeadm's phase certs
    joining 10.0.2.2:6443 as n1 (attempt 2): kubeadm's phase manifests
    member of 10.0.2.2:6443 as n1
    ");
    let run = |phase: &str| format!("init phase {phase} all --config ToyConfiguration\n");
    assert!(node.logged.starts_with(&(run("certs") + &run("control-plane") + "error execution")), "{}", node.logged);
    assert!(node.logged.ends_with(&(run("certs") + &run("control-plane"))), "{}", node.logged);
    for cut in 0.. {
        let mut node = toy();
        let was_cut = joins_after_a_cut(&mut node, cut);
        assert!(node.files.remove(contract::JOINED).is_some(), "cut after {cut}");
        assert!(node.files.keys().eq(["/etc/toy/api", "/etc/toy/ca.crt", "/etc/toy/scheduler"]), "cut after {cut}");
        if !was_cut {
            assert!(cut > 12, "only {cut} places to cut");
            break;
        }
    }
}

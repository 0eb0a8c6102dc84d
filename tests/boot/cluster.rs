//! A real Kubernetes control plane in a network of its own, which has no way out, and guests that boot beside it.
//!
//! Network, processes and mounts are namespaces whose first process reads from us: when this process ends, however it
//! ends, so does that one, and with it everything in there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Turn, nodesmith, place, the_only_guest};

/// Where `ci/cluster-fixture` puts what is needed.
const FIXTURE: &str = "target/kubernetes";
/// Seconds that a guest may take to join and run pods, reboot included: about five times what an idle machine needs.
const TIME_LIMIT: &str = "900";
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Cluster {
    /// The first process in the namespaces, by its number outside.
    inside: String,
    _holder: Child,
    state: PathBuf,
    /// What a node needs to join: `endpoint`, `token`, `ca-cert-hash`.
    pub(crate) entrance: Value,
}

/// The cluster of this run, and the right to run a guest.
pub(crate) fn cluster() -> (&'static Cluster, Turn) {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::up);
    let guest = the_only_guest();
    (&CLUSTER, guest)
}

impl Cluster {
    fn up() -> Cluster {
        assert!(Path::new(FIXTURE).join("rpms.yaml").exists(), "run ci/cluster-fixture first");
        let mut holder = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
            .arg("ip link set lo up && echo up && exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "unshare needs root");
        let inside = only_child(holder.id()).expect("unshare has forked");
        let state = place().join("control-plane");
        let _ = fs::remove_dir_all(&state);
        let mut cluster = Cluster { inside, _holder: holder, state, entrance: Value::Null };
        cluster.entrance = serde_json::from_str(&cluster.control("up")).unwrap();
        cluster
    }

    /// A command in the cluster's network.
    fn command(&self, more: &[&str], program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside, "--net"]).args(more).arg("--").arg(program);
        command
    }

    /// A verb of `ci/control-plane`; its output.
    pub(crate) fn control(&self, verb: &str) -> String {
        // In another mount namespace the working directory is another too.
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = here.join(FIXTURE).join("bin");
        let output = self
            .command(&["--pid", "--mount"], here.join("ci/control-plane"))
            .arg(verb)
            .args([programs.as_os_str(), self.state.as_os_str()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "ci/control-plane {verb}: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `kubectl` says; nothing if it fails, which it does while something is not there yet.
    pub(crate) fn kubectl(&self, words: &[&str]) -> String {
        let output = self
            .command(&[], Path::new(FIXTURE).join("bin/kubectl"))
            .args(["--kubeconfig", self.entrance["kubeconfig"].as_str().unwrap()])
            .args(words)
            .output()
            .unwrap();
        if output.status.success() {
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        } else {
            String::new()
        }
    }

    /// Creates an object from its description.
    pub(crate) fn create(&self, name: &str, description: &Value) {
        let file = place().join(format!("{name}.json"));
        fs::write(&file, description.to_string()).unwrap();
        let answer = self.kubectl(&["create", "--filename", file.to_str().unwrap()]);
        assert!(answer.contains("created"), "{description}: {answer}");
    }

    /// A directory of metadata for a node that is to join; `change` may spoil the user-data.
    pub(crate) fn seed(&self, node: &str, change: impl FnOnce(String) -> String) -> PathBuf {
        let seed = place().join(format!("seed-{node}"));
        fs::create_dir_all(&seed).unwrap();
        let word = |key: &str| self.entrance[key].as_str().unwrap();
        let user_data = format!(
            "#cloud-config\nkubernetes:\n  join:\n    endpoint: {}\n    token: {}\n    ca-cert-hashes:\n      - {}\n    \
             labels: {{example.org/test: {node}}}\n",
            word("endpoint"),
            word("token"),
            word("ca-cert-hash")
        );
        fs::write(seed.join("user-data"), change(user_data)).unwrap();
        fs::write(seed.join("meta-data"), format!("instance-id: i-{node}\nlocal-hostname: {node}\n")).unwrap();
        seed
    }

    /// This program in the cluster's network.
    pub(crate) fn nodesmith(&self) -> Command {
        self.command(&[], nodesmith().get_program())
    }

    /// Starts a guest from an image that runs until `until`, `ready` or `verdict`.
    pub(crate) fn boot(&self, name: &str, image: &Path, seed: &Path, until: &str, arguments: &[&str]) -> Guest {
        self.start(name, &[image.to_str().unwrap()], seed, until, arguments)
    }

    /// The same with what the machine starts from, as words of `nodesmith boot`.
    pub(crate) fn start(&self, name: &str, machine: &[&str], seed: &Path, until: &str, arguments: &[&str]) -> Guest {
        let serial = place().join(format!("{name}.serial.log"));
        let mut command = self.nodesmith();
        command
            .arg("boot")
            .args(machine)
            .args(["--until", until, "--accel", "tcg", "--json", "--network", "--time-limit", TIME_LIMIT])
            .args(["--seed".as_ref(), seed.as_os_str(), "--serial-log".as_ref(), serial.as_os_str()])
            .args(arguments)
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap());
        Guest { child, events, serial }
    }
}

/// A guest that runs.
pub(crate) struct Guest {
    child: Child,
    events: BufReader<ChildStdout>,
    serial: PathBuf,
}

impl Guest {
    /// The next event, or `None` at the end.
    fn event(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.events.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("each event is one line of JSON"))
    }

    /// Waits until the agent reports a membership for which `holds`.
    pub(crate) fn until_member(&mut self, holds: impl Fn(&Value) -> bool) {
        while let Some(event) = self.event() {
            if holds(&event["report"]["kubernetes"]) {
                return;
            }
        }
        panic!("the guest ended before: {}", self.console());
    }

    /// The log of its console.
    pub(crate) fn serial(&self) -> &Path {
        &self.serial
    }

    /// Takes the power away.
    pub(crate) fn cut(&mut self) {
        let emulator = only_child(self.child.id()).expect("nodesmith runs QEMU");
        assert!(Command::new("kill").args(["-KILL", &emulator]).status().unwrap().success());
    }

    /// Waits for the end: the exit status, and the last report.
    pub(crate) fn end(mut self) -> (Option<i32>, Value) {
        let mut last = Value::Null;
        while let Some(event) = self.event() {
            if event["event"] == "report" {
                last = event["report"].clone();
            }
        }
        (self.child.wait().unwrap().code(), last)
    }

    /// The end of the console, for a failing assertion.
    pub(crate) fn console(&self) -> String {
        let text = String::from_utf8_lossy(&fs::read(&self.serial).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(80)..].join("\n")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // After a failed assertion it still runs; an interrupt ends its QEMU too.
        if self.child.try_wait().unwrap().is_none() {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        std::thread::sleep(PAUSE);
    }
}

/// Threads have children of their own.
fn only_child(parent: u32) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    children.collect::<String>().split_whitespace().next().map(str::to_owned)
}

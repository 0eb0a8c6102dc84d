//! The [`World`] that is this node: its files, its kubelet and kubeadm, its network, its console and status.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::endpoint::Endpoint;
use super::kubeadm::{CONFIGURATION, Ended, Phase};
use super::reach;
use super::world::World;
use crate::agent::report::console;
use crate::agent::report::membership::Membership;
use crate::agent::report::status::Status;
use crate::agent::secret::Secret;
use crate::agent::{durable, run};

const KUBEADM: &str = "/usr/bin/kubeadm";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const KUBELET: &str = "kubelet.service";
/// What kubeadm writes, while it runs.
const OUTPUT: &str = "/run/nodeinit/kubeadm.log";

/// kubeadm waits for up to five minutes by itself; after this it hangs.
const LIMIT: Duration = Duration::from_secs(15 * 60);
const PAUSE: Duration = Duration::from_millis(200);
/// The console is told again what is waited for, even if nothing has changed.
const SAY_EACH: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Live {
    last: Option<(Membership, Instant)>,
}

impl World for Live {
    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        durable::read(Path::new(path))
    }

    fn write(&mut self, path: &str, text: &str) -> Result<()> {
        rustix::fs::sync();
        durable::write(Path::new(path), text.as_bytes(), 0o600)
    }

    fn wipe(&mut self, path: &str) -> Result<()> {
        durable::wipe(Path::new(path))
    }

    fn kubeadm(&mut self, phase: &Phase, configuration: &Secret) -> Result<Ended> {
        fs::create_dir_all("/run/nodeinit").context("making /run/nodeinit")?;
        durable::write(Path::new(CONFIGURATION), configuration.expose().as_bytes(), 0o600)?;
        let ended = run_kubeadm(phase);
        durable::wipe(Path::new(CONFIGURATION))?;
        ended
    }

    fn log(&mut self, output: &str) {
        for line in output.lines() {
            console::log(&format!("kubeadm: {line}"));
        }
    }

    fn start_kubelet(&mut self) -> Result<()> {
        run::program(SYSTEMCTL, &["start", KUBELET])
    }

    fn stop_kubelet(&mut self) -> Result<()> {
        run::program(SYSTEMCTL, &["stop", KUBELET])
    }

    fn reach(&mut self, endpoint: &Endpoint) -> Result<(), String> {
        reach::connect(endpoint)
    }

    fn kubelet_health(&mut self) -> Result<(), String> {
        reach::kubelet_health()
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn tell(&mut self, membership: &Membership) -> Result<()> {
        let changed = self.last.as_ref().is_none_or(|(last, _)| last != membership);
        if changed {
            Status::update(|status| status.kubernetes = membership.clone())?;
        }
        if changed || self.last.as_ref().is_some_and(|(_, since)| since.elapsed() >= SAY_EACH) {
            self.last = Some((membership.clone(), Instant::now()));
            console::say(&membership.to_string());
        }
        Ok(())
    }
}

fn run_kubeadm(phase: &Phase) -> Result<Ended> {
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(OUTPUT);
    let output = open().with_context(|| format!("opening {OUTPUT}"))?;
    let errors = output.try_clone().with_context(|| format!("opening {OUTPUT}"))?;
    let mut child = Command::new(KUBEADM)
        .args(phase.arguments)
        .args(["--config", CONFIGURATION])
        .env_clear()
        .env("PATH", run::PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("starting {KUBEADM}"))?;
    let started = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().context("waiting for kubeadm")? {
            // A signal has no code; it is no success either way.
            break Some(status.code().unwrap_or(-1));
        }
        if started.elapsed() >= LIMIT {
            child.kill().context("stopping kubeadm")?;
            child.wait().context("waiting for kubeadm")?;
            break None;
        }
        std::thread::sleep(PAUSE);
    };
    let bytes = fs::read(OUTPUT).with_context(|| format!("reading {OUTPUT}"))?;
    fs::remove_file(OUTPUT).with_context(|| format!("removing {OUTPUT}"))?;
    Ok(Ended { code, output: String::from_utf8_lossy(&bytes).into_owned() })
}

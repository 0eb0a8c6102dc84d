//! One status for everybody: `/run/nodeinit/status.json`, the console, and the host that started a trial guest.
//!
//! The file is replaced as a whole each time. The host's port ([`contract::REPORT_PORT`], virtio-serial) gets the
//! same object as one line each time. Times are seconds since power-on of the kernel (`CLOCK_BOOTTIME`): the wall clock
//! of a first boot cannot be trusted.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};

use super::apply::Outcome;
use super::durable;
use crate::contract;

/// Version of this object's form.
const SCHEMA: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Metadata is being read and applied.
    FirstBoot,
    /// Metadata is applied, the system is starting its services.
    Services,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Running,
    /// All services have been started.
    Ready,
    /// All services have been started, and some failed: `failed_units`.
    Degraded,
    /// Something in the node's world went wrong; it is tried again.
    Failed,
    /// Something in the metadata is wrong; final until it is mended.
    Mistake,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub schema: u32,
    pub phase: Phase,
    pub state: State,
    pub host_name: String,
    pub instance_id: Option<String>,
    /// Where the metadata came from.
    pub source: Option<String>,
    pub addresses: Vec<String>,
    pub started_seconds: f64,
    pub updated_seconds: f64,
    pub steps: Vec<StepStatus>,
    pub messages: Vec<String>,
    pub failed_units: Vec<String>,
    /// The node's place in a cluster.
    #[serde(default)]
    pub kubernetes: Membership,
    /// The initrd's report.
    pub initrd: Option<serde_json::Value>,
}

/// How far the node is on its way into a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub state: MembershipState,
    /// `HOST:PORT` of the API server.
    pub endpoint: Option<String>,
    /// The node's name in the cluster.
    pub node: Option<String>,
    /// Counts from 1.
    pub attempt: u32,
    /// What has to happen next, and why it has not happened yet.
    pub waits_for: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipState {
    /// The metadata asks for none.
    #[default]
    None,
    /// For the network, the API server, or the next attempt.
    Waiting,
    Joining,
    Joined,
    /// Final until the metadata or the image is mended.
    Mistake,
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_deref().unwrap_or("a cluster");
        let node = self.node.as_deref().unwrap_or_default();
        match self.state {
            MembershipState::None => write!(f, "no member of any cluster"),
            MembershipState::Waiting => write!(f, "joining {endpoint} as {node}: waiting"),
            MembershipState::Joining => write!(f, "joining {endpoint} as {node} (attempt {})", self.attempt),
            MembershipState::Joined => write!(f, "member of {endpoint} as {node}"),
            MembershipState::Mistake => write!(f, "not joining {endpoint} as {node}"),
        }?;
        match &self.waits_for {
            Some(what) if self.state == MembershipState::Waiting => write!(f, " for {what}"),
            Some(what) => write!(f, ": {what}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStatus {
    pub step: String,
    pub outcome: Outcome,
}

impl Status {
    /// The status of a first boot that begins now.
    pub fn begin() -> Status {
        let initrd = fs::read(contract::INITRD_REPORT).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Status {
            schema: SCHEMA,
            phase: Phase::FirstBoot,
            state: State::Running,
            host_name: String::new(),
            instance_id: None,
            source: None,
            addresses: Vec::new(),
            started_seconds: boottime(),
            updated_seconds: boottime(),
            steps: Vec::new(),
            messages: Vec::new(),
            failed_units: Vec::new(),
            kubernetes: Membership::default(),
            initrd,
        }
    }

    /// The status that is there.
    pub fn read() -> Result<Status> {
        let bytes = fs::read(contract::STATUS).with_context(|| format!("reading {}", contract::STATUS))?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", contract::STATUS))
    }

    /// Changes the status that is there (a new one, if there is none) and publishes it. Several services report in it:
    /// each change is made to what the others left.
    pub fn update(change: impl FnOnce(&mut Status)) -> Result<Status> {
        let lock = format!("{}.lock", contract::STATUS);
        let directory = Path::new(contract::STATUS).parent().context("the status has no directory")?;
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let file = file.with_context(|| format!("opening {lock}"))?;
        // Held until the file is closed at the end.
        rustix::fs::flock(&file, FlockOperation::LockExclusive).with_context(|| format!("locking {lock}"))?;
        let mut status = if Path::new(contract::STATUS).exists() { Status::read()? } else { Status::begin() };
        change(&mut status);
        status.publish()?;
        Ok(status)
    }

    /// Publishes the status as it is now.
    ///
    /// # Errors
    /// The file cannot be written. A host that does not listen is none.
    pub fn publish(&mut self) -> Result<()> {
        self.updated_seconds = boottime();
        let path = Path::new(contract::STATUS);
        let directory = path.parent().context("the status has no directory")?;
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let text = serde_json::to_string_pretty(self).context("writing the status")? + "\n";
        durable::write(path, text.as_bytes(), 0o644)?;
        if let Some(port) = report_port() {
            let line = serde_json::to_string(self).context("writing the status")? + "\n";
            // Never blocking: nobody may be reading at the other end.
            let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
            let opened = OpenOptions::new().write(true).custom_flags(flags).open(port);
            let _ = opened.and_then(|mut port| port.write_all(line.as_bytes()));
        }
        Ok(())
    }
}

/// The device of the host's port. Through sysfs, because udev may not have made its link yet.
fn report_port() -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    ports.flatten().find_map(|port| {
        let name = fs::read_to_string(port.path().join("name")).ok()?;
        (name.trim() == contract::REPORT_PORT).then(|| Path::new("/dev").join(port.file_name()))
    })
}

/// Seconds since the kernel started, sleep included.
pub fn boottime() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    std::time::Duration::try_from(time).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_and_its_words_are_the_contract() {
        let mut status = Status::begin();
        status.steps.push(StepStatus { step: "write /etc/x".to_owned(), outcome: Outcome::Changed });
        let text = serde_json::to_string(&status).unwrap();
        assert!(text.contains("\"phase\":\"first-boot\",\"state\":\"running\""), "{text}");
        assert!(text.contains("\"outcome\":\"changed\""), "{text}");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }
}

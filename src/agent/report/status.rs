//! One status for everybody: `/run/nodeinit/status.json`, the console, and the host that started a trial guest.
//!
//! The file is replaced as a whole each time, under a lock: several services tell their part in it, beside each other.
//! The host's port ([`contract::REPORT_PORT`], virtio-serial) gets the same object as one line each time. Times
//! are seconds since power-on of the kernel (`CLOCK_BOOTTIME`): the wall clock of a first boot cannot be trusted.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};

use super::membership::Membership;
use crate::agent::durable;
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

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Changed,
    Unchanged,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStatus {
    pub step: String,
    pub outcome: Outcome,
}

impl Status {
    fn new() -> Status {
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
        read(Path::new(contract::STATUS))
    }

    /// Changes the status that is there (a new one, if there is none) and publishes it. Several services report in it:
    /// each change is made to what the others left.
    ///
    /// # Errors
    /// The file cannot be read or written. A host that does not listen is none.
    pub fn update(change: impl FnOnce(&mut Status)) -> Result<Status> {
        update(Path::new(contract::STATUS), change)
    }

    /// A first boot begins, perhaps not for the first time: what it told itself goes, what others told stays. One that
    /// failed before has failed until it ends, for those who wait for it.
    pub fn begin_first_boot(&mut self) {
        let told = std::mem::replace(self, Status::new());
        self.addresses = told.addresses;
        self.failed_units = told.failed_units;
        self.kubernetes = told.kubernetes;
        if told.state == State::Failed {
            self.state = State::Failed;
        }
    }

    /// A first boot ends well. A mistake that stands here was told meanwhile, by the join.
    pub fn end_first_boot(&mut self) {
        self.phase = Phase::Services;
        if self.state != State::Mistake {
            self.state = State::Running;
        }
    }
}

fn read(path: &Path) -> Result<Status> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
}

fn update(path: &Path, change: impl FnOnce(&mut Status)) -> Result<Status> {
    let lock = format!("{}.lock", path.display());
    let directory = path.parent().context("the status has no directory")?;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    let file = file.with_context(|| format!("opening {lock}"))?;
    // Held until the file is closed at the end.
    rustix::fs::flock(&file, FlockOperation::LockExclusive).with_context(|| format!("locking {lock}"))?;
    let mut status = if path.exists() { read(path)? } else { Status::new() };
    change(&mut status);
    status.updated_seconds = boottime();
    let text = serde_json::to_string_pretty(&status).context("writing the status")? + "\n";
    durable::write(path, text.as_bytes(), 0o644)?;
    if let Some(port) = report_port() {
        let line = serde_json::to_string(&status).context("writing the status")? + "\n";
        // Never blocking: nobody may be reading at the other end.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(port);
        let _ = opened.and_then(|mut port| port.write_all(line.as_bytes()));
    }
    Ok(status)
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
    use crate::agent::report::membership::MembershipState;

    #[test]
    fn a_status_reads_back_and_its_words_are_the_contract() {
        let mut status = Status::new();
        status.steps.push(StepStatus { step: "write /etc/x".to_owned(), outcome: Outcome::Changed });
        let text = serde_json::to_string(&status).unwrap();
        assert!(text.contains("\"phase\":\"first-boot\",\"state\":\"running\""), "{text}");
        assert!(text.contains("\"outcome\":\"changed\""), "{text}");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }

    #[test]
    fn nobody_overwrites_what_another_one_tells_at_the_same_time() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("status.json");
        std::thread::scope(|scope| {
            for service in ["first boot", "join", "ready"] {
                let path = &path;
                let tell = move |count: u32| {
                    update(path, |status| status.messages.push(format!("{service} {count}"))).unwrap();
                };
                scope.spawn(move || (0..20).for_each(tell));
            }
        });
        assert_eq!(read(&path).unwrap().messages.len(), 60);
    }

    #[test]
    fn a_first_boot_that_is_tried_again_leaves_what_the_join_told() {
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("status.json");
        let tell = |change: fn(&mut Status)| update(&path, change).unwrap();
        let step = || StepStatus { step: "write /etc/x".to_owned(), outcome: Outcome::Changed };
        assert_eq!(tell(Status::begin_first_boot).state, State::Running);
        tell(|status| {
            status.state = State::Failed;
            status.messages.push("no space left".to_owned());
        });
        tell(|status| status.kubernetes.state = MembershipState::Joining);
        let again = tell(Status::begin_first_boot);
        assert_eq!((again.state, again.phase, again.messages.len()), (State::Failed, Phase::FirstBoot, 0));
        tell(|status| status.kubernetes.state = MembershipState::Joined);
        update(&path, |status| status.steps.push(step())).unwrap();
        let end = tell(Status::end_first_boot);
        assert_eq!((end.state, end.phase, end.steps), (State::Running, Phase::Services, vec![step()]));
        assert_eq!(end.kubernetes.state, MembershipState::Joined);
    }

    #[test]
    fn a_mistake_that_the_join_tells_stays_when_the_first_boot_ends() {
        let mut status = Status::new();
        status.begin_first_boot();
        status.state = State::Mistake;
        status.end_first_boot();
        assert_eq!((status.state, status.phase), (State::Mistake, Phase::Services));
        status.begin_first_boot();
        assert_eq!(status.state, State::Running);
    }
}

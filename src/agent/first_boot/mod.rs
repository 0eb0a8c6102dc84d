//! `nodeinit first-boot`: find the metadata, plan, apply, report. Started before the network. What a node was set up
//! with is believed once, unless the image says otherwise; the same instance id is never applied again.
//!
//! A mistake in the metadata is final (exit 1, the unit does not try again); a failure of the world is tried again
//! (exit 2). Either is on the console, in the status and in the unit's log.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::report::console;
use super::report::status::{Outcome, State, Status, StepStatus};
use super::sysroot::below;
use super::{durable, exit_code, notify, run as programs};
use crate::contract;
use crate::diag::Diagnostics;
use crate::image_info::{ImageInfo, MetadataTrust};

pub mod account_files;
pub mod apply;
pub mod config;
pub mod documents;
pub mod facts;
pub mod metadata;
pub mod once;
pub mod paths;
pub mod plan;
pub mod source;
pub mod step;
pub mod text_block;

use apply::Target;
use config::{Network, NodeConfig};
use metadata::{Metadata, Origin};
use step::{NO_METADATA, Plan, Step};

/// Does the first boot and tells how it went.
pub fn run() -> ExitCode {
    let outcome = Status::update(Status::begin_first_boot).and_then(|_| configure());
    let (state, code) = match &outcome {
        Ok(()) => (State::Running, 0),
        Err(error) if error.is::<Diagnostics>() => (State::Mistake, exit_code::MISTAKE),
        Err(_) => (State::Failed, exit_code::FAILURE),
    };
    if let Err(error) = &outcome {
        console::complain(&format!("{error:#}"));
        console::complain(match state {
            State::Mistake => "the metadata was not applied; mend it and start the node again",
            _ => "the first boot failed and is tried again",
        });
    }
    let told = Status::update(|status| match &outcome {
        Ok(()) => status.end_first_boot(),
        Err(error) => {
            status.state = state;
            if status.host_name.is_empty() {
                status.host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            }
            status.messages.extend(format!("{error:#}").lines().map(str::to_owned));
        }
    });
    match told.and_then(|_| if code == 0 { notify::done() } else { Ok(()) }) {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            console::complain(&format!("{error:#}"));
            ExitCode::from(code.max(exit_code::FAILURE))
        }
    }
}

fn configure() -> Result<()> {
    let root = Path::new("/");
    let applied = applied()?;
    let trusted = applied.as_ref().filter(|applied| *applied != NO_METADATA);
    let source = applied_from()?;
    let trust = ImageInfo::of_root(root)?.metadata;
    let metadata = match (trusted, trust) {
        // Whoever can attach a disk later must not set the node up anew.
        (Some(_), MetadataTrust::Once) => None,
        (Some(_), MetadataTrust::SameDevice) => source::find(Some(&source.place))?,
        _ => source::find(None)?,
    };
    let origin = metadata.as_ref().map(|metadata| metadata.origin.name.clone());
    match (&origin, trusted) {
        (Some(origin), _) => console::say(&format!("metadata on {origin}")),
        (None, Some(applied)) => console::say(&format!("set up with the metadata of {applied}")),
        (None, None) => console::say("no metadata volume"),
    }
    let known = trusted.map(|_| source.name);
    Status::update(|status| status.source = origin.or(known))?;
    if let Some(applied) = applied
        && metadata.as_ref().is_none_or(|metadata| documents::instance_id(metadata).as_deref() == Some(&applied))
    {
        let host_name = fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
        Status::update(|status| {
            status.messages.push(format!("{applied} is applied already"));
            status.instance_id = Some(applied).filter(|applied| applied != NO_METADATA);
            status.host_name = host_name;
        })?;
        return forget(trust);
    }
    let config = config_of(metadata.as_ref())?;
    wait_for_interfaces(&config, root)?;
    let plan = plan_for(&config, root)?;
    plan.notes.iter().for_each(|note| console::say(note));
    let mut status = Status::update(|status| {
        status.instance_id = config.instance_id;
        status.messages.extend(plan.notes);
    })?;
    if let Some(Metadata { origin, .. }) = metadata {
        let source = serde_json::to_vec(&origin).context("writing where the metadata is from")?;
        durable::write(Path::new(contract::APPLIED_FROM), &source, 0o600)?;
    }
    let target = Target::live()?;
    for step in &plan.steps {
        let outcome = target.apply(step)?;
        status = Status::update(|status| {
            if let Step::SetHostName(name) = step {
                status.host_name.clone_from(name);
            }
            status.steps.push(StepStatus { step: step.to_string(), outcome });
        })?;
    }
    relabel(root);
    forget(trust)?;
    let changed = status.steps.iter().filter(|step| step.outcome == Outcome::Changed).count();
    console::say(&format!("{}: {changed} of {} steps changed something", status.host_name, status.steps.len()));
    Ok(())
}

/// What an installer brought is read once where metadata is believed once.
fn forget(trust: MetadataTrust) -> Result<()> {
    match trust {
        MetadataTrust::Once => source::installed::forget(),
        _ => Ok(()),
    }
}

/// Where SELinux runs, a file that was written anew has its directory's label; the image's own program knows the right
/// one. A wrong label is no reason to stop, so a failure is only said.
fn relabel(root: &Path) {
    let (selinux, program) = ("/sys/fs/selinux/enforce", "/usr/sbin/restorecon");
    if [selinux, program].iter().all(|path| below(root, path).exists())
        && let Err(error) = programs::program(program, &["-R", "-i", "/etc", "/root", "/home"])
    {
        console::complain(&format!("{error:#}"));
    }
}

/// The instance id of the marker.
fn applied() -> Result<Option<String>> {
    match fs::read_to_string(contract::APPLIED) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", contract::APPLIED)),
    }
}

/// An empty one, whose place nothing has, if there is no such file.
fn applied_from() -> Result<Origin> {
    let reading = || format!("reading {}", contract::APPLIED_FROM);
    let text = durable::read(Path::new(contract::APPLIED_FROM))?;
    text.map_or(Ok(Origin::default()), |text| serde_json::from_slice(&text).with_context(reading))
}

/// What the metadata says; without any, the defaults.
///
/// # Errors
/// [`Diagnostics`] for mistakes in the metadata.
pub fn config_of(metadata: Option<&Metadata>) -> Result<NodeConfig> {
    Ok(match metadata {
        Some(metadata) => documents::parse(metadata)?,
        None => NodeConfig::default(),
    })
}

/// The plan for this configuration on the system below `root`.
///
/// # Errors
/// [`Diagnostics`] for what this image cannot do.
pub fn plan_for(config: &NodeConfig, root: &Path) -> Result<Plan> {
    let facts = facts::gather(root, config)?;
    Ok(plan::plan(config, &facts)?)
}

/// How long the drivers of the interfaces that the metadata names may take; then the plan says which are missing.
const INTERFACE_DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for the interfaces that the metadata names by address.
fn wait_for_interfaces(config: &NodeConfig, root: &Path) -> Result<()> {
    let wanted: Vec<&str> = config.network.iter().flat_map(Network::awaited).map(|(_, mac)| mac).collect();
    let started = Instant::now();
    while started.elapsed() < INTERFACE_DEADLINE {
        let present = facts::interfaces(root)?;
        if wanted.iter().all(|mac| present.iter().any(|interface| interface.mac == **mac)) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

//! `nodeinit first-boot`: find the metadata, plan, apply, report. Started before the network; a second boot with the
//! same instance id does nothing.
//!
//! A mistake in the metadata is final (exit 1, the unit does not try again); a failure of the world is tried again
//! (exit 2). Either is on the console, in the status and in the unit's log.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::apply::{Outcome, Target};
use super::config::NodeConfig;
use super::plan::{self, NO_METADATA, Plan, Step};
use super::seed::{self, Seed};
use super::status::{Phase, State, Status, StepStatus};
use super::{console, facts, nocloud, notify, run};
use crate::contract;
use crate::diag::Diagnostics;

/// Exit status for a mistake; `RestartPreventExitStatus=` of the unit.
pub const EXIT_MISTAKE: u8 = 1;
/// Exit status for a failure that may pass.
pub const EXIT_FAILURE: u8 = 2;

/// Does the first boot and tells how it went.
pub fn run() -> ExitCode {
    let mut status = Status::begin();
    let outcome = status.publish().and_then(|()| configure(&mut status));
    let (state, code) = match &outcome {
        Ok(()) => (State::Running, 0),
        Err(error) if error.is::<Diagnostics>() => (State::Mistake, EXIT_MISTAKE),
        Err(_) => (State::Failed, EXIT_FAILURE),
    };
    status.state = state;
    match &outcome {
        Ok(()) => status.phase = Phase::Services,
        Err(error) => {
            if status.host_name.is_empty() {
                status.host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            }
            let text = format!("{error:#}");
            status.messages.extend(text.lines().map(str::to_owned));
            console::complain(&text);
            console::complain(match state {
                State::Mistake => "the metadata was not applied; mend it and start the node again",
                _ => "the first boot failed and is tried again",
            });
        }
    }
    let told = status.publish().and_then(|()| if code == 0 { notify::done() } else { Ok(()) });
    match told {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            console::complain(&format!("{error:#}"));
            ExitCode::from(code.max(EXIT_FAILURE))
        }
    }
}

fn configure(status: &mut Status) -> Result<()> {
    let root = Path::new("/");
    let seed = seed::find()?;
    status.source = seed.as_ref().map(|seed| seed.origin.clone());
    match &seed {
        Some(seed) => console::say(&format!("metadata on {}", seed.origin)),
        None => console::say("no metadata volume"),
    }
    if let Some(applied) = applied()?
        && seed.as_ref().is_none_or(|seed| nocloud::instance_id(seed).as_deref() == Some(&applied))
    {
        status.messages.push(format!("{applied} is applied already"));
        status.instance_id = Some(applied).filter(|applied| applied != NO_METADATA);
        status.host_name = fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
        return Ok(());
    }
    let config = config_of(seed.as_ref())?;
    wait_for_interfaces(&config, root)?;
    let plan = plan_for(&config, root)?;
    status.instance_id = config.instance_id;
    for note in &plan.notes {
        console::say(note);
        status.messages.push(note.clone());
    }
    let target = Target::live()?;
    for step in &plan.steps {
        let outcome = target.apply(step)?;
        if let Step::SetHostName(name) = step {
            status.host_name.clone_from(name);
        }
        status.steps.push(StepStatus { step: step.to_string(), outcome });
        status.publish()?;
    }
    relabel(root);
    let changed = status.steps.iter().filter(|step| step.outcome == Outcome::Changed).count();
    console::say(&format!("{}: {changed} of {} steps changed something", status.host_name, status.steps.len()));
    Ok(())
}

/// Where SELinux runs, a file that was written anew has its directory's label; the image's own program knows the right
/// one. A wrong label is no reason to stop, so a failure is only said.
fn relabel(root: &Path) {
    let (selinux, program) = ("/sys/fs/selinux/enforce", "/usr/sbin/restorecon");
    if [selinux, program].iter().all(|path| root.join(path.trim_start_matches('/')).exists())
        && let Err(error) = run::program(program, &["-R", "-i", "/etc", "/root", "/home"])
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

/// What the seed says; without one, the defaults.
///
/// # Errors
/// [`Diagnostics`] for mistakes in the seed.
pub fn config_of(seed: Option<&Seed>) -> Result<NodeConfig> {
    Ok(match seed {
        Some(seed) => nocloud::parse(seed)?,
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
    let ethernets = config.network.iter().flat_map(|network| &network.ethernets);
    let wanted: Vec<&String> =
        ethernets.filter(|ethernet| !ethernet.optional).filter_map(|ethernet| ethernet.matching.mac.as_ref()).collect();
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

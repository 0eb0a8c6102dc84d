//! The join itself, from a request to a member: what to do in which order, whatever fails or is cut in between.
//!
//! Everything outside is behind [`World`], so that the tests can let it fail, and cut the power, anywhere. What has
//! been reached is read from the disk each time: a `joined` marker ends it; a `join-begun` marker says that kubeadm may
//! have left files behind, which are then either those of a member or are cleared away.

use std::time::Duration;

use anyhow::Result;

use super::judge::{Judgement, judge};
use super::kubeadm::{BOOTSTRAP_KUBECONFIG, CONFIGURATION, Phase, Workflow};
use super::remains;
use super::request::{Joined, Request};
use super::world::World;
use crate::agent::report::membership::{Membership, MembershipState};
use crate::contract;
use crate::image_info::ImageKubernetes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Joined,
    /// Final: what to mend, and where.
    Mistake(String),
}

/// Between two looks at something that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Pauses between attempts double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_secs(300);

/// Looks at a kubelet that is late, for each attempt so far, and at most: two minutes, ten minutes.
const LATE_LOOKS: u32 = 60;
const MOST_LATE_LOOKS: u32 = 300;

/// Makes a member of a node that is none yet, by the workflow of its role. Returns only with an end; failures of the
/// cluster are tried again for ever.
///
/// # Errors
/// The node's own disk or service manager failed.
pub fn join(world: &mut dyn World, workflow: &Workflow, request: &Request, image: &ImageKubernetes) -> Result<End> {
    let mut told = Membership {
        state: MembershipState::Waiting,
        endpoint: Some(request.endpoint.to_string()),
        node: Some(request.node.clone()),
        attempt: 0,
        waits_for: None,
    };
    loop {
        told.attempt += 1;
        match attempt(world, workflow, request, image, &mut told)? {
            Attempt::Member => break,
            Attempt::Mistake(text) => {
                world.write(contract::JOIN_REFUSED, &text)?;
                wipe_token(world)?;
                tell(world, &mut told, MembershipState::Mistake, None)?;
                return Ok(End::Mistake(text));
            }
            Attempt::Failed(why) => {
                let pause = pause_after(told.attempt);
                let text = format!("attempt {} in {} s, after: {why}", told.attempt + 1, pause.as_secs());
                tell(world, &mut told, MembershipState::Waiting, Some(text))?;
                world.pause(pause);
            }
        }
    }
    while let Err(why) = world.kubelet_health() {
        tell(world, &mut told, MembershipState::Joining, Some(format!("the kubelet is not healthy: {why}")))?;
        world.pause(LOOK_AGAIN);
    }
    world.write(contract::JOINED, &Joined::of(request).text())?;
    clean_up(world)?;
    tell(world, &mut told, MembershipState::Joined, None)?;
    Ok(End::Joined)
}

/// The end of a join that made a member: what was for the join only goes. The request last, because with it this is
/// done again after a cut.
pub fn clean_up(world: &mut dyn World) -> Result<()> {
    [CONFIGURATION, BOOTSTRAP_KUBECONFIG, contract::JOIN_BEGUN, contract::JOIN_REQUEST]
        .iter()
        .try_for_each(|path| world.wipe(path))
}

/// The end of a join in a mistake: the token goes. Files of a join that has not begun are somebody else's.
pub fn wipe_token(world: &mut dyn World) -> Result<()> {
    if world.read(contract::JOIN_BEGUN)?.is_some() {
        world.wipe(BOOTSTRAP_KUBECONFIG)?;
    }
    [CONFIGURATION, contract::JOIN_REQUEST].iter().try_for_each(|path| world.wipe(path))
}

enum Attempt {
    /// kubeadm has done its part.
    Member,
    Mistake(String),
    Failed(String),
}

fn attempt(
    world: &mut dyn World,
    workflow: &Workflow,
    request: &Request,
    image: &ImageKubernetes,
    told: &mut Membership,
) -> Result<Attempt> {
    if world.read(contract::JOIN_BEGUN)?.is_some() {
        // It may be running, on the leftovers, and may even be about to finish what kubeadm began.
        world.stop_kubelet()?;
        if remains::is_member(world, workflow)? {
            world.start_kubelet()?;
            return Ok(Attempt::Member);
        }
        for path in workflow.leftovers {
            world.wipe(path)?;
        }
    }
    while let Err(why) = world.reach(&request.endpoint) {
        tell(world, told, MembershipState::Waiting, Some(format!("the API server {}: {why}", request.endpoint)))?;
        world.pause(LOOK_AGAIN);
    }
    let configuration = (workflow.document)(request, image);
    for phase in workflow.phases {
        tell(world, told, MembershipState::Joining, Some(format!("kubeadm's phase {}", phase.name)))?;
        if !phase.leaves.is_empty() {
            // From here on files of the cluster may appear; without this mark they would be somebody else's.
            world.write(contract::JOIN_BEGUN, "")?;
        }
        let mut ended = world.kubeadm(phase, &configuration)?;
        // kubeadm does not print its token, but nobody promises that.
        ended.output = request.token.hide_in(&ended.output);
        world.log(&ended.output);
        match judge(phase.name, &ended) {
            Judgement::Done => {}
            Judgement::Mistake(mistake) => return Ok(Attempt::Mistake(mistake.shown(&request.places))),
            Judgement::Again(_) if finishes_late(world, phase, told)? => {}
            Judgement::Again(why) => return Ok(Attempt::Failed(why)),
        }
    }
    if remains::is_member(world, workflow)? {
        return Ok(Attempt::Member);
    }
    Ok(Attempt::Failed("kubeadm ended well, but the node's certificate and configuration are not there".to_owned()))
}

/// kubeadm gives the kubelet some 155 s, which a busy machine may not be enough for: the kubelet goes on, and gets its
/// certificate. Stopping it for the next attempt would begin all over.
fn finishes_late(world: &mut dyn World, phase: &Phase, told: &mut Membership) -> Result<bool> {
    let Some(started) = phase.starts_kubelet else { return Ok(false) };
    if world.read(started)?.is_none() {
        return Ok(false);
    }
    let text = "the kubelet, which kubeadm gave up waiting for".to_owned();
    tell(world, told, MembershipState::Joining, Some(text))?;
    let looks = LATE_LOOKS.saturating_mul(told.attempt).min(MOST_LATE_LOOKS);
    for _ in 0..looks {
        if remains::are_whole(world, phase.leaves)? {
            return Ok(true);
        }
        world.pause(LOOK_AGAIN);
    }
    Ok(false)
}

fn tell(world: &mut dyn World, told: &mut Membership, state: MembershipState, waits_for: Option<String>) -> Result<()> {
    told.state = state;
    told.waits_for = waits_for;
    world.tell(told)
}

fn pause_after(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LAST_PAUSE)
}

#[cfg(test)]
mod tests;

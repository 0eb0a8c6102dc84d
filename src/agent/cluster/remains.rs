//! What kubeadm and the kubelet leave on the disk, and whether it makes a member.
//!
//! A power cut can leave any file empty or short: only all of a workflow's files, each with its end, make a member.

use anyhow::Result;

use super::kubeadm::{Look, Workflow};
use super::world::World;

/// Whether all that the workflow leaves is there and whole.
pub fn is_member(world: &mut dyn World, workflow: &Workflow) -> Result<bool> {
    for phase in workflow.phases {
        if !are_whole(world, phase.leaves)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether these files are there and whole. All of them end with a line break.
pub fn are_whole(world: &mut dyn World, files: &[(&str, Look)]) -> Result<bool> {
    for (path, is_whole) in files {
        let Some(bytes) = world.read(path)? else { return Ok(false) };
        let text = String::from_utf8_lossy(&bytes);
        // A write that was cut can leave zeros.
        if !is_whole(&text) || !text.ends_with('\n') || text.contains('\0') {
            return Ok(false);
        }
    }
    Ok(true)
}

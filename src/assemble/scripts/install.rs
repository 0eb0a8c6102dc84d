//! All packages of an image into its root; once more if secrets of its nodes stand in it as marks.

use super::probe::Probe;
use super::{transaction, twin};
use crate::assemble::root::Root;

/// Installs all packages into the root.
pub(crate) fn install(root: &mut Root) -> anyhow::Result<()> {
    install_probed(root, Probe::default())
}

pub(crate) fn install_probed(root: &mut Root, probe: Probe) -> anyhow::Result<()> {
    let accounts = root.accounts.clone();
    let marks = transaction::run(root, probe, false)?;
    if marks.iter().any(|mark| mark.is_secret) && root.problems.is_empty() {
        twin::compare(root, &marks, accounts)?;
    }
    Ok(())
}

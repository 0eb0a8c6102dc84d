//! Checks of a finished root: what has to hold for every image, whatever made it so.
//!
//! A table of small functions over the tree. A check that fails gives sentences; one that cannot be run is a failure.
//! They are asked after the assembly, so that an overlay or an accepted script cannot undo what the steps did.

mod accounts;
mod finding;
mod hardware;
mod identity;
mod kernel;
mod kubernetes;
mod libraries;
mod modules;
mod pam;
mod requirements;
mod runtime;
mod start;
mod subject;
mod units;

use anyhow::Context;

use crate::diag::{Diagnostic, Diagnostics};
use finding::Findings;

pub use hardware::notes;
pub use subject::Subject;

pub struct Check {
    /// Of its diagnostics.
    pub slug: &'static str,
    pub what: &'static str,
    run: fn(&Subject) -> Findings,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.slug, self.what)
    }
}

/// One row of the table.
const fn check(slug: &'static str, what: &'static str, run: fn(&Subject) -> Findings) -> Check {
    Check { slug, what, run }
}

pub const CHECKS: &[Check] = &[
    check("machine-id-empty", "the node's identity is not in the image", identity::machine_id),
    check("host-key-in-image", "no private host key is in the image", identity::host_keys),
    check("password-in-image", "no account has a password", accounts::passwords),
    check("owner-without-account", "every file belongs to an account of the image", accounts::owners),
    check("user-without-shell", "everybody's shell exists", accounts::shells),
    check("no-init", "there is a PID 1 and a target to boot to", start::init),
    check("dangling-unit", "every unit that is started exists", units::links),
    check("unit-setting", "systemd takes the units of this program and of overlays", units::check),
    check("no-mount-point", "what is mounted over exists", start::mount_points),
    check("no-formatter", "the root can make the file system of /var", start::formatter),
    check("kernel-line", "the kernel is of the line that the recipe promises", kernel::line),
    check("kernel-cannot", "the kernel can mount this image", kernel::features),
    check("kernel-without-drivers", "the kernel is for the machines that the recipe is for", hardware::drivers),
    check("other-kernel-modules", "modules are those of the image's kernel", modules::check),
    check("runtime-configuration", "the container runtime is configured as the recipe says", runtime::check),
    check("kubelet-missing", "a node of a cluster has its programs and units", kubernetes::kubelet),
    check("preflight-program", "kubeadm's preflight finds its programs", kubernetes::programs),
    check("file-requirement", "RPMs find the files they require", requirements::files),
    check("pam-include", "the files that services of PAM include exist", pam::check),
    check("missing-library", "every program finds its libraries", libraries::check),
];

/// Runs all checks.
///
/// # Errors
/// A check that cannot be run: a file of the tree that cannot be read.
pub fn run(subject: &Subject) -> anyhow::Result<Diagnostics> {
    let mut found = Diagnostics::default();
    for check in CHECKS {
        for finding in (check.run)(subject).with_context(|| format!("checking that {}", check.what))? {
            let mistake = Diagnostic::new(check.slug, finding.text);
            found.push(match &finding.at {
                Some(location) => mistake.at(location, "asked for here"),
                None => mistake,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;

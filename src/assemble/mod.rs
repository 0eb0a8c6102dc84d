//! Unpacked packages, overlays and the recipe → the root file system of a node, as a [`Tree`].
//!
//! Nothing of the packages is executed: their scripts are interpreted while they are unpacked ([`scripts`]), and what
//! is done for the whole image is done natively by the steps below, in the order of [`STEPS`]. A step takes the
//! [`Root`] as the steps before it left it, and knows one subject. What is to be done by hand for a Debian root was
//! measured on a trial that booted; every step's file says what it stands for.

pub mod accounts;
mod agent;
mod certificates;
mod cluster;
mod etc;
mod inputs;
mod kernel;
mod loader_cache;
pub(crate) mod login;
pub mod modules;
mod overlay;
mod packages;
mod prune;
mod root;
pub mod scripts;
pub mod selinux;
pub mod units;
mod var;

use anyhow::Context;

use crate::diag::{Diagnostic, Diagnostics};
use crate::recipe::Recipe;
use crate::tree::{Origin, Tree};

use accounts::homes;
use certificates::crypto_policies;
use cluster::{kubernetes, runtime};
use etc::{configuration, network};
pub use inputs::{AgentFiles, Inputs};
pub use kernel::KernelFiles;
use login::{authselect, pam};
use modules::depmod;
use packages::{alternatives, rpm_database};
use root::Root;
use scripts::{Problem, ScriptAccount};

/// A finished root, and what belongs to it but does not lie in it.
#[derive(Debug)]
pub struct Assembled {
    pub tree: Tree,
    /// Every script and trigger of every package, and what became of it, in order of package and script.
    pub scripts: Vec<ScriptAccount>,
    pub kernel: KernelFiles,
}

/// One line of the table of contents below.
struct Step {
    name: &'static str,
    run: fn(&mut Root) -> anyhow::Result<()>,
}

/// The order is law where the comments say so; elsewhere it is only the order of reading.
const STEPS: &[Step] = &[
    // Owners are numbers, so names must mean something before the first file is unpacked.
    Step { name: "first accounts", run: accounts::begin },
    // Files and scripts of all packages, as they come after each other.
    Step { name: "install", run: scripts::install },
    // Numbers that a script fixes win over those that sysusers.d leaves open.
    Step { name: "accounts", run: accounts::settle },
    Step { name: "prune", run: prune::prune },
    // After pruning: an alternative of something that went is none.
    Step { name: "alternatives", run: alternatives::relink },
    Step { name: "account files", run: accounts::write },
    Step { name: "pam", run: pam::write },
    Step { name: "authselect", run: authselect::write },
    Step { name: "etc", run: etc::write },
    Step { name: "configuration", run: configuration::write },
    Step { name: "runtime", run: runtime::write },
    Step { name: "kubernetes", run: kubernetes::write },
    Step { name: "network", run: network::write },
    Step { name: "homes", run: homes::write },
    Step { name: "agent", run: agent::install },
    // Overlays have the last word on files; what follows reads them like everything else.
    Step { name: "overlays", run: overlay::apply },
    Step { name: "certificates", run: certificates::debian::bundle },
    Step { name: "trust store", run: certificates::red_hat::extract },
    Step { name: "crypto policies", run: crypto_policies::link },
    Step { name: "selinux", run: selinux::write },
    Step { name: "depmod", run: depmod::write },
    Step { name: "loader cache", run: loader_cache::write },
    Step { name: "units", run: units::enable },
    // Before /var is moved: it looks for the packages' paths.
    Step { name: "rpm database", run: rpm_database::write },
    Step { name: "var", run: var::split },
    // Last: whatever has no label then, has none on the node.
    Step { name: "labels", run: selinux::label },
];

/// Makes the root. Mistakes of the recipe and scripts that nobody accounts for come back together, as
/// [`Diagnostics`](crate::diag::Diagnostics) inside the error; anything else is a failure.
pub fn assemble(inputs: &Inputs) -> anyhow::Result<Assembled> {
    let mut root = Root::new(*inputs);
    for step in STEPS {
        root.origin = Origin::from(format!("nodesmith: {}", step.name));
        (step.run)(&mut root).with_context(|| format!("assembling the root: {}", step.name))?;
    }
    if root.kernel.is_none() {
        root.mistakes.push(no_kernel(inputs.recipe));
    }
    let Root { tree, kernel, mut mistakes, scripts, problems, .. } = root;
    mistakes.0.extend(scripts::mistakes(problems).0);
    let kernel = mistakes.or(kernel)?.context("the missing kernel was reported")?;
    Ok(Assembled { tree, scripts, kernel })
}

/// What the scripts of packages leave, without the steps that make a node of it.
#[derive(Debug)]
pub struct Interpreted {
    pub tree: Tree,
    pub scripts: Vec<ScriptAccount>,
    pub problems: Vec<Problem>,
    pub mistakes: Diagnostics,
}

/// Unpacks the packages and interprets their scripts, and nothing else: for measuring what is known of them.
pub fn interpret(inputs: &Inputs, probe: scripts::Probe) -> anyhow::Result<Interpreted> {
    let mut root = Root::new(*inputs);
    accounts::begin(&mut root)?;
    scripts::install_probed(&mut root, probe)?;
    let Root { tree, scripts, problems, mistakes, .. } = root;
    Ok(Interpreted { tree, scripts, problems, mistakes })
}

fn no_kernel(recipe: &Recipe) -> Diagnostic {
    let package = &recipe.kernel.package;
    Diagnostic::new(
        "no-kernel",
        format!(
            "no package brings a kernel: `{}` has neither /boot/vmlinuz-* nor /lib/modules/*/vmlinuz",
            package.name
        ),
    )
    .at(&package.location, "this package should")
    .help("name the package with the image itself, such as `linux-image-cloud-amd64`")
}

#[cfg(test)]
pub(crate) mod tests;

//! SELinux: off, or logging what the image's own policy would refuse.
//!
//! Files are not labelled: that takes a compiled policy and the labels it gives to every path, and Red Hat's packages
//! compile theirs in scripts (`semodule`), which are not run. An enforcing node could therefore not boot, so the
//! configuration that a package brings does not count. Format: selinux_config(5).

use super::root::Root;
use crate::diag::Diagnostic;
use crate::package::Family;
use crate::recipe::Selinux;

const POLICY: &str = "/etc/selinux/targeted/policy";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let selinux = root.inputs.recipe.selinux;
    if root.base != Family::Rpm && selinux == Selinux::Disabled {
        return Ok(());
    }
    let compiled = root.lookup(POLICY).is_some_and(|(path, _)| root.tree.children(&path).next().is_some());
    if selinux == Selinux::Permissive && !compiled {
        root.mistakes.push(
            Diagnostic::new(
                "no-selinux-policy",
                format!("`selinux: permissive`, but no package brings {POLICY}/policy.*"),
            )
            .help("leave `selinux` out, or bring a compiled policy in an overlay"),
        );
    }
    let text = format!("SELINUX={}\nSELINUXTYPE=targeted\n", selinux.word());
    root.file("/etc/selinux/config", 0o644, text)
}

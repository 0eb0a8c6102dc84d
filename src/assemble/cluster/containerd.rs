//! containerd's configuration as Kubernetes needs it, in the schema of the installed version.
//!
//! Version 2 of the file for containerd 1.x, version 3 for 2.x (containerd's docs/cri/config.md).

use super::cni::{CONFIGURATION, PLUGINS};
use crate::assemble::root::Root;
use crate::recipe::RuntimeSettings;
use crate::recipe::kubernetes::table;

/// For a package of this version.
pub(super) fn write(root: &mut Root, settings: &RuntimeSettings, version: &str) -> anyhow::Result<()> {
    let known = table::runtime_of(settings.runtime, version);
    let old = known.is_some_and(|known| known.config == Some(2));
    let text = if old { version_2(settings) } else { version_3(settings) };
    root.file(settings.runtime.configuration, 0o644, text)?;
    // The configuration names runc's shim v2; its forerunners are 20 MB that nothing starts.
    for shim in ["/usr/bin/containerd-shim", "/usr/bin/containerd-shim-runc-v1"] {
        root.remove(shim)?;
    }
    Ok(())
}

fn version_2(settings: &RuntimeSettings) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let RuntimeSettings { systemd_cgroup, sandbox_image, runtime, .. } = settings;
    let registries = runtime.registries;
    format!(
        "version = 2\n\n[{cri}]\n  sandbox_image = \"{sandbox_image}\"\n\n\
         [{cri}.cni]\n  bin_dir = \"{PLUGINS}\"\n  conf_dir = \"{CONFIGURATION}\"\n\n\
         [{cri}.registry]\n  config_path = \"{registries}\"\n\n\
         [{cri}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\n\
         [{cri}.containerd.runtimes.runc.options]\n  SystemdCgroup = {systemd_cgroup}\n\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"/var/lib/containerd/opt\"\n"
    )
}

fn version_3(settings: &RuntimeSettings) -> String {
    let (images, cri) = ("plugins.\"io.containerd.cri.v1.images\"", "plugins.\"io.containerd.cri.v1.runtime\"");
    let RuntimeSettings { systemd_cgroup, sandbox_image, runtime, .. } = settings;
    let registries = runtime.registries;
    format!(
        "version = 3\n\n[{images}.pinned_images]\n  sandbox = \"{sandbox_image}\"\n\n\
         [{images}.registry]\n  config_path = \"{registries}\"\n\n\
         [{cri}.cni]\n  bin_dir = \"{PLUGINS}\"\n  conf_dir = \"{CONFIGURATION}\"\n\n\
         [{cri}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\n\
         [{cri}.containerd.runtimes.runc.options]\n  SystemdCgroup = {systemd_cgroup}\n\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"/var/lib/containerd/opt\"\n"
    )
}

//! containerd's configuration as Kubernetes needs it, in the schema of the installed version.
//!
//! Version 2 of the file for containerd 1.x, version 3 for 2.x (containerd's docs/cri/config.md). Mirrors are
//! `hosts.toml` files below `/etc/containerd/certs.d`. `/opt/cni/bin` is where network add-ons put their plugins and is
//! writable on a node; plugins of packages lie in `/usr/lib/cni` and are linked there, since 1.x knows one directory.

use crate::assemble::root::Root;
use crate::diag::Diagnostic;
use crate::recipe::Containerd;
use crate::recipe::kubernetes::table;
use crate::registry_mirrors::hosts_toml;

const CNI: &str = "/opt/cni/bin";
const PACKAGED_CNI: &str = "/usr/lib/cni";
const HOSTS: &str = "/etc/containerd/certs.d";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let Some(runtime) = &root.inputs.recipe.runtime else { return Ok(()) };
    let package = ["containerd", "containerd.io"].iter().find_map(|name| root.package(name));
    let Some(package) = package else {
        root.mistakes.push(
            Diagnostic::new("no-runtime", "no package brings containerd")
                .at(&runtime.location, "configured here")
                .help("add `containerd` to `packages`"),
        );
        return Ok(());
    };
    let known = table::containerd(&package.id.version);
    let text = if known.is_some_and(|known| known.config == 2) { version_2(runtime) } else { version_3(runtime) };
    root.file("/etc/containerd/config.toml", 0o644, text)?;
    for (registry, mirrors) in &runtime.mirrors {
        root.file(&format!("{HOSTS}/{registry}/hosts.toml"), 0o644, hosts_toml(registry, mirrors))?;
    }
    root.directory(HOSTS)?;
    root.directory("/etc/cni/net.d")?;
    root.directory(CNI)?;
    if let Some((directory, _)) = root.lookup(PACKAGED_CNI) {
        let plugins: Vec<String> = root
            .tree
            .children(&directory)
            .map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned())
            .collect();
        for plugin in plugins {
            // kubernetes-cni ships its plugins in the place itself.
            let path = format!("{CNI}/{plugin}");
            if !root.exists(&path) {
                root.symlink(&path, &format!("{PACKAGED_CNI}/{plugin}"))?;
            }
        }
    }
    // The configuration names runc's shim v2; its forerunners are 20 MB that nothing starts.
    for shim in ["/usr/bin/containerd-shim", "/usr/bin/containerd-shim-runc-v1"] {
        root.remove(shim)?;
    }
    let socket = "unix:///run/containerd/containerd.sock";
    root.file("/etc/crictl.yaml", 0o644, format!("runtime-endpoint: {socket}\nimage-endpoint: {socket}\n"))
}

fn version_2(runtime: &Containerd) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let Containerd { systemd_cgroup, sandbox_image, .. } = runtime;
    format!(
        "version = 2\n\n[{cri}]\n  sandbox_image = \"{sandbox_image}\"\n\n\
         [{cri}.cni]\n  bin_dir = \"{CNI}\"\n  conf_dir = \"/etc/cni/net.d\"\n\n\
         [{cri}.registry]\n  config_path = \"{HOSTS}\"\n\n\
         [{cri}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\n\
         [{cri}.containerd.runtimes.runc.options]\n  SystemdCgroup = {systemd_cgroup}\n\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"/var/lib/containerd/opt\"\n"
    )
}

fn version_3(runtime: &Containerd) -> String {
    let (images, cri) = ("plugins.\"io.containerd.cri.v1.images\"", "plugins.\"io.containerd.cri.v1.runtime\"");
    let Containerd { systemd_cgroup, sandbox_image, .. } = runtime;
    format!(
        "version = 3\n\n[{images}.pinned_images]\n  sandbox = \"{sandbox_image}\"\n\n\
         [{images}.registry]\n  config_path = \"{HOSTS}\"\n\n\
         [{cri}.cni]\n  bin_dir = \"{CNI}\"\n  conf_dir = \"/etc/cni/net.d\"\n\n\
         [{cri}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\n\
         [{cri}.containerd.runtimes.runc.options]\n  SystemdCgroup = {systemd_cgroup}\n\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"/var/lib/containerd/opt\"\n"
    )
}

//! The container runtime as Kubernetes needs it: its configuration, mirrors of registries, plugins for networks, and the
//! socket for `crictl`.

use super::{cni, containerd};
use crate::assemble::root::Root;
use crate::diag::Diagnostic;
use crate::registry_mirrors;
use crate::runtime::Engine;
use crate::tree::Origin;

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let Some(settings) = &root.inputs.recipe.runtime else { return Ok(()) };
    let runtime = settings.runtime;
    root.origin = Origin::from(format!("nodesmith: {runtime}"));
    let Some(package) = runtime.packages.iter().find_map(|name| root.package(name)) else {
        let name = runtime.packages.first().unwrap_or(&runtime.name);
        root.mistakes.push(
            Diagnostic::new("no-runtime", format!("no package brings {runtime}"))
                .at(&settings.location, "configured here")
                .help(format!("add `{name}` to `packages`")),
        );
        return Ok(());
    };
    match runtime.engine {
        Engine::Containerd => containerd::write(root, settings, &package.id.version)?,
    }
    for (registry, mirrors) in &settings.mirrors {
        let text = registry_mirrors::text(runtime, registry, mirrors);
        root.file(&registry_mirrors::path(runtime, registry), 0o644, text)?;
    }
    root.directory(runtime.registries)?;
    cni::write(root)?;
    let socket = runtime.socket_url();
    root.file("/etc/crictl.yaml", 0o644, format!("runtime-endpoint: {socket}\nimage-endpoint: {socket}\n"))
}

#[cfg(test)]
mod tests {
    use crate::agent::first_boot::facts::Facts;
    use crate::agent::first_boot::plan::plan;
    use crate::agent::first_boot::plan::tests::{config, facts};
    use crate::agent::units::units;
    use crate::assemble::tests::cluster;
    use crate::contract::IMAGE_INFO;
    use crate::image_info::{KubeadmApi, tests::kubernetes};
    use crate::runtime::{CONTAINERD, Runtime};
    use crate::tree::TreePath;

    /// What a second row is asked for, in the image and on the node.
    #[test]
    fn a_node_with_another_runtime_has_everything_in_its_places_and_nothing_in_the_usual_ones() {
        const TOY: Runtime = Runtime {
            name: "toy",
            packages: &["toy"],
            unit: "toy.service",
            connecting: &["toy-fetch.service"],
            socket: "/run/toy.sock",
            configuration: "/etc/toy/config.toml",
            registries: "/etc/toy/registries",
            ..CONTAINERD
        };
        let mut world = cluster();
        let settings = world.recipe.runtime.as_mut().unwrap();
        settings.runtime = &TOY;
        settings.mirrors = [("docker.io".to_owned(), vec!["https://a.example".to_owned()])].into();
        world.package("toy", &[]);
        let tree = world.assemble().unwrap().tree;
        for (path, text) in [
            ("/etc/toy/config.toml", "config_path = \"/etc/toy/registries\""),
            ("/etc/toy/registries/docker.io/hosts.toml", "https://a.example"),
            ("/etc/crictl.yaml", "unix:///run/toy.sock"),
            ("/usr/lib/systemd/system/kubelet.service.d/20-nodesmith.conf", "Wants=toy.service\nAfter=toy.service "),
            (IMAGE_INFO, "\"cri-socket\": \"unix:///run/toy.sock\""),
            (IMAGE_INFO, "\"runtime\": \"toy\""),
        ] {
            assert!(world.text(&tree, path).contains(text), "{path}: {text}");
        }
        assert!(tree.get(&TreePath::parse(CONTAINERD.configuration).unwrap()).is_none());
        let units = units(&TOY).map(|(_, text)| text).concat();
        assert!(units.matches("toy.service").count() == 4 && !units.contains("containerd"), "{units}");
        let kubernetes = Some(kubernetes(KubeadmApi::V1Beta4));
        let facts = Facts { runtime: &TOY, networkd_runs: true, kubernetes, ..facts() };
        let section = "kubernetes: {proxy: {http: 'http://p:1'}, registry-mirrors: {docker.io: ['https://a.example']}}";
        let plan = plan(&config(&format!("#cloud-config\n{section}\n"), ""), &facts).unwrap().to_string();
        for step in [
            "write /etc/systemd/system/toy-fetch.service.d/50-nodeinit-proxy.conf",
            "write /etc/toy/registries/docker.io/hosts.toml",
            "try-restart --no-block toy-fetch.service kubelet.service",
        ] {
            assert!(plan.contains(step), "{step}: {plan}");
        }
        assert!(!plan.contains("containerd"), "{plan}");
    }
}

//! The node's agent in the root, and what it reads there.

use super::root::Root;
use super::scripts::FirstBoot;
use crate::contract;
use crate::diag::Diagnostic;
use crate::image_info::{self, ImageInfo, ImageKubernetes, Once};
use crate::preload;

/// Directories that every node can write to, besides `/etc` and `/var`: on the `/var` partition.
const WRITABLE: [&str; 3] = ["/home", "/opt/cni/bin", "/root"];

pub(crate) fn install(root: &mut Root) -> anyhow::Result<()> {
    let agent = root.inputs.agent;
    root.content(contract::AGENT, 0o755, agent.program.clone())?;
    for (name, text) in &agent.units {
        root.file(&format!("/usr/lib/systemd/system/{name}"), 0o644, text.as_str())?;
    }
    let recipe = root.inputs.recipe;
    let mut writable: Vec<String> = WRITABLE.map(str::to_owned).to_vec();
    writable.extend(recipe.writable.iter().cloned());
    writable.sort_unstable();
    // One mount for each; what lies in another one of them is writable already.
    let all = writable.clone();
    writable.retain(|path| !all.iter().any(|outer| inside(path, outer)));
    writable.dedup();
    let kernel = root.kernel.as_ref().map(|kernel| kernel.release.clone());
    let (name, version) = (recipe.name.clone(), recipe.version.clone());
    let kubernetes = recipe.kubernetes.as_ref().zip(recipe.runtime.as_ref());
    let info = ImageInfo {
        recipe: image_info::BuiltFrom { name: name.clone(), version: version.clone(), epoch: recipe.epoch },
        name,
        version,
        kernel,
        writable,
        images: root.inputs.images.iter().map(image).collect(),
        first_boot: first_boot(root),
        runtime: recipe.node_runtime(),
        kubernetes: kubernetes.map(|(kubernetes, settings)| ImageKubernetes {
            version: kubernetes.version.to_string(),
            kubeadm_api: kubernetes.kubeadm_api(),
            cri_socket: kubernetes.cri_socket(settings.runtime),
            cgroup_driver: contract::CGROUP_DRIVER.to_owned(),
            sandbox_image: settings.sandbox_image.clone(),
        }),
        metadata: recipe.metadata,
    };
    root.file(contract::IMAGE_INFO, 0o644, info.text()?)
}

/// What scripts left to the first boot. The agent makes the host keys of sshd without being told.
fn first_boot(root: &mut Root) -> Vec<Once> {
    let host_keys =
        |it: &FirstBoot| !it.makes.is_empty() && it.makes.iter().all(|path| path.starts_with("/etc/ssh/ssh_host_"));
    // Files that were only on the way are not there any more.
    let is_there = |it: &&FirstBoot| it.fills.as_ref().is_none_or(|(file, _)| root.exists(file));
    let programs: Vec<FirstBoot> =
        root.first_boot.iter().filter(|it| !host_keys(it)).filter(is_there).cloned().collect();
    let files = programs.iter().filter_map(|it| Some((&it.package, &it.fills.as_ref()?.0)));
    for (package, file) in files {
        let mut writable =
            ["/etc", "/var"].into_iter().chain(WRITABLE).chain(root.inputs.recipe.writable.iter().map(String::as_str));
        if !writable.any(|place| inside(file, place)) {
            let text =
                format!("{package} leaves `{file}` to be filled at the first boot, and nodes cannot write there");
            root.mistakes
                .0
                .push(Diagnostic::new("first-boot-read-only", text).help("list its directory under `writable`"));
        }
    }
    let missing: Vec<&FirstBoot> = programs.iter().filter(|it| !root.exists(&it.program)).collect();
    for missing in missing {
        let FirstBoot { package, program, .. } = missing;
        let text = format!("{package} leaves `{program}` to the first boot, and the image has no such program");
        root.mistakes.0.push(Diagnostic::new("first-boot-program", text).help("add the package that brings it"));
    }
    programs.into_iter().map(once).collect()
}

fn inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn once(FirstBoot { program, arguments, makes, fills, .. }: FirstBoot) -> Once {
    Once { program, arguments, makes, fills }
}

fn image(archive: &preload::Archive) -> image_info::Archive {
    let names = archive.images.keys().cloned().collect();
    image_info::Archive { file: archive.file.clone(), sha256: archive.digest.to_string(), names }
}

//! The node's agent in the root, and what it reads there.

use serde_json::{Value, json};

use super::root::Root;
use super::scripts::FirstBoot;
use crate::contract;
use crate::diag::Diagnostic;
use crate::preload::Archive;

/// Directories that every node can write to, besides `/etc` and `/var`: on the `/var` partition.
const WRITABLE: [&str; 3] = ["/home", "/opt/cni/bin", "/root"];

pub(crate) fn install(root: &mut Root) -> anyhow::Result<()> {
    let agent = root.inputs.agent;
    root.content(contract::AGENT, 0o755, agent.program.clone())?;
    for (name, text) in &agent.units {
        root.file(&format!("/usr/lib/systemd/system/{name}"), 0o644, text.as_str())?;
    }
    let recipe = root.inputs.recipe;
    let mut writable: Vec<&str> = WRITABLE.to_vec();
    writable.extend(recipe.writable.iter().map(String::as_str));
    writable.sort_unstable();
    // One mount for each; what lies in another one of them is writable already.
    let all = writable.clone();
    writable.retain(|path| !all.iter().any(|outer| inside(path, outer)));
    writable.dedup();
    let kernel = root.kernel.as_ref().map(|kernel| kernel.release.clone());
    let images: Vec<Value> = root.inputs.images.iter().map(image).collect();
    let mut info = json!({
        "name": recipe.name,
        "version": recipe.version,
        "recipe": { "name": recipe.name, "version": recipe.version, "epoch": recipe.epoch },
        "kernel": kernel,
        "writable": writable,
        "images": images,
        "first-boot": first_boot(root),
        "metadata": recipe.metadata.word(),
    });
    if let (Some(kubernetes), Some(runtime)) = (&recipe.kubernetes, &recipe.runtime) {
        info["kubernetes"] = json!({
            "version": kubernetes.version.to_string(),
            "kubeadm-api": kubernetes.kubeadm_api(),
            "cri-socket": kubernetes.cri_socket(),
            "cgroup-driver": contract::CGROUP_DRIVER,
            "sandbox-image": runtime.sandbox_image,
        });
    }
    root.file(contract::IMAGE_INFO, 0o644, serde_json::to_string_pretty(&info)? + "\n")
}

/// What scripts left to the first boot. The agent makes the host keys of sshd without being told.
fn first_boot(root: &mut Root) -> Vec<FirstBoot> {
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
    programs
}

fn inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn image(archive: &Archive) -> Value {
    let names: Vec<&String> = archive.images.keys().collect();
    json!({"file": archive.file, "sha256": archive.digest.to_string(), "names": names})
}

//! The checked recipe as JSON: what was understood, with every default. Also what a lock's digest is taken of.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kubernetes::Kubernetes;
use super::{Compression, Mirror, PackageRequest, Recipe, RepositoryKind, RuntimeSettings, User};
use crate::yaml::Located;

/// The whole recipe.
pub fn print(recipe: &Recipe) -> Value {
    let (codec, level) = match recipe.compression {
        Compression::Zstd { level } => ("zstd", level),
        Compression::Lz4hc { level } => ("lz4hc", level),
    };
    let accepted: Vec<Value> = recipe
        .accept_scripts
        .iter()
        .map(|it| match &it.program {
            None => json!({"package": it.package, "script": it.script, "reason": it.reason}),
            Some(program) => {
                json!({"package": it.package, "script": it.script, "program": program, "reason": it.reason})
            }
        })
        .collect();
    json!({
        "name": recipe.name,
        "version": recipe.version,
        "arch": recipe.arch.debian,
        "epoch": recipe.epoch,
        "repositories": repositories(recipe),
        "packages": recipe.packages.iter().map(request).collect::<Vec<_>>(),
        "weak-dependencies": recipe.weak_dependencies,
        "drop": recipe.drop.iter().map(|it| (it.name.clone(), it.reason.clone())).collect::<BTreeMap<_, _>>(),
        "accept-scripts": accepted,
        "unknown-programs": recipe.unknown_programs.word(),
        "metadata": recipe.metadata.word(),
        "debconf": recipe.debconf,
        "hardware": recipe.hardware.iter().map(|kind| kind.value.word).collect::<Vec<_>>(),
        "kernel": {
            "package": request(&recipe.kernel.package),
            "line": recipe.kernel.line,
            "cmdline": recipe.kernel.cmdline,
            "initrd-modules": texts(&recipe.kernel.initrd_modules),
        },
        "sysctl": recipe.sysctl,
        "modules": {
            "load": texts(&recipe.modules.load),
            "options": recipe.modules.options,
            "blacklist": recipe.modules.blacklist,
        },
        "runtime": recipe.runtime.as_ref().map(runtime),
        "kubernetes": recipe.kubernetes.as_ref().map(kubernetes),
        "images": recipe.images.iter().map(|it| it.name.clone()).collect::<Vec<_>>(),
        "services": {
            "enable": texts(&recipe.services.enable),
            "disable": texts(&recipe.services.disable),
            "mask": texts(&recipe.services.mask),
        },
        "users": recipe.users.iter().map(|it| (it.name.clone(), user(it))).collect::<BTreeMap<_, _>>(),
        "system-ids": recipe.system_ids,
        "overlays": recipe.overlays.iter().map(|it| it.name.clone()).collect::<Vec<_>>(),
        "timezone": recipe.timezone.as_ref().map_or("UTC", |zone| &zone.value),
        "locale": recipe.locale,
        "selinux": recipe.selinux_mode().word(),
        "writable": recipe.writable,
        "filesystem": {"compression": codec, "level": level},
        "disk": {
            "esp": recipe.disk.esp,
            "slot": recipe.disk.slot,
            "var": {
                "filesystem": recipe.disk.var.word,
                "minimum": recipe.disk.var_min,
            },
        },
        "bios": recipe.bios,
        // Who is asked for signatures is left out: whoever has the key makes the same image.
        "secure-boot": recipe.secure_boot.as_ref().map(|it| json!({"certificate": it.certificate, "enroll": it.enroll.word()})),
        "outputs": recipe.outputs.iter().map(|output| output.word).collect::<Vec<_>>(),
        "iso": {
            "install": recipe.iso.install,
            "metadata": recipe.iso.metadata.as_ref().and_then(|it| it.file_name()).map(|it| it.to_string_lossy()),
        },
    })
}

/// What decides which packages the lock holds: repositories, requests, the kernel's package and its line.
pub fn package_inputs(recipe: &Recipe) -> Value {
    // A kernel that is pinned is taken whatever its line.
    let line = Some(&recipe.kernel.line).filter(|_| recipe.kernel.package.version.is_none());
    let mut inputs = json!({
        "arch": recipe.arch.debian,
        "repositories": repositories(recipe),
        "packages": recipe.packages.iter().map(request).collect::<Vec<_>>(),
        "weak-dependencies": recipe.weak_dependencies,
        "kernel": request(&recipe.kernel.package),
        "kernel-line": line,
    });
    // Locks from before there was a BIOS stay good.
    if recipe.bios {
        inputs["bios"] = true.into();
    }
    inputs
}

fn repositories(recipe: &Recipe) -> BTreeMap<&str, Value> {
    let describe = |kind: &RepositoryKind| match kind {
        RepositoryKind::Apt(apt) => {
            let mirror = match &apt.mirror {
                Mirror::Host => "host",
                Mirror::Url(url) => url,
            };
            // Where the keyring lies on this machine must not change the lock.
            let keyring = apt.keyring.file_name().unwrap_or_default().to_string_lossy();
            json!({"apt": {"mirror": mirror, "suite": apt.suite, "components": apt.components, "keyring": keyring}})
        }
        RepositoryKind::Rpm(rpm) => json!({"rpm": {
            "source": rpm.source.print(),
            "fingerprint": match &rpm.fingerprints[..] {
                // One key, or none: as locks had it before there could be more.
                few @ ([] | [_]) => json!(few.first().map_or("", String::as_str)),
                more => json!(more),
            },
            "signatures": if rpm.signed_packages { "packages" } else { "none" },
            "signed-metadata": rpm.signed_metadata,
            "weak": rpm.weak.iter().map(|weak| weak.name()).collect::<Vec<_>>(),
            "modules": rpm.modules.iter().map(|stream| stream.value.as_str()).collect::<Vec<_>>(),
            "priority": rpm.priority,
            "only": texts(&rpm.only),
            "exclude": texts(&rpm.exclude),
            "neutral": rpm.neutral,
        }}),
    };
    recipe.repositories.iter().map(|it| (it.name.as_str(), describe(&it.kind))).collect()
}

fn texts(list: &[Located<String>]) -> Vec<&str> {
    list.iter().map(|it| it.value.as_str()).collect()
}

fn request(request: &PackageRequest) -> String {
    match &request.version {
        Some(version) => format!("{}={version}", request.name),
        None => request.name.clone(),
    }
}

fn runtime(settings: &RuntimeSettings) -> Value {
    json!({(settings.runtime.name): {
        "systemd-cgroup": settings.systemd_cgroup,
        "sandbox-image": settings.sandbox_image,
        "mirrors": settings.mirrors,
    }})
}

fn kubernetes(kubernetes: &Kubernetes) -> Value {
    json!({
        "version": kubernetes.version.to_string(),
        "kubeadm-api": kubernetes.kubeadm_api().name(),
        "pull-sandbox-image": kubernetes.pull_sandbox_image,
    })
}

fn user(user: &User) -> Value {
    json!({
        "uid": user.uid,
        "groups": user.groups,
        "shell": user.shell,
        "home": user.home,
        "ssh-authorized-keys": user.ssh_authorized_keys,
    })
}

//! The record of a build: what went in, what became of it, what came out. JSON, and a function of recipe and lock
//! alone.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Value, json};

use super::outputs::{OutputFile, Outputs};
use crate::assemble::scripts::{Change, ScriptAccount};
use crate::hex;
use crate::preload::Archive;
use crate::recipe::kubernetes::Kubernetes;
use crate::recipe::{Recipe, print};
use crate::tree::path::escape;
use crate::tree::{Digest, InodeId, Kind, Tree, TreePath};

/// What the manifest is made from.
#[derive(Debug)]
pub struct Record<'a> {
    pub recipe: &'a Recipe,
    /// The lock's packages and tools, in the form the lock has.
    pub lock: Value,
    pub lock_digest: Digest,
    pub kernel: &'a str,
    pub command_line: &'a str,
    pub root_hash: Digest,
    pub scripts: &'a [ScriptAccount],
    pub images: &'a [Archive],
    pub tree: &'a Tree,
    /// Of the agent that this builder brings: other builders of the same version may bring other bytes.
    pub agent_digest: Digest,
}

/// Writes the manifest, last: it names all files that are there.
pub fn write(record: &Record<'_>, outputs: &mut Outputs) -> anyhow::Result<()> {
    let manifest = serde_json::to_string_pretty(&manifest(record, outputs.files())).context("writing the manifest")?;
    outputs.write("manifest.json", format!("{manifest}\n").as_bytes())
}

fn manifest(record: &Record<'_>, outputs: &[OutputFile]) -> Value {
    let outputs: Vec<Value> = outputs
        .iter()
        .map(|file| json!({"name": file.name, "size": file.size, "sha256": file.sha256.to_string()}))
        .collect();
    json!({
        "builder": {"version": env!("CARGO_PKG_VERSION"), "agent-sha256": record.agent_digest.to_string()},
        "name": record.recipe.name,
        "version": record.recipe.version,
        "recipe": print::print(record.recipe),
        "lock": {"sha256": record.lock_digest.to_string(), "content": record.lock},
        "kernel": {"release": record.kernel, "command-line": record.command_line},
        "root-hash": record.root_hash.to_string(),
        "kubernetes": record.recipe.kubernetes.as_ref().map(|it| kubernetes(it, &record.lock)),
        "images": record.images.iter().map(image).collect::<Vec<_>>(),
        "scripts": record.scripts.iter().map(script).collect::<Vec<_>>(),
        "files": files(record.tree),
        "outputs": outputs,
    })
}

/// Packages of Kubernetes whose origin the manifest says at once: the others are found in the lock below it.
const KUBERNETES_PACKAGES: [&str; 5] = ["kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools"];

/// The version, and of each of its packages what the lock holds: exact version, digest, and who signed it, or the
/// repository that it is from.
fn kubernetes(kubernetes: &Kubernetes, lock: &Value) -> Value {
    let list = |key: &str| lock[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let signer = |package: &Value| {
        let repository = list("repositories").iter().find(|it| it["name"] == package["repository"]);
        let own = package.get("signer").filter(|signer| !signer.is_null());
        own.or_else(|| repository?.get("signer")).cloned()
    };
    let packages = list("packages").iter().filter(|it| KUBERNETES_PACKAGES.iter().any(|name| it["name"] == *name));
    let packages = packages.map(|package| {
        let mut shown = json!({"signer": signer(package)});
        for key in ["name", "version", "arch", "repository", "sha256"] {
            shown[key] = package[key].clone();
        }
        shown
    });
    json!({
        "version": kubernetes.version.to_string(),
        "kubeadm-api": kubernetes.kubeadm_api(),
        "packages": packages.collect::<Vec<_>>(),
    })
}

fn image(archive: &Archive) -> Value {
    let images: Vec<Value> = archive
        .images
        .iter()
        .map(|(name, digest)| json!({"name": name, "digest": format!("sha256:{digest}")}))
        .collect();
    json!({"file": archive.file, "size": archive.size, "sha256": archive.digest.to_string(), "images": images})
}

/// What a script changed, by path, and what its programs did not do as on a running system.
fn script(account: &ScriptAccount) -> Value {
    let change = |(path, change): &(TreePath, Change)| {
        let word = match change {
            Change::Made => "made",
            Change::Changed => "changed",
            Change::Removed => "removed",
        };
        (path.to_string(), word)
    };
    let changes: BTreeMap<String, &str> = account.changes.iter().map(change).collect();
    let programs =
        account.used.iter().map(|used| json!({"program": used.program, "was": used.what, "why": used.reason}));
    let programs: Vec<Value> = programs.collect();
    json!({
        "package": account.package.to_string(),
        "script": account.script,
        "sha256": account.sha256.to_string(),
        "outcome": account.outcome.to_string(),
        "changes": changes,
        "programs": programs,
    })
}

/// Every path of the root with its owner, mode, digest, xattrs and where it came from.
pub fn files(tree: &Tree) -> Vec<Value> {
    let mut first: BTreeMap<InodeId, String> = BTreeMap::new();
    tree.iter()
        .map(|(path, id, inode)| {
            let mut file = json!({
                "path": path.to_string(),
                "mode": format!("{:04o}", inode.mode),
                "uid": inode.uid,
                "gid": inode.gid,
                "mtime": inode.mtime,
                "origin": &*inode.origin,
            });
            let mut set = |key: &str, value: Value| file[key] = value;
            match &inode.kind {
                Kind::Directory => set("kind", "directory".into()),
                Kind::Fifo => set("kind", "fifo".into()),
                Kind::File(content) => {
                    set("kind", "file".into());
                    set("size", content.size().into());
                    set("sha256", content.digest().to_string().into());
                }
                Kind::Symlink(target) => {
                    set("kind", "symlink".into());
                    set("target", escape(target).into());
                }
                Kind::CharDevice { major, minor } => {
                    set("kind", "char-device".into());
                    set("device", json!([major, minor]));
                }
                Kind::BlockDevice { major, minor } => {
                    set("kind", "block-device".into());
                    set("device", json!([major, minor]));
                }
            }
            if let Some(other) = first.get(&id) {
                set("hard-link-of", other.clone().into());
            }
            first.entry(id).or_insert_with(|| path.to_string());
            if !inode.xattrs.is_empty() {
                let xattrs: BTreeMap<String, String> =
                    inode.xattrs.iter().map(|(name, value)| (escape(name), hex::encode(value))).collect();
                set("xattrs", json!(xattrs));
            }
            file
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Location, Source};
    use crate::recipe::kubernetes::Version;

    #[test]
    fn packages_of_kubernetes_are_repeated_from_the_lock_with_who_signed_them() {
        let package = |name: &str, repository: &str| {
            json!({
                "name": name,
                "version": "1.36.2-1",
                "arch": "x86_64",
                "repository": repository,
                "path": "p",
                "size": 1,
                "sha256": "ab",
            })
        };
        let mut own = package("kubeadm", "k");
        own["signer"] = "OWN".into();
        let lock = json!({
            "repositories": [{"name": "d", "signer": "DEBIAN"}, {"name": "k", "signer": "KUBERNETES"}],
            "packages": [package("containerd", "d"), own, package("kubelet", "k")],
        });
        let location = Location::new(&Source::new("r.yaml", "x"), 0..1);
        let version = Version { minor: 36, patch: 2 };
        let section = Kubernetes { version, pull_sandbox_image: false, location };
        let told = kubernetes(&section, &lock);
        assert_eq!(told["kubeadm-api"], "v1beta4");
        let packages: Vec<String> =
            told["packages"].as_array().unwrap().iter().map(|it| format!("{} {}", it["name"], it["signer"])).collect();
        assert_eq!(packages, ["\"kubeadm\" \"OWN\"", "\"kubelet\" \"KUBERNETES\""]);
        assert_eq!(told["packages"][1]["sha256"], "ab");
    }
}

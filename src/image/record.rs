//! What a build knows at its end → its [`Manifest`], a function of recipe and lock alone.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::manifest::{
    Builder, ContainerImage, FileKind, FileRecord, ImageArchive, Kernel, Kubernetes, KubernetesPackage, Lock, Manifest,
    Pcr11, Program, Script, SecureBoot,
};
use super::outputs::{OutputFile, Outputs};
use crate::assemble::scripts::ScriptAccount;
use crate::formats::pcr;
use crate::formats::pkcs7::Certificates;
use crate::hex;
use crate::preload::Archive;
use crate::recipe::kubernetes::Kubernetes as KubernetesSection;
use crate::recipe::{Recipe, print};
use crate::tree::path::escape;
use crate::tree::{Digest, InodeId, Kind, Tree};

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
    pub agent_digest: Digest,
    /// The unified kernel image.
    pub uki: &'a [u8],
}

/// Writes the manifest, last: it names all files that are there.
pub fn write(record: Record<'_>, outputs: &mut Outputs) -> anyhow::Result<()> {
    let manifest = manifest(record, outputs.files())?;
    outputs.write("manifest.json", manifest.print()?.as_bytes())
}

fn manifest(record: Record<'_>, outputs: &[OutputFile]) -> anyhow::Result<Manifest> {
    let Record { recipe, lock, .. } = record;
    let secure_boot = recipe.secure_boot.as_ref().map(|it| signer(&it.identity.certificates)).transpose()?;
    let kubernetes = recipe.kubernetes.as_ref().map(|section| kubernetes(section, &lock)).transpose()?;
    Ok(Manifest {
        builder: Builder { version: env!("CARGO_PKG_VERSION").to_owned(), agent_sha256: record.agent_digest },
        name: recipe.name.clone(),
        version: recipe.version.clone(),
        recipe: print::print(recipe),
        lock: Lock { sha256: record.lock_digest, content: lock },
        kernel: Kernel { release: record.kernel.to_owned(), command_line: record.command_line.to_owned() },
        root_hash: record.root_hash,
        pcr_11: pcr_11(record.uki),
        secure_boot,
        kubernetes,
        images: record.images.iter().map(image).collect(),
        scripts: record.scripts.iter().map(script).collect(),
        files: files(record.tree),
        outputs: outputs.to_vec(),
    })
}

/// A stub that is too new to be known makes an image no worse.
fn pcr_11(uki: &[u8]) -> Pcr11 {
    pcr::kernel_image(uki).map_or_else(|why| Pcr11::Unknown(why.to_string()), |register| Pcr11::Sha256(register.0))
}

fn signer(certificates: &Certificates) -> anyhow::Result<SecureBoot> {
    let certificate_sha256 = certificates.fingerprint().context("reading the certificate")?;
    Ok(SecureBoot { signer: certificates.subject(), certificate_sha256 })
}

/// Packages of Kubernetes whose origin the manifest says at once: the others are found in the lock below it.
const KUBERNETES_PACKAGES: [&str; 5] = ["kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools"];

/// The version, and of each of its packages what the lock holds: exact version, digest, and who signed it, or the
/// repository that it is from.
fn kubernetes(section: &KubernetesSection, lock: &Value) -> anyhow::Result<Kubernetes> {
    let list = |key: &str| lock[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut packages = Vec::new();
    for entry in list("packages").iter().filter(|it| KUBERNETES_PACKAGES.iter().any(|name| it["name"] == *name)) {
        let mut package = KubernetesPackage::deserialize(entry).context("reading the lock's packages of Kubernetes")?;
        if package.signer.is_none() {
            let repository = list("repositories").iter().find(|it| it["name"] == *package.repository);
            package.signer = repository.and_then(|it| Some(it["signer"].as_str()?.to_owned()));
        }
        packages.push(package);
    }
    Ok(Kubernetes { version: section.version.to_string(), kubeadm_api: section.kubeadm_api(), packages })
}

fn image(archive: &Archive) -> ImageArchive {
    let images = archive.images.iter();
    let images = images.map(|(name, digest)| ContainerImage { name: name.clone(), digest: format!("sha256:{digest}") });
    ImageArchive { file: archive.file.clone(), size: archive.size, sha256: archive.digest, images: images.collect() }
}

/// What a script changed, by path, and what its programs did not do as on a running system.
fn script(account: &ScriptAccount) -> Script {
    let programs = account.used.iter().map(|used| Program {
        program: used.program.clone(),
        was: used.what.to_owned(),
        why: used.reason.clone(),
    });
    Script {
        package: account.package.to_string(),
        script: account.script.clone(),
        sha256: account.sha256,
        outcome: account.outcome.to_string(),
        changes: account.changes.iter().map(|(path, change)| (path.to_string(), *change)).collect(),
        programs: programs.collect(),
    }
}

/// Every path of the root, in the tree's order.
pub fn files(tree: &Tree) -> Vec<FileRecord> {
    let mut first: BTreeMap<InodeId, String> = BTreeMap::new();
    let paths = tree.iter().map(|(path, id, inode)| {
        let path = path.to_string();
        let hard_link_of = first.get(&id).cloned();
        first.entry(id).or_insert_with(|| path.clone());
        let xattrs = inode.xattrs.iter().map(|(name, value)| (escape(name), hex::encode(value)));
        FileRecord {
            path,
            mode: format!("{:04o}", inode.mode),
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
            origin: inode.origin.to_string(),
            kind: match &inode.kind {
                Kind::Directory => FileKind::Directory,
                Kind::Fifo => FileKind::Fifo,
                Kind::File(content) => FileKind::File { size: content.size(), sha256: content.digest() },
                Kind::Symlink(target) => FileKind::Symlink { target: escape(target) },
                Kind::CharDevice { major, minor } => FileKind::CharDevice { device: (*major, *minor) },
                Kind::BlockDevice { major, minor } => FileKind::BlockDevice { device: (*major, *minor) },
            },
            hard_link_of,
            xattrs: xattrs.collect(),
        }
    });
    paths.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let section = KubernetesSection { version, pull_sandbox_image: false, location };
        let told = kubernetes(&section, &lock).unwrap();
        assert_eq!(told.kubeadm_api.name(), "v1beta4");
        let signer = |package: &KubernetesPackage| (package.name.clone(), package.signer.clone().unwrap());
        let signers: Vec<(String, String)> = told.packages.iter().map(signer).collect();
        let expected = [("kubeadm", "OWN"), ("kubelet", "KUBERNETES")];
        assert_eq!(signers, expected.map(|(name, signer)| (name.to_owned(), signer.to_owned())));
        assert_eq!(told.packages[1].sha256, "ab");
        let damaged = json!({"packages": [{"name": "kubelet"}]});
        assert!(kubernetes(&section, &damaged).is_err());
    }
}

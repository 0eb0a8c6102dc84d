//! What `docker save` writes: manifest.json names a configuration and layers for each image (Docker Image Specification
//! 1.2, "Combined Image JSON + Filesystem Changeset Format").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::{Fault, damaged, foreign, unnamed};
use super::name::full_name;
use super::tarball::Tarball;
use crate::arch::Arch;
use crate::tree::Digest;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The image's configuration: the parts that an import looks at.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Name → digest of the configuration, of every image of the archive.
pub(super) fn images(tarball: &Tarball, node: &Arch) -> Result<BTreeMap<String, Digest>, Fault> {
    let entries: Vec<Entry> = tarball.document("manifest.json")?;
    let mut images = BTreeMap::new();
    // Images share layers, and unpacking is what takes the time.
    let mut unpacked: BTreeMap<String, Digest> = BTreeMap::new();
    for entry in entries {
        let tags = entry.repo_tags.unwrap_or_default();
        let Some(name) = tags.first() else { return Err(unnamed()) };
        let config: Config = tarball.document(&entry.config)?;
        let id = tarball.entry(&entry.config).ok_or_else(|| damaged(format!("`{}` is missing", entry.config)))?.digest;
        // Tools name the file by its digest, and containerd trusts the name.
        let stem = entry.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        if Digest::parse(stem).is_some_and(|named| named != id) {
            return Err(damaged(format!("`{}` has another digest than its name", entry.config)));
        }
        if config.os != "linux" || config.architecture != node.oci {
            return Err(foreign(name, &config.os, &config.architecture, node));
        }
        if config.rootfs.diff_ids.len() != entry.layers.len() {
            let (named, listed) = (config.rootfs.diff_ids.len(), entry.layers.len());
            return Err(damaged(format!("`{name}` has {named} layers, the archive lists {listed}")));
        }
        for (path, expected) in entry.layers.iter().zip(&config.rootfs.diff_ids) {
            let digest = match unpacked.get(path) {
                Some(digest) => *digest,
                None => {
                    let layer = tarball.entry(path).ok_or_else(|| damaged(format!("the layer `{path}` is missing")))?;
                    tarball.unpacked_digest(path, layer)?
                }
            };
            unpacked.insert(path.clone(), digest);
            if Some(digest) != expected.strip_prefix("sha256:").and_then(Digest::parse) {
                return Err(damaged(format!("the layer `{path}` is not {expected}")));
            }
        }
        images.extend(tags.iter().map(|tag| (full_name(tag), id)));
    }
    Ok(images)
}

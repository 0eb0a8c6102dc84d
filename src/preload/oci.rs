//! An OCI image layout (image-layout.md, image-index.md and manifest.md of the image specification 1.1): everything is
//! a blob named by its digest, index.json names the images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::fault::{Fault, damaged, foreign, unnamed};
use super::name::full_name;
use super::tarball::{Entry, Tarball};
use crate::arch::Arch;
use crate::tree::Digest;

/// Deepest chain of indexes in indexes.
const DEPTH_MAX: u32 = 4;
/// Where containerd and Docker put the full name; `ref.name` may be a tag only.
const NAME: &str = "io.containerd.image.name";
const REFERENCE: &str = "org.opencontainers.image.ref.name";

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Also the beginning of an image's configuration.
#[derive(Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Platform {
    fn fits(&self, node: &Arch) -> bool {
        self.os == "linux" && self.architecture == node.oci
    }
}

/// Name → digest of the manifest or index, of every image that index.json names.
pub(super) fn images(tarball: &Tarball, node: &Arch) -> Result<BTreeMap<String, Digest>, Fault> {
    let index: Index = tarball.document("index.json")?;
    let (mut images, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for descriptor in &index.manifests {
        let name = name(descriptor).ok_or_else(unnamed)?;
        let (_, blob) = blob(tarball, descriptor)?;
        image(tarball, node, descriptor, &name, 0, &mut seen)?;
        images.insert(name, blob.digest);
    }
    Ok(images)
}

/// The full name. containerd gives an image that has only a tag a name with the date of the import.
fn name(descriptor: &Descriptor) -> Option<String> {
    let full = |name: &&String| name.contains(['/', ':', '@']);
    let name = descriptor.annotations.get(NAME).or_else(|| descriptor.annotations.get(REFERENCE));
    name.filter(full).map(|name| full_name(name))
}

/// The blob, of the digest and size that the descriptor says, and its path.
fn blob(tarball: &Tarball, descriptor: &Descriptor) -> Result<(String, Entry), Fault> {
    let digest = &descriptor.digest;
    let Some(expected) = digest.strip_prefix("sha256:").and_then(Digest::parse) else {
        return Err(damaged(format!("`{}` is not a SHA-256 digest", digest.escape_debug())));
    };
    let path = format!("blobs/sha256/{expected}");
    let entry = tarball.entry(&path).ok_or_else(|| damaged(format!("`{path}` is missing")))?;
    if entry.digest != expected || entry.size != descriptor.size {
        return Err(damaged(format!("`{path}` is not what its name says")));
    }
    Ok((path, entry))
}

/// Checks an image down to its layers; of several platforms, the node's. What is in `seen` has been checked.
fn image(
    tarball: &Tarball,
    node: &Arch,
    descriptor: &Descriptor,
    name: &str,
    depth: u32,
    seen: &mut BTreeSet<Digest>,
) -> Result<(), Fault> {
    let (path, entry) = blob(tarball, descriptor)?;
    if !seen.insert(entry.digest) {
        return Ok(());
    }
    if descriptor.media_type.contains("index") || descriptor.media_type.contains("manifest.list") {
        if depth >= DEPTH_MAX {
            return Err(damaged(format!("`{name}` is an index of indexes of indexes")));
        }
        let index: Index = tarball.document(&path)?;
        let ours = |it: &&Descriptor| it.platform.as_ref().is_none_or(|platform| platform.fits(node));
        let mut fitting = index.manifests.iter().filter(ours).peekable();
        if fitting.peek().is_none() {
            let other = index.manifests.iter().find_map(|it| it.platform.as_ref());
            let (os, architecture) = other.map_or(("", ""), |other| (&other.os, &other.architecture));
            return Err(foreign(name, os, architecture, node));
        }
        return fitting.try_for_each(|descriptor| image(tarball, node, descriptor, name, depth + 1, seen));
    }
    let manifest: Manifest = tarball.document(&path)?;
    let (config_path, _) = blob(tarball, &manifest.config)?;
    let config: Platform = tarball.document(&config_path)?;
    if !config.fits(node) {
        return Err(foreign(name, &config.os, &config.architecture, node));
    }
    manifest.layers.iter().try_for_each(|layer| blob(tarball, layer).map(drop))
}

//! A root file system: what image it is of, and its files.

use std::collections::BTreeMap;
use std::io::{self, Read};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::comparison::Comparison;
use crate::contract::IMAGE_INFO;
use crate::formats::device::ReadAt;
use crate::formats::erofs::read::{self, Image};
use crate::image::manifest::{FileRecord, Manifest};
use crate::image::record;
use crate::image_info::{Archive, ImageInfo, ImageKubernetes};
use crate::tree::{Content, Digest, Origin, Tree, dump};

/// Largest description of an image.
const IDENTITY_MAX: u64 = 1 << 20;
/// Who brought a file, where nobody knows better.
const THE_IMAGE: &str = "the image";

/// What to say of the files of a root.
#[derive(Debug, Clone, Copy)]
pub enum Listing<'a> {
    None,
    /// All of them; with the manifest of the image's build, also who brought each, which images themselves do not say,
    /// and how they differ from those that the manifest lists.
    Files(Option<&'a Manifest>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename = "erofs")]
pub struct Root {
    pub bytes: u64,
    /// How many there are.
    pub paths: usize,
    /// What the builder wrote about the image; nothing in a root that is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<FileRecord>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Comparison>,
    /// A line for each of the files.
    #[serde(skip)]
    lines: Vec<String>,
}

/// `root_hash` is that of the image, if it has one.
pub(super) fn describe(device: impl ReadAt, root_hash: Option<Digest>, files: Listing<'_>) -> anyhow::Result<Root> {
    let image = Image::open(device).context("reading the root file system")?;
    let tree = tree(&image).context("reading the root file system")?;
    let (bytes, paths) = (image.size(), tree.iter().count());
    let mut root = Root { bytes, paths, image: identity(&image)?, files: None, manifest: None, lines: Vec::new() };
    let Listing::Files(manifest) = files else { return Ok(root) };
    let mut files = record::files(&tree);
    if let Some(manifest) = manifest {
        root.manifest = Some(Comparison::of(&files, &manifest.files)?);
    }
    // Another build's manifest does not know who brought the files of this root.
    if let Some(manifest) = manifest.filter(|it| root_hash.is_none_or(|root_hash| it.root_hash == root_hash)) {
        let origins: BTreeMap<&str, &str> =
            manifest.files.iter().map(|file| (file.path.as_str(), file.origin.as_str())).collect();
        for file in &mut files {
            let origin = origins.get(file.path.as_str());
            file.origin = origin.map_or_else(|| file.origin.clone(), |origin| (*origin).to_owned());
        }
    }
    // Both list the paths in the tree's order.
    root.lines = dump::dump(&tree).lines().map(str::to_owned).collect();
    root.files = Some(files);
    Ok(root)
}

impl Root {
    pub(super) fn text(&self) -> String {
        let mut text = format!("EROFS, {} bytes, {} paths\n", self.bytes, self.paths);
        // Somebody else's file may have any form.
        if let Some(info) = self.image.clone().and_then(|identity| serde_json::from_value(identity).ok()) {
            text.push_str(&lines(&info));
        }
        for (file, line) in self.files.iter().flatten().zip(&self.lines) {
            text.push_str(line);
            if file.origin != THE_IMAGE {
                text.push_str(&format!(" from {}", file.origin));
            }
            text.push('\n');
        }
        text + &self.manifest.as_ref().map(Comparison::text).unwrap_or_default()
    }

    /// Whether it has the files of the manifest that it was compared with.
    pub(super) fn is_sound(&self) -> bool {
        self.manifest.as_ref().is_none_or(Comparison::is_empty)
    }
}

/// What the builder wrote about the image; nothing in a root that is not ours.
fn identity(image: &Image<impl ReadAt>) -> anyhow::Result<Option<Value>> {
    let reading = || format!("reading {IMAGE_INFO} of the root");
    let mut nid = image.root();
    for name in IMAGE_INFO.split('/').skip(1) {
        let entries = image.directory(&image.inode(nid)?).with_context(reading)?;
        match entries.iter().find(|entry| entry.name == name.as_bytes()) {
            Some(entry) => nid = entry.nid,
            None => return Ok(None),
        }
    }
    let mut text = Vec::new();
    let inode = image.inode(nid)?;
    image.contents(&inode)?.take(IDENTITY_MAX).read_to_end(&mut text).with_context(reading)?;
    Ok(serde_json::from_slice(&text).ok().filter(Value::is_object))
}

/// The lines of an image's identity that people look for.
fn lines(info: &ImageInfo) -> String {
    let mut text = format!("image {} {}\n", info.name, info.version);
    if let Some(ImageKubernetes { version, kubeadm_api, sandbox_image, .. }) = &info.kubernetes {
        text.push_str(&format!("Kubernetes {version}, kubeadm {}, sandbox {sandbox_image}\n", kubeadm_api.name()));
    }
    for Archive { file, sha256, names } in &info.images {
        text.push_str(&format!("{file}: {} sha256:{sha256}\n", names.join(", ")));
    }
    text
}

fn tree(image: &Image<impl ReadAt>) -> anyhow::Result<Tree> {
    let mut digest = |size: u64, reader: &mut dyn Read| -> io::Result<Content> {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        io::copy(reader, &mut hasher)?;
        Ok(Content::Stored { digest: Digest(hasher.finalize().into()), size })
    };
    Ok(read::tree(image, &Origin::from(THE_IMAGE), &mut digest)?)
}

//! A root file system: what image it is of, and its files.

use std::collections::BTreeMap;
use std::io::{self, Read};

use anyhow::Context;
use serde_json::{Value, json};

use super::description::Listing;
use crate::contract::IMAGE_INFO;
use crate::formats::device::ReadAt;
use crate::formats::erofs::read::{self, Image};
use crate::image::manifest;
use crate::image_info::{Archive, ImageInfo, ImageKubernetes};
use crate::tree::{Content, Digest, Origin, Tree, dump};

/// Largest description of an image.
const IDENTITY_MAX: u64 = 1 << 20;

/// Text and JSON.
pub(super) fn describe(device: impl ReadAt, files: Listing<'_>) -> anyhow::Result<(String, Value)> {
    let image = Image::open(device).context("reading the root file system")?;
    let tree = tree(&image).context("reading the root file system")?;
    let paths = tree.iter().count();
    let mut text = format!("EROFS, {} bytes, {paths} paths\n", image.size());
    let mut json = json!({"kind": "erofs", "bytes": image.size(), "paths": paths});
    if let Some(identity) = identity(&image)? {
        // Somebody else's file may have any form.
        if let Ok(info) = serde_json::from_value(identity.clone()) {
            text.push_str(&lines(&info));
        }
        json["image"] = identity;
    }
    let Listing::Files(manifest) = files else { return Ok((text, json)) };
    let recorded = manifest.and_then(|manifest| manifest["files"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let origin = |file: &Value| Some((file["path"].as_str()?.to_owned(), file["origin"].as_str()?.to_owned()));
    let origins: BTreeMap<String, String> = recorded.iter().filter_map(origin).collect();
    let mut listed = manifest::files(&tree);
    // Both list the paths in the tree's order.
    for (file, line) in listed.iter_mut().zip(dump::dump(&tree).lines()) {
        text.push_str(line);
        if let Some(origin) = origins.get(file["path"].as_str().unwrap_or_default()) {
            text.push_str(&format!(" from {origin}"));
            file["origin"] = origin.as_str().into();
        }
        text.push('\n');
    }
    json["files"] = Value::from(listed);
    Ok((text, json))
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
    Ok(read::tree(image, &Origin::from("the image"), &mut digest)?)
}

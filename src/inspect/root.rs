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
        text.push_str(&lines(&identity));
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
    // Somebody else's file may have any form.
    Ok(serde_json::from_slice(&text).ok().filter(Value::is_object))
}

/// The lines of an image's identity that people look for.
fn lines(identity: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut text = format!("image {} {}\n", word(&identity["name"]), word(&identity["version"]));
    if let Some(kubernetes) = identity.get("kubernetes") {
        let (version, api) = (word(&kubernetes["version"]), word(&kubernetes["kubeadm-api"]));
        text.push_str(&format!(
            "Kubernetes {version}, kubeadm {api}, sandbox {}\n",
            word(&kubernetes["sandbox-image"])
        ));
    }
    for archive in identity["images"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let names: Vec<String> = archive["names"].as_array().into_iter().flatten().map(word).collect();
        text.push_str(&format!(
            "{}: {} sha256:{}\n",
            word(&archive["file"]),
            names.join(", "),
            word(&archive["sha256"])
        ));
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

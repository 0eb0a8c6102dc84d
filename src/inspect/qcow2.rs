//! A disk in a qcow2 file.

use std::fs::File;
use std::io;

use anyhow::Context;
use serde_json::json;

use super::description::{Description, Listing};
use super::disk;
use super::kind::Kind;
use crate::formats::qcow2;

/// The container, and then the disk in it exactly as the raw image of that disk is described.
pub(super) fn describe(mut file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let header = qcow2::dump(&mut file).context("reading the qcow2 header")?;
    let described = json!({"kind": "qcow2", "text": header});
    let content = match qcow2::Reader::open(file) {
        Ok(reader) if Kind::of(&reader)? == Some(Kind::Disk) => disk::describe(&reader, files)?,
        Ok(_) => Description {
            text: "content: not a disk with a GPT\n".to_owned(),
            json: json!({"kind": "unknown"}),
            verified: None,
        },
        // What is in it cannot be told; what it is can.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Description {
            text: format!("content not read: {error}\n"),
            json: json!({"kind": "unread"}),
            verified: None,
        },
        Err(error) => return Err(error).context("opening the qcow2 image"),
    };
    let mut json = content.json;
    json["container"] = described;
    Ok(Description { text: format!("qcow2\n{header}\n{}", content.text), json, verified: content.verified })
}

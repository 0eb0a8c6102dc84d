//! A disk in a file of another format.

use std::fs::File;
use std::io;

use anyhow::Context;

use super::description::{self, Described, Description, Untold};
use super::disk;
use super::kind::Kind;
use super::root::Listing;
use crate::formats::container::Container;
use crate::formats::netdisk;

/// The container, and then the disk in it exactly as the raw image of that disk is described.
pub(super) fn describe(container: Container, mut file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let kind = container.word();
    let text = container.dump(&mut file).with_context(|| format!("reading what the {kind} says of itself"))?;
    let content = match container.open(file) {
        Ok(reader) if Kind::of(&*reader)? == Some(Kind::Disk) => {
            Described::Disk(Box::new(disk::describe(&*reader, files)?))
        }
        Ok(_) => Described::Untold(Untold::Unknown),
        // What is in it cannot be told; what it is can.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Described::Untold(Untold::Unread { why: error.to_string() })
        }
        Err(error) => return Err(error).with_context(|| format!("opening the {kind} image")),
    };
    Ok(Description { container: Some(description::Container { kind, text }), content })
}

/// The same for the disk that nodes fetch.
pub(super) fn netdisk(file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let text = netdisk::dump(&file).context("reading what the netdisk says of itself")?;
    let disk = netdisk::Reader::open(file).context("opening the netdisk")?;
    let content = Described::Disk(Box::new(disk::describe(&disk, files)?));
    Ok(Description { container: Some(description::Container { kind: "netdisk", text }), content })
}

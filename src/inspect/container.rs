//! A disk in a file of another format.

use std::fs::File;
use std::io;

use anyhow::Context;

use super::description::{self, Described, Description, Untold};
use super::disk;
use super::kind::Kind;
use super::root::Listing;
use crate::formats::container::Container;

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

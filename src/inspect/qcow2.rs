//! A disk in a qcow2 file.

use std::fs::File;
use std::io;

use anyhow::Context;

use super::description::{Container, Described, Description, Untold};
use super::disk;
use super::kind::Kind;
use super::root::Listing;
use crate::formats::qcow2;

/// The container, and then the disk in it exactly as the raw image of that disk is described.
pub(super) fn describe(mut file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let container = Container { text: qcow2::dump(&mut file).context("reading the qcow2 header")? };
    let content = match qcow2::Reader::open(file) {
        Ok(reader) if Kind::of(&reader)? == Some(Kind::Disk) => {
            Described::Disk(Box::new(disk::describe(&reader, files)?))
        }
        Ok(_) => Described::Untold(Untold::Unknown),
        // What is in it cannot be told; what it is can.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Described::Untold(Untold::Unread { why: error.to_string() })
        }
        Err(error) => return Err(error).context("opening the qcow2 image"),
    };
    Ok(Description { container: Some(container), content })
}

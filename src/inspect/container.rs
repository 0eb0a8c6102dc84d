//! A disk in a file of another format.

use std::fs::File;
use std::io;

use anyhow::Context;

use super::description::{Container, Described, Description, Untold};
use super::disk;
use super::kind::{Format, Kind};
use super::root::Listing;
use crate::formats::device::ReadAt;
use crate::formats::{qcow2, vhd, vhdx, vmdk};

/// The container, and then the disk in it exactly as the raw image of that disk is described.
pub(super) fn describe(format: Format, mut file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let kind = format.word();
    let text = match format {
        Format::Qcow2 => qcow2::dump(&mut file),
        Format::Vmdk => vmdk::dump(&file),
        Format::Vhd => vhd::dump(&file),
        Format::Vhdx => vhdx::dump(&file),
    };
    let text = text.with_context(|| format!("reading what the {kind} says of itself"))?;
    let content = match open(format, file) {
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
    Ok(Description { container: Some(Container { kind, text }), content })
}

fn open(format: Format, file: File) -> io::Result<Box<dyn ReadAt>> {
    Ok(match format {
        Format::Qcow2 => Box::new(qcow2::Reader::open(file)?),
        Format::Vmdk => Box::new(vmdk::Reader::open(file)?),
        Format::Vhd => Box::new(vhd::Reader::open(file)?),
        Format::Vhdx => Box::new(vhdx::Reader::open(file)?),
    })
}

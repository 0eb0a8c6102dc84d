//! What is in an image, seen from the image alone. The kind is told from the first bytes, never from the name.

mod boot_files;
mod comparison;
mod container;
mod description;
mod disk;
mod kind;
mod root;
mod signatures;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, bail};

use self::kind::Kind;
use crate::formats::device::{ReadAt, Window};

pub use self::description::{Container, Described, Description};
pub use self::root::Listing;

/// Largest initrd or EFI program that is read into memory.
const WHOLE_MAX: u64 = 1 << 30;

/// Describes an image.
pub fn inspect(file: File, files: Listing<'_>) -> anyhow::Result<Description> {
    let content = match Kind::of(&file)? {
        Some(Kind::Container(container)) => return container::describe(container, file, files),
        Some(Kind::Netdisk) => return container::netdisk(file, files),
        Some(Kind::Disk) => Described::Disk(Box::new(disk::describe(&file, files)?)),
        Some(Kind::Erofs) => {
            let length = ReadAt::size(&file).context("measuring the image")?;
            Described::Root(Box::new(root::describe(Window::new(&file, 0, length), None, files)?))
        }
        Some(Kind::EfiProgram) => Described::EfiProgram(boot_files::efi_program(&whole(file)?)?),
        Some(Kind::Initrd) => Described::Initrd(boot_files::initrd(&whole(file)?)?),
        None => {
            bail!("this is none of: disk image with a GPT, qcow2, vmdk, vhd, vhdx, netdisk, EROFS, EFI program, initrd")
        }
    };
    Ok(Description::from(content))
}

fn whole(mut file: File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).context("going back to the start")?;
    file.take(WHOLE_MAX).read_to_end(&mut bytes).context("reading the file")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

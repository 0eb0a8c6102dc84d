//! Files around a disk: in which format one is, and the disk in it.

use std::fs::File;
use std::io;

use super::device::ReadAt;
use super::{qcow2, vhd, vhdx, vmdk};

/// A format of such files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
}

impl Container {
    /// The format of a file by its bytes, never by its name; `None` for anything else, a raw disk among them.
    pub fn of(file: &dyn ReadAt) -> io::Result<Option<Container>> {
        let length = file.size()?;
        let mut head = [0; 8];
        let known = usize::try_from(length.min(8)).unwrap_or_default();
        file.read_exact_at(&mut head[..known], 0)?;
        // A fixed vhd is the disk itself, with the magic in the sector behind it.
        let mut last = [0; 8];
        if let Some(footer) = length.checked_sub(512) {
            file.read_exact_at(&mut last, footer)?;
        }
        Ok(if head.starts_with(&qcow2::MAGIC) {
            Some(Container::Qcow2)
        } else if head.starts_with(&vmdk::MAGIC) {
            Some(Container::Vmdk)
        } else if head == vhdx::MAGIC {
            Some(Container::Vhdx)
        } else if last == vhd::MAGIC {
            Some(Container::Vhd)
        } else {
            None
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Container::Qcow2 => "qcow2",
            Container::Vmdk => "vmdk",
            Container::Vhd => "vhd",
            Container::Vhdx => "vhdx",
        }
    }

    /// QEMU's name of the format.
    pub fn driver(self) -> &'static str {
        match self {
            // Virtual PC's, who had it first.
            Container::Vhd => "vpc",
            other => other.word(),
        }
    }

    /// What the file says of itself, as text.
    pub fn dump(self, file: &mut File) -> io::Result<String> {
        match self {
            Container::Qcow2 => qcow2::dump(file),
            Container::Vmdk => vmdk::dump(file),
            Container::Vhd => vhd::dump(file),
            Container::Vhdx => vhdx::dump(file),
        }
    }

    /// The disk in the file.
    ///
    /// # Errors
    /// `Unsupported` if a part of its content is elsewhere, or of a kind that is not read; anything else for damage.
    pub fn open(self, file: File) -> io::Result<Box<dyn ReadAt>> {
        Ok(match self {
            Container::Qcow2 => Box::new(qcow2::Reader::open(file)?),
            Container::Vmdk => Box::new(vmdk::Reader::open(file)?),
            Container::Vhd => Box::new(vhd::Reader::open(file)?),
            Container::Vhdx => Box::new(vhdx::Reader::open(file)?),
        })
    }
}

//! What kind of image it is, from its bytes.

use anyhow::Context;

use crate::formats::device::ReadAt;
use crate::formats::{qcow2, vhd, vhdx, vmdk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Container(Format),
    Disk,
    Erofs,
    EfiProgram,
    Initrd,
}

/// A file around a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
}

impl Format {
    pub(super) fn word(self) -> &'static str {
        match self {
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vhd => "vhd",
            Format::Vhdx => "vhdx",
        }
    }
}

impl Kind {
    pub(super) fn of(device: &dyn ReadAt) -> anyhow::Result<Option<Kind>> {
        let length = device.size().context("measuring the image")?;
        let mut head = vec![0; usize::try_from(length.min(2048))?];
        device.read_exact_at(&mut head, 0).context("reading the first bytes")?;
        // A fixed vhd is the disk itself, with the magic behind it.
        let mut last = [0; 8];
        if let Some(footer) = length.checked_sub(512) {
            device.read_exact_at(&mut last, footer).context("reading the last sector")?;
        }
        if last == vhd::MAGIC {
            return Ok(Some(Kind::Container(Format::Vhd)));
        }
        let magics: [(usize, &[u8], Kind); 9] = [
            (0, &qcow2::MAGIC, Kind::Container(Format::Qcow2)),
            (0, &vmdk::MAGIC, Kind::Container(Format::Vmdk)),
            (0, &vhdx::MAGIC, Kind::Container(Format::Vhdx)),
            (512, b"EFI PART", Kind::Disk),
            (1024, &[0xe2, 0xe1, 0xf5, 0xe0], Kind::Erofs),
            (0, b"MZ", Kind::EfiProgram),
            (0, b"070701", Kind::Initrd),
            (0, &[0x28, 0xb5, 0x2f, 0xfd], Kind::Initrd),
            (0, &[0x1f, 0x8b], Kind::Initrd),
        ];
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        Ok(magics.into_iter().find(|(offset, magic, _)| at(*offset, magic)).map(|(.., kind)| kind))
    }
}

//! What kind of image it is, from its bytes.

use anyhow::Context;

use crate::formats::container::Container;
use crate::formats::device::ReadAt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Container(Container),
    Netdisk,
    Disk,
    Erofs,
    EfiProgram,
    Initrd,
}

impl Kind {
    pub(super) fn of(device: &dyn ReadAt) -> anyhow::Result<Option<Kind>> {
        if let Some(container) = Container::of(device).context("reading the first and the last bytes")? {
            return Ok(Some(Kind::Container(container)));
        }
        let length = device.size().context("measuring the image")?.min(2048);
        let mut head = vec![0; usize::try_from(length)?];
        device.read_exact_at(&mut head, 0).context("reading the first bytes")?;
        let magics: [(usize, &[u8], Kind); 7] = [
            (0, b"NODESMITHNETDISK", Kind::Netdisk),
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

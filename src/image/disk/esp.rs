//! The files of the EFI system partition: systemd-boot, its configuration, and the unified kernel image.

use crate::formats::fat::Entry;
use crate::formats::sparse::Source;
use crate::image::parts::Parts;

/// Where systemd's packages put the boot loader.
pub(super) const BOOT_LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Longer menus only cost time where nobody watches; a key held at power-on still shows the menu.
const LOADER_CONF: &[u8] = b"timeout 0\nconsole-mode keep\neditor no\n";

/// What lies on the partition. The boot loader is there twice: under the name that firmware looks for, and under its
/// own.
#[derive(Debug)]
pub struct Esp<'a> {
    boot_loader: Vec<u8>,
    uki_path: String,
    uki: &'a [u8],
}

impl<'a> Esp<'a> {
    pub fn new(parts: &Parts<'_>, uki: &'a [u8]) -> anyhow::Result<Esp<'a>> {
        let uki_path = format!("EFI/Linux/{}+3.efi", parts.recipe.name);
        Ok(Esp { boot_loader: parts.tool(BOOT_LOADER)?, uki_path, uki })
    }

    pub(super) fn entries(&self) -> [Entry<'_>; 4] {
        let entry = |path, bytes| Entry { path, source: Source::Bytes(bytes) };
        [
            entry("EFI/BOOT/BOOTX64.EFI", self.boot_loader.as_slice()),
            entry("EFI/systemd/systemd-bootx64.efi", self.boot_loader.as_slice()),
            entry("loader/loader.conf", LOADER_CONF),
            entry(&self.uki_path, self.uki),
        ]
    }
}

//! The files of the EFI system partition: systemd-boot, its configuration, the unified kernel image, and what a BIOS
//! starts.

use crate::formats::fat::Entry;
use crate::formats::sparse::Source;
use crate::image::bios::Bios;
use crate::image::parts::Parts;

/// Longer menus only cost time where nobody watches; a key held at power-on still shows the menu.
const LOADER_CONF: &[u8] = b"timeout 0\nconsole-mode keep\neditor no\n";

/// What lies on the partition. The boot loader is there twice: under the name that firmware looks for, and under its
/// own.
#[derive(Debug)]
pub struct Esp<'a> {
    boot_loader: Vec<u8>,
    boot_loader_paths: [String; 2],
    uki_path: String,
    uki: &'a [u8],
    bios: Option<&'a Bios<'a>>,
}

impl<'a> Esp<'a> {
    pub fn new(parts: &Parts<'_>, uki: &'a [u8], bios: Option<&'a Bios<'a>>) -> anyhow::Result<Esp<'a>> {
        let arch = parts.recipe.arch.efi;
        let own = format!("systemd-boot{arch}.efi");
        // Where systemd's packages put it.
        let boot_loader = parts.tool(&format!("/usr/lib/systemd/boot/efi/{own}"))?;
        let boot_loader_paths =
            [format!("EFI/BOOT/BOOT{}.EFI", arch.to_ascii_uppercase()), format!("EFI/systemd/{own}")];
        let uki_path = format!("EFI/Linux/{}+3.efi", parts.recipe.name);
        Ok(Esp { boot_loader, boot_loader_paths, uki_path, uki, bios })
    }

    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let entry = |path, bytes| Entry { path, source: Source::Bytes(bytes) };
        let [removable, own] = &self.boot_loader_paths;
        let mut entries = vec![
            entry(removable, self.boot_loader.as_slice()),
            entry(own, self.boot_loader.as_slice()),
            entry("loader/loader.conf", LOADER_CONF),
            entry(&self.uki_path, self.uki),
        ];
        let bios = self.bios.iter().flat_map(|bios| bios.files());
        entries.extend(bios.map(|(path, bytes)| entry(path, bytes)));
        entries
    }
}

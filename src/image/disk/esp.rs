//! The files of the EFI system partition: systemd-boot, its configuration, the unified kernel image, keys that it may enrol,
//! and what a BIOS starts.

use anyhow::Context;

use crate::formats::fat::Entry;
use crate::formats::sparse::Source;
use crate::image::bios::Bios;
use crate::image::parts::Parts;
use crate::recipe::Recipe;
use crate::secure_boot::{Enroll, Enrolment, KeyFile};

/// Longer menus only cost time where nobody watches; a key held at power-on still shows the menu.
const LOADER_CONF: &str = "timeout 0\nconsole-mode keep\neditor no\n";
/// Of the keys that systemd-boot enrols by itself.
const KEYS: &str = "auto";

/// What lies on the partition. The boot loader is there twice: under the name that firmware looks for, and under its
/// own.
#[derive(Debug)]
pub struct Esp<'a> {
    boot_loader: Vec<u8>,
    boot_loader_paths: [String; 2],
    loader_conf: String,
    keys: Vec<KeyFile>,
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
        let boot_loader = parts.signed("the boot loader", boot_loader)?;
        let boot_loader_paths =
            [format!("EFI/BOOT/BOOT{}.EFI", arch.to_ascii_uppercase()), format!("EFI/systemd/{own}")];
        let uki_path = format!("EFI/Linux/{}+3.efi", parts.recipe.name);
        let (loader_conf, keys) = enrolment(parts.recipe)?;
        Ok(Esp { boot_loader, boot_loader_paths, loader_conf, keys, uki_path, uki, bios })
    }

    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let entry = |path, bytes| Entry { path, source: Source::Bytes(bytes) };
        let [removable, own] = &self.boot_loader_paths;
        let mut entries = vec![
            entry(removable, self.boot_loader.as_slice()),
            entry(own, self.boot_loader.as_slice()),
            entry("loader/loader.conf", self.loader_conf.as_bytes()),
            entry(&self.uki_path, self.uki),
        ];
        entries.extend(self.keys.iter().map(|key| entry(&key.path, &key.bytes)));
        let bios = self.bios.iter().flat_map(|bios| bios.files());
        entries.extend(bios.map(|(path, bytes)| entry(path, bytes)));
        entries
    }
}

/// The boot loader's configuration, and the keys that it may enrol: the signer is its own platform key, key exchange key
/// and the only one whose programs start.
fn enrolment(recipe: &Recipe) -> anyhow::Result<(String, Vec<KeyFile>)> {
    let enrolled = recipe.secure_boot.as_ref().filter(|it| it.enroll != Enroll::Off);
    let Some(secure_boot) = enrolled else { return Ok((LOADER_CONF.to_owned(), Vec::new())) };
    let signer = &*secure_boot.identity;
    let trusted = [signer.certificates.clone()];
    let enrolment = Enrolment { platform: signer, exchange: signer, trusted: &trusted, epoch: recipe.epoch };
    let keys = enrolment.files(KEYS).context("making the keys for enrolment")?;
    Ok((format!("{LOADER_CONF}secure-boot-enroll {}\n", secure_boot.enroll.word()), keys))
}

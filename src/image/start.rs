//! Starting a node from elsewhere than its disk: its own kernel and initrd, with more words on the command line.

use std::fmt;

use anyhow::Context;

use super::initrd::archive::Initrd;
use super::parts::Parts;
use super::{bios, uki};
use crate::seed_volume::{self, Files};

/// What outputs that start a node are made from.
pub trait Start: fmt::Debug {
    /// The one that the node has on its disk.
    fn command_line(&self) -> &str;

    /// A unified kernel image with this command line.
    fn uki(&self, command_line: &str) -> anyhow::Result<Vec<u8>>;

    /// Where firmware looks for what it starts.
    fn efi_path(&self) -> String;

    /// The disk that an installer is to take, as [`crate::contract::CMDLINE_INSTALL`] has it.
    fn install(&self) -> &str;

    /// The metadata that an installer brings along.
    fn metadata(&self) -> anyhow::Result<Files>;

    /// What a BIOS starts from a CD; `None` if the recipe does not ask for it.
    fn bios(&self) -> anyhow::Result<Option<CdFiles<'_>>>;
}

type MakeGrub<'a> = dyn Fn(usize) -> anyhow::Result<bios::CdCore> + 'a;
type MakeMenu<'a> = dyn Fn(&str) -> anyhow::Result<String> + 'a;

/// What a BIOS starts from a CD: GRUB as it must be for its place, and what it loads.
pub struct CdFiles<'a> {
    /// GRUB for the sector in which its file begins.
    pub grub: Box<MakeGrub<'a>>,
    /// The menu, with this command line.
    pub menu: Box<MakeMenu<'a>>,
    pub kernel: Vec<u8>,
    pub initrd: &'a [u8],
}

impl fmt::Debug for CdFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GRUB, a kernel of {} and an initrd of {} bytes", self.kernel.len(), self.initrd.len())
    }
}

/// A recipe's own.
#[derive(Debug, Clone, Copy)]
pub struct OfNode<'a> {
    pub parts: &'a Parts<'a>,
    pub initrd: &'a Initrd,
    pub command_line: &'a str,
}

impl Start for OfNode<'_> {
    fn command_line(&self) -> &str {
        self.command_line
    }

    fn uki(&self, command_line: &str) -> anyhow::Result<Vec<u8>> {
        uki::make(self.parts, self.initrd, command_line)
    }

    fn efi_path(&self) -> String {
        format!("EFI/BOOT/BOOT{}.EFI", self.parts.recipe.arch.efi.to_ascii_uppercase())
    }

    fn install(&self) -> &str {
        &self.parts.recipe.iso.install
    }

    fn metadata(&self) -> anyhow::Result<Files> {
        let Some(directory) = &self.parts.recipe.iso.metadata else { return Ok(Files::new()) };
        let files = seed_volume::read(directory).context("reading the metadata of the installer")?;
        seed_volume::check(&files)?;
        Ok(files)
    }

    fn bios(&self) -> anyhow::Result<Option<CdFiles<'_>>> {
        let (parts, recipe) = (self.parts, self.parts.recipe);
        if !recipe.bios {
            return Ok(None);
        }
        let title = format!("Install {} {}", recipe.name, recipe.version);
        Ok(Some(CdFiles {
            grub: Box::new(move |sector| bios::cd_core(parts, sector)),
            menu: Box::new(move |command_line: &str| bios::cd_menu(&title, command_line)),
            kernel: parts.kernel.image.read(parts.contents).context("reading the kernel")?,
            initrd: &self.initrd.bytes,
        }))
    }
}

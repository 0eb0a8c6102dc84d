//! What a PC with a BIOS starts a node from: GRUB in front of the partitions, and on the EFI system partition the kernel with
//! its initrd and command line once more, since GRUB cannot take them out of a unified kernel image.
//!
//! A BIOS checks nothing: the root that the command line names is intact, whether it is the owner's nobody can say.

use anyhow::{Context, anyhow};

use super::initrd::archive::Initrd;
use super::parts::Parts;
use crate::formats::grub::{self, Core, Entry, Request};

/// Where GRUB lies: between the partition table and the first whole MiB, at whole 4 KiB for disks with such sectors.
pub const CORE_LBA: u64 = 40;
/// What finds the first partition of the disk that was booted, reads its files, starts a kernel and shows a menu on the
/// screen and the serial port.
const MODULES: [&str; 7] = ["biosdisk", "part_gpt", "fat", "normal", "linux", "serial", "terminal"];
const PREFIX: &str = "(,gpt1)/grub";
const KERNEL: &str = "/grub/vmlinuz";
const INITRD: &str = "/grub/initrd";

/// GRUB and the files that it reads.
#[derive(Debug)]
pub struct Bios<'a> {
    pub core: Core,
    kernel: Vec<u8>,
    initrd: &'a [u8],
    menu: String,
}

/// `None` if the recipe does not ask for it.
pub fn make<'a>(parts: &Parts<'_>, initrd: &'a Initrd, command_line: &str) -> anyhow::Result<Option<Bios<'a>>> {
    let recipe = parts.recipe;
    if !recipe.bios {
        return Ok(None);
    }
    let platform = recipe.arch.grub.ok_or_else(|| anyhow!("machines of {} have no BIOS", recipe.arch.name))?;
    let file = |name: &str| parts.tool(&format!("/usr/lib/grub/{platform}/{name}"));
    let request = Request { modules: &MODULES, prefix: PREFIX, config: None, core_lba: CORE_LBA };
    let title = format!("{} {}", recipe.name, recipe.version);
    let entry = Entry { title: &title, linux: KERNEL, initrd: INITRD, command_line };
    Ok(Some(Bios {
        core: grub::core_image(&file, &request).context("putting GRUB together")?,
        kernel: parts.kernel.image.read(parts.contents).context("reading the kernel")?,
        initrd: &initrd.bytes,
        menu: grub::config(&[entry]).context("writing grub.cfg")?,
    }))
}

impl Bios<'_> {
    /// Path on the EFI system partition, and content.
    pub(super) fn files(&self) -> [(&str, &[u8]); 3] {
        let relative = |path: &'static str| path.trim_start_matches('/');
        [
            (relative(KERNEL), self.kernel.as_slice()),
            (relative(INITRD), self.initrd),
            ("grub/grub.cfg", self.menu.as_bytes()),
        ]
    }
}

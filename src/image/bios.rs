//! What a PC with a BIOS starts a node from: GRUB in front of the partitions, and on the EFI system partition the kernel with
//! its initrd and command line once more, since GRUB cannot take them out of a unified kernel image.
//!
//! A BIOS checks nothing: the root that the command line names is intact, whether it is the owner's nobody can say.

use anyhow::{Context, anyhow, ensure};

use super::initrd::archive::Initrd;
use super::parts::Parts;
use crate::formats::gpt::SECTOR;
use crate::formats::grub::{self, Core, Entry, Request};
use crate::formats::iso9660::{self, el_torito};

/// Where GRUB lies: between the partition table and the first whole MiB, at whole 4 KiB for disks with such sectors.
pub const CORE_LBA: u64 = 40;
/// What finds the first partition of the disk that was booted, reads its files, starts a kernel and shows a menu on the
/// screen and the serial port.
const MODULES: [&str; 7] = ["biosdisk", "part_gpt", "fat", "normal", "linux", "serial", "terminal"];
const PREFIX: &str = "(,gpt1)/grub";
const KERNEL: &str = "/grub/vmlinuz";
const INITRD: &str = "/grub/initrd";

/// What finds the CD or the stick that was booted and does the rest of [`MODULES`].
const CD_MODULES: [&str; 6] = ["biosdisk", "iso9660", "normal", "linux", "serial", "terminal"];
/// Names of what GRUB loads from a CD, in its root directory.
pub const CD_KERNEL: &str = "vmlinuz";
pub const CD_INITRD: &str = "initrd";
pub const CD_MENU: &str = "grub.cfg";

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
    let file = |name: &str| grub_file(parts, name);
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

/// A file of GRUB's packages.
fn grub_file(parts: &Parts<'_>, name: &str) -> anyhow::Result<Vec<u8>> {
    let arch = parts.recipe.arch;
    let platform = arch.grub.ok_or_else(|| anyhow!("machines of {} have no BIOS", arch.name))?;
    parts.tool(&format!("/usr/lib/grub/{platform}/{name}"))
}

/// GRUB for an image that is a CD and a stick: a BIOS loads the file from a CD, and from a stick sector 0, which loads
/// the same core image out of the file.
#[derive(Debug)]
pub struct CdCore {
    /// For the start of sector 0.
    pub boot_code: Vec<u8>,
    pub file: Vec<u8>,
}

/// GRUB for a file that begins at this sector of 2048 bytes.
pub(super) fn cd_core(parts: &Parts<'_>, sector: usize) -> anyhow::Result<CdCore> {
    let file = |name: &str| grub_file(parts, name);
    let loader = file("cdboot.img")?;
    ensure!(loader.len() == iso9660::SECTOR, "GRUB's cdboot.img has {} bytes instead of 2048", loader.len());
    // Behind the loader, counted in the sectors of a stick.
    let core_lba = (sector as u64 + 1) * (iso9660::SECTOR as u64 / SECTOR);
    let request = Request { modules: &CD_MODULES, prefix: "/", config: None, core_lba };
    let Core { boot_code, core } = grub::core_image(&file, &request).context("putting GRUB for a CD together")?;
    let mut file = [loader, core].concat();
    el_torito::boot_info(&mut file, sector).context("telling GRUB where it lies")?;
    Ok(CdCore { boot_code: boot_code.to_vec(), file })
}

/// Its menu.
pub(super) fn cd_menu(title: &str, command_line: &str) -> anyhow::Result<String> {
    let (linux, initrd) = (format!("/{CD_KERNEL}"), format!("/{CD_INITRD}"));
    grub::config(&[Entry { title, linux: &linux, initrd: &initrd, command_line }]).context("writing grub.cfg")
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

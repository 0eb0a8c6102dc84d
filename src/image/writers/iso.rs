//! An installer for a CD or a USB stick: one image that firmware starts from either, by UEFI or a BIOS, with no network.
//!
//! ```text
//! sector 0 of 512 bytes: code for a BIOS, from a stick │ GPT, whose only partition is efi.img: for UEFI, from a stick
//! ISO 9660: boot catalog (a BIOS: bios.img, UEFI: efi.img): from a CD │ node.netdisk, metadata, README.txt │ GPT
//! ```

use std::fs::{File, Permissions};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, PermissionsExt};

use anyhow::Context;
use uuid::Uuid;

use super::netdisk;
use super::raw::RawImage;
use crate::contract;
use crate::formats::fat::{self, Entry, Volume};
use crate::formats::gpt::{self, BACKUP_SECTORS, Partition, Table};
use crate::formats::iso9660::{self, Boot, Layout};
use crate::formats::sparse::Source;
use crate::hex;
use crate::image::bios::{CD_INITRD, CD_KERNEL, CD_MENU};
use crate::image::disk::layout::esp_needed_bytes;
use crate::image::outputs::Outputs;
use crate::image::start::CdFiles;

const ENDING: &str = "iso";
/// Whatever the image's name is, this one fits on a CD.
const NETDISK: &str = "node.netdisk";
const EFI_IMAGE: &str = "efi.img";
const BIOS_IMAGE: &str = "bios.img";
/// Sectors of a disk in one of a CD.
const DISK_SECTORS: u64 = iso9660::SECTOR as u64 / gpt::SECTOR;
/// Unit of the image's size: sticks and tools like whole MiB.
const UNIT: u64 = 1 << 20;

/// Mode of an image with metadata, in which a token may be.
const PRIVATE: u32 = 0o600;

/// A file of the image.
struct Part<'a> {
    name: &'a str,
    content: Source<'a>,
}

pub(super) fn write(raw: &RawImage<'_>, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    let netdisk = outputs.scratch("netdisk of the installer")?;
    let index = netdisk::write(raw, threads, &netdisk)?;
    let command_line = command_line(raw.start.command_line(), raw.start.install(), &index.digest());
    let (efi, efi_bytes) = efi_volume(raw, &command_line, outputs.scratch(EFI_IMAGE)?)?;
    let readme = readme(raw);
    let metadata = raw.start.metadata()?;
    let bios = raw.start.bios()?;
    let menu = bios.as_ref().map(|bios| (bios.menu)(&command_line)).transpose()?.unwrap_or_default();

    let core;
    let file = |name, file, length| Part { name, content: Source::File { file, length } };
    let mut parts = vec![
        file(EFI_IMAGE, &efi, efi_bytes),
        file(NETDISK, &netdisk, index.file_bytes()),
        Part { name: "README.txt", content: Source::Bytes(readme.as_bytes()) },
    ];
    parts.extend(metadata.iter().map(|(name, bytes)| Part { name, content: Source::Bytes(bytes) }));
    if let Some(CdFiles { kernel, initrd, .. }) = &bios {
        let loaded = [(CD_KERNEL, kernel.as_slice()), (CD_INITRD, *initrd), (CD_MENU, menu.as_bytes())];
        parts.extend(loaded.map(|(name, bytes)| Part { name, content: Source::Bytes(bytes) }));
    }
    let mut boot = Boot { efi: EFI_IMAGE, bios: None };
    let mut boot_code: &[u8] = &[];
    if let Some(CdFiles { grub, .. }) = &bios {
        boot.bios = Some(BIOS_IMAGE);
        // GRUB must know where it lies. That is behind the directories, whatever the sizes of files.
        parts.insert(0, Part { name: BIOS_IMAGE, content: Source::Bytes(&[]) });
        let sector = layout(raw, &parts, &boot)?.places.first().copied().context("placing GRUB")?;
        core = grub(sector)?;
        boot_code = &core.boot_code;
        if let Some(part) = parts.first_mut() {
            part.content = Source::Bytes(&core.file);
        }
    }
    let layout = layout(raw, &parts, &boot)?;
    let out = outputs.create(ENDING)?;
    if !metadata.is_empty() {
        out.set_permissions(Permissions::from_mode(PRIVATE)).context("keeping the metadata from other users")?;
    }
    put_together(raw, &layout, &parts, boot_code, &out).context("putting the image together")?;
    outputs.add(ENDING)
}

/// What the installer's kernel is told. Whatever fails, nobody is there to see a machine that restarts for ever: it stops
/// with the reason on its console.
fn command_line(of_node: &str, install: &str, netdisk: &[u8; 32]) -> String {
    let digest = hex::encode(netdisk);
    let words = [
        (contract::CMDLINE_NETDISK, "cd"),
        (contract::CMDLINE_NETDISK_SHA256, digest.as_str()),
        (contract::CMDLINE_INSTALL, install),
        (contract::CMDLINE_ON_FAILURE, "halt"),
    ];
    words.iter().fold(of_node.to_owned(), |line, (key, value)| format!("{line} {key}={value}"))
}

/// The volume on which firmware looks for its boot loader, in an empty file; its size.
fn efi_volume(raw: &RawImage<'_>, command_line: &str, file: File) -> anyhow::Result<(File, u64)> {
    let uki = raw.start.uki(command_line)?;
    let bytes = esp_needed_bytes(uki.len() as u64);
    let epoch = i64::try_from(raw.epoch).context("reading the epoch")?;
    let [first, second, third, fourth, ..] = raw.content.0;
    let id = u32::from_be_bytes([first, second, third, fourth]);
    let volume = Volume { bytes, label: "UEFI".to_owned(), id, epoch };
    let path = raw.start.efi_path();
    file.set_len(bytes).context("sizing the volume for UEFI")?;
    let entries = [Entry { path: &path, source: Source::Bytes(&uki) }];
    fat::write(&volume, &entries, &file, 0).context("making the volume for UEFI")?;
    Ok((file, bytes))
}

fn readme(raw: &RawImage<'_>) -> String {
    let RawImage { name, version, .. } = raw;
    format!(
        "This installs {name} {version} to a disk of the machine that is started from it, and restarts the machine.\n\
         \n\
         The disk is the one that the image was built for (`iso: install:` in its recipe; by default the only disk that\n\
         holds nothing). A disk with data on it is never taken unless the recipe says so. What is installed is checked\n\
         against a digest before it is written, and read back afterwards.\n"
    )
}

fn layout(raw: &RawImage<'_>, parts: &[Part<'_>], boot: &Boot<'_>) -> anyhow::Result<Layout> {
    let sizes: Vec<(&str, u64)> = parts.iter().map(|part| (part.name, part.content.length())).collect();
    let epoch = i64::try_from(raw.epoch).context("reading the epoch")?;
    iso9660::plan(contract::MEDIUM_LABEL, epoch, &sizes, Some(boot)).context("laying out the image")
}

/// Writes it all into an empty file.
fn put_together(
    raw: &RawImage<'_>,
    layout: &Layout,
    parts: &[Part<'_>],
    boot_code: &[u8],
    out: &File,
) -> anyhow::Result<()> {
    let end = layout.sectors as u64 * DISK_SECTORS + BACKUP_SECTORS;
    let sectors = end.next_multiple_of(UNIT / gpt::SECTOR);
    out.set_len(sectors * gpt::SECTOR)?;
    out.write_all_at(&layout.head, 0)?;
    for (part, sector) in parts.iter().zip(&layout.places) {
        part.content.write_to(out, *sector as u64 * iso9660::SECTOR as u64)?;
    }
    let efi = parts.iter().zip(&layout.places).find(|(part, _)| part.name == EFI_IMAGE);
    let (efi, sector) = efi.context("there is nothing for UEFI")?;
    let first_lba = *sector as u64 * DISK_SECTORS;
    let id = |what: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}: {what}", raw.content).as_bytes());
    let partition = Partition {
        name: contract::MEDIUM_LABEL.to_owned(),
        type_guid: Uuid::try_parse(contract::ESP_TYPE)?,
        guid: id("installer for UEFI"),
        first_lba,
        last_lba: first_lba + efi.content.length() / gpt::SECTOR - 1,
        attributes: 0,
    };
    // Both copies lie where ISO 9660 has nothing: in its system area, and behind its last sector.
    let tables = gpt::encode(&Table { disk_guid: id("installer"), sectors, partitions: vec![partition] })?;
    out.write_all_at(&tables.primary, 0)?;
    out.write_all_at(boot_code, 0)?;
    Ok(out.write_all_at(&tables.backup, sectors * gpt::SECTOR - tables.backup.len() as u64)?)
}

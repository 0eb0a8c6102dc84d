//! Firmware in an initrd: what its drivers load into their devices, and what the kernel loads into its processors before
//! anything else.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::assemble::modules::modinfo;
use crate::formats::cpio::{self, Entry, Node};
use crate::formats::microcode::{self, MicrocodeError};
use crate::image::parts::Parts;
use crate::tree::{Content, Kind, Origin, TreePath};

/// Where packages have it, and where the kernel looks for it.
const FIRMWARE: &str = "/usr/lib/firmware";
/// As kernels read it, compressed where they can.
const SUFFIXES: [&str; 3] = ["", ".xz", ".zst"];
/// What a processor takes an update from is a multiple of it (Intel SDM volume 3, "Microcode Update Loader"), and the kernel
/// takes the first processor's from where it lies in the initrd, which begins on a page.
const MICROCODE_ALIGNMENT: usize = 16;

/// One blob of the files' bytes.
type Make = fn(&[Vec<u8>]) -> Result<Vec<u8>, MicrocodeError>;

/// What a vendor's processors find their microcode as, and from which files it is made.
struct Vendor {
    directory: &'static str,
    blob: &'static str,
    is_file: fn(&str) -> bool,
    make: Make,
}

const VENDORS: [Vendor; 2] = [
    Vendor {
        directory: "amd-ucode",
        blob: "AuthenticAMD.bin",
        is_file: |name| name.starts_with("microcode_amd") && name.ends_with(".bin"),
        make: microcode::amd,
    },
    Vendor {
        directory: "intel-ucode",
        blob: "GenuineIntel.bin",
        // Family, model and stepping; Debian marks those that must not be loaded later than this.
        is_file: |name| {
            let numbers: Vec<&str> = name.strip_suffix(".initramfs").unwrap_or(name).split('-').collect();
            numbers.len() == 3 && numbers.iter().all(|number| u8::from_str_radix(number, 16).is_ok())
        },
        make: microcode::intel,
    },
];

/// The files of the root that these names lead to, by their paths in the initrd. Drivers name what any of their devices may
/// want: what is not there was not meant for this image.
pub(super) fn named<'n>(
    parts: &Parts<'_>,
    names: impl Iterator<Item = &'n str>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in names {
        for suffix in SUFFIXES {
            // A name that is no path is a driver's mistake, and leads to nothing.
            let Ok(path) = TreePath::parse(format!("{FIRMWARE}/{name}{suffix}")) else { continue };
            if let Some(content) = file(parts, &path)? {
                let bytes = content.read(parts.contents).with_context(|| format!("reading {path}"))?;
                found.insert(format!("lib/firmware/{name}{suffix}"), bytes);
                break;
            }
        }
    }
    Ok(found)
}

/// The archive with microcode that has to lie before all others, uncompressed; empty if the root has none.
///
/// It stands in the initrd's own file, so that it comes along whichever way the kernel is started; systemd's stub has
/// a section for it only from 256 on, and puts what is in `.initrd` first as well.
pub(super) fn microcode(parts: &Parts<'_>) -> anyhow::Result<Vec<u8>> {
    let mut blobs = Vec::new();
    for vendor in VENDORS {
        let files = files(parts, &vendor)?;
        if !files.is_empty() {
            let reading = || format!("reading {FIRMWARE}/{} of the root", vendor.directory);
            blobs.push((format!("kernel/x86/microcode/{}", vendor.blob), (vendor.make)(&files).with_context(reading)?));
        }
    }
    if blobs.is_empty() {
        return Ok(Vec::new());
    }
    let entry = |path: &str, mode, node| Entry { path: path.into(), mode, node };
    let mut entries: Vec<Entry<'_>> =
        ["kernel", "kernel/x86", "kernel/x86/microcode"].map(|path| entry(path, 0o755, Node::Directory)).into();
    entries.extend(blobs.iter().map(|(path, bytes)| entry(path, 0o644, Node::File(bytes))));
    let mut archive = cpio::write_aligned(&entries, parts.recipe.epoch, MICROCODE_ALIGNMENT)
        .context("writing the microcode's archive")?;
    archive.resize(archive.len().next_multiple_of(super::archive::ALIGNMENT), 0);
    Ok(archive)
}

/// A vendor's files in the root, unpacked, by name.
fn files(parts: &Parts<'_>, vendor: &Vendor) -> anyhow::Result<Vec<Vec<u8>>> {
    let directory = TreePath::parse(format!("{FIRMWARE}/{}", vendor.directory))?;
    let mut files = Vec::new();
    for (path, _, _) in parts.tree.children(&directory) {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        let plain = SUFFIXES[1..].iter().find_map(|suffix| name.strip_suffix(suffix));
        let Some(content) = file(parts, path)?.filter(|_| (vendor.is_file)(plain.unwrap_or(&name))) else { continue };
        let reading = || format!("reading {path}");
        let bytes = content.read(parts.contents).with_context(reading)?;
        // Compressed as modules are.
        files.push(if plain.is_some() { modinfo::decompressed(bytes).with_context(reading)? } else { bytes });
    }
    Ok(files)
}

/// The file that a path leads to, if it does.
fn file<'a>(parts: &Parts<'a>, path: &TreePath) -> anyhow::Result<Option<&'a Content>> {
    let Ok(path) = parts.tree.resolve(path, &Origin::from("nodesmith: initrd")) else { return Ok(None) };
    Ok(match parts.tree.get(&path).map(|inode| &inode.kind) {
        Some(Kind::File(content)) => Some(content),
        _ => None,
    })
}

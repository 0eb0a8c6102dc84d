//! The images in a directory, as far as a machine can be started with them from the network.

use std::io;

use super::directory::{Directory, Found};
use crate::contract::{BOOT_FILE_ENDING, CMDLINE_NETDISK_SHA256, NETDISK_ENDING};

/// What each image has; the disk over the network and the program for UEFI are there if the recipe asks for `pxe`.
const KERNEL: &str = "vmlinuz";
const INITRD: &str = "initrd";
const CMDLINE: &str = "cmdline";
const SCRIPT: &str = "ipxe";

/// Bytes of a text that is looked into.
const TEXT_MAX: u64 = 64 << 10;

/// A kernel with its initrd, by the name that they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) name: String,
    /// One line.
    pub(super) command_line: String,
    pub(super) has_netdisk: bool,
    /// Of the head and index of the disk, as its builder knows it: 64 hexadecimal digits.
    pub(super) netdisk_digest: Option<String>,
}

impl Image {
    pub(super) fn kernel(&self) -> String {
        format!("{}.{KERNEL}", self.name)
    }

    pub(super) fn initrd(&self) -> String {
        format!("{}.{INITRD}", self.name)
    }

    pub(super) fn netdisk(&self) -> String {
        format!("{}.{NETDISK_ENDING}", self.name)
    }
}

/// Names of the images, in order.
pub(super) fn names(directory: &Directory) -> io::Result<Vec<String>> {
    let files = directory.files()?;
    let has = |name: &str, ending: &str| files.binary_search(&format!("{name}.{ending}")).is_ok();
    let kernels = files.iter().filter_map(|file| file.strip_suffix(KERNEL)?.strip_suffix('.'));
    let whole = kernels.filter(|name| is_plain(name) && has(name, INITRD) && has(name, CMDLINE));
    Ok(whole.map(str::to_owned).collect())
}

/// Recipes allow fewer letters; these mean nothing to iPXE.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The image by that name, `None` when it is not whole.
pub(super) fn image(directory: &Directory, name: &str) -> io::Result<Option<Image>> {
    if !names(directory)?.iter().any(|it| it == name) {
        return Ok(None);
    }
    let Some(command_line) = text(directory, name, CMDLINE)? else { return Ok(None) };
    let netdisk_digest = text(directory, name, SCRIPT)?.and_then(|script| digest(&script));
    Ok(Some(Image {
        name: name.to_owned(),
        command_line: command_line.split_whitespace().collect::<Vec<_>>().join(" "),
        has_netdisk: part(directory, name, NETDISK_ENDING)?.is_some(),
        netdisk_digest,
    }))
}

/// The file that UEFI loads over HTTP, and the architecture that it is for.
pub(super) fn efi_program(directory: &Directory, name: &str) -> io::Result<Option<(String, u16)>> {
    let Some(found) = part(directory, name, BOOT_FILE_ENDING)? else { return Ok(None) };
    Ok(machine(&found).map(|machine| (format!("{name}.{BOOT_FILE_ENDING}"), machine)))
}

fn part(directory: &Directory, name: &str, ending: &str) -> io::Result<Option<Found>> {
    directory.file(&[format!("{name}.{ending}")])
}

fn text(directory: &Directory, name: &str, ending: &str) -> io::Result<Option<String>> {
    let Some(found) = part(directory, name, ending)? else { return Ok(None) };
    let text =
        found.read(TEXT_MAX).map_err(|error| io::Error::new(error.kind(), format!("{name}.{ending}: {error}")))?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The digest stands in the builder's own script: the index is not read here.
fn digest(script: &str) -> Option<String> {
    let words = script.split_whitespace();
    let digest = words.filter_map(|word| word.strip_prefix(CMDLINE_NETDISK_SHA256)?.strip_prefix('=')).next()?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| digest.to_owned())
}

/// `Machine` of a PE image's header (Microsoft's "PE Format").
fn machine(found: &Found) -> Option<u16> {
    use std::os::unix::fs::FileExt;
    let read = |at: u64, bytes: &mut [u8]| found.file.read_exact_at(bytes, at).ok();
    let mut offset = [0; 4];
    read(0x3c, &mut offset)?;
    let mut header = [0; 6];
    read(u64::from(u32::from_le_bytes(offset)), &mut header)?;
    let [b'P', b'E', 0, 0, low, high] = header else { return None };
    Some(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn images_are_what_has_a_kernel_an_initrd_and_words_for_it() {
        let place = tempfile::tempdir().unwrap();
        let hex = "0f".repeat(32);
        let script = format!("#!ipxe\nkernel x {CMDLINE_NETDISK_SHA256}={hex} y\n");
        for (name, text) in [
            ("b.vmlinuz", ""),
            ("b.initrd", ""),
            ("b.cmdline", "roothash=1\n  console=ttyS0\n"),
            ("a.1.vmlinuz", ""),
            ("a.1.initrd", ""),
            ("a.1.cmdline", "x"),
            ("a.1.netdisk", ""),
            ("a.1.ipxe", &script),
            ("lone.vmlinuz", ""),
            ("not plain.vmlinuz", ""),
            ("not plain.initrd", ""),
            ("not plain.cmdline", ""),
        ] {
            fs::write(place.path().join(name), text).unwrap();
        }
        let directory = Directory::open(place.path()).unwrap();
        assert_eq!(names(&directory).unwrap(), ["a.1", "b"]);
        let b = image(&directory, "b").unwrap().unwrap();
        assert_eq!(
            (b.command_line.as_str(), b.has_netdisk, b.netdisk_digest),
            ("roothash=1 console=ttyS0", false, None)
        );
        let a = image(&directory, "a.1").unwrap().unwrap();
        assert_eq!((a.has_netdisk, a.netdisk_digest), (true, Some(hex)));
        assert_eq!(image(&directory, "lone").unwrap(), None);
    }

    #[test]
    fn a_program_for_uefi_is_known_by_its_header() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let program = |bytes: &[u8]| {
            fs::write(place.path().join("x.netboot.efi"), bytes).unwrap();
            efi_program(&directory, "x").unwrap()
        };
        let mut bytes = vec![0; 0x50];
        bytes[0x3c] = 0x40;
        bytes[0x40..0x46].copy_from_slice(b"PE\0\0\x64\xaa");
        assert_eq!(program(&bytes), Some(("x.netboot.efi".to_owned(), 0xaa64)));
        bytes[0x3c] = 0x50;
        assert_eq!(program(&bytes), None);
        assert_eq!(program(b"MZ"), None);
        assert_eq!(efi_program(&directory, "y").unwrap(), None);
    }
}

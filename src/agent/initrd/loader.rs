//! What the boot loader tells the system: the partition that the firmware started it from.
//!
//! An EFI variable of the Boot Loader Interface (systemd's stub sets it):
//! <https://systemd.io/BOOT_LOADER_INTERFACE/>. A machine without UEFI has none.

use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags};

const EFIVARS: &str = "/sys/firmware/efi/efivars";
const VARIABLE: &str = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Before the value stand the variable's attributes.
const ATTRIBUTES: usize = 4;

/// The GUID of that partition, bytes in the order of its text; nothing if nobody tells.
pub fn partition() -> Option<[u8; 16]> {
    let directory = Path::new(EFIVARS);
    if !directory.is_dir() {
        return None;
    }
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Without the module it cannot be mounted: then nobody tells.
    let mounted = rustix::mount::mount("efivarfs", directory, "efivarfs", flags, None).is_ok();
    let value = fs::read(directory.join(VARIABLE)).ok();
    if mounted {
        // Left mounted it would only be found so by the image's init.
        let _ = rustix::mount::unmount(directory, UnmountFlags::DETACH);
    }
    guid(value?.get(ATTRIBUTES..)?)
}

/// From UTF-16LE text with dashes, in either case, NUL at its end.
fn guid(value: &[u8]) -> Option<[u8; 16]> {
    let (pairs, _) = value.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>()).ok()?;
    crate::hex::decode(&text.trim_end_matches('\0').replace('-', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_utf_16_with_dashes() {
        let text = "3F8A11C2-0102-4304-A506-0708090A0B0C\0";
        let value: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let expected = [0x3f, 0x8a, 0x11, 0xc2, 1, 2, 0x43, 4, 0xa5, 6, 7, 8, 9, 0xa, 0xb, 0xc];
        assert_eq!(guid(&value), Some(expected));
        for wrong in [&value[..20], &value[1..], b"", b"3f8a"] {
            assert_eq!(guid(wrong), None);
        }
    }
}

//! A boot option in the variables of a UEFI firmware that has none yet: a URL that it loads by itself ("HTTP boot").
//!
//! DHCP need not know of it: with a URL in its option EDK2 takes from it an address alone. The form of the variables is
//! EDK2's (`MdeModulePkg/Include/Guid/VariableFormat.h`), that of an option the UEFI Specification's (3.1.3, 10.3.4.24).

use anyhow::{Context, ensure};

/// Where a firmware volume's header says how long it is.
const HEADER_LENGTH: usize = 48;
/// What a store of authenticated variables begins with, `aaf32c78-947b-439a-a180-2e144ec37792` as EFI writes it.
const STORE: [u8; 16] =
    [0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92];
const STORE_HEADER: usize = 28;
/// What flash holds where nothing was written, where a store's first variable would be.
const ERASED: u8 = 0xff;

/// EFI's own variables, `8be4df61-93ca-11d2-aa0d-00e098032b8c`.
const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// Kept, and there for the firmware and the system.
const ATTRIBUTES: u32 = 7;
const START: u16 = 0x55aa;
const ADDED: u8 = 0x3f;

/// Writes the option for `url`, which is started first, into a store without variables.
///
/// # Errors
/// It is no such store.
pub(super) fn write(variables: &mut [u8], url: &str) -> anyhow::Result<()> {
    let length = variables.get(HEADER_LENGTH..HEADER_LENGTH + 2).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    let store = usize::from(u16::from_le_bytes(length.context("the firmware's variables are too short")?));
    let first = store + STORE_HEADER;
    ensure!(variables.get(store..store + 16) == Some(&STORE), "the firmware's variables have a form that is not known");
    let mut option = u32::to_le_bytes(1).to_vec();
    let path = device_path(url)?;
    option.extend_from_slice(&u16::try_from(path.len())?.to_le_bytes());
    option.extend_from_slice(&utf16("netboot"));
    option.extend_from_slice(&path);
    let added = [variable("Boot0000", &option)?, variable("BootOrder", &[0, 0])?].concat();
    let place = variables.get_mut(first..first + added.len()).context("the firmware has no room for a boot option")?;
    ensure!(place.iter().all(|byte| *byte == ERASED), "the firmware has variables already");
    place.copy_from_slice(&added);
    Ok(())
}

/// A URI in its short form, and the end.
fn device_path(url: &str) -> anyhow::Result<Vec<u8>> {
    let length = u16::try_from(4 + url.len()).context("the URL is too long")?.to_le_bytes();
    Ok([&[3, 24], &length[..], url.as_bytes(), &[0x7f, 0xff, 4, 0]].concat())
}

/// A variable with its header, up to where the next one begins.
fn variable(name: &str, data: &[u8]) -> anyhow::Result<Vec<u8>> {
    let name = utf16(name);
    let mut bytes = START.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[ADDED, 0]);
    bytes.extend_from_slice(&ATTRIBUTES.to_le_bytes());
    // Counter, time and key of authenticated variables: this is none.
    bytes.extend_from_slice(&[0; 28]);
    bytes.extend_from_slice(&u32::try_from(name.len())?.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(data.len())?.to_le_bytes());
    bytes.extend_from_slice(&GLOBAL);
    bytes.extend_from_slice(&name);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), ERASED);
    Ok(bytes)
}

/// With the zero that ends it.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Vec<u8> {
        let mut bytes = vec![ERASED; 4096];
        bytes[..72 + STORE_HEADER].fill(0);
        bytes[HEADER_LENGTH] = 72;
        bytes[72..88].copy_from_slice(&STORE);
        bytes
    }

    #[test]
    fn an_option_stands_before_erased_flash() {
        let mut bytes = store();
        write(&mut bytes, "http://10.0.2.2/a.efi").unwrap();
        assert_eq!(bytes[100..108], [0xaa, 0x55, 0x3f, 0, 7, 0, 0, 0]);
        // The name, then attributes, the path's length and the description.
        assert_eq!(bytes[160..178], *utf16("Boot0000"));
        assert_eq!(bytes[178..184], [1, 0, 0, 0, 29, 0]);
        let path = [&[3, 24, 25, 0][..], b"http://10.0.2.2/a.efi", &[0x7f, 0xff, 4, 0]].concat();
        assert_eq!(bytes[200..229], path);
        assert_eq!(bytes[232..234], [0xaa, 0x55]);
        assert!(bytes[316..].iter().all(|byte| *byte == ERASED));
    }

    #[test]
    fn other_stores_stay_as_they_are() {
        let mut used = store();
        used[100] = 0xaa;
        for (mut bytes, why) in [
            (vec![0; 10], "too short"),
            (vec![0; 4096], "not known"),
            (used, "has variables"),
            (store()[..150].to_vec(), "no room"),
        ] {
            let before = bytes.clone();
            let error = write(&mut bytes, "http://h/a.efi").unwrap_err().to_string();
            assert!(error.contains(why) && bytes == before, "{error}");
        }
    }
}

//! What boots: an EFI program such as the UKI, and an initrd.

use std::io::Read;

use anyhow::Context;
use serde_json::json;

use super::description::Description;
use crate::formats::{cpio, pe};

/// Largest archive that is unpacked into memory.
const UNPACKED_MAX: u64 = 1 << 30;

pub(super) fn efi_program(bytes: &[u8]) -> anyhow::Result<Description> {
    let mut text = pe::dump(bytes).context("reading the EFI program")?;
    let mut json = json!({"kind": "efi"});
    for section in [".cmdline", ".uname", ".osrel"] {
        if let Some(content) = pe::content(bytes, section).context("reading the EFI program")? {
            let content = String::from_utf8_lossy(content);
            let content = content.trim_end_matches(['\0', '\n']);
            text.push_str(&format!("\n{section}\n{content}\n"));
            json[section] = content.into();
        }
    }
    json["text"] = text.clone().into();
    Ok(Description { text: format!("EFI program\n{text}"), json, verified: None })
}

pub(super) fn initrd(bytes: &[u8]) -> anyhow::Result<Description> {
    let mut archive = Vec::new();
    let plain_bytes: &mut dyn Read = match bytes {
        [0x28, ..] => &mut zstd::Decoder::new(bytes).context("unpacking the initrd")?,
        [0x1f, ..] => &mut flate2::read::GzDecoder::new(bytes),
        _ => &mut &bytes[..],
    };
    // Padding follows the compressed part; what was unpacked before it is the archive.
    let unpacked = plain_bytes.take(UNPACKED_MAX).read_to_end(&mut archive);
    if archive.is_empty() {
        unpacked.context("unpacking the initrd")?;
    }
    let text = cpio::dump(&archive).context("reading the initrd")?;
    Ok(Description { json: json!({"kind": "initrd", "text": text}), text: format!("initrd\n{text}"), verified: None })
}

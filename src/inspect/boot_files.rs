//! What boots: an EFI program such as the UKI, and an initrd.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::Context;
use serde::Serialize;

use super::signatures::Signatures;
use crate::formats::{cpio, pe};

/// Largest archive that is unpacked into memory.
const UNPACKED_MAX: u64 = 1 << 30;

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename = "efi")]
pub struct EfiProgram {
    /// Sections that hold text, those of a UKI.
    #[serde(flatten)]
    pub sections: BTreeMap<&'static str, String>,
    pub signatures: Signatures,
    /// All sections, and what those above hold.
    pub text: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename = "initrd")]
pub struct Initrd {
    /// What is in the archive.
    pub text: String,
}

pub(super) fn efi_program(bytes: &[u8]) -> anyhow::Result<EfiProgram> {
    let mut text = pe::dump(bytes).context("reading the EFI program")?;
    let mut sections = BTreeMap::new();
    for section in [".cmdline", ".uname", ".osrel"] {
        if let Some(content) = pe::content(bytes, section).context("reading the EFI program")? {
            let content = String::from_utf8_lossy(content);
            let content = content.trim_end_matches(['\0', '\n']);
            text.push_str(&format!("\n{section}\n{content}\n"));
            sections.insert(section, content.to_owned());
        }
    }
    Ok(EfiProgram { sections, signatures: Signatures::of(bytes), text })
}

pub(super) fn initrd(bytes: &[u8]) -> anyhow::Result<Initrd> {
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
    Ok(Initrd { text: cpio::dump(&archive).context("reading the initrd")? })
}

impl EfiProgram {
    pub(super) fn text(&self) -> String {
        format!("EFI program, {}\n{}", self.signatures.text(), self.text)
    }
}

impl Initrd {
    pub(super) fn text(&self) -> String {
        format!("initrd\n{}", self.text)
    }
}

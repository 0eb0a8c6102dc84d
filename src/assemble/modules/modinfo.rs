//! What a kernel module says about itself: its ELF section `.modinfo` and the symbols it exports.

use std::io::Read;

use anyhow::{Context, bail, ensure};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

/// No module is larger unpacked; a file that claims more is damaged.
const MODULE_MAX: u64 = 256 << 20;
/// `xz -9` needs 65 MiB; the kernel itself unpacks modules with less.
const XZ_MEMORY: u64 = 256 << 20;
/// Longest name of a symbol, in bytes: `KSYM_NAME_LEN` of Linux. Names may share their letters in the file, so that
/// without a limit a small file could hold very much.
const SYMBOL_MAX: usize = 512;

/// Suffixes of module files, the compressed ones first.
const SUFFIXES: [&str; 4] = [".ko.xz", ".ko.zst", ".ko.gz", ".ko"];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInformation {
    /// Modules whose symbols it uses, as written.
    pub depends: Vec<String>,
    pub aliases: Vec<String>,
    pub softdeps: Vec<String>,
    pub weakdeps: Vec<String>,
    /// Files that it may load into a device, below the firmware's directory.
    pub firmware: Vec<String>,
    /// Exported symbols, sorted.
    pub symbols: Vec<String>,
}

/// `dm_verity` of `kernel/drivers/md/dm-verity.ko.xz`: file name without suffix, `-` as `_`. Nothing for other files.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = SUFFIXES.iter().find_map(|suffix| file.strip_suffix(suffix))?;
    Some(underscored(stem))
}

/// libkmod's normal form of names and aliases: `-` becomes `_`, except inside `[…]`.
pub fn underscored(text: &str) -> String {
    let mut bracket = false;
    let normal = |letter: char| {
        bracket = (bracket || letter == '[') && letter != ']';
        if letter == '-' && !bracket { '_' } else { letter }
    };
    text.chars().map(normal).collect()
}

/// The module's ELF file, whatever it is compressed with.
pub fn decompressed(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let read = |reader: &mut dyn Read| -> anyhow::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        reader.take(MODULE_MAX + 1).read_to_end(&mut unpacked)?;
        ensure!(u64::try_from(unpacked.len())? <= MODULE_MAX, "more than 256 MiB unpacked");
        Ok(unpacked)
    };
    match bytes.as_slice() {
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            read(&mut liblzma::read::XzDecoder::new_stream(bytes.as_slice(), stream))
        }
        [0x28, 0xB5, 0x2F, 0xFD, ..] => read(&mut zstd::stream::read::Decoder::new(bytes.as_slice())?),
        [0x1F, 0x8B, ..] => read(&mut flate2::read::GzDecoder::new(bytes.as_slice())),
        [0x7F, b'E', b'L', b'F', ..] => Ok(bytes),
        _ => bail!("neither an ELF file nor compressed with xz, zstd or gzip"),
    }
}

/// Reads a module's ELF file.
pub fn information(elf: &[u8]) -> anyhow::Result<ModuleInformation> {
    let file = ElfFile64::<Endianness>::parse(elf).context("reading the ELF file")?;
    let section = file.section_by_name(".modinfo").context("there is no section .modinfo")?;
    let data = section.data().context("reading .modinfo")?;
    let mut information = ModuleInformation::default();
    for entry in data.split(|byte| *byte == 0) {
        let entry = String::from_utf8_lossy(entry);
        let Some((key, value)) = entry.split_once('=') else { continue };
        match key {
            "depends" => {
                information.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(str::to_owned))
            }
            "alias" => information.aliases.push(value.to_owned()),
            "softdep" => information.softdeps.push(value.to_owned()),
            "weakdep" => information.weakdeps.push(value.to_owned()),
            "firmware" => information.firmware.push(value.to_owned()),
            _ => {}
        }
    }
    let exported = |prefix: &str| -> Vec<String> {
        let names = file.symbols().filter_map(|symbol| {
            let name = symbol.name_bytes().ok().filter(|name| name.len() <= SYMBOL_MAX)?;
            Some(std::str::from_utf8(name).ok()?.strip_prefix(prefix)?.to_owned())
        });
        names.filter(|name| !matches!(name.as_str(), "strings" | "gpl")).collect()
    };
    // With symbol versions every export has a checksum; without, only its table entry.
    information.symbols = exported("__crc_");
    if information.symbols.is_empty() {
        information.symbols = exported("__ksymtab_");
    }
    information.symbols.sort();
    information.symbols.dedup();
    Ok(information)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The smallest ELF file that says this of itself: a section of texts, and the section of the sections' names.
    pub(crate) fn module(entries: &[(&str, &str)]) -> Vec<u8> {
        let texts: String = entries.iter().map(|(key, value)| format!("{key}={value}\0")).collect();
        let names = "\0.modinfo\0.shstrtab\0";
        let (texts_at, names_at) = (64, 64 + texts.len());
        let sections_at = (names_at + names.len()).next_multiple_of(8);
        let wide = |number: usize| u64::try_from(number).unwrap().to_le_bytes();
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
        elf.extend([wide(0), wide(0), wide(sections_at)].concat());
        elf.extend([0_u16, 0, 64, 0, 0, 64, 3, 2].iter().flat_map(|half| half.to_le_bytes()));
        elf.extend([texts.as_bytes(), names.as_bytes()].concat());
        elf.resize(sections_at, 0);
        // Nothing; then name, kind (bits, names), offset, bytes.
        for (name, kind, offset, bytes) in
            [(0_u32, 0_u32, 0, 0), (1, 1, texts_at, texts.len()), (10, 3, names_at, names.len())]
        {
            elf.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
            elf.extend([wide(0), wide(0), wide(offset), wide(bytes), wide(0), wide(1), wide(0)].concat());
        }
        elf
    }

    #[test]
    fn a_module_says_what_it_needs_and_is_for() {
        let said =
            [("depends", "a,b"), ("alias", "pci:v*"), ("softdep", "pre: c"), ("firmware", "x/y.fw"), ("firmware", "z")];
        let expected = ModuleInformation {
            depends: ["a", "b"].map(str::to_owned).into(),
            aliases: vec!["pci:v*".into()],
            softdeps: vec!["pre: c".into()],
            firmware: ["x/y.fw", "z"].map(str::to_owned).into(),
            ..Default::default()
        };
        assert_eq!(information(&module(&said)).unwrap(), expected);
    }

    #[test]
    fn names_are_normal() {
        assert_eq!(module_name("kernel/drivers/md/dm-verity.ko.xz").as_deref(), Some("dm_verity"));
        assert_eq!(module_name("modules.order"), None);
        assert_eq!(underscored("usb:v[0-9]p-x"), "usb:v[0-9]p_x");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(decompressed(b"#!/bin/sh".to_vec()).is_err());
        assert!(information(b"\x7fELF").is_err());
        let stream = include_bytes!("../../../tests/fuzz/corpus/module/xz-with-a-dictionary-of-4-gib");
        assert!(decompressed(stream.to_vec()).is_err());
    }
}

//! EFI programs, kernel modules, and the scripts and units of packages.

use std::collections::BTreeMap;

use nodesmith::assemble::{modinfo, scripts, units};
use nodesmith::formats::pe::{self as efi, NewSection};
use nodesmith::package::{Family, Package, PackageId, Script};

pub(crate) fn pe(data: &[u8]) {
    let _ = efi::dump(data);
    for name in [".text", ".linux", ".cmdline"] {
        let _ = efi::content(data, name);
    }
    let sections = [(".fuzz.a", b"one".as_slice()), (".fuzz.b", &[7; 700]), (".fuzz.c", b"")];
    let sections = sections.map(|(name, content)| NewSection { name, content });
    if let Ok(image) = efi::append(data, &sections) {
        let (before, after) = (efi::sections(data).unwrap(), efi::sections(&image).unwrap());
        assert_eq!(before[..], after[..before.len()]);
        assert_eq!(after.len(), before.len() + sections.len());
        for NewSection { name, content } in sections {
            assert_eq!(efi::content(&image, name).unwrap(), Some(content));
        }
    }
}

pub(crate) fn module(data: &[u8]) {
    if let Ok(elf) = modinfo::decompressed(data.to_vec()) {
        let _ = modinfo::information(&elf);
    }
    if let Ok(information) = modinfo::information(data) {
        let held: usize = information.symbols.iter().map(String::len).sum();
        // Names may share their letters; a symbol has 24 bytes and a name of 512 at most.
        assert!(held <= 24 * data.len(), "{held} bytes of symbols from {}", data.len());
    }
    let _ = modinfo::module_name(&modinfo::underscored(&String::from_utf8_lossy(data)));
}

/// The package's name in the first line, then its script; behind a line of `%%` its triggers.
pub(crate) fn script(data: &[u8]) {
    script_of(Family::Deb, "postinst", data);
    script_of(Family::Rpm, "%post", data);
}

fn script_of(family: Family, called: &str, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, rest) = text.split_once('\n').unwrap_or(("a", &text));
    let (script, triggers) = rest.split_once("\n%%\n").unwrap_or((rest, ""));
    let package = Package {
        id: PackageId { name: name.to_owned(), version: "1".to_owned(), arch: "amd64".to_owned() },
        family,
        control: Vec::new(),
        files: Vec::new(),
        scripts: vec![Script { name: called.to_owned(), text: script.into() }],
        members: BTreeMap::from([("triggers".to_owned(), triggers.into())]),
    };
    for result in scripts::alone(&package, 50_000) {
        if let Err(stop) = result {
            // What is told fits on a line.
            assert!(stop.kind.to_string().len() < 2000 && stop.command.chars().count() <= 161, "{stop:?}");
        }
    }
}

pub(crate) fn unit(data: &[u8]) {
    let words = units::install_section(&String::from_utf8_lossy(data));
    assert!(words.values().flatten().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
}

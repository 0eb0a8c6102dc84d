//! EFI programs, kernel modules, and the scripts and units of packages.

use std::collections::BTreeMap;

use nodesmith::assemble::modules::modinfo;
use nodesmith::assemble::{scripts, units};
use nodesmith::formats::efi_signature_list;
use nodesmith::formats::efi_variable::{Authenticated, Variable};
use nodesmith::formats::pe::{self as efi, NewSection};
use nodesmith::formats::{authenticode as signed, pcr};
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

pub(crate) fn authenticode(data: &[u8]) {
    let _ = signed::dump(data);
    let _ = pcr::kernel_image(data);
    if signed::signatures(data).is_ok()
        && let Ok(image) = efi::append(data, &[NewSection { name: ".fuzz", content: b"one" }])
    {
        // Sections that are not whole units of the file leave a gap before new ones, which is refused.
        assert_eq!(signed::signatures(&image).unwrap_or_default(), [], "new sections are signed by nobody");
    }
}

pub(crate) fn efi_variable(data: &[u8]) {
    let _ = efi_signature_list::dump(data);
    if let Ok(value) = Authenticated::read(data) {
        let _ = value.signers(Variable::Db);
        let _ = efi_signature_list::dump(value.value);
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
    let text = String::from_utf8_lossy(data);
    let (name, rest) = text.split_once('\n').unwrap_or(("a", &text));
    let (script, triggers) = rest.split_once("\n%%\n").unwrap_or((rest, ""));
    for family in [Family::Deb, Family::Rpm] {
        run(family, name, script.as_bytes(), ("triggers", triggers.as_bytes()));
    }
}

/// What a variable has in the first line, then words that are expanded in and outside of quotes.
pub(crate) fn expansion(data: &[u8]) {
    let (value, words) = lines(data);
    let mut script = [b"v=".as_slice(), &quoted(value), b"\nset -- a 'b c' ''\nprintf '[%s]' "].concat();
    script.extend([words, b"\nprintf '[%s]' \"", words, b"\"\n"].concat());
    run(Family::Deb, "a", &script, ("triggers", b""));
    run(Family::Rpm, "a", &script, ("triggers", b""));
}

/// The input in the first line, then the program.
pub(crate) fn sed(data: &[u8]) {
    filter("sed", data);
    filter("sed -nE", data);
}

/// The input in the first line, then the program.
pub(crate) fn awk(data: &[u8]) {
    filter("mawk", data);
    filter("gawk", data);
}

fn filter(program: &str, data: &[u8]) {
    let (input, text) = lines(data);
    let script = format!("{program} ").into_bytes();
    let script = [b"printf '%s\nb\nc\n' ", quoted(input).as_slice(), b" | ", &script, &quoted(text)].concat();
    run(Family::Deb, "a", &script, ("triggers", b""));
}

/// Templates, then behind a line of `%%` commands of debconf's protocol.
pub(crate) fn debconf(data: &[u8]) {
    let at = data.windows(4).position(|window| window == b"\n%%\n").unwrap_or(data.len());
    let (templates, commands) = (&data[..at], data.get(at + 4..).unwrap_or_default());
    let script = [b"printf %s ", quoted(commands).as_slice(), b" | debconf-communicate a"].concat();
    run(Family::Deb, "a", &script, ("templates", templates));
}

pub(crate) fn lua(data: &[u8]) {
    run(Family::Rpm, "a", &[b"#!<lua>\n", data].concat(), ("triggers", b""));
}

fn lines(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

/// One word of a shell.
fn quoted(text: &[u8]) -> Vec<u8> {
    let inner: Vec<u8> =
        text.iter().flat_map(|byte| if *byte == b'\'' { b"'\\''".to_vec() } else { vec![*byte] }).collect();
    [b"'".as_slice(), &inner, b"'"].concat()
}

fn run(family: Family, name: &str, script: &[u8], (member, content): (&str, &[u8])) {
    let called = if family == Family::Deb { "postinst" } else { "%post" };
    let package = Package {
        id: PackageId { name: name.to_owned(), version: "1".to_owned(), arch: "amd64".to_owned() },
        family,
        control: Vec::new(),
        files: Vec::new(),
        scripts: vec![Script { name: called.to_owned(), text: script.into() }],
        members: BTreeMap::from([(member.to_owned(), content.into())]),
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

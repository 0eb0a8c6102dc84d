//! Packages and archives.

use std::io::Write;
use std::sync::OnceLock;

use nodesmith::diag::Diagnostics;
use nodesmith::formats::cpio::{self as initrd, Node};
use nodesmith::formats::microcode as microcodes;
use nodesmith::package::{PackageId, deb as debs, rpm as rpms};
use nodesmith::preload;
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::store::Store;
use nodesmith::trust::Keyring;

use crate::testkey::TestKey;

fn with_store<T>(run: impl FnOnce(&Store) -> T) -> T {
    let directory = tempfile::tempdir().unwrap();
    run(&Store::open(directory.path()).unwrap())
}

/// Unpacks it twice: the second time it comes from what the store keeps of the first.
pub(crate) fn deb(data: &[u8]) {
    with_store(|store| {
        let digest = store.put(data).unwrap();
        if let Ok(package) = debs::load(store, &digest, "the package") {
            assert_eq!(debs::unpacked(store, &digest).unwrap(), Some(package));
        }
    });
}

/// As it is, and with a good signature by a key of the keyring over whatever its header is.
pub(crate) fn rpm(data: &[u8]) {
    let _ = described(data);
    let Some(signed) = signed(data) else { return };
    let description = described(&signed);
    with_store(|store| {
        let digest = store.put(&signed).unwrap();
        let keyring = Keyring::parse("test.gpg", &key().public()).unwrap();
        // What cannot be described cannot be asked for.
        let nothing = PackageId { name: String::new(), version: String::new(), arch: String::new() };
        let expected = description.clone().unwrap_or(nothing);
        if let Ok(package) = rpms::load(store, &digest, "the package", &expected, Some(&keyring)) {
            assert_eq!(package.id, description.unwrap());
            assert!(package.scripts.iter().map(|script| script.text.len()).sum::<usize>() <= SCRIPTS_MAX);
            assert_eq!(rpms::unpacked(store, &digest, &keyring.fingerprints()).unwrap(), Some(package));
        }
    });
}

fn described(rpm: &[u8]) -> Option<PackageId> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(rpm).unwrap();
    let description = rpms::describe(file.path()).ok()?;
    assert!(description.capabilities.files.iter().all(|path| path.len() < 4096));
    Some(description.id)
}

/// More than all scripts of a package.
const SCRIPTS_MAX: usize = 16 << 20;

fn key() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::new(1))
}

/// The RPM with a signature header that has nothing but that signature, and without the payload's digest. None if
/// there is no such header.
fn signed(rpm: &[u8]) -> Option<Vec<u8>> {
    const LEAD: usize = 96;
    let end = |start: usize| {
        let number = |at: usize| Some(u32::from_be_bytes(*rpm.get(start + at..)?.first_chunk()?) as usize);
        let end = start + 16 + number(8)? * 16 + number(12)?;
        (end <= rpm.len()).then_some(end)
    };
    let start = end(LEAD)?.next_multiple_of(8);
    let (mut header, payload) = (rpm.get(start..end(start)?)?.to_vec(), &rpm[end(start)?..]);
    let entries = (u32::from_be_bytes(*header[8..].first_chunk()?) as usize).min(1 << 16);
    for entry in header[16..16 + entries * 16].chunks_exact_mut(16) {
        // The digest of the payload, as a tag that nobody knows.
        if entry.starts_with(&5092_u32.to_be_bytes()) {
            entry[0] = 0x7f;
        }
    }
    let signature = key().sign_detached(&header, 1_590_969_600);
    let length = u32::try_from(signature.len()).ok()?.to_be_bytes();
    // One entry (tag, kind, offset, count): a signature of the kind EdDSA and ECDSA are found as.
    let words = [[0x8e, 0xad, 0xe8, 1], [0; 4], [0, 0, 0, 1], length, [0, 0, 1, 11], [0, 0, 0, 7], [0; 4], length];
    let mut out = [&rpm[..LEAD], &words.concat(), &signature].concat();
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend([&header, payload].concat());
    Some(out)
}

/// An archive of container images: as it is, and with the checksums of its headers made right.
pub(crate) fn images(data: &[u8]) {
    static RECIPE: OnceLock<Recipe> = OnceLock::new();
    let recipe = RECIPE.get_or_init(recipe);
    for bytes in [data.to_vec(), summed(data)] {
        let directory = tempfile::tempdir().unwrap();
        let mut recipe = recipe.clone();
        recipe.images[0].path = directory.path().join("a.tar");
        std::fs::write(&recipe.images[0].path, &bytes).unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        match preload::read(&recipe, &store) {
            Ok(archives) => {
                assert!(!archives[0].images.is_empty());
                assert!(store.has(&archives[0].digest, archives[0].size));
            }
            Err(error) => drop(error.downcast::<Diagnostics>().unwrap().to_string()),
        }
    }
}

/// The smallest recipe with an archive.
fn recipe() -> Recipe {
    let text = "nodesmith: 1\nname: n\npackages: [e2fsprogs]\nkernel: {package: linux, line: \"6.12\"}\n\
                repositories: {d: {apt: {mirror: host, suite: s, keyring: a.tar}}}\nimages: [a.tar]\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recipe.yaml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(directory.path().join("a.tar"), "").unwrap();
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    check::check(&load::load(&path).unwrap(), day).unwrap()
}

/// `data` as the files of a package that is right otherwise.
pub(crate) fn tarball(data: &[u8]) {
    for files in [data, &summed(data)] {
        deb(&package(&tar("control", b"Package: a\nVersion: 1\nArchitecture: all\n"), files));
    }
}

/// `data` as the control stanza of a package that is right otherwise.
pub(crate) fn control(data: &[u8]) {
    deb(&package(&tar("control", data), &[0; 1024]));
}

fn package(control: &[u8], files: &[u8]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", b"2.0\n".as_slice()), ("control.tar", control), ("data.tar", files)] {
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len()).as_bytes());
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

/// An archive of one file (POSIX ustar).
fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let fields = [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (136, "00000000000\0"), (257, "ustar\0")];
    for (at, text) in fields {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[156] = b'0';
    sum(&mut header);
    let mut out = [header.as_slice(), bytes].concat();
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

/// A tar whose headers have the right checksums, as far as they can be followed.
fn summed(tar: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (tar.to_vec(), 0_usize);
    while let Some(header) = at.checked_add(512).and_then(|end| out.get_mut(at..end)) {
        let size = std::str::from_utf8(&header[124..135]).ok().and_then(|size| usize::from_str_radix(size, 8).ok());
        if header.iter().any(|byte| *byte != 0) {
            sum(header);
        }
        at = at.saturating_add(size.unwrap_or(0).saturating_add(1023) / 512 * 512);
    }
    out
}

fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// Updates are the file in pieces, and a second copy adds nothing.
pub(crate) fn microcode(data: &[u8]) {
    if let Ok(updates) = microcodes::intel_updates(data) {
        assert_eq!(updates.concat(), data);
        let blob = microcodes::intel(&[data.to_vec(), data.to_vec()]).unwrap();
        assert!(blob.len() <= data.len());
        assert_eq!(microcodes::intel(std::slice::from_ref(&blob)).unwrap(), blob);
    }
    if let Ok(blob) = microcodes::amd(&[data.to_vec()]) {
        assert_eq!(blob, data);
    }
}

pub(crate) fn cpio(data: &[u8]) {
    let _ = initrd::dump(data);
    let Ok(entries) = initrd::read(data) else { return };
    let held: usize =
        entries.iter().map(|entry| if let Node::File(bytes) = entry.node { bytes.len() } else { 0 }).sum();
    assert!(held <= data.len());
    if let Ok(written) = initrd::write(&entries, 0) {
        assert_eq!(initrd::read(&written).unwrap(), entries);
    }
}

use std::io::Cursor;

use pgp::composed::KeyType;
use rpm::{
    BuildConfig, CompressionWithLevel, Dependency, FileOptions, HeaderEntry, IndexData, IndexSignatureTag, IndexTag,
    PackageBuilder, Scriptlet,
};

use super::*;
use crate::hex;
use crate::package::Owner;
use crate::tree::TreePath;
use crate::trust::testkey::TestKey;
use files::Said;

/// 2020-06-01.
const SIGNED: i64 = 1_590_969_600;

/// A package whose times do not depend on the clock.
pub(crate) fn builder(name: &str, version: &str, release: &str) -> PackageBuilder {
    builder_with(name, version, release, BuildConfig::v4().compression(CompressionWithLevel::Gzip(1)))
}

fn builder_with(name: &str, version: &str, release: &str, config: BuildConfig) -> PackageBuilder {
    let mut builder = PackageBuilder::new(name, version, "MIT", "x86_64", "a test");
    builder.using_config(config.source_date(1_580_000_000_u32)).release(release).build_host("localhost");
    builder
}

/// The package as a file, signed.
pub(crate) fn signed(builder: &mut PackageBuilder, key: &TestKey) -> Vec<u8> {
    signed_at(builder, key, SIGNED)
}

fn signed_at(builder: &mut PackageBuilder, key: &TestKey, at: i64) -> Vec<u8> {
    let mut package = builder.build().unwrap();
    let signature = key.sign_detached(&package.header_bytes().unwrap(), at);
    attach(&mut package, SIGNATURE_DSA, IndexData::Bin(signature));
    written(&package)
}

/// Adds a value to the signature header: the crate itself signs only with a second copy of the OpenPGP library.
fn attach(package: &mut rpm::Package, tag: u32, value: IndexData) {
    let entries = package.metadata.signature.get_all_entries().unwrap().into_iter();
    // Without the entry that spans the others, which is made anew.
    let entries = entries.filter(|(tag, _)| *tag != 62).chain([(tag, value)]);
    let entries = entries.map(|(tag, data)| HeaderEntry::new(tag, data));
    package.metadata.signature = rpm::Header::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
}

fn written(package: &rpm::Package) -> Vec<u8> {
    let mut bytes = Vec::new();
    package.write(&mut bytes).unwrap();
    bytes
}

/// The package with other entries in its header, signed; nothing else of its signature header is left.
fn changed(package: &rpm::Package, key: &TestKey, change: impl FnOnce(&mut BTreeMap<u32, IndexData>)) -> Vec<u8> {
    let mut package = package.clone();
    let mut entries: BTreeMap<u32, IndexData> =
        package.metadata.header.get_all_entries().unwrap().into_iter().collect();
    // Without the entry that spans the others.
    entries.remove(&63);
    change(&mut entries);
    let entries = entries.into_iter().map(|(tag, data)| HeaderEntry::new(tag, data));
    package.metadata.header = rpm::Header::from_entries(entries, IndexTag::RPMTAG_HEADERIMMUTABLE);
    let signature = key.sign_detached(&package.header_bytes().unwrap(), SIGNED);
    let entry = HeaderEntry::new(SIGNATURE_DSA, IndexData::Bin(signature));
    package.metadata.signature = rpm::Header::from_entries([entry], IndexSignatureTag::HEADER_SIGNATURES);
    written(&package)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().chain(&[0, 0]).take(3).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let digits = [18, 12, 6, 0].map(|shift| char::from(DIGITS[usize::try_from(word >> shift & 63).unwrap()]));
        text.extend(digits.into_iter().take(group.len() + 1).chain("==".chars().take(3 - group.len())));
    }
    text
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn unpacked(rpm: &[u8], key: &TestKey) -> Result<Package> {
    let (_dir, store) = store();
    unpack(&mut Cursor::new(rpm), "demo", Some(&key.keyring()), &store)
}

/// What [`sample`] is.
fn demo() -> PackageId {
    PackageId { name: "demo".into(), version: "1:1.2~rc1-3.el9".into(), arch: "x86_64".into() }
}

fn refused(rpm: &[u8], key: &TestKey) -> String {
    format!("{:#}", unpacked(rpm, key).unwrap_err())
}

fn sample(config: BuildConfig) -> PackageBuilder {
    let mut builder = builder_with("demo", "1.2~rc1", "3.el9", config);
    builder
        .epoch(1)
        .with_dir_entry(FileOptions::dir("/etc/demo").permissions(0o750).group("daemon"))
        .unwrap()
        .with_file_contents("key=1\n", FileOptions::new("/etc/demo/a.conf").permissions(0o640).config().noreplace())
        .unwrap()
        .with_file_contents("program", FileOptions::new("/usr/bin/one").permissions(0o4755).hardlink("x"))
        .unwrap()
        .with_file_contents("program", FileOptions::new("/usr/bin/two").permissions(0o4755).hardlink("x"))
        .unwrap()
        .with_file_contents(
            "raw",
            FileOptions::new("/usr/bin/raw").permissions(0o755).user("nobody").caps("cap_net_raw=ep").unwrap(),
        )
        .unwrap()
        .with_symlink(FileOptions::symlink("/usr/bin/three", "one"))
        .unwrap()
        .with_file_contents("", FileOptions::new("/usr/share/empty"))
        .unwrap()
        .with_ghost(FileOptions::ghost("/var/log/demo.log"))
        .unwrap()
        .requires(Dependency::greater_eq("iptables", "1.4.21"))
        .requires(Dependency::any("/bin/sh"))
        .provides(Dependency::eq("capability", "7"))
        .provides(Dependency::any("bare"))
        .conflicts(Dependency::less("old", "2"))
        .obsoletes(Dependency::any("older"))
        .pre_install_script(Scriptlet::new("echo %{_libdir}\n").flags(rpm::ScriptletFlags::EXPAND))
        .post_install_script("/sbin/ldconfig\n")
        .post_uninstall_script(Scriptlet::new("print(1)").prog(vec!["<lua>"]));
    builder
}

#[test]
fn everything_of_a_package_is_read_with_every_compression() {
    let key = TestKey::new(1);
    let forms = [
        CompressionWithLevel::None,
        CompressionWithLevel::Gzip(1),
        CompressionWithLevel::Xz(1),
        CompressionWithLevel::Zstd(1),
    ];
    let configs =
        forms.into_iter().flat_map(|form| [BuildConfig::v4().compression(form), BuildConfig::v6().compression(form)]);
    let mut packages = Vec::new();
    for config in configs {
        let (_dir, store) = store();
        let rpm = signed(&mut sample(config), &key);
        let package = unpack(&mut Cursor::new(&rpm), "demo", Some(&key.keyring()), &store).unwrap();
        for file in &package.files {
            if let FileKind::File { digest, size } = &file.kind {
                assert!(store.has(digest, *size), "{}", file.path);
            }
        }
        assert_eq!(saved::decode(&saved::encode(&package)).unwrap(), package);
        packages.push(package);
    }
    let package = packages.remove(0);
    assert_eq!(package.id.to_string(), "demo 1:1.2~rc1-3.el9");
    assert_eq!((package.id.arch.as_str(), package.family), ("x86_64", Family::Rpm));
    let shown: Vec<String> = package.files.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            "d 750 root:daemon /etc/demo ",
            "- 640 root:root /etc/demo/a.conf 6",
            "- 4755 root:root /usr/bin/one 7",
            "- 755 nobody:root /usr/bin/raw 3 security.capability",
            "l 777 root:root /usr/bin/three one",
            "h 4755 root:root /usr/bin/two /usr/bin/one",
            "- 644 root:root /usr/share/empty 0",
        ]
    );
    assert_eq!(package.members["conffiles"], b"/etc/demo/a.conf\n");
    let scripts: Vec<(&str, &str)> =
        package.scripts.iter().map(|it| (it.name.as_str(), std::str::from_utf8(&it.text).unwrap())).collect();
    let pre = ("%pre", "#!<expand> /bin/sh\necho %{_libdir}\n");
    assert_eq!(scripts, [pre, ("%post", "/sbin/ldconfig\n"), ("%postun", "#!<lua>\nprint(1)")]);
    let field = |name: &str| -> Vec<&str> {
        package.control.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(field(SIGNER), [key.fingerprint()]);
    assert!(field(REQUIRES).contains(&"iptables >= 1.4.21") && field(REQUIRES).contains(&"/bin/sh"));
    for other in packages {
        assert_eq!(
            (other.files, other.scripts, other.id),
            (package.files.clone(), package.scripts.clone(), package.id.clone())
        );
    }
}

fn show(file: &FileEntry) -> String {
    let (letter, what) = match &file.kind {
        FileKind::Directory => ('d', String::new()),
        FileKind::File { size, .. } => ('-', size.to_string()),
        FileKind::Symlink { target } => ('l', String::from_utf8_lossy(target).into_owned()),
        FileKind::Hardlink { to } => ('h', to.to_string()),
        _ => ('?', String::new()),
    };
    let owners = [&file.user, &file.group].map(|Owner { name, .. }| name.as_str()).join(":");
    let xattrs: String = file.xattrs.keys().map(|name| format!(" {}", String::from_utf8_lossy(name))).collect();
    format!("{letter} {:o} {owners} {} {what}{xattrs}", file.mode, file.path)
}

#[test]
fn a_description_has_what_others_depend_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo.rpm");
    std::fs::write(&path, written(&sample(BuildConfig::v4()).build().unwrap())).unwrap();
    let Description { id, capabilities } = describe(&path).unwrap();
    assert_eq!(id.version, "1:1.2~rc1-3.el9");
    let provides: Vec<String> = capabilities
        .provides
        .iter()
        .map(|it| format!("{} {}", it.name, it.version.as_deref().unwrap_or("-")))
        .collect();
    assert!(provides.contains(&"demo 1:1.2~rc1-3.el9".to_owned()), "{provides:?}");
    assert!(provides.contains(&"capability 7".to_owned()) && provides.contains(&"bare -".to_owned()));
    assert_eq!(capabilities.conflicts.iter().map(print).collect::<Vec<_>>(), ["old < 2"]);
    assert_eq!(capabilities.obsoletes.iter().map(print).collect::<Vec<_>>(), ["older"]);
    assert!(capabilities.files.contains(&"/usr/bin/one".to_owned()));
}

#[test]
fn signatures_are_judged_and_every_refusal_names_package_and_key() {
    let (key, other) = (TestKey::new(1), TestKey::new(2));
    let rpm = signed(&mut sample(BuildConfig::v4()), &key);
    assert!(unpacked(&rpm, &key).is_ok());
    let error = refused(&rpm, &other);
    assert!(error.starts_with(&format!("verifying demo: signed by {}", key.fingerprint())), "{error}");
    assert!(error.ends_with("[unknown-signer]"), "{error}");
    let unsigned = written(&sample(BuildConfig::v4()).build().unwrap());
    assert!(refused(&unsigned, &key).contains("the package is not signed [no-signature]"));
    // Expired since, but not when it signed.
    let old = TestKey::lasting(3, 400);
    assert!(unpacked(&signed(&mut sample(BuildConfig::v4()), &old), &old).is_ok());
    let late = signed_at(&mut sample(BuildConfig::v4()), &old, SIGNED + 400 * 86_400);
    assert!(refused(&late, &old).ends_with("[key-expired]"));
    // Signed, and the header changed after that, its digest too.
    let mut package = sample(BuildConfig::v4()).build().unwrap();
    let stolen = key.sign_detached(&builder("x", "1", "1").build().unwrap().header_bytes().unwrap(), SIGNED);
    attach(&mut package, SIGNATURE_RSA, IndexData::Bin(stolen));
    assert!(refused(&written(&package), &key).ends_with("[bad-signature]"));
    // As rpm 6 writes them: several, in base64. One good one is enough.
    let mut package = sample(BuildConfig::v6()).build().unwrap();
    let header = package.header_bytes().unwrap();
    let texts = [&other, &key].map(|key| encode(&key.sign_detached(&header, SIGNED)));
    attach(&mut package, SIGNATURE_OPENPGP, IndexData::StringArray(texts.to_vec()));
    assert!(unpacked(&written(&package), &key).is_ok());
    attach(&mut package, SIGNATURE_RSA, IndexData::StringTag("x".into()));
    assert!(refused(&written(&package), &key).contains("tag 268 of the header is no binary value"));
    // One that is no base64 is left out, and so is one of a stranger.
    let mut package = sample(BuildConfig::v6()).build().unwrap();
    let texts = ["%%".to_owned(), encode(&other.sign_detached(&header, SIGNED))];
    attach(&mut package, SIGNATURE_OPENPGP, IndexData::StringArray(texts.to_vec()));
    assert!(refused(&written(&package), &key).ends_with("[unknown-signer]"));
    let signature = key.sign_detached(&package.header_bytes().unwrap(), SIGNED);
    attach(&mut package, SIGNATURE_DSA, IndexData::Bin(signature));
    assert!(unpacked(&written(&package), &key).is_ok());
}

#[test]
fn a_signature_over_header_and_payload_counts_where_there_is_no_better_one() {
    let (key, other) = (TestKey::of(1, KeyType::Rsa(2048), Some(true), None), TestKey::new(2));
    let plain = sample(BuildConfig::v4()).build().unwrap();
    let whole = written(&plain);
    let covered = whole[parts(&whole).0..].to_vec();
    let with = |tag: u32, signature: Vec<u8>| {
        let mut package = plain.clone();
        attach(&mut package, tag, IndexData::Bin(signature));
        written(&package)
    };
    let [rsa, dsa] = SIGNATURES_OF_WHOLE;
    assert!(unpacked(&with(rsa, key.sign_detached(&covered, SIGNED)), &key).is_ok());
    // As rpm 4 of el7 wrote it.
    assert!(unpacked(&with(rsa, key.sign_v3(&covered, 100)), &key).is_ok());
    assert!(unpacked(&with(dsa, other.sign_detached(&covered, SIGNED)), &other).is_ok());
    assert!(refused(&with(rsa, key.sign_detached(&covered, SIGNED)), &other).ends_with("[unknown-signer]"));
    assert!(refused(&with(rsa, key.sign_detached(&covered[1..], SIGNED)), &key).ends_with("[bad-signature]"));
    assert!(refused(&with(rsa, vec![1, 2, 3]), &key).ends_with("[no-signature]"));
    // Two bytes of the payload change places: nothing but the signature covers the packed form of an rpm 3 package.
    let mut changed = with(rsa, key.sign_detached(&covered, SIGNED));
    changed.push(0);
    assert!(refused(&changed, &key).ends_with("[bad-signature]"));
}

#[test]
fn without_a_keyring_signatures_do_not_count_and_digests_do() {
    let (_dir, store) = store();
    let key = TestKey::new(1);
    let rpm = written(&sample(BuildConfig::v4()).build().unwrap());
    let package = unpack(&mut Cursor::new(&rpm), "demo", None, &store).unwrap();
    assert!(package.control.contains(&(SIGNER.to_owned(), String::new())));
    let mut changed = rpm.clone();
    *changed.last_mut().unwrap() ^= 1;
    let error = format!("{:#}", unpack(&mut Cursor::new(&changed), "demo", None, &store).unwrap_err());
    assert!(error.ends_with("[payload-digest]"), "{error}");
    // What was unpacked so is no answer for who asks for a key.
    let digest = store.put(&rpm).unwrap();
    load(&store, &digest, "demo", &demo(), None).unwrap();
    assert_eq!(signer(&store, &digest, "demo", &demo(), None).unwrap(), "");
    let error = format!("{:#}", load(&store, &digest, "demo", &demo(), Some(&key.keyring())).unwrap_err());
    assert!(error.ends_with("the package is not signed [no-signature]"), "{error}");
}

#[test]
fn damage_of_an_old_package_is_told_by_the_digests_that_it_has() {
    let (_dir, store) = store();
    // As rpm 4.11 of el7 wrote it: nothing has SHA-256 but the files.
    let new = rpm::Package::parse(&mut &*written(&sample(BuildConfig::v4()).build().unwrap())).unwrap();
    let bare = changed(&new, &TestKey::new(1), |entries| {
        entries.retain(|tag, _| ![PAYLOAD_DIGEST, PAYLOAD_DIGEST_ALGORITHM, 5097].contains(tag));
    });
    let (main, payload) = parts(&bare);
    let digest = |algorithm: HashAlgorithm, bytes: &[u8]| algorithm.digest(bytes).unwrap();
    let sha1 = IndexData::StringTag(hex::encode(&digest(HashAlgorithm::Sha1, &bare[main..payload])));
    let md5 = IndexData::Bin(digest(HashAlgorithm::Md5, &bare[main..]));
    let entries = [(SIGNATURE_SHA1, sha1), (SIGNATURE_MD5, md5)].map(|(tag, data)| HeaderEntry::new(tag, data));
    let mut package = rpm::Package::parse(&mut &*bare).unwrap();
    package.metadata.signature = rpm::Header::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
    let old = written(&package);
    let verdict = |rpm: &[u8]| match unpack(&mut Cursor::new(rpm), "demo", None, &store) {
        Ok(_) => "good".to_owned(),
        Err(error) => slug(&error),
    };
    assert_eq!(verdict(&old), "good");
    let (main, payload) = parts(&old);
    // A letter of the summary, and the operating system that gzip names.
    for (at, expected) in [(find(&old, b"a test"), "header-digest"), (payload + 9, "payload-digest")] {
        let mut changed = old.clone();
        changed[at] ^= 1;
        assert_eq!((verdict(&changed).as_str(), at > main), (expected, true), "{at}");
    }
    // What follows the payload.
    assert_eq!(verdict(&[&old[..], b"more"].concat()), "payload-digest");
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

/// Where the main header and the payload of a file begin.
fn parts(rpm: &[u8]) -> (usize, usize) {
    let heads = header::read(&mut &*rpm).unwrap();
    (usize::try_from(heads.main.offset).unwrap(), usize::try_from(heads.payload).unwrap())
}

#[test]
fn damage_is_found_wherever_it_is_and_named_by_its_byte() {
    let key = TestKey::new(1);
    let rpm = signed(&mut sample(BuildConfig::v4()), &key);
    let (main, payload) = parts(&rpm);
    let changed = |at: usize| {
        let mut rpm = rpm.clone();
        rpm[at] ^= 1;
        refused(&rpm, &key)
    };
    for (at, place, slug) in [
        (0, "at byte 0: this is not an RPM", "not-an-rpm"),
        (4, "at byte 4: format ", "not-an-rpm"),
        (7, "at byte 6: this is a source package", "source-package"),
        (96, "at byte 96: the signature header", "bad-header"),
        (payload - 1, &format!("at byte {main}: the header's digest is "), "header-digest"),
        (payload + 20, &format!("at byte {payload}: the payload's digest is "), "payload-digest"),
    ] {
        let error = changed(at);
        assert!(error.contains(place) && error.ends_with(&format!(" [{slug}]")), "{at}: {error}");
    }
    for length in [0, 50, 100, 200, main + 5, main + 20, payload - 1, payload, payload + 30, rpm.len() - 1] {
        let error = refused(&rpm[..length], &key);
        assert!(error.contains(&format!("the file ends at byte {length}, ")), "{length}: {error}");
        let slug = if length < payload { " [rpm-cut-off]" } else { " [payload-cut-off]" };
        assert!(error.ends_with(slug), "{length}: {error}");
    }
}

#[test]
fn no_change_of_any_byte_makes_it_panic_or_pass_as_another_package() {
    let key = TestKey::new(1);
    let rpm = signed(&mut sample(BuildConfig::v4()), &key);
    let whole = unpacked(&rpm, &key).unwrap();
    let (main, payload) = parts(&rpm);
    let kept = whole.members[installed::SIGNATURE_HEADER].clone();
    let (_dir, store) = store();
    for at in (0..payload).step_by(3).chain(payload..rpm.len()) {
        for bit in [1, 0x80] {
            let mut rpm = rpm.clone();
            rpm[at] ^= bit;
            // Nothing signs the lead, and the signature header only carries what it says.
            if let Ok(mut package) = unpack(&mut Cursor::new(&rpm), "demo", Some(&key.keyring()), &store) {
                // It goes into rpm's database as it is.
                package.members.insert(installed::SIGNATURE_HEADER.into(), kept.clone());
                assert!(at < main && package == whole, "byte {at}");
            }
        }
    }
}

/// A header whose one entry points outside, which is what the `rpm` crate panics on.
#[test]
fn an_entry_that_points_outside_is_an_error() {
    let mut rpm = vec![0; 96];
    rpm[..8].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0]);
    let header = |entries: u32, size: u32, offset: u32, count: u32| {
        let words = [0x8ead_e801, 0, entries, size, 1000, 6, offset, count];
        words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
    };
    for (bytes, what) in [
        (header(1, 0, 7, 1), "tag 1000 of the signature header points outside of it [bad-header]"),
        (header(1, 0, u32::MAX, u32::MAX), "points outside of it"),
        (header(u32::MAX, u32::MAX, 0, 1), "entries, more than 65535 [too-large]"),
        (header(1, (64 << 20) + 1, 0, 1), "bytes of data, more than 67108864 [too-large]"),
        (
            [header(1, 2 << 20, 0, (1 << 20) + 1), vec![0; 2 << 20]].concat(),
            "tag 1000 of the signature header has 1048577 values, more than 1048576 [too-large]",
        ),
        (header(1, 64 << 20, 0, 1), "the file ends at byte 128, 67108864 bytes before"),
        (header(1, 1 << 20, 0, 1), "the file ends at byte 128, 1048576 bytes before"),
    ] {
        let error = refused(&[rpm.clone(), bytes].concat(), &TestKey::new(1));
        assert!(error.contains(what), "{error}");
    }
}

/// Reads an archive of these entries (name, mode, bytes) against a list of four files.
fn with_payload(entries: &[(&str, u32, &[u8])]) -> Result<BTreeMap<payload::Key, Digest>> {
    let (_dir, store) = store();
    let list = [
        listed("/a", Kind::File(Some(Said::Sha256(Digest::of("abc")))), 3),
        listed("/dir", Kind::Directory, 0),
        listed("/link", Kind::Symlink(b"a".to_vec()), 1),
        listed("/ghost", Kind::File(None), 0),
    ];
    let mut archive: Vec<u8> = entries.iter().flat_map(|(name, mode, bytes)| newc(name, *mode, bytes)).collect();
    archive.extend(newc("TRAILER!!!", 0, b""));
    payload::read(&*archive, &list, 1 << 20, &store)
}

fn listed(path: &str, kind: Kind, size: u64) -> Listed {
    Listed {
        path: TreePath::parse(path).unwrap(),
        kind,
        size,
        mode: 0o644,
        user: Owner { name: "root".into(), id: 0 },
        group: Owner { name: "root".into(), id: 0 },
        mtime: 0,
        xattrs: BTreeMap::new(),
        ghost: path.contains("ghost"),
        config: false,
        inode: (1, u64::try_from(path.len()).unwrap()),
    }
}

/// An entry of a cpio archive.
fn newc(name: &str, mode: u32, bytes: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let numbers = [1, mode, 0, 0, 1, 0, length(bytes), 0, 0, 0, 0, length(name.as_bytes()) + 1, 0];
    let mut entry = b"070701".to_vec();
    numbers.iter().for_each(|number| entry.extend(format!("{number:08x}").bytes()));
    entry.extend(name.bytes().chain([0]));
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

#[test]
fn names_in_the_payload_are_not_believed() {
    let file = ("./a", 0o100_644, b"abc".as_slice());
    let directory = ("./dir", 0o040_755, b"".as_slice());
    let link = ("./link", 0o120_777, b"a".as_slice());
    with_payload(&[file, directory, link]).unwrap();
    // As rpm takes them too: nothing in front, or the list's own form.
    with_payload(&[("a", 0o100_644, b"abc"), ("/dir", 0o040_755, b""), ("link", 0o120_777, b"a")]).unwrap();
    let wrong = |entries: &[(&str, u32, &[u8])]| {
        let error = with_payload(entries).unwrap_err();
        assert_eq!(slug(&error), "payload-mismatch", "{error:#}");
        format!("{error:#}")
    };
    for (entry, problem) in [
        (("./../../etc/passwd", 0o100_644, b"abc".as_slice()), "`./../../etc/passwd` is not in the header's list"),
        (("./b", 0o100_644, b"abc"), "`./b` is not in the header's list"),
        (("./a", 0o120_644, b"abc"), "`./a` is of another kind in the header"),
        (("./a", 0o100_644, b"abcd"), "4 bytes, the header says 3"),
        (("./a", 0o100_644, b"abd"), "the header says ba7816bf"),
        (("./link", 0o120_777, b"/etc"), "leads to `/etc` here"),
        (("./dir", 0o040_755, b"x"), "has 1 bytes, and is no file"),
        (("./ghost", 0o100_644, b""), "is a %ghost"),
    ] {
        assert!(wrong(&[entry, file]).contains(problem), "{}", wrong(&[entry, file]));
    }
    assert!(wrong(&[file, file]).contains("at byte 120 of the payload: `/a` is there twice"));
    assert!(wrong(&[directory, link]).contains("without the contents of `/a`"));
    assert!(wrong(&[file, directory]).contains("without the contents of `/link`"));
}

/// rpm's own form for large files: entries have an index and neither a name nor a size.
#[test]
fn of_hard_links_in_a_stripped_archive_the_last_in_the_list_has_the_bytes() {
    let said = |text: &str| Kind::File(Some(Said::Sha256(Digest::of(text))));
    let mut list: Vec<Listed> = ["/a", "/b", "/c", "/d"].into_iter().map(|path| listed(path, said("abc"), 3)).collect();
    // The first and the third are one file; the second and a ghost have the same contents.
    let inodes = [1, 2, 1, 1];
    list.iter_mut().zip(inodes).for_each(|(file, inode)| file.inode = (1, inode));
    list[3].ghost = true;
    let archive = |entries: &[(u32, &[u8])]| {
        let mut archive = Vec::new();
        for (index, bytes) in entries {
            archive.extend(format!("07070X{index:08x}").bytes().chain([0, 0]).chain(bytes.iter().copied()));
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
        archive.extend(newc("TRAILER!!!", 0, b""));
        archive
    };
    let read = |entries: &[(u32, &[u8])]| {
        let (_dir, store) = store();
        payload::read(&*archive(entries), &list, 1 << 20, &store).map(|contents| contents.len())
    };
    assert_eq!(read(&[(0, b""), (1, b"abc"), (2, b"abc")]).unwrap(), 2);
    assert_eq!(slug(&read(&[(0, b"abc"), (1, b"abc"), (2, b"")]).unwrap_err()), "payload-mismatch");
    assert_eq!(slug(&read(&[(0, b""), (1, b"abc")]).unwrap_err()), "payload-mismatch");
    assert_eq!(slug(&read(&[(4, b"")]).unwrap_err()), "payload-mismatch");
}

#[test]
fn devices_and_unknown_features_are_refused() {
    let key = TestKey::new(1);
    let mut device = builder("demo", "1", "1");
    device.with_special_file(FileOptions::character_device("/dev/demo", 1, 3)).unwrap();
    let error = refused(&signed(&mut device, &key), &key);
    assert!(error.contains("`/dev/demo` is a device") && error.ends_with("[device]"), "{error}");
    let mut feature = builder("demo", "1", "1");
    feature.requires(Dependency::rpmlib("rpmlib(Teleport)", "9-1"));
    let error = refused(&signed(&mut feature, &key), &key);
    assert!(error.contains("rpmlib(Teleport)") && error.ends_with("[rpm-feature]"), "{error}");
}

#[test]
fn what_a_header_says_wrongly_has_a_name() {
    let key = TestKey::new(1);
    let package = sample(BuildConfig::v4()).build().unwrap();
    let text = |text: &str| IndexData::StringTag(text.to_owned());
    let texts = |texts: &[&str]| IndexData::StringArray(texts.iter().map(|text| (*text).to_owned()).collect());
    for (tag, value, expected) in [
        // Version, name, what it provides.
        (1001, text("1-2"), "bad-header"),
        (1000, text(""), "bad-header"),
        (1000, IndexData::Int32(vec![1]), "bad-header"),
        (1047, texts(&["one"]), "bad-header"),
        // Payload: its form and compression.
        (1124, text("tar"), "unknown-payload"),
        (1125, text("rar"), "unknown-payload"),
        (1125, text("none"), "payload-mismatch"),
        (1125, text("xz"), "damaged-stream"),
        (1125, text("lzma"), "damaged-stream"),
        (1125, text("bzip2"), "damaged-stream"),
        (1125, text("gzip"), "damaged-stream"),
        // Lists of files: modes, owners, base names, directories of them, capabilities, digests.
        (1030, IndexData::Int16(vec![0o100_644]), "bad-file-list"),
        (1030, IndexData::Int16(vec![0; 8]), "bad-file-list"),
        (1039, texts(&[""; 8]), "bad-file-list"),
        (1117, texts(&["same"; 8]), "bad-file-list"),
        (1116, IndexData::Int32(vec![99; 8]), "bad-file-list"),
        (5010, texts(&["cap_fly=ep"; 8]), "bad-capability"),
        (1035, texts(&["abc"; 8]), "file-digest"),
        (1028, IndexData::Int32(vec![1; 8]), "payload-mismatch"),
    ] {
        let rpm = changed(&package, &key, |entries| drop(entries.insert(tag, value)));
        let error = unpacked(&rpm, &key).unwrap_err();
        assert_eq!(slug(&error), expected, "{tag}: {error:#}");
    }
    let rpm = changed(&package, &key, |entries| drop(entries.remove(&1044)));
    assert_eq!(slug(&unpacked(&rpm, &key).unwrap_err()), "source-package");
}

#[test]
fn a_path_that_grows_by_sharing_the_letters_of_its_directory_is_refused() {
    let key = TestKey::new(1);
    let mut long = builder("demo", "1", "1");
    long.with_file_contents("x", FileOptions::new(format!("/{}x", "a/".repeat(2048)))).unwrap();
    assert!(refused(&signed(&mut long, &key), &key).contains("a path of more than 4096 bytes [too-large]"));
    // Each of them is short enough: 4,095 bytes.
    let directory = [vec![b'/'; 4089], vec![0]].concat();
    let paths = |count: u32| {
        let names: Vec<u8> = (0..count).flat_map(|_| *b"letter\0").collect();
        let zeros = vec![0; usize::try_from(count).unwrap() * 4];
        let header = header_of(&[(1117, 8, count, names), (1118, 8, 1, directory.clone()), (1116, 4, count, zeros)]);
        files::paths(&header)
    };
    assert!(format!("{:#}", paths(65_600).unwrap_err()).ends_with("paths of more than 268435456 bytes [too-large]"));
    assert_eq!(paths(100).unwrap().len(), 100);
}

/// A header with these entries: tag, kind, count, bytes.
fn header_of(entries: &[(u32, u32, u32, Vec<u8>)]) -> Header {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let store: Vec<u8> = entries.iter().flat_map(|(.., bytes)| bytes).copied().collect();
    let mut words = vec![0x8ead_e801, 0, u32::try_from(entries.len()).unwrap(), length(&store)];
    let mut offset = 0;
    for (tag, kind, count, bytes) in entries {
        words.extend([*tag, *kind, offset, *count]);
        offset += length(bytes);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).chain(store).collect();
    header::read_header(&mut bytes.as_slice(), 0, "the header", header::STORE_MAX).unwrap()
}

#[test]
fn what_was_unpacked_is_kept_for_the_key_that_signed_it() {
    let (_dir, store) = store();
    let key = TestKey::new(1);
    let digest = store.put(&signed(&mut sample(BuildConfig::v4()), &key)).unwrap();
    let keyring = key.keyring();
    let first = load(&store, &digest, "demo", &demo(), Some(&keyring)).unwrap();
    assert_eq!(super::unpacked(&store, &digest, &[key.fingerprint()]).unwrap(), Some(first.clone()));
    assert_eq!(super::unpacked(&store, &digest, &[]).unwrap(), None);
    assert_eq!(load(&store, &digest, "demo", &demo(), Some(&keyring)).unwrap(), first);
    assert_eq!(signer(&store, &digest, "demo", &demo(), Some(&keyring)).unwrap(), key.fingerprint());
    let error = format!("{:#}", load(&store, &digest, "demo", &demo(), Some(&TestKey::new(2).keyring())).unwrap_err());
    assert!(error.contains("[unknown-signer]"), "{error}");
}

#[test]
fn a_good_signature_of_another_package_is_refused() {
    let (_dir, store) = store();
    let keyring = TestKey::new(1).keyring();
    let digest = store.put(&signed(&mut sample(BuildConfig::v4()), &TestKey::new(1))).unwrap();
    let others = [
        PackageId { name: "dem".into(), ..demo() },
        PackageId { version: "1:1.3-1.el9".into(), ..demo() },
        PackageId { arch: "noarch".into(), ..demo() },
    ];
    for keyring in [None, Some(&keyring)] {
        for other in &others {
            let expected = format!("it is demo 1:1.2~rc1-3.el9 (x86_64), not {other} ({}) [other-package]", other.arch);
            let error = format!("{:#}", signer(&store, &digest, "it", other, keyring).unwrap_err());
            assert_eq!(error, format!("verifying it: {expected}"));
            // The second time it is unpacked already.
            for _ in 0..2 {
                let error = format!("{:#}", load(&store, &digest, "it", other, keyring).unwrap_err());
                assert_eq!(error, format!("verifying it: {expected}"));
            }
        }
        signer(&store, &digest, "it", &demo(), keyring).unwrap();
        load(&store, &digest, "it", &demo(), keyring).unwrap();
    }
}

#[test]
fn digests_of_files_in_other_algorithms_count_where_something_better_covers_them() {
    let key = TestKey::of(1, KeyType::Rsa(2048), Some(true), None);
    let package = sample(BuildConfig::v4()).build().unwrap();
    let whole = unpacked(&changed(&package, &key, |_| {}), &key).unwrap();
    let contents = ["", "key=1\n", "program", "raw"];
    // The same digests in another algorithm (5011), with or without a digest of the payload (5092, 5093).
    let with = |algorithm: HashAlgorithm, number: Option<u32>, payload: bool| {
        changed(&package, &key, |entries| {
            let Some(IndexData::StringArray(digests)) = entries.get_mut(&1035) else { panic!("no digests") };
            for digest in digests.iter_mut().filter(|digest| !digest.is_empty()) {
                let text = contents.iter().find(|text| Digest::of(text).to_string() == *digest);
                if let Some(text) = text {
                    *digest = hex::encode(&algorithm.digest(text.as_bytes()).unwrap());
                }
            }
            entries.remove(&5011);
            entries.extend(number.map(|number| (5011, IndexData::Int32(vec![number]))));
            if !payload {
                entries.retain(|tag, _| ![5092, 5093, 5097].contains(tag));
            }
        })
    };
    let (md5, sha1, sha512) = (HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Sha512);
    let verdict = |rpm: &[u8], weak: &[Weakness]| {
        let (_dir, store) = store();
        match unpack(&mut Cursor::new(rpm), "demo", Some(&key.keyring().forgiving(weak)), &store) {
            Ok(package) => {
                assert_eq!(package.files, whole.files);
                "good".to_owned()
            }
            Err(error) => slug(&error),
        }
    };
    for (algorithm, number, payload, weak, expected) in [
        (md5, None, true, vec![], "good"),
        (md5, Some(1), true, vec![], "good"),
        (md5, None, false, vec![], "file-digest"),
        (md5, None, false, vec![Weakness::Sha1], "file-digest"),
        (md5, None, false, vec![Weakness::Md5], "good"),
        (sha1, Some(2), true, vec![], "good"),
        (sha1, Some(2), false, vec![], "file-digest"),
        (sha1, Some(2), false, vec![Weakness::Sha1], "good"),
        (sha512, Some(10), false, vec![], "good"),
        (HashAlgorithm::Sha256, Some(8), false, vec![], "good"),
        // Not what the number says, and one that nobody knows.
        (sha1, Some(1), true, vec![], "file-digest"),
        (md5, Some(99), true, vec![], "file-digest"),
        (md5, Some(257), true, vec![], "file-digest"),
    ] {
        assert_eq!(verdict(&with(algorithm, number, payload), &weak), expected, "{algorithm} {number:?} {payload}");
    }
    // A signature over everything covers the payload too.
    let unsigned = with(md5, None, false);
    let at = parts(&unsigned).0;
    let signature = key.sign_detached(&unsigned[at..], SIGNED);
    let mut package = rpm::Package::parse(&mut &*unsigned).unwrap();
    let entry = HeaderEntry::new(SIGNATURES_OF_WHOLE[0], IndexData::Bin(signature));
    package.metadata.signature = rpm::Header::from_entries([entry], IndexSignatureTag::HEADER_SIGNATURES);
    assert_eq!(verdict(&written(&package), &[]), "good");
    // And the digest is compared, whatever else is good.
    let rpm = changed(&rpm::Package::parse(&mut &*with(md5, None, true)).unwrap(), &key, |entries| {
        let Some(IndexData::StringArray(digests)) = entries.get_mut(&1035) else { panic!("no digests") };
        digests.iter_mut().filter(|digest| !digest.is_empty()).for_each(|digest| *digest = "0".repeat(32));
    });
    assert_eq!(verdict(&rpm, &[]), "payload-mismatch");
}

/// The last slug of an error.
fn slug(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.rsplit_once('[').and_then(|(_, end)| end.strip_suffix(']')).unwrap_or(&text).to_owned()
}

#[test]
fn files_without_numbers_are_no_hard_links() {
    let key = TestKey::new(1);
    let mut builder = builder("demo", "1", "1");
    for path in ["/a", "/b"] {
        builder.with_file_contents("the same", FileOptions::new(path)).unwrap();
    }
    let package = builder.build().unwrap();
    for without in [vec![], vec![1096], vec![1095, 1096]] {
        let rpm = changed(&package, &key, |entries| entries.retain(|tag, _| !without.contains(tag)));
        let files: Vec<String> = unpacked(&rpm, &key).unwrap().files.iter().map(show).collect();
        assert_eq!(files, ["- 644 root:root /a 8", "- 644 root:root /b 8"]);
    }
}

#[test]
fn what_was_unpacked_does_not_count_once_its_key_is_revoked() {
    let (_dir, store) = store();
    let key = TestKey::of(1, KeyType::Rsa(2048), Some(true), None);
    let mut revoked = TestKey::of(1, KeyType::Rsa(2048), Some(true), None);
    revoked.revoke();
    let plain = sample(BuildConfig::v4()).build().unwrap();
    let bytes = written(&plain);
    let whole = key.sign_detached(&bytes[parts(&bytes).0..], SIGNED);
    let mut of_whole = plain.clone();
    attach(&mut of_whole, SIGNATURES_OF_WHOLE[0], IndexData::Bin(whole));
    for (rpm, is_kept) in [(signed(&mut sample(BuildConfig::v4()), &key), true), (written(&of_whole), false)] {
        let digest = store.put(&rpm).unwrap();
        let keyring = key.keyring();
        let first = load(&store, &digest, "demo", &demo(), Some(&keyring)).unwrap();
        let kept = super::unpacked(&store, &digest, &[key.fingerprint()]).unwrap();
        assert_eq!(kept.is_some(), is_kept);
        let error = load(&store, &digest, "demo", &demo(), Some(&revoked.keyring())).unwrap_err();
        assert_eq!(slug(&error), "key-revoked");
        assert_eq!(load(&store, &digest, "demo", &demo(), Some(&keyring)).unwrap(), first);
        // What is kept needs no download.
        std::fs::remove_file(store.blob_path(&digest)).unwrap();
        assert_eq!(load(&store, &digest, "demo", &demo(), Some(&keyring)).is_ok(), is_kept);
    }
}

#[test]
fn triggers_are_scripts_by_their_kind() {
    let key = TestKey::new(1);
    let mut builder = builder("demo", "1", "1");
    builder
        .trigger_in("glibc", None, "echo in")
        .file_trigger_in("/usr/lib", None, "echo file")
        .trans_file_trigger_postun("/etc", None, Scriptlet::new("x()").prog(vec!["<lua>"]));
    let package = unpacked(&signed(&mut builder, &key), &key).unwrap();
    let scripts: Vec<(&str, String)> = package
        .scripts
        .iter()
        .map(|script| (script.name.as_str(), String::from_utf8(script.text.clone()).unwrap()))
        .collect();
    assert_eq!(scripts[0], ("%triggerin", "# on glibc\necho in".to_owned()));
    assert_eq!(scripts[1], ("%filetriggerin", "# on /usr/lib\necho file".to_owned()));
    assert_eq!(scripts[2], ("%transfiletriggerpostun", "# on /etc\n#!<lua>\nx()".to_owned()));
}

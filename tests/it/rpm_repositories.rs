//! RPM-md repositories end to end: served on the loopback interface or lying beside the recipe, and locked by the program.
//!
//! Packages are made by the `rpm` crate and signed here; nothing comes from elsewhere. What must be refused is locked as
//! well once the one thing that is wrong with it is right.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use nodesmith::tree::Digest;
use pgp::composed::{DsaKeySize, KeyType};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, Password};
use rpm::{
    BuildConfig, CompressionWithLevel, Dependency, FileOptions, HeaderEntry, IndexData, IndexSignatureTag,
    PackageBuilder,
};

use crate::testkey::{BORN, DAY, TestKey};
use crate::testserver::{Server, ok, status};

/// The tag of a signature over the header.
const SIGNATURE_RSA: u32 = 268;

/// Name, version, and what it requires.
type Spec<'a> = (&'a str, &'a str, &'a [&'a str]);

/// What every recipe here names, and what every build wants.
const NODE: [Spec<'static>; 4] = [
    ("e2fsprogs", "1.47", &["/usr/bin/tool"]),
    ("kernel-lt", "6.12.9", &[]),
    ("systemd-boot-efi", "257", &[]),
    ("tool", "1", &[]),
];

/// Makes a signature over the header of a package.
type Sign<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

fn package((name, version, requires): Spec<'_>, sign: Sign<'_>) -> Vec<u8> {
    let config = BuildConfig::v4().compression(CompressionWithLevel::Gzip(1)).source_date(1_580_000_000_u32);
    let mut builder = PackageBuilder::new(name, version, "MIT", "x86_64", "a test");
    builder.using_config(config).release("1").build_host("localhost");
    let path = if name == "kernel-lt" { "/boot/vmlinuz-6.12.9".to_owned() } else { format!("/usr/bin/{name}") };
    builder.with_file_contents(format!("{name} {version}"), FileOptions::new(path)).unwrap();
    for required in requires {
        builder.requires(Dependency::any(*required));
    }
    let mut package = builder.build().unwrap();
    if let Some(signature) = sign(&package.header_bytes().unwrap()) {
        let entries = package.metadata.signature.get_all_entries().unwrap().into_iter();
        // Without the entry that spans the others, which is made anew.
        let entries = entries.filter(|(tag, _)| *tag != 62).chain([(SIGNATURE_RSA, IndexData::Bin(signature))]);
        let entries = entries.map(|(tag, data)| HeaderEntry::new(tag, data));
        package.metadata.signature = rpm::Header::from_entries(entries, IndexSignatureTag::HEADER_SIGNATURES);
    }
    let mut bytes = Vec::new();
    package.write(&mut bytes).unwrap();
    bytes
}

fn detached(key: &TestKey, hash: HashAlgorithm, at: u32, data: &[u8]) -> Vec<u8> {
    let config = key.config(SignatureType::Binary, hash, at, Vec::new());
    let signature = config.sign(&key.secret.primary_key, &Password::empty(), data).unwrap();
    Packet::from(signature).to_bytes().unwrap()
}

fn good(key: &TestKey) -> impl Fn(&[u8]) -> Option<Vec<u8>> {
    |data| Some(detached(key, HashAlgorithm::Sha256, BORN + DAY, data))
}

/// The files of a repository of these packages, by their paths.
fn repository(packages: &[Spec<'_>], modules: &str, sign: Sign<'_>) -> BTreeMap<String, Vec<u8>> {
    told(packages, modules, sign, &|primary| primary)
}

/// The same, but for what `tell` makes of its primary.xml.
fn told(
    packages: &[Spec<'_>],
    modules: &str,
    sign: Sign<'_>,
    tell: &dyn Fn(String) -> String,
) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut primary = "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
                       xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n"
        .to_owned();
    for spec @ (name, version, requires) in packages {
        let bytes = package(*spec, sign);
        let path = format!("Packages/{name}-{version}-1.x86_64.rpm");
        let entry = |name: &&str| format!("<rpm:entry name=\"{name}\"/>");
        let requires: String = requires.iter().map(entry).collect();
        primary.push_str(&format!(
            "<package type=\"rpm\"><name>{name}</name><arch>x86_64</arch>\
             <version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><size package=\"{}\"/><location href=\"{path}\"/>\
             <format><rpm:provides><rpm:entry name=\"{name}\" flags=\"EQ\" epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\
             </rpm:provides><rpm:requires>{requires}</rpm:requires><file>/usr/bin/{name}</file></format></package>\n",
            Digest::of(&bytes),
            bytes.len(),
        ));
        files.insert(path, bytes);
    }
    primary.push_str("</metadata>\n");
    let primary = tell(primary);
    let mut entries = String::new();
    // Names that say nothing: files are found by what repomd.xml says.
    for (kind, name, text) in [("primary", "repodata/1", primary.as_str()), ("modules", "repodata/2", modules)] {
        let file = zstd::encode_all(text.as_bytes(), 1).unwrap();
        entries.push_str(&format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum><open-checksum type=\"sha256\">{}\
             </open-checksum><location href=\"{name}\"/><size>{}</size><open-size>{}</open-size></data>\n",
            Digest::of(&file),
            Digest::of(text),
            file.len(),
            text.len()
        ));
        files.insert(name.to_owned(), file);
    }
    let repomd = format!(
        "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1763199891</revision>\n{entries}</repomd>\n"
    );
    files.insert("repodata/repomd.xml".to_owned(), repomd.into_bytes());
    files
}

/// A web server of files that may change, and a place for recipes.
struct World {
    place: tempfile::TempDir,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    server: Option<Server>,
}

impl World {
    fn new(key: &TestKey) -> World {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let served = files.clone();
        let server = Server::start(move |request| {
            let file = served.lock().unwrap().get(&request.path).cloned();
            file.map_or_else(|| status("404 Not Found", "", b""), |bytes| ok(&bytes))
        });
        let world = World { place: tempfile::tempdir().unwrap(), files, server: Some(server) };
        fs::write(world.path("key.gpg"), key.public()).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn url(&self, path: &str) -> String {
        self.server.as_ref().unwrap().url(path)
    }

    fn serve(&self, path: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }

    fn serve_all(&self, below: &str, files: &BTreeMap<String, Vec<u8>>) {
        files.iter().for_each(|(path, bytes)| self.serve(&format!("{below}/{path}"), bytes));
    }

    /// Paths asked of the server, each one once, sorted.
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<String> =
            self.server.as_ref().unwrap().requests().into_iter().map(|request| request.path).collect();
        asked.sort();
        asked.dedup();
        asked
    }

    fn recipe(&self, repository: &str, packages: &str) {
        let text = format!(
            "nodesmith: 1\nname: node\npackages: [e2fsprogs{packages}]\n\
             kernel: {{package: kernel-lt, line: \"6.12\"}}\nrepositories: {{el9: {{rpm: {{{repository}}}}}}}\n"
        );
        fs::write(self.path("node.yaml"), text).unwrap();
    }

    fn lock(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
        command.arg("lock").arg(self.path("node.yaml")).args(["--as-of", "2026-11-01", "--store"]);
        command.arg(self.path("store")).args(more);
        // Loopback is nothing for a proxy that this machine may have.
        command.env("NO_PROXY", "127.0.0.1").output().unwrap()
    }

    fn locked(&self, more: &[&str]) -> serde_json::Value {
        let output = self.lock(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(self.path("node.lock")).unwrap();
        fs::remove_file(self.path("node.lock")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The one error, which names these.
    fn refused(&self, words: &[&str]) {
        let output = self.lock(&[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("error")).count(), 1, "{text}");
        for word in words {
            assert!(text.contains(word), "`{word}` is not in: {text}");
        }
        assert!(!self.path("node.lock").exists());
    }
}

fn versions(lock: &serde_json::Value) -> Vec<String> {
    let text = |package: &serde_json::Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let packages = lock["packages"].as_array().unwrap().iter();
    packages.map(|package| format!("{} {}", text(package, "name"), text(package, "version"))).collect()
}

/// Who signed each package.
fn signers(lock: &serde_json::Value) -> Vec<Option<&str>> {
    let packages = lock["packages"].as_array().unwrap().iter();
    packages.map(|package| package.get("signer").map(|signer| signer.as_str().unwrap())).collect()
}

const LOCKED: [&str; 3] = ["e2fsprogs 1.47-1", "kernel-lt 6.12.9-1", "tool 1-1"];

fn metalink(world: &World, repomd: &[u8], mirrors: &[&str]) -> String {
    let url = |(index, mirror): (usize, &&str)| {
        format!("<url preference=\"{}\">{}/repodata/repomd.xml</url>", 100 - index, world.url(mirror))
    };
    format!(
        "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files><file name=\"repomd.xml\">\
         <size>{}</size><verification><hash type=\"sha256\">{}</hash></verification><resources>{}</resources>\
         </file></files></metalink>\n",
        repomd.len(),
        Digest::of(repomd),
        mirrors.iter().enumerate().map(url).collect::<String>()
    )
}

#[test]
fn a_metalink_finds_the_mirror_that_has_what_it_says_and_packages_come_from_any() {
    let key = TestKey::new(1);
    let mut world = World::new(&key);
    let files = repository(&NODE, "", &good(&key));
    let repomd = &files["repodata/repomd.xml"];
    // One that is gone, one with other contents, one that lost its packages, and a whole one.
    world.serve_all("/wrong", &repository(&NODE[..3], "", &good(&key)));
    let metadata = files.iter().filter(|(path, _)| path.starts_with("repodata/"));
    world.serve_all("/half", &metadata.map(|(path, bytes)| (path.clone(), bytes.clone())).collect());
    world.serve_all("/whole", &files);
    let link = metalink(&world, repomd, &["/gone", "/wrong", "/half", "/whole"]);
    world.serve("/metalink", link.as_bytes());
    let source = format!("metalink: \"{}\", key: key.gpg, fingerprint: {}", world.url("/metalink"), key.fingerprint());
    world.recipe(&source, "");
    let lock = world.locked(&[]);
    assert_eq!(versions(&lock), LOCKED);
    let repository = &lock["repositories"][0];
    assert_eq!(repository["mirror"], world.url("/metalink"));
    assert_eq!(repository["sha256"], Digest::of(repomd).to_string());
    assert_eq!(signers(&lock), [Some(key.fingerprint().as_str()); LOCKED.len()]);
    let asked = world.asked();
    let has = |path: &str| asked.iter().any(|other| other == path);
    assert!(has("/half/repodata/1") && has("/whole/Packages/tool-1-1.x86_64.rpm"), "{asked:?}");
    // What nobody vouches for is not followed.
    assert!(!has("/wrong/repodata/1") && !has("/whole/repodata/1"), "{asked:?}");

    world.serve("/metalink", metalink(&world, b"another", &["/half", "/whole"]).as_bytes());
    world.refused(&["repository el9", "none of 2 mirrors", "metalink lists [metalink-mismatch]"]);
    world.serve("/metalink", b"<html/>");
    world.refused(&["repository el9", "/metalink", "[not-metalink]"]);

    // Everything is there for a lock without a network.
    world.serve("/metalink", link.as_bytes());
    world.locked(&[]);
    world.server = None;
    assert_eq!(world.locked(&["--offline"]), lock);
}

#[test]
fn a_mirrorlist_is_tried_in_its_order() {
    let key = TestKey::new(1);
    let world = World::new(&key);
    world.serve_all("/second", &repository(&NODE, "", &good(&key)));
    let list = format!("# for el9\n{}\n{}/\nrsync://127.0.0.1/x\n", world.url("/first"), world.url("/second"));
    world.serve("/list?repo=BaseOS-9", list.as_bytes());
    let url = world.url("/list?repo=BaseOS-9");
    world.recipe(&format!("mirrorlist: \"{url}\", key: key.gpg, fingerprint: {}", key.fingerprint()), "");
    let lock = world.locked(&[]);
    assert_eq!(versions(&lock), LOCKED);
    assert_eq!(lock["repositories"][0]["mirror"], url);
    let asked = world.asked();
    assert!(
        asked
            .iter()
            .filter(|path| path.starts_with("/first"))
            .all(|path| path.contains("/Packages/") || path.ends_with("repomd.xml")),
        "{asked:?}"
    );
    let local = format!("file://{}\n", world.place.path().display());
    world.serve("/list?repo=BaseOS-9", local.as_bytes());
    world.refused(&["repository el9", "[no-mirror]"]);
    world.serve("/list?repo=BaseOS-9", b"Bad repo or arch\n");
    world.refused(&["repository el9", "line 1 is no URL: `Bad repo or arch` [bad-mirrorlist]"]);
}

#[test]
fn packages_may_lie_beside_the_repository_on_the_same_server() {
    let key = TestKey::new(1);
    let world = World::new(&key);
    let source = format!("key: key.gpg, fingerprint: {}", key.fingerprint());
    let serve = |place: &str| {
        let elsewhere = |primary: String| primary.replace("href=\"Packages/", &format!("href=\"{place}"));
        world.serve_all("/obs/el9", &told(&NODE, "", &good(&key), &elsewhere));
    };
    world.serve_all("/obs", &repository(&NODE, "", &good(&key)));
    world.recipe(&format!("url: \"{}\", {source}", world.url("/obs/el9")), "");
    serve("../Packages/");
    let lock = world.locked(&[]);
    assert_eq!(lock["packages"][0]["path"], "../Packages/e2fsprogs-1.47-1.x86_64.rpm");
    assert!(world.asked().contains(&"/obs/Packages/e2fsprogs-1.47-1.x86_64.rpm".to_owned()));
    let text = serde_json::to_string(&lock).unwrap();
    assert_eq!(nodesmith::lock::parse("node.lock", &text).unwrap().packages.len(), 3);
    serve("../../../Packages/");
    world.refused(&[
        "fetching e2fsprogs 1.47-1 from repository el9: ",
        "x86_64.rpm` leads out of the server [bad-path]",
    ]);
    // Of files on this machine only those below are the repository's.
    serve("../Packages/");
    for (path, bytes) in world.files.lock().unwrap().iter() {
        let path = world.place.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    world.recipe(&format!("url: \"file://obs/el9\", {source}"), "");
    world.refused(&["is not a plain relative one [bad-path]"]);
}

#[test]
fn an_index_that_gives_a_signed_package_another_version_is_refused() {
    let key = TestKey::new(1);
    let world = World::new(&key);
    let source = format!("key: key.gpg, fingerprint: {}", key.fingerprint());
    // Old and signed, and offered as the newest.
    let newer = |primary: String| primary.replace("ver=\"1.47\"", "ver=\"1.48\"");
    world.serve_all("/el9", &told(&NODE, "", &good(&key), &newer));
    world.recipe(&format!("url: \"{}\", {source}", world.url("/el9")), "");
    let other = "it is e2fsprogs 1.47-1 (x86_64), not e2fsprogs 1.48-1 (x86_64) [other-package]";
    world.refused(&["verifying e2fsprogs 1.48-1 from repository el9", other]);
    world.serve_all("/el9", &repository(&NODE, "", &good(&key)));
    assert_eq!(versions(&world.locked(&[])), LOCKED);
}

const MODULES: &str = "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: demo, stream: 1.10}\n...\n\
    ---\ndocument: modulemd\nversion: 2\ndata:\n  name: demo\n  stream: 1.10\n  artifacts:\n    rpms: [\"demo-0:1.10-1.x86_64\"]\n...\n\
    ---\ndocument: modulemd\nversion: 2\ndata:\n  name: demo\n  stream: \"2\"\n  artifacts:\n    rpms: [\"demo-0:2-1.x86_64\"]\n...\n";

#[test]
fn streams_of_modules_are_those_that_the_recipe_enables_else_the_defaults() {
    let key = TestKey::new(1);
    let world = World::new(&key);
    let packages: Vec<Spec<'_>> =
        NODE.into_iter().chain([("demo", "1.10", &[][..]), ("demo", "2", &[]), ("demo", "3", &[])]).collect();
    world.serve_all("/el9", &repository(&packages, MODULES, &good(&key)));
    let source = format!("url: \"{}\", key: key.gpg, fingerprint: {}", world.url("/el9"), key.fingerprint());
    let with = |modules: &str| world.recipe(&format!("{source}, modules: [{modules}]"), ", demo");
    with("");
    assert_eq!(versions(&world.locked(&[]))[0], "demo 1.10-1");
    with("\"demo:2\"");
    assert_eq!(versions(&world.locked(&[]))[0], "demo 2-1");
    with("\"demo:3\"");
    world.refused(&["[unknown-module]", "`demo:3`", "node.yaml:5:", "streams 1.10, 2"]);
}

#[test]
fn nothing_is_signed_only_where_the_recipe_says_so() {
    let key = TestKey::new(1);
    let world = World::new(&key);
    let files = repository(&NODE, "", &|_| None);
    for (path, bytes) in &files {
        let path = world.path("repo").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let keyed = format!("key: key.gpg, fingerprint: {}", key.fingerprint());
    world.recipe(&format!("url: \"file://repo\", {keyed}"), "");
    world.refused(&["verifying e2fsprogs 1.47-1 from repository el9", "not signed [no-signature]"]);
    world.recipe("url: \"file://repo\", signatures: none", "");
    let lock = world.locked(&[]);
    assert_eq!(versions(&lock), LOCKED);
    assert_eq!(signers(&lock), [None; LOCKED.len()]);
    world.recipe("directory: repo/Packages, signatures: none", "");
    assert_eq!(versions(&world.locked(&[])), LOCKED);
    // Unsigned packages of metadata that is signed.
    let metadata = format!("url: \"file://repo\", signatures: none, signed-metadata: true, {keyed}");
    world.recipe(&metadata, "");
    world.refused(&["repomd.xml.asc of repository el9"]);
    let signature = detached(&key, HashAlgorithm::Sha256, BORN + DAY, &files["repodata/repomd.xml"]);
    fs::write(world.path("repo/repodata/repomd.xml.asc"), signature).unwrap();
    assert_eq!(world.locked(&[])["repositories"][0]["signer"], key.fingerprint());
}

#[test]
fn packages_may_be_signed_by_any_of_the_pinned_keys() {
    let (old, new, stranger) = (TestKey::new(1), TestKey::new(2), TestKey::new(3));
    let world = World::new(&old);
    fs::write(world.path("new.gpg"), [stranger.public(), new.public()].concat()).unwrap();
    let sign = |data: &[u8]| {
        let kernel = data.windows(9).any(|window| window == b"kernel-lt");
        Some(detached(if kernel { &new } else { &old }, HashAlgorithm::Sha256, BORN + DAY, data))
    };
    world.serve_all("/el9", &repository(&NODE, "", &sign));
    world.serve("/new.gpg", &new.public());
    let list =
        |keys: &[&TestKey]| -> String { keys.iter().map(|key| key.fingerprint()).collect::<Vec<String>>().join(", ") };
    let with = |keys: &str, fingerprints: &str| {
        world.recipe(&format!("url: \"{}\", key: {keys}, fingerprint: {fingerprints}", world.url("/el9")), "");
    };
    with("[key.gpg, new.gpg]", &format!("[{}]", list(&[&new, &old])));
    let lock = world.locked(&[]);
    let signer = |name: &str| {
        let packages = lock["packages"].as_array().unwrap();
        packages.iter().find(|package| package["name"] == name).unwrap()["signer"].as_str().unwrap().to_owned()
    };
    assert_eq!([signer("kernel-lt"), signer("tool")], [new.fingerprint(), old.fingerprint()]);
    let url = world.url("/new.gpg");
    with(&format!("[key.gpg, \"{url}\"]"), &format!("[{}]", list(&[&old, &new])));
    assert_eq!(world.locked(&[])["inputs"], lock["inputs"], "where keys are, and their order, is not in the lock");

    // One of them is not enough, whichever way it is written, and a list of one is the same as the one.
    with("key.gpg", &list(&[&old]));
    world.refused(&["verifying kernel-lt 6.12.9-1", &new.fingerprint(), "[unknown-signer]"]);
    with("[key.gpg, new.gpg]", &format!("[{}, {}]", old.fingerprint(), TestKey::new(4).fingerprint()));
    world.refused(&["[key-not-pinned]", "node.yaml:5:", "other keys only"]);
    with("[key.gpg]", &format!("[{}]", list(&[&old, &new])));
    world.refused(&["[key-not-pinned]", "in none of the files", &new.fingerprint()]);
    with(&format!("[key.gpg, \"{url}\"]"), &format!("[{}]", list(&[&old, &stranger])));
    world.refused(&["has no key", &stranger.fingerprint()]);
    with("[]", &format!("[{}]", list(&[&old])));
    world.refused(&["[no-key]"]);
}

#[test]
fn signatures_have_to_count_on_the_day_of_the_lock() {
    let key = TestKey::new(1);
    // The lock is of 2026-11-01.
    let lock_day = 2496;
    let sign = |at: u32, lasts: Option<u32>| {
        let key = &key;
        move |data: &[u8]| {
            let lasts = lasts.map(|days| SubpacketData::SignatureExpirationTime(Duration::from_secs(days * DAY)));
            let more = lasts.into_iter().collect();
            let config = key.config(SignatureType::Binary, HashAlgorithm::Sha256, BORN + at * DAY, more);
            let signature = config.sign(&key.secret.primary_key, &Password::empty(), data).unwrap();
            Some(Packet::from(signature).to_bytes().unwrap())
        }
    };
    for (at, lasts, metadata, slug) in [
        (lock_day - 9, Some(9), false, "signature-expired"),
        (lock_day - 9, Some(9), true, "signature-expired"),
        (lock_day + 3, None, false, "signature-from-future"),
        (lock_day + 3, None, true, "signature-from-future"),
        (lock_day - 9, Some(10), true, ""),
        (lock_day + 1, None, true, ""),
    ] {
        let world = World::new(&key);
        // Of packages and metadata one is signed so, or both are.
        let sign = sign(at, lasts);
        let files = if metadata { repository(&NODE, "", &good(&key)) } else { repository(&NODE, "", &sign) };
        world.serve_all("/el9", &files);
        world.serve("/el9/repodata/repomd.xml.asc", &sign(&files["repodata/repomd.xml"]).unwrap());
        let source = format!("url: \"{}\", key: key.gpg, fingerprint: {}", world.url("/el9"), key.fingerprint());
        world.recipe(&format!("{source}, signed-metadata: {metadata}"), "");
        match slug {
            "" => assert_eq!(versions(&world.locked(&[])), LOCKED),
            _ => world.refused(&["repository el9", &format!("[{slug}]")]),
        }
    }
}

/// How a key and its signature are made, and what the recipe says besides.
struct Case {
    slug: &'static str,
    key: TestKey,
    hash: HashAlgorithm,
    /// Days after the key was made.
    day: u32,
    /// What makes the same package pass, if a word of the recipe does.
    forgiven: &'static str,
    good_day: u32,
}

fn revoked() -> TestKey {
    let mut key = TestKey::new(1);
    let config = key.config(SignatureType::KeyRevocation, HashAlgorithm::Sha512, BORN + 9 * DAY, Vec::new());
    let (primary, public) = (&key.secret.primary_key, key.secret.primary_key.public_key());
    let revocation = config.sign_key(primary, &Password::empty(), public).unwrap();
    key.secret.details.revocation_signatures.push(revocation);
    key
}

#[test]
fn every_refusal_of_a_signature_names_package_and_key_and_has_a_good_twin() {
    let rsa = || TestKey::of(3, KeyType::Rsa(2048), Some(true), None);
    let dsa = || TestKey::of(4, KeyType::Dsa(DsaKeySize::B1024), Some(true), None);
    let short_lived = || TestKey::of(1, KeyType::Ed25519Legacy, Some(true), Some(10));
    let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);
    let case = |slug, key, hash, day, forgiven, good_day| Case { slug, key, hash, day, forgiven, good_day };
    let cases = [
        case("weak-hash", rsa(), sha1, 1, ", weak: [sha1]", 1),
        case("weak-hash", rsa(), HashAlgorithm::Md5, 1, ", weak: [md5]", 1),
        case("weak-key", dsa(), sha256, 1, ", weak: [dsa1024]", 1),
        case("weak-hash", dsa(), sha1, 1, ", weak: [sha1, dsa1024]", 1),
        // It expired long before today: what counts is when it signed.
        case("key-expired", short_lived(), sha256, 11, "", 9),
        case("key-revoked", revoked(), sha256, 1, "", 0),
        case("key-cannot-sign", TestKey::of(1, KeyType::Ed25519Legacy, Some(false), None), sha256, 1, "", 0),
    ];
    for Case { slug, key, hash, day, forgiven, good_day } in cases {
        let world = World::new(&key);
        let write = |day: u32| {
            let sign = |data: &[u8]| Some(detached(&key, hash, BORN + day * DAY, data));
            world.serve_all("/el9", &repository(&NODE, "", &sign));
        };
        let source = format!("url: \"{}\", key: key.gpg, fingerprint: {}", world.url("/el9"), key.fingerprint());
        write(day);
        world.recipe(&source, "");
        let slug = format!("[{slug}]");
        world.refused(&["verifying e2fsprogs 1.47-1 from repository el9", &key.fingerprint(), &slug]);
        if good_day == 0 {
            // The same key before it said so.
            let twin = TestKey::new(1);
            assert_eq!(twin.fingerprint(), key.fingerprint());
            fs::write(world.path("key.gpg"), twin.public()).unwrap();
        } else {
            write(good_day);
        }
        world.recipe(&format!("{source}{forgiven}"), "");
        assert_eq!(versions(&world.locked(&[])), LOCKED, "{slug}");
    }
}

//! Repositories that are not to be believed: one clear error, exit code 2, and nothing written. Each is locked as well,
//! by the keyring or on the day on which there is nothing wrong with it.
//!
//! The repository is made and signed here, and served on the loopback interface.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nodesmith::tree::Digest;
use pgp::composed::KeyType;

use crate::testkey::TestKey;
use crate::testserver::{Server, ok, status};

/// A package, its version, and what else its stanza says.
pub(crate) type Stanza = (&'static str, &'static str, &'static str);

/// As much of a distribution as a lock needs: what the recipe names, what the build needs, and an essential package.
pub(crate) const PACKAGES: [Stanza; 4] = [
    ("base-files", "6.12-1", "Essential: yes\n"),
    ("e2fsprogs", "6.12-1", "Depends: base-files (>= 2)\n"),
    ("linux-image-cloud-amd64", "6.12-1", ""),
    ("systemd-boot-efi", "6.12-1", ""),
];
/// 2025-11-15 09:44:51 UTC.
const SIGNED_AT: i64 = 1_763_199_891;
const VALID_UNTIL: &str = "Valid-Until: Wed, 26 Nov 2025 09:44:51 UTC\n";

/// What is served below `/debian/dists/trixie/`.
fn repository(key: &TestKey, more: &str) -> BTreeMap<String, Vec<u8>> {
    suite(key, "trixie", &PACKAGES, more)
}

/// What is served below `dists/NAME/`.
pub(crate) fn suite(key: &TestKey, name: &str, packages: &[Stanza], more: &str) -> BTreeMap<String, Vec<u8>> {
    let stanza = |(package, version, more): &Stanza| {
        let digest = Digest::of(format!("{package} {version}"));
        format!(
            "Package: {package}\nVersion: {version}\nArchitecture: amd64\n{more}Filename: pool/{name}/{package}.deb\n\
             Size: 9\nSHA256: {digest}\n\n"
        )
    };
    let packages: String = packages.iter().map(stanza).collect();
    let release = format!(
        "Suite: stable\nCodename: {name}\nDate: Sat, 15 Nov 2025 09:44:51 UTC\n{more}Architectures: amd64\n\
         Components: main\nSHA256:\n {} {} main/binary-amd64/Packages\n",
        Digest::of(&packages),
        packages.len()
    );
    BTreeMap::from([
        ("InRelease".to_owned(), key.sign(&release, SIGNED_AT)),
        ("main/binary-amd64/Packages".to_owned(), packages.into_bytes()),
    ])
}

/// A repository as it is served, and a recipe that trusts one key.
struct World {
    place: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new(files: BTreeMap<String, Vec<u8>>, keyring: &TestKey) -> World {
        let server = Server::start(move |request| {
            let file = request.path.strip_prefix("/debian/dists/trixie/").and_then(|path| files.get(path));
            file.map_or_else(|| status("404 Not Found", "", b""), |bytes| ok(bytes))
        });
        let world = World { place: tempfile::tempdir().unwrap(), server };
        world.trust(keyring);
        let recipe = format!(
            "nodesmith: 1\nname: node\npackages: [e2fsprogs]\n\
             kernel: {{package: linux-image-cloud-amd64, line: \"6.12\"}}\n\
             repositories: {{test-archive: {{apt: {{mirror: \"{}\", suite: trixie, keyring: ring.gpg}}}}}}\n",
            world.server.url("/debian")
        );
        fs::write(world.path("node.yaml"), recipe).unwrap();
        world
    }

    fn trust(&self, keyring: &TestKey) {
        fs::write(self.path("ring.gpg"), keyring.public()).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }

    fn run(&self, verb: &str, as_of: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
        command.arg(verb).arg(self.path("node.yaml")).args(["--as-of", as_of, "--store"]).arg(self.path("store"));
        if verb == "build" {
            command.arg("--out").arg(self.path("out"));
        }
        // Loopback is nothing for a proxy that this machine may have.
        command.env("NO_PROXY", "127.0.0.1").output().unwrap()
    }

    /// `lock` and `build` both say why, name what `words` are, and leave nothing.
    fn assert_refused(&self, as_of: &str, words: &[&str]) {
        for verb in ["lock", "build"] {
            let output = self.run(verb, as_of);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{verb}: {text}");
            let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
            assert_eq!(errors.len(), 1, "{verb}: {text}");
            for word in ["repository test-archive", "InRelease"].iter().chain(words) {
                assert!(errors[0].contains(word), "{verb}: `{word}` is not in: {}", errors[0]);
            }
            assert!(output.stdout.is_empty());
            assert_eq!(names(self.place.path()), ["node.yaml", "ring.gpg", "store"], "{verb}");
        }
        // What nobody vouches for is not followed either.
        let asked: Vec<String> = self.server.requests().into_iter().map(|request| request.path).collect();
        assert!(!asked.is_empty() && asked.iter().all(|path| path.ends_with("/InRelease")), "{asked:?}");
    }

    fn assert_locked(&self, as_of: &str, signer: &TestKey) {
        let output = self.run("lock", as_of);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lock: serde_json::Value = serde_json::from_slice(&fs::read(self.path("node.lock")).unwrap()).unwrap();
        assert_eq!(lock["repositories"][0]["signer"], signer.fingerprint());
        assert_eq!(lock["packages"].as_array().unwrap().len(), 3);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_key_that_the_keyring_lacks_is_named() {
    let (ours, theirs) = (TestKey::new(1), TestKey::new(2));
    let world = World::new(repository(&theirs, VALID_UNTIL), &ours);
    world.assert_refused("2025-11-20", &[&theirs.fingerprint(), "ring.gpg", "[unknown-signer]"]);
    world.trust(&theirs);
    world.assert_locked("2025-11-20", &theirs);
}

#[test]
fn an_expired_key_is_named_with_the_day() {
    // 2161 days after its making, on 2025-12-01: it signed while it was good.
    let key = TestKey::of(1, KeyType::Ed25519Legacy, Some(true), Some(2161));
    let world = World::new(repository(&key, ""), &key);
    let day = "expired on 2025-12-01, before 2026-01-05";
    world.assert_refused("2026-01-05", &[&key.fingerprint(), day, "[key-expired]"]);
    world.assert_locked("2025-11-20", &key);
}

#[test]
fn a_repository_past_its_valid_until_is_named_with_the_day() {
    let key = TestKey::new(1);
    let world = World::new(repository(&key, VALID_UNTIL), &key);
    world.assert_refused(
        "2025-12-05",
        &["valid until 2025-11-26 only, before 2025-12-05", "[release-expired]; the mirror stands still"],
    );
    world.assert_locked("2025-11-20", &key);
}

#[test]
fn a_text_that_was_changed_after_it_was_signed_is_named_with_the_key() {
    let key = TestKey::new(1);
    let whole = repository(&key, VALID_UNTIL);
    let mut changed = whole.clone();
    let text = String::from_utf8(changed["InRelease"].clone()).unwrap().replace("Nov 2025", "Nov 2035");
    changed.insert("InRelease".to_owned(), text.into_bytes());
    World::new(changed, &key).assert_refused("2025-11-20", &[&key.fingerprint(), "[bad-signature]"]);
    World::new(whole, &key).assert_locked("2025-11-20", &key);
}

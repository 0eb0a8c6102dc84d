//! Suites of one distribution, on mirrors of two archives: of a package that several suites have, the newest version is
//! locked, and a mirror without a suite is one clear error.
//!
//! They are made and signed here, and served on the loopback interface.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use crate::signatures::{PACKAGES, Stanza, suite};
use crate::testkey::TestKey;
use crate::testserver::{Server, ok, status};

/// What the suites have, by the path of their archive and their name: versions `6.12-1`, `…+deb13u1`, `…+deb13u2`.
fn served(key: &TestKey) -> BTreeMap<String, Vec<u8>> {
    let updates = [("base-files", "6.12-1+deb13u2", "Essential: yes\n"), ("e2fsprogs", "6.12-1+deb13u1", "")];
    let security = [
        ("base-files", "6.12-1+deb13u1", "Essential: yes\n"),
        ("e2fsprogs", "6.12-1+deb13u2", "Depends: base-files (>= 2)\n"),
        // A point release has taken it over, and it is still here.
        ("linux-image-cloud-amd64", "6.12-1", ""),
    ];
    let suites: [(&str, &str, &[Stanza]); 3] = [
        ("debian", "trixie", &PACKAGES),
        ("debian", "trixie-updates", &updates),
        ("debian-security", "trixie-security", &security),
    ];
    let mut files = BTreeMap::new();
    for (archive, name, packages) in suites {
        for (path, bytes) in suite(key, name, packages, "") {
            files.insert(format!("/{archive}/dists/{name}/{path}"), bytes);
        }
    }
    files
}

/// `nodesmith lock` of a recipe with these repositories: name, archive, suite. The lock, if there is one.
fn locked(repositories: &[(&str, &str, &str)]) -> (Output, serde_json::Value) {
    let key = TestKey::new(1);
    let files = served(&key);
    let server = Server::start(move |request| {
        files.get(&request.path).map_or_else(|| status("404 Not Found", "", b""), |bytes| ok(bytes))
    });
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("ring.gpg"), key.public()).unwrap();
    let mut recipe = "nodesmith: 1\nname: node\npackages: [e2fsprogs]\n\
                      kernel: {package: linux-image-cloud-amd64, line: \"6.12\"}\nrepositories:\n"
        .to_owned();
    for (name, archive, suite) in repositories {
        let mirror = server.url(archive);
        recipe.push_str(&format!("  {name}: {{apt: {{mirror: \"{mirror}\", suite: {suite}, keyring: ring.gpg}}}}\n"));
    }
    fs::write(place.path().join("node.yaml"), recipe).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
    command.arg("lock").arg(place.path().join("node.yaml")).args(["--as-of", "2025-11-20", "--store"]);
    let output = command.arg(place.path().join("store")).env("NO_PROXY", "127.0.0.1").output().unwrap();
    let lock = fs::read(place.path().join("node.lock")).ok();
    (output, lock.map_or(serde_json::Value::Null, |lock| serde_json::from_slice(&lock).unwrap()))
}

#[test]
fn the_newest_version_is_locked_whichever_suite_has_it() {
    let mut repositories = [
        ("debian", "/debian", "trixie"),
        ("debian-updates", "/debian", "trixie-updates"),
        ("debian-security", "/debian-security", "trixie-security"),
    ];
    let expected = [
        "base-files 6.12-1+deb13u2 debian-updates pool/trixie-updates/base-files.deb",
        "e2fsprogs 6.12-1+deb13u2 debian-security pool/trixie-security/e2fsprogs.deb",
        "linux-image-cloud-amd64 6.12-1 debian pool/trixie/linux-image-cloud-amd64.deb",
    ];
    let mut locks = Vec::new();
    // In whatever order the recipe names them.
    for _ in 0..2 {
        let (output, lock) = locked(&repositories);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let word = |package: &serde_json::Value, key: &str| package[key].as_str().unwrap().to_owned();
        let line = |package| ["name", "version", "repository", "path"].map(|key| word(package, key)).join(" ");
        let packages: Vec<String> = lock["packages"].as_array().unwrap().iter().map(line).collect();
        assert_eq!(packages, expected);
        let suites: Vec<String> =
            lock["repositories"].as_array().unwrap().iter().map(|repository| word(repository, "suite")).collect();
        assert_eq!(suites, ["trixie", "trixie-security", "trixie-updates"]);
        locks.push(lock["packages"].clone());
        repositories.reverse();
    }
    assert_eq!(locks[0], locks[1]);
}

#[test]
fn a_mirror_without_the_suite_is_told_with_what_to_write() {
    for (suite, words) in [
        ("trixie-backports", "so this archive has no suite `trixie-backports`"),
        (
            "trixie-security",
            "Debian has its security suites in an archive of their own, and this mirror is none of it: write \
             `mirror: https://security.debian.org/debian-security`, or your own mirror of it; `suite: trixie` does \
             without its fixes",
        ),
    ] {
        let (output, lock) = locked(&[("debian", "/debian", "trixie"), ("more", "/debian", suite)]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &lock), (Some(2), &serde_json::Value::Null), "{text}");
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{text}");
        for word in ["reading repository more: ", &format!("/debian/dists/{suite}/InRelease: "), "404 Not Found", words]
        {
            assert!(errors[0].contains(word), "`{word}` is not in: {}", errors[0]);
        }
    }
}

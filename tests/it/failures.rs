//! What a build says, and leaves, when the world is not as it should be: one clear error each, exit code 2, no output.
//!
//! The mirror is a directory made from what the reference build has fetched, the signed indexes of all suites and the
//! packages, so that signatures and digests are real, and each test spoils one thing in a copy of what it needs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use nodesmith::store::Store;
use nodesmith::tree::Digest;

use crate::build::REFERENCE;
use crate::mirror::{Suite, suites};
use crate::support::skip;
use crate::testkey::TestKey;

/// The package that the tests spoil: small, and in every node.
const VICTIM: &str = "kmod";

/// A directory with an archive for each suite, by the name of its repository.
static MIRROR: LazyLock<PathBuf> = LazyLock::new(|| {
    let mirror = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build/mirror");
    let _ = fs::remove_dir_all(&mirror);
    let store = Store::open(&REFERENCE.store).unwrap();
    let put = |path: PathBuf, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for suite in suites().unwrap() {
        // As the lock saw it: the real mirror may have changed since.
        let in_release = suite.in_release(&store, true).unwrap();
        let dists = mirror.join(&suite.name).join("dists").join(&suite.apt.suite);
        let index = "main/binary-amd64/Packages.xz";
        let listed =
            in_release.lines().find_map(|line| Digest::parse(line.strip_suffix(index)?.split_whitespace().next()?));
        put(dists.join(index), &fs::read(store.blob_path(&listed.unwrap())).unwrap());
        put(dists.join("InRelease"), in_release.as_bytes());
    }
    for package in packages() {
        let digest = Digest::parse(package["sha256"].as_str().unwrap()).unwrap();
        // What the recipe drops was never fetched, and will not be asked for.
        if let Ok(deb) = fs::read(store.blob_path(&digest)) {
            put(place_of(&mirror, &package), &deb);
        }
    }
    mirror
});

/// Where a package of the lock lies below the mirror.
fn place_of(mirror: &Path, package: &serde_json::Value) -> PathBuf {
    mirror.join(package["repository"].as_str().unwrap()).join(package["path"].as_str().unwrap())
}

fn packages() -> Vec<serde_json::Value> {
    let lock: serde_json::Value = serde_json::from_slice(&fs::read(&REFERENCE.lock).unwrap()).unwrap();
    let list = |name: &str| lock[name].as_array().unwrap().clone();
    [list("packages"), list("tools")].concat()
}

fn victim() -> serde_json::Value {
    packages().into_iter().find(|package| package["name"] == VICTIM).unwrap()
}

/// The quickstart recipe in `place`, with these mirrors and this keyring for its suites.
fn recipe(place: &Path, mirror: impl Fn(&Suite) -> String, keyring: &str) -> PathBuf {
    let recipe = place.join("quickstart.yaml");
    let base = fs::canonicalize("tests/recipes/quickstart.yaml").unwrap();
    let mut text = format!("extends: [{}]\nrepositories:\n", base.display());
    for suite in suites().unwrap() {
        let (name, mirror) = (&suite.name, mirror(&suite));
        text.push_str(&format!("  {name}: {{apt: {{mirror: \"{mirror}\", keyring: {keyring}}}}}\n"));
    }
    fs::write(&recipe, text).unwrap();
    recipe
}

/// A build with an empty store, on the day of the mirror.
fn build(place: &Path, recipe: &Path, out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nodesmith"))
        .arg("build")
        .arg(recipe)
        .arg("--out")
        .arg(out)
        .arg("--store")
        .arg(place.join("store"))
        .args(["--as-of", &REFERENCE.day])
        .output()
        .unwrap()
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

fn assert_fails(output: &Output, out: &Path, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    for word in words {
        assert!(errors[0].contains(word), "`{word}` is not in: {}", errors[0]);
    }
    let left: Vec<_> =
        fs::read_dir(out).map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect()).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
}

/// Spoils the mirror, builds, and mends it. One test, because the mirror is one.
#[test]
fn spoiled_packages_and_foreign_keys_are_one_clear_error_each() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let build = |keyring: &str| {
        let mirror = |suite: &Suite| format!("file://{}", MIRROR.join(&suite.name).display());
        build(place.path(), &recipe(place.path(), mirror, keyring), &out)
    };
    let victim = victim();
    let path = place_of(&MIRROR, &victim);
    let repository = format!("repository {}", victim["repository"].as_str().unwrap());
    let whole = fs::read(&path).unwrap();

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_fails(&build(KEYRING), &out, &[VICTIM, &repository]);

    // In the half that the interrupted download does not have yet.
    let late = u64::try_from(whole.len()).unwrap() - 1000;
    let flipped = whole[whole.len() - 1000] ^ 1;
    fs::write(&path, &whole).unwrap();
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&[flipped], late).unwrap();
    assert_fails(&build(KEYRING), &out, &[VICTIM, &repository]);

    fs::remove_file(&path).unwrap();
    assert_fails(&build(KEYRING), &out, &[VICTIM, &repository, "nodesmith lock --update"]);

    fs::write(&path, &whole).unwrap();
    let _ = fs::remove_file(place.path().join("quickstart.lock"));
    fs::write(place.path().join("foreign.gpg"), TestKey::new(1).public()).unwrap();
    assert_fails(&build("foreign.gpg"), &out, &["InRelease", "foreign.gpg"]);

    let output = build(KEYRING);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_mirror_that_is_gone_is_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    // Nothing listens on port 9 of this machine.
    let recipe = recipe(place.path(), |_| "http://127.0.0.1:9/debian".to_owned(), KEYRING);
    let output = Command::new(env!("CARGO_BIN_EXE_nodesmith"))
        .arg("build")
        .arg(&recipe)
        .args(["--as-of", "2026-11-01", "--out"])
        .arg(&out)
        .arg("--store")
        .arg(place.path().join("store"))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    assert_fails(&output, &out, &["InRelease", "127.0.0.1:9"]);
}

#[test]
fn a_full_disk_is_one_clear_error() {
    let reference = &*REFERENCE;
    let place = tempfile::tempdir().unwrap();
    let small = place.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"]).arg(&small).status().unwrap();
    if !mounted.success() {
        return skip("mounting a small disk needs root");
    }
    let out = small.join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_nodesmith"))
        .args(["build", "recipes/quickstart.yaml", "--locked", "--offline", "--out"])
        .arg(&out)
        .arg("--store")
        .arg(&reference.store)
        .arg("--lock")
        .arg(&reference.lock)
        .output()
        .unwrap();
    let unmounted = Command::new("umount").arg("-l").arg(&small).status().unwrap();
    assert!(unmounted.success());
    assert_fails(&output, &out, &["No space left on device"]);
}

//! What a build says, and leaves, when the world is not as it should be: one clear error each, exit code 2, no output.
//!
//! The mirror is a directory made from the real one's signed index and the packages of the reference build, so that
//! signatures and digests are real, and each test spoils one thing in a copy of what it needs.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use nodesmith::repo::fetch::{Fetcher, Network, below};
use nodesmith::repo::host;
use nodesmith::repo::store::Store;
use nodesmith::tree::Digest;

use crate::build::REFERENCE;
use crate::support::skip;

/// The package that the tests spoil: small, and in every node.
const VICTIM: &str = "kmod";

static MIRROR: LazyLock<PathBuf> = LazyLock::new(|| {
    let mirror = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build/mirror");
    let _ = fs::remove_dir_all(&mirror);
    let store = Store::open(&REFERENCE.store).unwrap();
    let host = host::debian_mirror("trixie").unwrap();
    let fetcher = Fetcher::new(&store, Network { proxy: host.proxy, ..Network::default() });
    let put = |path: &str, bytes: &[u8]| {
        let path = mirror.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for path in ["dists/trixie/InRelease", "dists/trixie/main/binary-amd64/Packages.xz"] {
        put(path, &fetcher.text(path, &below(&host.url, path).unwrap(), 64 << 20, &()).unwrap());
    }
    for package in packages() {
        let digest = Digest::parse(package["sha256"].as_str().unwrap()).unwrap();
        // What the recipe drops was never fetched, and will not be asked for.
        if let Ok(deb) = fs::read(store.blob_path(&digest)) {
            put(package["path"].as_str().unwrap(), &deb);
        }
    }
    mirror
});

fn packages() -> Vec<serde_json::Value> {
    let lock: serde_json::Value = serde_json::from_slice(&fs::read(&REFERENCE.lock).unwrap()).unwrap();
    let list = |name: &str| lock[name].as_array().unwrap().clone();
    [list("packages"), list("tools")].concat()
}

fn victim() -> PathBuf {
    let path = packages().into_iter().find(|package| package["name"] == VICTIM).unwrap();
    MIRROR.join(path["path"].as_str().unwrap())
}

/// A build from the mirror with an empty store.
fn build(place: &Path, keyring: &str, out: &Path) -> Output {
    let recipe = place.join("quickstart.yaml");
    let base = fs::canonicalize("recipes/quickstart.yaml").unwrap();
    let text = format!(
        "extends: [{}]\nrepositories: {{debian: {{apt: {{mirror: \"file://{}\", keyring: {keyring}}}}}}}\n",
        base.display(),
        MIRROR.display()
    );
    fs::write(&recipe, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_nodesmith"))
        .arg("build")
        .arg(&recipe)
        .arg("--out")
        .arg(out)
        .arg("--store")
        .arg(place.join("store"))
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
    let path = victim();
    let whole = fs::read(&path).unwrap();

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_fails(&build(place.path(), KEYRING, &out), &out, &[VICTIM, "repository debian"]);

    // In the half that the interrupted download does not have yet.
    let late = u64::try_from(whole.len()).unwrap() - 1000;
    let flipped = whole[whole.len() - 1000] ^ 1;
    fs::write(&path, &whole).unwrap();
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&[flipped], late).unwrap();
    assert_fails(&build(place.path(), KEYRING, &out), &out, &[VICTIM, "repository debian"]);

    fs::remove_file(&path).unwrap();
    assert_fails(&build(place.path(), KEYRING, &out), &out, &[VICTIM, "repository debian", "nodesmith lock --update"]);

    fs::write(&path, &whole).unwrap();
    let _ = fs::remove_file(place.path().join("quickstart.lock"));
    let foreign = "/usr/share/keyrings/debian-archive-removed-keys.gpg";
    assert_fails(&build(place.path(), foreign, &out), &out, &["InRelease", "debian-archive-removed-keys"]);

    let output = build(place.path(), KEYRING, &out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_mirror_that_is_gone_is_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let recipe = place.path().join("quickstart.yaml");
    let base = fs::canonicalize("recipes/quickstart.yaml").unwrap();
    // Nothing listens on port 9 of this machine.
    let text = format!(
        "extends: [{}]\nrepositories: {{debian: {{apt: {{mirror: \"http://127.0.0.1:9/debian\", keyring: {KEYRING}}}}}}}\n",
        base.display()
    );
    fs::write(&recipe, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_nodesmith"))
        .arg("build")
        .arg(&recipe)
        .arg("--out")
        .arg(&out)
        .arg("--store")
        .arg(place.path().join("store"))
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

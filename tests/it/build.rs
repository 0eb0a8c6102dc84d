//! `nodesmith build` as a program: what it needs, what it leaves, and what it says when the world is not as it should be.
//!
//! The packages come from the mirror that this machine's apt uses, once, with a lock of this run; after that every build
//! here is offline.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use nodesmith::store::Store;
use nodesmith::tree::Digest;

use crate::mirror;
use crate::support::oracle;

/// A finished build of quickstart, its store, its lock, and the day on which that was made.
pub(crate) struct Reference {
    pub(crate) out: PathBuf,
    pub(crate) store: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) day: String,
}

pub(crate) static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build");
    fs::create_dir_all(&place).unwrap();
    let store = place.join("store");
    let day = mirror::day(&Store::open(&store).unwrap()).unwrap().to_string();
    let reference = Reference { out: place.join("reference"), store, lock: place.join("quickstart.lock"), day };
    let _ = fs::remove_dir_all(&reference.out);
    // The mirror may not have any more what an earlier run locked.
    let _ = fs::remove_file(&reference.lock);
    let output = nodesmith("tests/recipes/quickstart.yaml", &reference.out, &reference.store, &reference.lock)
        .args(["--as-of", &reference.day])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    reference
});

pub(crate) fn nodesmith(recipe: &str, out: &Path, store: &Path, lock: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
    command.arg("build").arg(recipe).arg("--out").arg(out).arg("--store").arg(store).arg("--lock").arg(lock);
    command.arg("--store-key").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("build/store-key"));
    command
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn sums(out: &Path) -> String {
    fs::read_to_string(out.join("SHA256SUMS")).unwrap()
}

fn assert_sums_hold(out: &Path) {
    let output =
        Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_promised_file_comes_out_and_sha256sums_holds() {
    let reference = &*REFERENCE;
    for ending in ["raw", "qcow2", "vmlinuz", "initrd", "cmdline", "efi", "manifest.json"] {
        let path = reference.out.join(format!("quickstart.{ending}"));
        assert!(fs::metadata(&path).unwrap().len() > 0, "{}", path.display());
        assert!(sums(&reference.out).contains(&format!("  quickstart.{ending}\n")), "{ending}");
    }
    assert_sums_hold(&reference.out);
    let initrd = fs::metadata(reference.out.join("quickstart.initrd")).unwrap().len();
    assert!(initrd <= 8 << 20, "the initrd has {initrd} bytes");
    let names: Vec<_> = fs::read_dir(&reference.out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("unfinished")), "{names:?}");
}

/// Another user, place, umask, time zone, locale, number of threads and an empty cache; and nothing that needs rights.
#[test]
fn a_confined_build_by_nobody_gives_the_same_bytes() {
    let reference = &*REFERENCE;
    let Some(python) = oracle("python3") else { return };
    let sandbox = fs::canonicalize("tests/it/sandbox.py").unwrap();
    let control =
        Command::new(&python).arg(&sandbox).arg("/bin/true").env("SANDBOX_CONTROL", "unshare").output().unwrap();
    assert_eq!(control.status.signal(), Some(31), "a child that calls unshare must die of SIGSYS: {}", text(&control));

    let place = tempfile::Builder::new().prefix("nodesmith-elsewhere-").tempdir().unwrap();
    let script = r#"
        set -e
        cp -r "$SOURCE/recipes" recipes
        cp "$LOCK" lock
        cp "$NODESMITH" nodesmith
        mkdir store
        cp -r "$STORE/blobs" store/blobs
        chown -R 65534:65534 .
        chmod 755 .
        umask 077
        exec "$PYTHON" "$SANDBOX" ./nodesmith build recipes/quickstart.yaml --out out --store store --lock lock --locked --offline --threads 1
    "#;
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(place.path())
        .env("SOURCE", env!("CARGO_MANIFEST_DIR"))
        .env("NODESMITH", env!("CARGO_BIN_EXE_nodesmith"))
        .env("LOCK", &reference.lock)
        .env("STORE", &reference.store)
        .env("PYTHON", python)
        .env("SANDBOX", sandbox)
        .env("TZ", "Pacific/Auckland")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("SOURCE_DATE_EPOCH", "1")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output));
    assert_eq!(sums(&place.path().join("out")), sums(&reference.out));
}

#[test]
fn a_killed_build_leaves_no_half_output_and_the_next_one_is_right() {
    let reference = &*REFERENCE;
    let (out, store) = copied_store("killed");
    // The cached work goes, so that every stage is there to be killed in.
    let _ = fs::remove_dir_all(store.join("derived"));
    // A fixed sequence of moments, spread over a build by a multiplicative step.
    let mut killed = 0;
    for moment in (0..20_u64).map(|index| 40 + index * 7919 % 4001) {
        let mut child = nodesmith("recipes/quickstart.yaml", &out, &store, &reference.lock)
            .args(["--locked", "--offline"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().signal() == Some(9));
        if out.join("SHA256SUMS").exists() {
            assert_sums_hold(&out);
        }
    }
    assert!(killed >= 5, "only {killed} builds were killed before their end");
    assert_gives_the_same_bytes(&out, &store);
}

/// A place for outputs, and a copy of the reference's store.
fn copied_store(name: &str) -> (PathBuf, PathBuf) {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build");
    let (out, store) = (place.join(name), place.join(format!("{name}-store")));
    let _ = fs::remove_dir_all(&out);
    let _ = fs::remove_dir_all(&store);
    assert!(Command::new("cp").arg("-r").arg(&REFERENCE.store).arg(&store).status().unwrap().success());
    (out, store)
}

/// From this store, which is removed then.
fn assert_gives_the_same_bytes(out: &Path, store: &Path) {
    let output = nodesmith("recipes/quickstart.yaml", out, store, &REFERENCE.lock)
        .args(["--locked", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(sums(out), sums(&REFERENCE.out));
    fs::remove_dir_all(store).unwrap();
    fs::remove_dir_all(out).unwrap();
}

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A cache that another job filled: bytes of its own, with the checksums that they should have.
#[test]
fn what_somebody_else_puts_into_the_store_is_in_no_image() {
    let (out, store) = copied_store("poisoned");
    let derived = files(&store.join("derived"));
    assert!(derived.len() > 100, "{} derived files", derived.len());
    for path in &derived {
        let mut bytes = fs::read(path).unwrap();
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let mut payload = bytes.split_off(line + 1);
        let middle = payload.len() / 2;
        payload[middle] ^= 1;
        let magic = String::from_utf8(bytes).unwrap();
        let header = format!("{} {}\n", magic.trim_end().rsplit_once(' ').unwrap().0, Digest::of(&payload));
        fs::write(path, [header.as_bytes(), &payload].concat()).unwrap();
    }
    assert_gives_the_same_bytes(&out, &store);
}

//! Builds each image once a run, and runs one guest at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Seconds that a guest may take: about five times what an idle machine needs.
const TIME_LIMIT: &str = "600";

/// Directory of this run's images, logs and store, below cargo's target directory.
pub(crate) fn place() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("boot");
    fs::create_dir_all(&place).unwrap();
    place
}

pub(crate) fn nodesmith() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nodesmith"))
}

/// `tests/boot/recipes/NAME.yaml`, built; the path of its outputs without an extension.
pub(crate) fn image(name: &str) -> PathBuf {
    static BUILT: LazyLock<Mutex<BTreeMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry(name.to_owned())
        .or_insert_with(|| build(Path::new(&format!("tests/boot/recipes/{name}.yaml")), name))
        .clone()
}

/// Builds a recipe into a directory of its own. All recipes here ask for the same packages and share one lock.
pub(crate) fn build(recipe: &Path, name: &str) -> PathBuf {
    let out = place().join(name);
    let output = nodesmith()
        .arg("build")
        .arg(recipe)
        .args(["--out".as_ref(), out.as_os_str(), "--store".as_ref(), place().join("store").as_os_str()])
        .args(["--lock".as_ref(), place().join("check.lock").as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "building {}:\n{}", recipe.display(), String::from_utf8_lossy(&output.stderr));
    out.join(name)
}

/// How a guest ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    /// The verdict's message: the names of the failed checks.
    pub(crate) message: String,
    pub(crate) events: Vec<serde_json::Value>,
    pub(crate) serial: String,
}

impl Run {
    /// The end of the console, for a failing assertion.
    pub(crate) fn console(&self) -> String {
        let lines: Vec<&str> = self.serial.lines().collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }
}

/// Held while a guest runs.
pub(crate) fn one_guest() -> MutexGuard<'static, ()> {
    static ONE_GUEST: Mutex<()> = Mutex::new(());
    ONE_GUEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Boots an image until its verdict.
pub(crate) fn boot(name: &str, image: &Path, seed: &str, arguments: &[&str]) -> Run {
    let _guest = one_guest();
    let serial = place().join(format!("{name}.serial.log"));
    let output = nodesmith()
        .arg("boot")
        .arg(image)
        .args(["--until", "verdict", "--accel", "tcg", "--json", "--time-limit", TIME_LIMIT, "--reboots", "1"])
        .args(["--seed".as_ref(), Path::new("tests/boot/seeds").join(seed).as_os_str()])
        .args(["--serial-log".as_ref(), serial.as_os_str()])
        .args(arguments)
        .output()
        .unwrap();
    let events: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("each event is one line of JSON"))
        .collect();
    let verdict = events.iter().rfind(|event| event["report"]["verdict"].is_u64());
    Run {
        code: output.status.code(),
        message: verdict.and_then(|event| event["report"]["message"].as_str()).unwrap_or_default().to_owned(),
        serial: String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned(),
        events,
    }
}

//! Builds each image once a run, and gives the guests their turns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use nodesmith::store::Store;
use serde_json::Value;

use crate::mirror;

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
        .or_insert_with(|| build(Path::new(&format!("tests/boot/recipes/{name}.yaml")), name, "check.lock"))
        .clone()
}

/// Builds a recipe into a directory of its own. Recipes that ask for the same packages share a lock. Dates are judged by
/// the day of the Debian mirror.
pub(crate) fn build(recipe: &Path, name: &str, lock: &str) -> PathBuf {
    static DAY: LazyLock<String> = LazyLock::new(|| {
        let store = Store::open(&place().join("store")).unwrap();
        mirror::day(&store).unwrap().to_string()
    });
    build_as_of(&DAY, recipe, name, lock)
}

/// The same on a day of the test's.
pub(crate) fn build_as_of(day: &str, recipe: &Path, name: &str, lock: &str) -> PathBuf {
    static LOCKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let out = place().join(name);
    // A mirror may not have any more what an earlier run locked.
    if LOCKED.lock().unwrap_or_else(PoisonError::into_inner).insert(lock.to_owned()) {
        let _ = fs::remove_file(place().join(lock));
    }
    let output = nodesmith()
        .arg("build")
        .arg(recipe)
        .args(["--out".as_ref(), out.as_os_str(), "--store".as_ref(), place().join("store").as_os_str()])
        .args(["--lock".as_ref(), place().join(lock).as_os_str()])
        .args(["--as-of", day])
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
    pub(crate) events: Vec<Value>,
    pub(crate) serial: String,
}

impl Run {
    /// The end of the console, for a failing assertion.
    pub(crate) fn console(&self) -> String {
        let lines: Vec<&str> = self.serial.lines().collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }
}

/// Guests that run at a time: an emulated machine keeps little more than one core busy.
const GUESTS: usize = 2;

/// Held while a guest runs; prints at its end how long that was, so that a log shows where the time goes.
pub(crate) struct Turn {
    turns: usize,
    start: Instant,
}

static FREE: (Mutex<usize>, Condvar) = (Mutex::new(GUESTS), Condvar::new());

impl Turn {
    fn after_waiting_for(turns: usize) -> Turn {
        let (free, freed) = &FREE;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        *freed.wait_while(free, |free| *free < turns).unwrap_or_else(PoisonError::into_inner) -= turns;
        Turn { turns, start: Instant::now() }
    }
}

impl Drop for Turn {
    #[expect(clippy::print_stdout, reason = "the tests' log is where it is looked for")]
    fn drop(&mut self) {
        println!("guests: {} s", self.start.elapsed().as_secs());
        let (free, freed) = &FREE;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += self.turns;
        freed.notify_all();
    }
}

pub(crate) fn a_guest() -> Turn {
    Turn::after_waiting_for(1)
}

/// For a guest beside which this machine has work of its own.
pub(crate) fn the_only_guest() -> Turn {
    Turn::after_waiting_for(GUESTS)
}

/// Boots an image until its verdict. `seed` is a directory of `tests/boot/seeds`, or the path of a volume.
pub(crate) fn boot(name: &str, image: &Path, seed: impl AsRef<Path>, arguments: &[&str]) -> Run {
    let _guest = a_guest();
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
    let events = events(&output);
    let verdict = events.iter().rfind(|event| event["report"]["verdict"].is_u64());
    Run {
        code: output.status.code(),
        message: verdict.and_then(|event| event["report"]["message"].as_str()).unwrap_or_default().to_owned(),
        serial: String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned(),
        events,
    }
}

/// The events of `nodesmith boot --json` with the fields that its help gives each.
pub(crate) const EVENTS: [(&str, &[&str]); 5] = [
    ("started", &["accelerator", "disk_bytes", "firmware"]),
    ("report", &["report"]),
    ("reset", &["count"]),
    ("stopping", &["reason"]),
    ("ended", &["code", "seconds", "verdict"]),
];

/// What a run printed: lines of JSON, each an event with exactly its fields, from `started` to `ended`.
pub(crate) fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each event is one line of JSON")).collect();
    for event in &events {
        let kind = EVENTS.iter().find(|(kind, _)| event["event"] == *kind);
        let (_, fields) = kind.unwrap_or_else(|| panic!("an event that nobody documents: {event}"));
        let found: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            found.iter().filter(|name| **name != "event").collect::<Vec<_>>(),
            fields.iter().collect::<Vec<_>>()
        );
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let [first, .., last] = &events[..] else { panic!("no events: {text}{complaint}") };
    assert_eq!((&first["event"], &last["event"]), (&"started".into(), &"ended".into()), "{text}{complaint}");
    assert_eq!(last["code"].as_i64(), output.status.code().map(i64::from), "{text}{complaint}");
    events
}

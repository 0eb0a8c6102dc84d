//! Runs every fuzz target over its corpus, and over small changes of it that are the same in every run.
//!
//! libFuzzer finds inputs (`ci/fuzz`); this keeps what it found fixed, on a stable toolchain.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use targets::{TARGETS, Target};

const CORPUS: &str = "tests/fuzz/corpus";
/// For one input of a few KiB on a busy machine in a debug build; what hangs takes for ever.
const TIME_MAX: Duration = Duration::from_secs(30);

fn files(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(CORPUS).join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs `input`; when it fails, leaves it in a file and says where.
fn run((name, target): Target, input: &[u8], what: &str) -> Result<(), String> {
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let problem = match outcome {
        Err(_) => "panics",
        Ok(()) if start.elapsed() > TIME_MAX => "takes too long",
        Ok(()) => return Ok(()),
    };
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{}", what.replace(['/', ' '], "-")));
    fs::write(&kept, input).unwrap();
    Err(format!("{name} {problem} with {what}: {}", kept.display()))
}

/// A generator of numbers (xorshift) that every run starts alike.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).unwrap() % limit.max(1)
    }
}

/// One to three of: a flipped bit, another byte, an end, a part missing or twice, a number blown up, binary or decimal.
fn mutated(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(8) {
            _ if bytes.is_empty() => bytes.push(u8::try_from(dice.below(256)).unwrap()),
            0 | 1 => bytes[at] ^= 1 << dice.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b'9'][dice.below(8)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => bytes.splice(at..at, input[at.min(input.len())..end.min(input.len())].to_vec()).for_each(drop),
            6 => {
                let width = [2, 4, 8][dice.below(3)].min(bytes.len() - at);
                bytes[at..at + width].fill([0xff, 0x7f, 0][dice.below(3)]);
            }
            _ => {
                let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                bytes[at..at + digits].fill(b'9');
            }
        }
    }
    bytes
}

/// Works through all targets, a thread for each processor, and reports everything that failed.
fn over_the_corpus(each: impl Fn(Target, &Path, &[u8]) -> Result<(), String> + Sync) {
    let work: Vec<_> =
        TARGETS.iter().flat_map(|target| files(target.0).into_iter().map(|file| (*target, file))).collect();
    let (next, failed) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((target, file)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = each(*target, file, &fs::read(file).unwrap());
                    failed.lock().unwrap().extend(outcome.err());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_file_of_the_fuzz_corpus_does_no_harm() {
    over_the_corpus(|target, file, bytes| run(target, bytes, &file.file_name().unwrap().to_string_lossy()));
}

#[test]
fn changes_of_the_fuzz_corpus_do_no_harm() {
    let rounds = if std::env::var_os("NODESMITH_LONG").is_some() { 5000 } else { 20 };
    over_the_corpus(|target, file, bytes| {
        let name = file.file_name().unwrap().to_string_lossy();
        let seed = format!("{}/{name}", target.0)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut dice = Dice(seed | 1);
        (0..rounds).try_for_each(|round| run(target, &mutated(bytes, &mut dice), &format!("{name} change {round}")))
    });
}

#[test]
fn every_fuzz_corpus_belongs_to_a_target_and_is_small() {
    let mut directories: Vec<_> =
        fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    directories.sort();
    assert!(directories.iter().eq(TARGETS.iter().map(|(name, _)| name)), "{directories:?}");
    for (name, _) in TARGETS {
        let files = files(name);
        let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(files.len() >= 3 && bytes < 64 << 10, "{name}: {} files, {bytes} bytes", files.len());
    }
}

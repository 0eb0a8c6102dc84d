//! libFuzzer's side of the targets: the environment variable `NODESMITH_FUZZ` names the one that runs.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;
#[path = "../../../src/trust/testkey.rs"]
#[expect(dead_code, reason = "the library's own tests use the rest")]
mod testkey;

use std::sync::OnceLock;

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("NODESMITH_FUZZ").unwrap_or_default();
    match targets::TARGETS.iter().find(|(target, _)| *target == name) {
        Some((_, run)) => *run,
        None => {
            let names: Vec<&str> = targets::TARGETS.iter().map(|(target, _)| *target).collect();
            panic!("NODESMITH_FUZZ names no target: {}", names.join(" "))
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static RUN: OnceLock<fn(&[u8])> = OnceLock::new();
    RUN.get_or_init(chosen)(data);
});

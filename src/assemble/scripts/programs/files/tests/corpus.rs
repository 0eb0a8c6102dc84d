//! Command lines that real scripts ran: none asks for what is not supported.

use super::bench::Bench;
use super::fixed::NODES;
use crate::shell::{Bytes, Stop, StopKind};

/// Words between tabs, a command on each line: what packages of Debian 13 ran when they were installed.
const CORPUS: &str = include_str!("corpus.tsv");

#[test]
fn command_lines_of_packages_are_supported() {
    let (mut run, mut wrong) = (0, Vec::new());
    for line in CORPUS.lines() {
        let words: Vec<Bytes> = line.split('\t').map(|word| word.as_bytes().to_vec()).collect();
        run += 1;
        match Bench::of_values(NODES).ours(&words, 0o022, b"") {
            // What is refused has its reason, and what find starts may be anything.
            Ok(_) | Err(Stop { kind: StopKind::Refused(..) | StopKind::UnknownProgram(_), .. }) => {}
            Err(stop) => wrong.push(format!("{line}: {}", stop.kind)),
        }
    }
    assert!(wrong.is_empty(), "{} of {run}:\n{}", wrong.len(), wrong.join("\n"));
}

//! Command lines that scripts have, and those at the edges.

use super::bench::{Bench, Node, is_long, may_run};

pub(super) const NODES: &[Node] = &[
    ("a", "falpha\n", 0o644, 0, 0),
    ("b", "fbeta\n", 0o600, 1, 2),
    ("c", "fgamma", 0o4755, 3, 4),
    ("e", "f", 0o2750, 5, 6),
    ("with space", "fs", 0o640, 0, 0),
    ("it's", "fq", 0o666, 0, 0),
    ("d", "d", 0o755, 0, 0),
    ("d/x", "fxx", 0o644, 0, 0),
    ("d/y", "fyy", 0o755, 7, 8),
    ("d/.hidden", "fh", 0o600, 0, 0),
    ("d/sub", "d", 0o700, 1, 1),
    ("d/sub/deep", "fdd", 0o444, 0, 0),
    ("d/sub/up", "l../x", 0, 0, 0),
    ("d/link", "lx", 0, 9, 9),
    ("d/z-hard", "hd/x", 0, 0, 0),
    ("d/out", "l../a", 0, 0, 0),
    ("empty", "d", 0o1777, 0, 0),
    ("setgid", "d", 0o2775, 0, 50),
    ("to-a", "la", 0, 0, 0),
    ("to-d", "ld", 0, 0, 0),
    ("to-to-a", "lto-a", 0, 0, 0),
    ("dangling", "lnowhere/at/all", 0, 0, 0),
    ("dangling2", "lmissing", 0, 0, 0),
    ("loop", "lloop", 0, 0, 0),
    ("abs", "l/etc/no-such-thing", 0, 0, 0),
    ("pipe", "p", 0o644, 0, 0),
    ("hard-a", "ha", 0, 0, 0),
];

/// Each in a tree of its own; the parts between semicolons one after the other.
const LINES: &str = include_str!("lines.txt");

#[test]
fn command_lines_do_what_the_real_programs_do() {
    if !may_run() {
        return crate::oracle::skip("root and GNU coreutils are missing");
    }
    let (mut run, mut wrong) = (0, Vec::new());
    // Every program has its lines together: each run takes some of all.
    for line in LINES.lines().step_by(if is_long() { 1 } else { 6 }) {
        let mut bench = Bench::new(NODES);
        let (umask, commands) = match line.split_once("umask ") {
            Some(("", rest)) => (u16::from_str_radix(&rest[..3], 8).unwrap(), &rest[4..]),
            _ => (0o022, line),
        };
        for part in commands.split(" ; ") {
            run += 1;
            match bench.compare(part.trim(), umask) {
                Ok(None) => {}
                Ok(Some(difference)) => wrong.push(format!("## {line}\n# {part}\n{difference}")),
                Err(stop) => wrong.push(format!("## {line}\n# {part}\n{}", stop.kind)),
            }
        }
    }
    println!("{run} command lines");
    assert!(wrong.is_empty(), "{} of {run} differ:\n{}", wrong.len(), wrong.join("\n"));
}

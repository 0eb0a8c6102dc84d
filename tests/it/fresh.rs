//! `ci/fresh`, with a program that is told how each recipe ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::oracle;

/// As `nodesmith lock` and `nodesmith build`: the recipe's name says what happens, the environment which version there is.
const PROGRAM: &str = r#"#!/bin/sh
case $1-$2 in
    lock-*silent*) echo 'error: reading repository a: fetching b: https://c: the server does not answer: d' >&2; exit 2 ;;
    lock-*) printf '{"name":"a","mirror":"host"},\n{"name":"tool","version":"%s","arch":"amd64"},\n{"name":"tool-%s","version":"1"}\n' \
        "$VERSION" "$VERSION" >"$4" ;;
    build-*refused*) printf 'lock 0.0 s\nerror[one]: first\n --> r.yaml:1:1\nerror[two]: second\n\n2 mistakes\n' >&2; exit 1 ;;
esac
"#;

/// The lines that it prints, and whether it is content.
fn fresh(place: &Path, version: &str, recipes: &[&str]) -> (Vec<String>, bool) {
    let output = Command::new("ci/fresh")
        .arg("--locks")
        .arg(place.join("locks"))
        .args(recipes.iter().map(|name| place.join(format!("{name}.yaml"))))
        .env("NODESMITH", place.join("nodesmith"))
        .env("VERSION", version)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| line.trim().to_owned()).collect(), output.status.success())
}

#[test]
fn ci_fresh_says_what_was_built_and_what_has_changed_since() {
    if oracle("bash").is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("nodesmith");
    fs::write(&program, PROGRAM).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let fresh = |version: &str, recipes: &[&str]| fresh(place.path(), version, recipes);
    let begins = |lines: &[String], expected: &[&str]| {
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line} does not begin with {expected}");
        }
    };

    let (lines, content) = fresh("1", &["good", "refused", "silent"]);
    let expected = [
        "built      good: 2 packages, ",
        "refused    refused, ",
        "error[one]: first",
        "error[two]: second",
        "2 mistakes",
        "no answer  silent",
        "reading repository a: fetching b: https://c: the server does not answer",
        "1 built, 1 refused, 1 without an answer of a mirror",
    ];
    begins(&lines, &expected);
    assert!(!content);

    for version in ["2", "3"] {
        let (lines, content) = fresh(version, &["good", "refused"]);
        // What was built is what the next one is compared with; of the other that is its first lock.
        let before = if version == "2" { "1" } else { "2" };
        let changed = |before: &str| {
            [format!("tool {before} → {version}"), format!("tool-{before} gone: 1"), format!("tool-{version} new: 1")]
        };
        for (from, at) in [(before, 2), ("1", 10)] {
            assert_eq!(lines[at..at + 3], changed(from), "{lines:#?}");
            assert!(lines[at - 1].starts_with("since the lock of 20") && lines[at - 1].ends_with(": 3 changes"));
        }
        assert!(!content);
    }

    let (lines, content) = fresh("3", &["good", "silent"]);
    let expected =
        ["built ", "since the lock of ", "no answer ", "reading ", "1 built, 0 refused, 1 without an answer"];
    begins(&lines, &expected);
    assert!(lines[1].ends_with(": no changes") && content, "{lines:#?}");
}

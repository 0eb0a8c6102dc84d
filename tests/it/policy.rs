//! What ARCHITECTURE.md promises about the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nodesmith::recipe::{RepositoryKind, check, load};
use nodesmith::report::{Color, render};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_source_file_says_what_it_is_for_and_has_one_subject() {
    for path in sources(Path::new("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let is_tests = path.file_name().is_some_and(|name| name == "tests.rs")
            || path.components().any(|it| it.as_os_str() == "tests");
        assert!(is_tests || text.starts_with("//! "), "{} does not open with //!", path.display());
        assert!(text.lines().count() <= 800, "{} has more than 800 lines", path.display());
    }
}

#[test]
fn formats_know_nothing_of_ours_but_the_tree() {
    for path in sources(Path::new("src/formats")) {
        for line in fs::read_to_string(&path).unwrap().lines().filter(|line| line.contains("crate::")) {
            let below = ["formats", "hex", "netdisk_index", "oracle", "tree", "verity_superblock"];
            let allowed = below.iter().any(|it| line.contains(&format!("crate::{it}")));
            assert!(allowed, "{}: {line}", path.display());
        }
    }
}

/// The modules of `lib.rs` that both programs have, and those of the builder alone.
fn library_modules() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut shared, mut builder) = (BTreeSet::new(), BTreeSet::new());
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let mut before = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            let modules = if before == "#[cfg(feature = \"builder\")]" { &mut builder } else { &mut shared };
            modules.insert(name.to_owned());
        }
        before = line;
    }
    assert!(shared.contains("agent") && builder.contains("recipe"), "{shared:?} {builder:?}");
    (shared, builder)
}

/// The modules of the crate that a text names, also in lists: `crate::{x, y::{z, a}}` names x and y.
fn modules_named(text: &str) -> BTreeSet<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let first = |path: &str| path.trim_start().split(|c| !is_name(c)).next().unwrap_or_default().to_owned();
    let mut named = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let list = rest.strip_prefix('{');
        named.insert(first(list.unwrap_or(rest)));
        let mut depth = 0;
        for (at, character) in list.unwrap_or_default().char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(named.insert(first(&rest[at + 2..]))),
                _ => {}
            }
        }
    }
    named
}

#[test]
fn lists_of_imports_are_looked_into() {
    let named = modules_named("use crate::{recipe, agent::{self, x},\n    image_info::I};\ncrate::hex::encode(");
    assert!(named.iter().eq(["agent", "hex", "image_info", "recipe"]), "{named:?}");
}

#[test]
fn the_agent_knows_nothing_of_the_builder() {
    let (_, builder) = library_modules();
    for path in sources(Path::new("src/agent")) {
        let named = modules_named(&fs::read_to_string(&path).unwrap());
        let builder: Vec<&String> = builder.intersection(&named).collect();
        assert!(builder.is_empty(), "{}: {builder:?}", path.display());
    }
}

/// The builder embeds the agent: what the agent is made from must be all that makes it anew.
#[test]
fn the_agent_is_built_anew_when_one_of_its_modules_changes() {
    let (shared, _) = library_modules();
    let others = ["Cargo.lock", "src/bin/nodeinit.rs", "src/lib.rs"].map(str::to_owned);
    let modules = shared.iter().map(|name| match Path::new("src").join(name).is_dir() {
        true => format!("src/{name}"),
        false => format!("src/{name}.rs"),
    });
    let expected: BTreeSet<String> = modules.chain(others).collect();
    let script = fs::read_to_string("build.rs").unwrap();
    let (_, list) = script.split_once("for input in [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let inputs: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(inputs, expected);
}

#[test]
fn unsafe_code_stays_in_its_one_file() {
    let allowed = ["src/agent/sys.rs"];
    for path in sources(Path::new("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let is_allowed = allowed.iter().any(|it| Path::new(it) == path);
        assert!(is_allowed || !text.contains("unsafe {"), "{}", path.display());
        assert!(is_allowed || !text.contains("expect(unsafe_code"), "{}", path.display());
    }
}

#[test]
fn the_clock_is_read_for_commands_of_people_only() {
    for path in ["src", "tests", "examples"].map(Path::new).into_iter().flat_map(sources) {
        let text = fs::read_to_string(&path).unwrap();
        let reads = ["Utc", "Local", "SystemTime"].iter().any(|clock| text.contains(&format!("{clock}::now")));
        assert_eq!(reads, path == Path::new("src/cli/day.rs"), "{}", path.display());
    }
}

#[test]
fn the_agents_dependencies_are_the_reviewed_ones() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--no-default-features", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| line.split(' ').next()).filter(|name| *name != "nodesmith").collect();
    names.sort_unstable();
    names.dedup();
    insta::assert_snapshot!(names.join(" "));
}

#[test]
fn every_shipped_recipe_passes_check() {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let shipped = ["recipes", "tests/boot/recipes"].map(Path::new);
    let recipes: Vec<PathBuf> = shipped
        .iter()
        .flat_map(|directory| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        // The test that boots it makes one of its overlays.
        .filter(|path| !path.ends_with("selinux.yaml"))
        .collect();
    assert!(recipes.len() >= 2);
    for path in recipes {
        let value = load::load(&path).unwrap();
        if let Err(mistakes) = check::check(&value, today) {
            panic!("{}:\n{}", path.display(), render(&mistakes, Color::Never));
        }
    }
}

#[test]
fn every_shipped_recipe_takes_the_repositories_that_fixes_come_into() {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let mut looked_at = 0;
    for entry in fs::read_dir("recipes").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let recipe = check::check(&load::load(&path).unwrap(), day).unwrap();
        let has = |fits: &dyn Fn(&RepositoryKind) -> bool| recipe.repositories.iter().any(|it| fits(&it.kind));
        for repository in &recipe.repositories {
            // Those of Enterprise Linux, EPEL, elrepo, docker.com and pkgs.k8s.io have no others for fixes.
            let missing: Vec<String> = match &repository.kind {
                RepositoryKind::Apt(apt) if !apt.suite.contains('-') => {
                    let suites = ["updates", "security"].map(|of| format!("{}-{of}", apt.suite));
                    let taken = |suite: &String| has(&|it| matches!(it, RepositoryKind::Apt(it) if it.suite == *suite));
                    suites.into_iter().filter(|suite| !taken(suite)).collect()
                }
                RepositoryKind::Rpm(rpm) => match rpm.source.print().split_once("repo=fedora-") {
                    None => continue,
                    Some((_, rest)) => {
                        let updates = format!("repo=updates-released-f{rest}");
                        let taken =
                            has(&|it| matches!(it, RepositoryKind::Rpm(it) if it.source.print().contains(&updates)));
                        Some(updates).filter(|_| !taken).into_iter().collect()
                    }
                },
                RepositoryKind::Apt(_) => continue,
            };
            assert!(missing.is_empty(), "{} lacks {missing:?}", path.display());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 3, "{looked_at}");
}

#[test]
fn help_texts_fit_into_eighty_columns() {
    for verb in ["check", "lock", "build", "inspect", "seed", "boot", "schema", "completions"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_nodesmith")).args([verb, "--help"]).env("COLUMNS", "80").output().unwrap();
        assert!(output.status.success(), "{verb}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage: nodesmith"), "{verb}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{verb}:\n{text}");
    }
}

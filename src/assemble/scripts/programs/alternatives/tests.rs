//! Against the real programs: the same tree, state and status after any sequence of calls.

use std::path::Path;
use std::process::Command;

use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::dpkg::testing::{
    Chance, Said, cases, directory_of, lay_out, machine, real, run, tree_of,
};
use crate::package::Family;

const FILES: &[(&str, &str)] = &[
    ("/usr/bin/vim", "v"),
    ("/usr/bin/nano", "n"),
    ("/usr/bin/ed", "e"),
    ("/usr/bin/real", "r"),
    ("/usr/share/man/vim.1", ""),
    ("/usr/share/man/nano.1", ""),
    ("/usr/share/man/real.1", ""),
    ("/etc/alternatives/", ""),
    ("/var/lib/dpkg/alternatives/", ""),
    ("/var/lib/alternatives/", ""),
    ("/tmp/", ""),
];

const TARGETS: &[&str] = &["/usr/bin/vim", "/usr/bin/nano", "/usr/bin/ed", "/usr/bin/gone", "relative"];
const NAMES: &[&str] = &["editor", "vi", "x y"];
const LINKS: &[&str] = &["/usr/bin/editor", "/usr/bin/vi", "/usr/bin/real", "/nowhere/editor"];

/// Mostly the usual argument, so that sequences get somewhere.
fn usual<'o>(chance: &mut Chance, of: &[&'o str]) -> &'o str {
    if chance.often(75) { of[0] } else { chance.one(of) }
}

fn installation<'o>(chance: &mut Chance, slave: &'o str) -> Vec<&'o str> {
    let mut words = vec!["--install", usual(chance, LINKS), usual(chance, NAMES)];
    words.push(if chance.often(90) { chance.one(&TARGETS[..3]) } else { chance.one(TARGETS) });
    words.push(if chance.often(97) {
        chance.one(&["10", "20", "-5", "0"])
    } else {
        chance.one(&["x", "", "99999999999"])
    });
    for name in ["editor.1", "other.1"] {
        if chance.often(45) {
            let link = if name == "editor.1" { "/usr/share/man/editor.1" } else { "/usr/share/man/other.1" };
            let link = if chance.often(92) {
                link
            } else {
                chance.one(&["/usr/share/man/real.1", "/usr/bin/editor", "/usr/share/man/moved.1"])
            };
            let files = ["/usr/share/man/vim.1", "/usr/share/man/nano.1", "/usr/share/man/gone.1"];
            words.extend([
                slave,
                link,
                if chance.often(97) { name } else { "editor" },
                chance.one(&files.each_ref().map(|file| *file)),
            ]);
        }
    }
    words
}

fn debian_call(chance: &mut Chance) -> Vec<&'static str> {
    let mut words = Vec::new();
    if chance.often(20) {
        words.push(chance.one(&["--quiet", "--verbose", "--force"]));
    }
    match chance.below(14) {
        0 => words.extend(["--set", usual(chance, NAMES), chance.one(TARGETS)]),
        1 => words.extend(["--auto", usual(chance, NAMES)]),
        2 => words.extend(["--remove", usual(chance, NAMES), chance.one(TARGETS)]),
        3 if chance.often(50) => words.extend(["--remove-all", usual(chance, NAMES)]),
        4 => words.extend([chance.one(&["--display", "--query", "--list"]), usual(chance, NAMES)]),
        5 => words.push("--get-selections"),
        _ => words.extend(installation(chance, "--slave")),
    }
    words
}

fn red_hat_call(chance: &mut Chance) -> Vec<&'static str> {
    match chance.below(14) {
        0 => vec![
            "--set",
            usual(chance, &NAMES[..2]),
            chance.one(&["/usr/bin/vim", "/usr/bin/ed", "/usr/bin/gone", "old"]),
        ],
        1 => vec!["--auto", usual(chance, &NAMES[..2])],
        2 => vec!["--remove", usual(chance, &NAMES[..2]), chance.one(&TARGETS[..4])],
        3 => vec!["--display", usual(chance, &NAMES[..2])],
        4 if chance.often(50) => vec!["--list"],
        5 => vec![
            "--add-slave",
            usual(chance, &NAMES[..2]),
            chance.one(&TARGETS[..3]),
            "/usr/share/man/added.1",
            "added.1",
            "/usr/share/man/vim.1",
        ],
        6 => vec![
            "--remove-slave",
            usual(chance, &NAMES[..2]),
            chance.one(&TARGETS[..3]),
            chance.one(&["added.1", "editor.1"]),
        ],
        _ => {
            let mut words = installation(chance, "--slave");
            if chance.often(25) {
                words.extend(["--family", chance.one(&["old", "new"])]);
            }
            if chance.often(10) {
                words.push(chance.one(&["--keep-missing", "--keep-foreign"]));
            }
            words
        }
    }
}

/// Files that come and go between calls.
fn disturb(chance: &mut Chance, machine: &mut Machine, root: &Path) {
    let path = chance.one(&[
        "/usr/bin/nano",
        "/usr/share/man/nano.1",
        "/usr/bin/ed",
        "/etc/alternatives/editor",
        "/usr/bin/editor",
    ]);
    let real_path = root.join(&path[1..]);
    if machine.files.facts(path.as_bytes(), false).is_some() {
        machine.files.remove(path.as_bytes()).unwrap();
        std::fs::remove_file(&real_path).unwrap();
    } else if !path.starts_with("/etc") {
        machine.files.put(path.as_bytes(), b"again".to_vec(), 0o644).unwrap();
        std::fs::write(&real_path, "again").unwrap();
    }
}

fn differential(family: Family, call: fn(&mut Chance) -> Vec<&'static str>, theirs: impl Fn(&Path, &[&str]) -> Said) {
    let program = if family == Family::Deb { "update-alternatives" } else { "alternatives" };
    let skip = ["/var/log", "/rh-alternatives"];
    for seed in 0..cases(150, 1500) {
        let mut chance = Chance::new(seed + 1);
        let mut machine = machine(family, FILES);
        let root = tempfile::tempdir().unwrap();
        lay_out(&machine.files, root.path());
        let mut before = Vec::new();
        for _ in 0..6 {
            if chance.often(15) {
                disturb(&mut chance, &mut machine, root.path());
            }
            let words = call(&mut chance);
            let theirs = theirs(root.path(), &words);
            let words = [&[program][..], &words].concat();
            before.push(words.join(" "));
            let ours = run(&mut machine, &words).unwrap();
            let calls = before.join("\n");
            assert_eq!(ours.status, theirs.status, "{seed}: {calls}\n{ours:#?}\n{theirs:#?}");
            if ours.status == 0 {
                assert_eq!(ours.out, theirs.out.replace(&root.path().display().to_string(), ""), "{seed}: {calls}");
            }
            let (our_tree, their_tree) = (tree_of(&machine.files, &skip), directory_of(root.path(), &skip));
            assert_eq!(our_tree, their_tree, "{seed}: {calls}\n{ours:#?}\n{theirs:#?}");
        }
    }
}

#[test]
fn every_call_leaves_what_dpkgs_leaves() {
    let Some(program) = crate::oracle::oracle("update-alternatives") else { return };
    differential(Family::Deb, debian_call, |root, words| {
        real(Command::new(&program).arg("--root").arg(root).args(words), b"")
    });
}

/// Chkconfig's program is not in Debian: `NODESMITH_ALTERNATIVES` names a static one.
#[test]
#[ignore = "by hand: Debian does not have chkconfig's program"]
fn every_call_leaves_what_red_hats_leaves() {
    let program = std::env::var_os("NODESMITH_ALTERNATIVES").expect("NODESMITH_ALTERNATIVES names no program");
    differential(Family::Rpm, red_hat_call, |root, words| {
        // A copy could still be open for writing in a process that another test starts.
        let _ = std::fs::hard_link(&program, root.join("rh-alternatives"));
        real(Command::new("chroot").arg(root).arg("/rh-alternatives").args(words), b"")
    });
}

/// What stands at a path: a link's target or a file's text.
fn at(machine: &Machine, path: &str) -> Option<String> {
    let files = &machine.files;
    let text = files.target(path.as_bytes()).or_else(|_| files.read(path.as_bytes()).unwrap());
    text.ok().map(|text| String::from_utf8(text).unwrap())
}

/// Two choices, of which the better one brings a slave.
fn installed(family: Family) -> Machine<'static> {
    let mut machine = machine(family, FILES);
    let vim = ["--slave", "/usr/share/man/editor.1", "editor.1", "/usr/share/man/vim.1"];
    for (target, priority, slave) in [("/usr/bin/vim", "50", &vim[..]), ("/usr/bin/nano", "40", &[])] {
        let words = ["update-alternatives", "--install", "/usr/bin/editor", "editor", target, priority];
        assert_eq!(run(&mut machine, &[&words[..], slave].concat()).unwrap().status, 0);
    }
    assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/vim"));
    machine
}

fn prune(machine: &mut Machine, paths: &[&str]) {
    paths.iter().for_each(|path| machine.files.remove(path.as_bytes()).unwrap());
    let family = machine.family;
    machine.alternatives.relink(&mut machine.files, family).unwrap();
}

#[test]
fn what_is_pruned_is_no_choice() {
    for (family, state) in
        [(Family::Deb, "/var/lib/dpkg/alternatives/editor"), (Family::Rpm, "/var/lib/alternatives/editor")]
    {
        let mut machine = installed(family);
        prune(&mut machine, &["/usr/share/man/vim.1"]);
        assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/vim"));
        assert_eq!((at(&machine, "/usr/share/man/editor.1"), at(&machine, "/etc/alternatives/editor.1")), (None, None));
        prune(&mut machine, &["/usr/bin/vim"]);
        assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/nano"));
        assert_eq!(at(&machine, "/usr/bin/editor").as_deref(), Some("/etc/alternatives/editor"));
        assert_eq!(at(&machine, state).unwrap().trim_end(), "auto\n/usr/bin/editor\n\n/usr/bin/nano\n40");
        prune(&mut machine, &["/usr/bin/nano"]);
        for path in ["/etc/alternatives/editor", "/usr/bin/editor", state] {
            assert_eq!(at(&machine, path), None, "{path}");
        }
        assert_eq!(machine.alternatives.groups().count(), 0);
    }
}

#[test]
fn a_state_that_is_pruned_stays_away() {
    let mut machine = installed(Family::Deb);
    prune(&mut machine, &["/var/lib/dpkg/alternatives/editor", "/usr/bin/vim"]);
    assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/nano"));
    assert_eq!(at(&machine, "/var/lib/dpkg/alternatives/editor"), None);
}

#[test]
fn a_choice_that_somebody_made_stays_while_it_is_there() {
    let mut machine = installed(Family::Deb);
    run(&mut machine, &["update-alternatives", "--set", "editor", "/usr/bin/nano"]).unwrap();
    prune(&mut machine, &["/usr/share/man/real.1"]);
    assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/nano"));
    prune(&mut machine, &["/usr/bin/nano"]);
    assert_eq!(at(&machine, "/etc/alternatives/editor").as_deref(), Some("/usr/bin/vim"));
    assert!(at(&machine, "/var/lib/dpkg/alternatives/editor").unwrap().starts_with("auto\n"));
}

#[test]
fn a_menu_is_refused() {
    let mut machine = installed(Family::Deb);
    let stop = run(&mut machine, &["update-alternatives", "--config", "editor"]).unwrap_err();
    assert_eq!(stop.program(), Some("update-alternatives"));
}

//! Against the real ucf: the same files, records and status after any sequence of calls.

use std::path::Path;
use std::process::Command;

use crate::assemble::scripts::machine::{Installed, Machine, Running, Status};
use crate::assemble::scripts::programs::dpkg::md5sum::md5sum;
use crate::assemble::scripts::programs::dpkg::testing::{
    Chance, Said, cases, directory_of, machine, real, run_with, tree_of,
};
use crate::assemble::scripts::programs::dpkg::tests::package;
use crate::package::Family;

const TEXTS: &[&str] = &["one\n", "two\n", "three\n"];

/// A machine with the same files as a real directory, under the same name.
fn beside(directory: &Path) -> Machine<'static> {
    let at = directory.display().to_string();
    let sums = format!("{}  old\n", md5sum(b"two\n"));
    let default = format!("{}  default\n", md5sum(b"three\n"));
    let files = [
        ("new/a.conf", "one\n".to_owned()),
        ("new/b.conf", "two\n".to_owned()),
        ("new/b.conf.md5sum", format!("{sums}{default}")),
        ("new/c.conf", "x".repeat(30_000)),
        ("new/c.conf.md5sum.d/1", sums),
        ("new/c.conf.md5sum.d/default", default),
        ("etc/", String::new()),
        ("state/", String::new()),
    ];
    let mut all: Vec<(String, String)> =
        files.iter().map(|(path, text)| (format!("{at}/{path}"), text.clone())).collect();
    for (path, text) in &all {
        let path = Path::new(path);
        let parent = if path.to_string_lossy().ends_with('/') { path } else { path.parent().unwrap() };
        std::fs::create_dir_all(parent).unwrap();
        if parent != path {
            std::fs::write(path, text).unwrap();
        }
    }
    all.push(("/usr/share/debconf/confmodule".to_owned(), String::new()));
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    machine(Family::Deb, &all)
}

/// Edits, removes or links a destination on both sides.
fn disturb(chance: &mut Chance, machine: &mut Machine, destination: &str) {
    let _ = std::fs::remove_file(destination);
    let _ = machine.files.remove(destination.as_bytes());
    match chance.below(4) {
        0 => {}
        1 => {
            let target = chance.one(&["linked.conf", "none/linked.conf"]);
            std::os::unix::fs::symlink(target, destination).unwrap();
            machine.files.make_link(target.as_bytes(), destination.as_bytes()).unwrap();
        }
        _ => {
            let text = chance.one(TEXTS);
            std::fs::write(destination, text).unwrap();
            machine.files.put(destination.as_bytes(), text.as_bytes().to_vec(), 0o644).unwrap();
        }
    }
}

fn call(chance: &mut Chance, at: &str) -> Vec<String> {
    let file = chance.one(&["a.conf", "b.conf", "c.conf"]);
    let destination = format!("{at}/etc/{file}");
    let states = format!("{at}/state");
    let mut words = match chance.below(12) {
        0 => vec!["ucf", "--purge"],
        1 | 2 => vec!["ucfr"],
        3 => vec!["ucfr", "--purge"],
        4 => vec!["ucfq", "-w"],
        _ => vec!["ucf"],
    };
    if words == ["ucf"] && chance.often(40) {
        words.push("--three-way");
    }
    if words == ["ucfr"] && chance.often(30) {
        words.push("--force");
    }
    if words[0] == "ucf" && chance.often(30) {
        words.push("--debconf-ok");
    }
    let registers = words[0] == "ucfr";
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.extend(["--state-dir".to_owned(), states]);
    if registers {
        words.push((*chance.one(&["p", "q"])).to_owned());
    } else if words[0] == "ucf" && words[1] != "--purge" {
        let sources = ["a.conf", "b.conf", "c.conf", "none.conf"];
        let source = if chance.often(70) { file } else { chance.one(&sources) };
        words.push(format!("{at}/new/{source}"));
    }
    words.push(destination);
    words
}

fn environment(chance: &mut Chance) -> Vec<(&'static str, &'static str)> {
    match chance.below(10) {
        0 => vec![("UCF_FORCE_CONFFOLD", "YES")],
        1 => vec![("UCF_FORCE_CONFFNEW", "YES")],
        2 => vec![("UCF_FORCE_CONFFMISS", "YES")],
        3 => vec![("UCF_FORCE_CONFFNEW", "YES"), ("UCF_FORCE_CONFFOLD", "YES")],
        _ => vec![],
    }
}

#[test]
fn configuration_files_are_handled_as_ucf_handles_them() {
    let Some(program) = crate::oracle::oracle("ucf") else { return };
    let programs = program.parent().unwrap().to_owned();
    let templates = std::fs::read("/var/lib/dpkg/info/ucf.templates").unwrap_or_default();
    let mut ucf = package(&[("Package", "ucf"), ("Version", "1"), ("Architecture", "all")], &[]).clone();
    ucf.members.insert("templates".to_owned(), templates);
    let ucf = Box::leak(Box::new(ucf));
    for seed in 0..cases(30, 400) {
        let mut chance = Chance::new(seed + 11);
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display().to_string();
        let databases = tempfile::tempdir().unwrap();
        let mut machine = beside(directory.path());
        machine.packages.push(Installed { package: ucf, status: Status::Installed });
        machine.running = Running { package: "p".to_owned(), ..Running::default() };
        let configuration = databases.path().join("debconf.conf");
        let files = databases.path().display();
        std::fs::write(
            &configuration,
            format!(
                "Config: c\nTemplates: t\n\nName: c\nDriver: File\nMode: 644\nFilename: {files}/c.dat\n\n\
                 Name: t\nDriver: File\nMode: 644\nFilename: {files}/t.dat\n"
            ),
        )
        .unwrap();
        let mut calls = Vec::new();
        for _ in 0..8 {
            if chance.often(40) {
                let destination = format!("{at}/etc/{}", chance.one(&["a.conf", "b.conf", "c.conf"]));
                calls.push(format!("edit {destination}"));
                disturb(&mut chance, &mut machine, &destination);
            }
            let (words, environment) = (call(&mut chance, &at), environment(&mut chance));
            calls.push(format!("{environment:?} {}", words.join(" ")));
            let mut theirs = Command::new(programs.join(&words[0]));
            theirs.args(&words[1..]).envs(environment.iter().copied());
            theirs.env("DEBCONF_SYSTEMRC", &configuration).env("DEBIAN_FRONTEND", "noninteractive");
            let theirs: Said = real(theirs.env("DEBCONF_NOWARNINGS", "yes").env_remove("DPKG_FORCE"), b"");
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ours = run_with(&mut machine, &words, b"", &environment).unwrap();
            let calls = calls.join("\n");
            assert_eq!(ours.status, theirs.status, "{seed}: {calls}\n{ours:#?}\n{theirs:#?}");
            if words[0] == "ucfq" {
                assert_eq!(ours.out, theirs.out, "{seed}: {calls}");
            }
            let ours_tree = tree_of(&machine.files, &[]);
            let below =
                ours_tree.iter().filter_map(|(path, what)| Some((path.strip_prefix(&at)?.to_owned(), what.clone())));
            let below: std::collections::BTreeMap<String, String> =
                below.filter(|(path, _)| !path.is_empty()).collect();
            assert_eq!(below, directory_of(directory.path(), &[]), "{seed}: {calls}\n{ours:#?}\n{theirs:#?}");
        }
    }
}

//! Against the real programs of dpkg.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::testing::{Chance, Said, cases, directory_of, lay_out, machine, real, run, run_with, tree_of};
use crate::assemble::scripts::machine::{Installed, Machine, Running, Status};
use crate::package::{Family, FileEntry, FileKind, Owner, Package, PackageId, Script};
use crate::tree::TreePath;

pub(super) fn package(control: &[(&str, &str)], files: &[&str]) -> &'static Package {
    let control: Vec<(String, String)> =
        control.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let field = |name: &str| control.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value).to_owned();
    let owner = || Owner { name: "root".into(), id: 0 };
    let entry = |path: &&str| FileEntry {
        path: TreePath::parse(path).unwrap(),
        kind: FileKind::Directory,
        mode: 0o755,
        user: owner(),
        group: owner(),
        mtime: 0,
        xattrs: BTreeMap::new(),
    };
    let id = PackageId { name: field("Package"), version: field("Version"), arch: field("Architecture") };
    let files = files.iter().map(entry).collect();
    Box::leak(Box::new(Package { id, family: Family::Deb, control, files, scripts: vec![], members: BTreeMap::new() }))
}

fn install(machine: &mut Machine<'static>, package: &'static Package) {
    machine.packages.push(Installed { package, status: Status::Installed });
}

#[test]
fn versions_compare_as_dpkg_compares_them() {
    let Some(program) = crate::oracle::oracle("dpkg") else { return };
    let operators = [
        "lt", "le", "eq", "ne", "ge", "gt", "lt-nl", "le-nl", "ge-nl", "gt-nl", "<", "<=", "<<", "=", ">=", ">", ">>",
        "eq-nl",
    ];
    let pieces = ["1", "2", "10", "0", "a", "~", "+b1", ".", "-", ":", "deb12u1", "-1", "~rc1", "1:", " ", "_"];
    let mut machine = machine(Family::Deb, &[]);
    let mut chance = Chance::new(7);
    for _ in 0..cases(600, 20_000) {
        let version = |chance: &mut Chance| match chance.below(20) {
            0 => String::new(),
            1 => "<unknown>".to_owned(),
            _ => {
                let mut version = if chance.often(80) { "1".to_owned() } else { String::new() };
                (0..chance.below(5)).for_each(|_| version += chance.one(&pieces));
                version
            }
        };
        let (left, right) = (version(&mut chance), version(&mut chance));
        let words = ["--compare-versions", "--", &left, chance.one(&operators), &right];
        let theirs = real(Command::new(&program).args(words), b"");
        let ours = run(&mut machine, &[&["dpkg"][..], &words].concat()).unwrap();
        assert_eq!(ours.status, theirs.status, "{words:?}: {} {}", ours.err, theirs.err);
        let words = ["--validate-version", "--", &left];
        let theirs = real(Command::new(&program).args(words), b"");
        let ours = run(&mut machine, &[&["dpkg"][..], &words].concat()).unwrap();
        assert_eq!(ours.status, theirs.status, "{words:?}: {} {}", ours.err, theirs.err);
    }
}

/// A root with a database in which `p` and the essential `e` have files.
fn prepared(root: &Path) -> Machine<'static> {
    let mut machine = machine(
        Family::Deb,
        &[
            ("/etc/a", "a"),
            ("/etc/b", "b"),
            ("/etc/d/", ""),
            ("/usr/bin/p", "p"),
            ("/usr/bin/e", "e"),
            ("/var/lib/dpkg/info/", ""),
            ("/var/lib/dpkg/updates/", ""),
            ("/var/lib/dpkg/triggers/", ""),
        ],
    );
    lay_out(&machine.files, root);
    let mut status = String::new();
    for (name, essential, files) in
        [("p", false, ["/etc", "/etc/a", "/usr/bin/p"]), ("e", true, ["/etc", "/etc/b", "/usr/bin/e"])]
    {
        let mut control = vec![
            ("Package", name),
            ("Version", "1"),
            ("Architecture", "amd64"),
            ("Maintainer", "M <m@m>"),
            ("Description", "d"),
        ];
        if essential {
            control.push(("Essential", "yes"));
        }
        control.iter().for_each(|(field, value)| status += &format!("{field}: {value}\n"));
        status += "Status: install ok installed\n\n";
        std::fs::write(root.join(format!("var/lib/dpkg/info/{name}.list")), files.join("\n") + "\n").unwrap();
        install(&mut machine, package(&control, &files));
    }
    std::fs::write(root.join("var/lib/dpkg/status"), status).unwrap();
    machine
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn compare(ours: &Said, theirs: &Said, calls: &[String]) {
    assert_eq!(ours.status, theirs.status, "{calls:#?}\n{ours:#?}\n{theirs:#?}");
    assert_eq!(sorted(&ours.out), sorted(&theirs.out), "{calls:#?}\n{ours:#?}\n{theirs:#?}");
}

#[test]
fn diversions_are_dpkgs() {
    let Some(program) = crate::oracle::oracle("dpkg-divert") else { return };
    let paths = [
        "/etc/a",
        "/etc/b",
        "/usr/bin/p",
        "/usr/bin/e",
        "/etc/new",
        "/etc/d",
        "//etc/a",
        "/none/x",
        "relative",
        "/etc/a.distrib",
    ];
    let targets = ["/etc/a.distrib", "/etc/b", "/usr/bin/p.real", "/none/x", "/etc/new", "odd"];
    for seed in 0..cases(100, 1500) {
        let mut chance = Chance::new(seed + 3);
        let root = tempfile::tempdir().unwrap();
        let mut machine = prepared(root.path());
        let mut calls = Vec::new();
        for _ in 0..6 {
            let mut words = Vec::new();
            if chance.often(15) {
                words.push("--quiet");
            }
            match chance.below(10) {
                0 => words.push("--listpackage"),
                1 => words.push("--truename"),
                2 | 3 => words.push("--remove"),
                4 => {}
                _ => words.push("--add"),
            }
            if chance.often(60) {
                words.extend(["--package", chance.one(&["p", "e", "other"])]);
            } else if chance.often(30) {
                words.push("--local");
            }
            if chance.often(50) {
                words.extend(["--divert", chance.one(&targets)]);
            }
            words.push(if chance.often(60) { "--rename" } else { "--no-rename" });
            words.push(if chance.often(60) { chance.one(&paths[..4]) } else { chance.one(&paths) });
            if chance.often(15) {
                words = vec!["--list"];
                (0..chance.below(3))
                    .for_each(|_| words.push(chance.one(&["*", "/etc/*", "p", "LOCAL", ":", "?etc*[ab]"])));
            }
            calls.push(words.join(" "));
            let theirs = real(Command::new(&program).arg("--root").arg(root.path()).args(&words), b"");
            let ours = run(&mut machine, &[&["dpkg-divert"][..], &words].concat()).unwrap();
            compare(&ours, &theirs, &calls);
            let skip = ["/var"];
            let trees = (tree_of(&machine.files, &skip), directory_of(root.path(), &skip));
            assert_eq!(trees.0, trees.1, "{calls:#?}\n{ours:#?}\n{theirs:#?}");
            let file = std::fs::read_to_string(root.path().join("var/lib/dpkg/diversions")).unwrap_or_default();
            let triples = |text: &str| {
                let lines: Vec<&str> = text.lines().collect();
                let mut triples: Vec<Vec<String>> =
                    lines.chunks(3).map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()).collect();
                triples.sort();
                triples
            };
            assert_eq!(
                triples(&String::from_utf8(machine.dpkg.diversions_file()).unwrap()),
                triples(&file),
                "{calls:#?}"
            );
        }
    }
}

#[test]
fn overrides_are_dpkgs() {
    let Some(program) = crate::oracle::oracle("dpkg-statoverride") else { return };
    let paths = ["/etc/a", "/etc/b", "/etc/d", "/etc/d/", "/none", "/usr/bin/p/."];
    for seed in 0..cases(100, 1500) {
        let mut chance = Chance::new(seed + 5);
        let root = tempfile::tempdir().unwrap();
        let mut machine = prepared(root.path());
        for (name, id) in [("root", 0), ("daemon", 1), ("bin", 2)] {
            machine.accounts.add_group(name, Some(id));
            let user = crate::assemble::accounts::book::User {
                uid: id,
                gid: id,
                gecos: String::new(),
                home: String::new(),
                shell: String::new(),
                person: false,
            };
            machine.accounts.users.insert(name.into(), user);
        }
        let mut calls = Vec::new();
        for _ in 0..6 {
            let mut words = Vec::new();
            if chance.often(50) {
                words.push(chance.one(&["--quiet", "--update", "--force-all"]));
            }
            match chance.below(6) {
                0 => words.extend(["--remove", chance.one(&paths)]),
                1 => {
                    words.push("--list");
                    (0..chance.below(3)).for_each(|_| words.push(chance.one(&["*", "/etc/*", "/etc/a", "/etc/d/"])));
                }
                _ => {
                    words.extend(["--update", "--add", chance.one(&["root", "daemon", "#2", "#7777", "nobody-here"])]);
                    words.extend([
                        chance.one(&["root", "bin", "#1", "none-here"]),
                        chance.one(&["0640", "4755", "2755", "x", "77777", "8"]),
                    ]);
                    words.push(chance.one(&paths));
                }
            }
            calls.push(words.join(" "));
            let theirs = real(Command::new(&program).arg("--root").arg(root.path()).args(&words), b"");
            let ours = run(&mut machine, &[&["dpkg-statoverride"][..], &words].concat()).unwrap();
            compare(&ours, &theirs, &calls);
            let skip = ["/var"];
            let trees = (tree_of(&machine.files, &skip), directory_of(root.path(), &skip));
            assert_eq!(trees.0, trees.1, "{calls:#?}\n{ours:#?}\n{theirs:#?}");
            let file = std::fs::read_to_string(root.path().join("var/lib/dpkg/statoverride")).unwrap_or_default();
            assert_eq!(
                sorted(&String::from_utf8(machine.dpkg.overrides_file(&machine.accounts)).unwrap()),
                sorted(&file),
                "{calls:#?}"
            );
        }
    }
}

#[test]
fn triggers_are_dpkgs() {
    let Some(program) = crate::oracle::oracle("dpkg-trigger") else { return };
    let names = ["ldconfig", "/usr/share/icons", "", "a b", "x-y", "ü", "--", "-x"];
    for seed in 0..cases(100, 1000) {
        let mut chance = Chance::new(seed + 9);
        let root = tempfile::tempdir().unwrap();
        let mut machine = prepared(root.path());
        std::fs::write(root.path().join("var/lib/dpkg/triggers/Unincorp"), "").unwrap();
        let mut calls = Vec::new();
        for _ in 0..4 {
            let mut words = vec![chance.one(&["--no-await", "--by-package=p", "--await"])];
            words.push(if chance.often(80) { chance.one(&names[..6]) } else { "--check-supported" });
            if chance.often(10) {
                words.push("more");
            }
            calls.push(words.join(" "));
            let environment = [("DPKG_MAINTSCRIPT_PACKAGE", "p"), ("DPKG_MAINTSCRIPT_ARCH", "amd64")];
            let mut command = Command::new(&program);
            let theirs = real(command.arg("--root").arg(root.path()).args(&words).envs(environment), b"");
            let ours = run_with(&mut machine, &[&["dpkg-trigger"][..], &words].concat(), b"", &environment).unwrap();
            // What the real one says of a database without records is nothing that an image has.
            if !words.contains(&"--check-supported") {
                compare(&ours, &theirs, &calls);
            }
            let file = std::fs::read_to_string(root.path().join("var/lib/dpkg/triggers/Unincorp")).unwrap_or_default();
            let theirs: Vec<&str> = file.lines().filter_map(|line| line.split(' ').next()).collect();
            let ours: Vec<&str> = machine.dpkg.activated.iter().map(String::as_str).collect();
            assert_eq!(ours, sorted(&theirs.join("\n")), "{calls:#?}");
        }
    }
}

/// This machine's own packages.
fn own_packages() -> Option<Machine<'static>> {
    let status = std::fs::read_to_string("/var/lib/dpkg/status").ok()?;
    let mut machine = machine(Family::Deb, &[]);
    for stanza in status.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let mut control: Vec<(String, String)> = Vec::new();
        for line in stanza.lines() {
            match line.split_once(':').filter(|_| !line.starts_with(' ')) {
                Some((name, value)) => control.push((name.to_owned(), value.trim_start().to_owned())),
                None => control.last_mut()?.1 += &format!("\n{line}"),
            }
        }
        let field = |name: &str| control.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if field("Status")? != "install ok installed" {
            continue;
        }
        let (name, arch) = (field("Package")?, field("Architecture")?);
        let full = if field("Multi-Arch").as_deref() == Some("same") { format!("{name}:{arch}") } else { name.clone() };
        let list = std::fs::read_to_string(format!("/var/lib/dpkg/info/{full}.list")).ok()?;
        let files: Vec<&str> = list.lines().collect();
        control.retain(|(name, _)| !["Status", "Conffiles"].contains(&name.as_str()));
        let fields: Vec<(&str, &str)> = control.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut package = package(&fields, &files).clone();
        for member in ["preinst", "postinst", "prerm", "postrm", "config"] {
            if let Ok(text) = std::fs::read(format!("/var/lib/dpkg/info/{full}.{member}")) {
                package.scripts.push(Script { name: member.to_owned(), text });
            }
        }
        for member in ["md5sums", "templates", "triggers", "symbols", "shlibs", "conffiles"] {
            if let Ok(text) = std::fs::read(format!("/var/lib/dpkg/info/{full}.{member}")) {
                package.members.insert(member.to_owned(), text);
            }
        }
        install(&mut machine, Box::leak(Box::new(package)));
    }
    Some(machine)
}

#[test]
fn queries_are_answered_as_dpkg_query_answers_them() {
    let Some(program) = crate::oracle::oracle("dpkg-query") else { return };
    let Some(mut machine) = own_packages() else { return crate::oracle::skip("no packages are installed") };
    // Alternatives in dpkg's own order; diversions of this machine are none of ours.
    let names = [
        "dpkg",
        "libc6",
        "libc6:amd64",
        "libc6:i386",
        "bash",
        "none-such",
        "python3*",
        "base-*",
        "mail-transport-agent",
        "adduser:all",
        "[ab]ash",
        "lib?6",
    ];
    let formats = [
        "${Package} ${Version}\\n",
        "${binary:Package}=${Status}\\n",
        "${db:Status-Status}\\t${db:Status-Abbrev}|\\n",
        "${Package;20}|${Version;-8}|\\n",
        "${Depends}\\n${Nothing}${Essential}",
        "${binary:Summary}\\n",
        "${source:Package} ${source:Version} ${source:Upstream-Version}\\n",
        "${Homepage}\\n",
        "plain",
        "${unclosed",
        "${Description}\\n",
        "${Architecture}${Multi-Arch;10}$x\\\\\\n",
        "${db-fsys:Files}",
        "${Maintainer}",
        "",
    ];
    let paths = [
        "/bin/sh",
        "/usr/bin/dpkg",
        "/etc",
        "/usr/share/doc/",
        "bash.bashrc",
        "/usr/lib/*/libc.so*",
        "none/such",
        "/etc/bash.bashrc",
        "*bin/b?sh",
        "/.",
        "/",
    ];
    let mut calls: Vec<Vec<&str>> = Vec::new();
    for name in names {
        calls.extend([
            vec!["-W", name],
            vec!["-l", name],
            vec!["--control-list", name],
            vec!["-c", name, "postinst"],
            vec!["-c", name, "none"],
            vec!["--control-show", name, "md5sums"],
        ]);
        if !name.contains(['*', '[', '?']) {
            calls.extend([vec!["-s", name], vec!["-L", name]]);
        }
        calls.extend(formats.iter().map(|format| vec!["-W", "-f", format, name]));
    }
    calls.extend(paths.iter().map(|path| vec!["-S", path]));
    calls.extend([
        vec!["-W"],
        vec!["-l"],
        vec!["-S", "/bin/bash", "none"],
        vec!["-W", "-f", "${Package}\\n", "bash", "none", "dpkg"],
        vec!["-s", "bash", "none"],
        vec!["-L"],
        vec!["-S"],
    ]);
    for words in &calls {
        let theirs = real(Command::new(&program).args(words), b"");
        let ours = run(&mut machine, &[&["dpkg-query"][..], words].concat()).unwrap();
        assert_eq!(ours.status, theirs.status, "{words:?}\n{}\n{}", ours.err, theirs.err);
        let without = |text: &str| -> Vec<String> {
            // Sums of configuration files are this machine's, and diversions its packages'.
            let block =
                |line: &&str| !(line.starts_with("Conffiles:") || line.starts_with(" /") || line.contains("iver"));
            let lines = text.lines().filter(block).map(str::to_owned);
            // Packages that share a path have no order.
            let words = lines.map(|line| {
                let (owners, path) = line.split_once(": ").unwrap_or(("", &line));
                let mut owners: Vec<&str> = owners.split(", ").collect();
                owners.sort_unstable();
                format!("{owners:?}: {path}")
            });
            words.collect()
        };
        let (mut ours_out, mut theirs_out) = (without(&ours.out), without(&theirs.out));
        if words[0] == "-S" || words[0].starts_with("--control") || words[0] == "-c" {
            ours_out.sort();
            theirs_out.sort();
        }
        assert_eq!(ours_out, theirs_out, "{words:?}");
    }
    println!("{} queries", calls.len());
}

#[test]
fn a_package_has_the_state_of_its_script() {
    let mut machine = machine(Family::Deb, &[]);
    let known = package(&[("Package", "p"), ("Version", "1"), ("Architecture", "all")], &["/etc"]);
    machine.packages.push(Installed { package: known, status: Status::NotInstalled });
    let asked = ["dpkg-query", "-W", "-f", "${Status}", "p"];
    assert_eq!(run(&mut machine, &asked).unwrap().status, 1);
    machine.running = Running { package: "p".into(), script: "preinst".into(), ..Running::default() };
    assert_eq!(run(&mut machine, &asked).unwrap().out, "install reinstreq half-installed");
    machine.packages[0].status = Status::Unpacked;
    machine.running.script = "postinst".into();
    assert_eq!(run(&mut machine, &asked).unwrap().out, "install ok half-configured");
}

#[test]
fn nothing_is_left_for_the_helper_on_a_fresh_installation() {
    let environment = [("DPKG_MAINTSCRIPT_NAME", "preinst"), ("DPKG_MAINTSCRIPT_PACKAGE", "p")];
    let mut machine = machine(Family::Deb, &[("/etc/x", "")]);
    let helper = "dpkg-maintscript-helper";
    for (words, status) in [
        (&["supports", "rm_conffile"][..], 0),
        (&["supports", "fly"], 1),
        (&["rm_conffile", "/etc/x", "1.0~", "p", "--", "install"], 0),
        (&["rm_conffile", "/etc/x", "--", "install", ""], 0),
        (&["rm_conffile", "etc/x", "1.0~", "--", "install"], 1),
        (&["rm_conffile", "/etc/x", "1.0-", "--", "install"], 1),
        (&["rm_conffile", "/etc/x", "1.0", "--"], 1),
        (&["rm_conffile", "/etc/x", "1.0"], 1),
        (&["mv_conffile", "/etc/x", "/etc/y", "1", "p", "--", "install"], 0),
        (&["symlink_to_dir", "/etc/x", "y", "1", "p", "--", "install"], 0),
        (&["symlink_to_dir", "/etc/x/", "y", "1", "p", "--", "install"], 1),
        (&["dir_to_symlink", "/etc/x", "y", "1", "p", "--", "install"], 0),
        (&["dir_to_symlink", "/etc/x", "", "1", "p", "--", "install"], 1),
        (&["fly"], 1),
        (&[], 1),
    ] {
        let ours = run_with(&mut machine, &[&[helper][..], words].concat(), b"", &environment).unwrap();
        assert_eq!(ours.status, status, "{words:?} {}", ours.err);
        if let Some(program) = crate::oracle::oracle(helper) {
            let theirs = real(Command::new(program).args(words).envs(environment), b"");
            assert_eq!(theirs.status, status, "{words:?} {}", theirs.err);
        }
    }
    let upgrade = ["rm_conffile", "/etc/x", "1.0~", "p", "--", "install", "0.9"];
    run_with(&mut machine, &[&[helper][..], &upgrade].concat(), b"", &environment).unwrap_err();
}

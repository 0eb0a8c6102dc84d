//! What scripts change here against what they change when the distribution's own shell runs them, as root in a chroot
//! (`ci/scripts-oracle`).

mod calls;
mod classes;
mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use corpus::Corpus;
use nodesmith::assemble::scripts::files::Files;
use nodesmith::assemble::scripts::{Moment, Probe, Why, programs};
use nodesmith::package::{Family, Package};
use nodesmith::tree::{Inode, Kind, Tree, TreePath};
use rayon::prelude::*;

/// What an inode is, in words: kind, mode, user:group, size, digest or target or device, attributes.
type Facts = [String; 6];

/// The recorder's names of scripts.
const SCRIPTS: [&str; 4] = ["config", "preinst", "postinst", "triggered"];

/// A script's difference: what is there after it, by path; nothing where something went.
type Difference = BTreeMap<String, Option<Facts>>;

#[test]
fn scripts_change_what_they_change_under_the_real_shell() {
    let place = place();
    let mut corpus = Corpus::open(&place.join("store"), &place.join("trixie")).unwrap();
    let names = corpus.unpack(&recorded(&place)).unwrap();
    let results: Vec<Compared> = names.par_iter().map(|name| compare(&corpus, &place.join("recorded"), name)).collect();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut scripts, mut same, mut paths) = (0, 0, 0);
    let mut unexplained = Vec::new();
    let (mut calls, mut same_calls, mut other_calls) = (0, 0, Vec::new());
    for compared in results {
        scripts += compared.scripts;
        same += compared.same;
        paths += compared.paths;
        for class in compared.classes {
            *classes.entry(class).or_default() += 1;
        }
        unexplained.extend(compared.unexplained);
        calls += compared.calls;
        same_calls += compared.same_calls;
        other_calls.extend(compared.other_calls);
    }
    for (class, count) in &classes {
        eprintln!("{count:6}  {class}");
    }
    eprintln!("{} packages, {scripts} scripts, {paths} paths, {same} of them equal", names.len());
    eprintln!("{calls} programs called, {same_calls} of them with the same arguments");
    // Names of temporary files, numbers of accounts and processes, and what differs with the tree that the scripts find.
    assert!(calls > 0 && same_calls * 10 >= calls * 9, "other programs are called:\n{}", other_calls.join("\n"));
    let packages: BTreeSet<&str> = unexplained.iter().filter_map(|line| line.split(' ').next()).collect();
    let text = unexplained.join("\n");
    eprintln!("{text}");
    assert!(packages.len() <= forgiven(), "{} differences of {packages:?}:\n{text}", unexplained.len());
}

/// Packages that may differ: a mirror may replace any of them tomorrow, and its new script do what nobody has seen yet.
/// That is shown in each run, and stops the long one.
fn forgiven() -> usize {
    if std::env::var_os("NODESMITH_LONG").is_some() { 0 } else { 2 }
}

/// Each program of the table that these packages' scripts call, dropped in turn: the first script that calls it stops,
/// and says so.
#[test]
fn a_script_stops_where_a_program_of_the_table_is_missing() {
    let place = place();
    let mut corpus = Corpus::open(&place.join("store"), &place.join("trixie")).unwrap();
    let names = corpus.unpack(&recorded(&place)).unwrap();
    // Of each program the package with the fewest others that calls it.
    let mut callers: BTreeMap<String, &String> = BTreeMap::new();
    let mut by_size: Vec<&String> = names.iter().collect();
    by_size.sort_by_key(|name| (corpus.closures[*name].len(), *name));
    for name in by_size.into_iter().take(40) {
        let mut called = BTreeSet::new();
        let mut observe = |package: &Package, _: &str, moment: Moment, _: &Files| {
            if let (true, Moment::After(_, calls)) = (package.id.name == *name, moment) {
                called.extend(calls.iter().filter_map(|words| String::from_utf8(words.first()?.clone()).ok()));
            }
        };
        corpus.interpret(name, Probe { observer: Some(&mut observe), without: None }).unwrap();
        for program in called {
            let program = program.rsplit('/').next().unwrap_or_default().to_owned();
            if programs::lookup(&program, Family::Deb).is_some() {
                callers.entry(program).or_insert(name);
            }
        }
    }
    assert!(callers.len() > 30, "{callers:?}");
    let known: Vec<String> = callers
        .par_iter()
        .filter_map(|(program, name)| {
            let result = corpus.interpret(name, Probe { observer: None, without: Some(program.clone()) }).unwrap();
            let told = result.problems.iter().any(|problem| match &problem.why {
                Why::Stopped(stop) => {
                    stop.program().is_some_and(|stopped| stopped.rsplit('/').next() == Some(program))
                        && stop.line.is_some()
                }
                Why::Failed(..) => false,
            });
            (!told).then(|| format!("{program} ({name})"))
        })
        .collect();
    // These are shell scripts of packages, which are interpreted then.
    let scripts = [
        "deb-systemd-invoke",
        "dpkg-maintscript-helper",
        "dpkg-realpath",
        "invoke-rc.d",
        "ucf",
        "ucfr",
        "ucfq",
        "which",
    ];
    let known: Vec<&String> =
        known.iter().filter(|line| !scripts.iter().any(|name| line.starts_with(&format!("{name} ")))).collect();
    assert!(known.len() <= forgiven(), "nobody misses {known:?}");
}

/// Where `ci/scripts-oracle` left what it saw.
fn place() -> PathBuf {
    PathBuf::from(std::env::var("SCRIPTS_ORACLE").expect("ci/test sets it"))
}

/// The packages that it saw.
fn recorded(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place.join("recorded")).unwrap();
    entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned)).collect()
}

#[derive(Default)]
struct Compared {
    scripts: usize,
    /// Paths that either has.
    paths: usize,
    same: usize,
    /// The class of each difference that has one.
    classes: Vec<&'static str>,
    unexplained: Vec<String>,
    /// Programs that the real shell started, those that were called here with the same arguments, and the others.
    calls: usize,
    same_calls: usize,
    other_calls: Vec<String>,
}

/// As text.
fn shown(words: &[Vec<u8>]) -> Vec<String> {
    words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn compare(corpus: &Corpus, recorded: &Path, name: &str) -> Compared {
    let mut compared = Compared::default();
    let mut before: Option<(Tree, Names)> = None;
    let mut changes: BTreeMap<&str, Difference> = BTreeMap::new();
    let mut texts: BTreeMap<(&str, String), Vec<u8>> = BTreeMap::new();
    let mut calls: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
    let mut untold: Vec<String> = Vec::new();
    let mut finished = 0;
    let mut observe = |package: &Package, script: &str, moment: Moment, files: &Files| {
        if package.id.name != name {
            return;
        }
        match moment {
            Moment::Before => before = Some((files.tree.clone(), Names::of(files))),
            Moment::After(told, called) => {
                let Some((tree, names)) = before.take() else { return };
                // debconf asks once more when its front end is started by a postinst, which then runs again for triggers.
                let script = match (script, changes.contains_key("config"), finished) {
                    ("config", true, _) => "postinst",
                    ("config", false, _) => "config",
                    ("preinst", ..) => "preinst",
                    (_, _, 0) => {
                        finished = 1;
                        "postinst"
                    }
                    _ => "triggered",
                };
                calls.entry(script).or_default().extend(called.iter().map(|words| shown(words)));
                let found = difference(&tree, &names, &files.tree, &Names::of(files));
                let told: BTreeSet<String> = told.iter().map(|(path, _)| path.to_string()).collect();
                for path in found.keys() {
                    if !told.contains(path) {
                        untold.push(format!("{name} {script} {path}: changed here, and the manifest would not say so"));
                    }
                    if let Ok(Ok(text)) = files.read(path.as_bytes()) {
                        texts.insert((script, path.clone()), text);
                    }
                }
                changes.entry(script).or_default().extend(found);
            }
        }
    };
    let result = corpus.interpret(name, Probe { observer: Some(&mut observe), without: None }).unwrap();
    // What is refused changes nothing wrong; coverage counts it.
    let stopped: BTreeSet<&str> = result
        .problems
        .iter()
        .filter(|problem| problem.package.name == name)
        .map(|problem| problem.script.as_str())
        .collect();
    let used: BTreeSet<String> = result
        .scripts
        .iter()
        .filter(|account| account.package.name == name)
        .flat_map(|account| account.used.iter().map(|used| used.program.clone()))
        .collect();
    compared.unexplained.extend(untold);
    for script in SCRIPTS {
        let Ok(text) = fs::read_to_string(recorded.join(format!("{name}.{script}.txt"))) else { continue };
        let real = parse(&text);
        if stopped.contains(if script == "triggered" { "postinst" } else { script }) {
            compared.classes.push("the script is refused");
            continue;
        }
        // What fails there may do so for want of something that is done here.
        if !succeeded(recorded, name, script) {
            compared.classes.push("the real script fails");
            continue;
        }
        compared.scripts += 1;
        let exec = fs::read_to_string(recorded.join(format!("{name}.{script}.exec"))).unwrap();
        let called = calls::compare(&exec, calls.get(script).map(Vec::as_slice).unwrap_or_default());
        compared.calls += called.real;
        compared.same_calls += called.same;
        compared.other_calls.extend(called.other.into_iter().map(|line| format!("{name} {script} {line}")));
        let ours = changes.remove(script).unwrap_or_default();
        let contents = contents(&recorded.join(format!("{name}.{script}.tar.gz")));
        let paths: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
        for path in paths {
            compared.paths += 1;
            let (theirs, ours) = (real.get(path), ours.get(path));
            let text = |texts: Option<&Vec<u8>>| texts.map(|text| String::from_utf8_lossy(text).into_owned());
            let difference = classes::Difference {
                package: name,
                path,
                theirs,
                ours,
                their_text: text(contents.get(path)),
                our_text: text(texts.get(&(script, path.clone()))),
            };
            if theirs == ours {
                compared.same += 1;
            } else if let Some(class) = classes::class(&difference, &used) {
                compared.classes.push(class);
            } else {
                let show = |facts: Option<&Option<Facts>>| match facts {
                    None => "untouched".to_owned(),
                    Some(None) => "removed".to_owned(),
                    Some(Some(facts)) => facts.join(" "),
                };
                let mut line = format!("{name} {script} {path}: really {}, here {}", show(theirs), show(ours));
                if let (Some(theirs), Some(ours)) = (&difference.their_text, &difference.our_text) {
                    let (their_lines, our_lines): (BTreeSet<&str>, BTreeSet<&str>) =
                        (theirs.lines().collect(), ours.lines().collect());
                    line.extend(their_lines.difference(&our_lines).map(|line| format!("\n    - {line}")));
                    line.extend(our_lines.difference(&their_lines).map(|line| format!("\n    + {line}")));
                    if their_lines == our_lines && theirs != ours {
                        line.extend(["\n    in another order: ", &ours.lines().collect::<Vec<_>>().join(" | ")]);
                    }
                }
                compared.unexplained.push(line);
            }
        }
    }
    compared
}

/// Whether the recorder saw it end with 0.
fn succeeded(recorded: &Path, name: &str, script: &str) -> bool {
    let report = fs::read(recorded.join(format!("{name}.json"))).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["scripts"][script]["status"] == 0
}

/// Users and groups by number.
struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    fn of(files: &Files) -> Names {
        let read = |path: &[u8]| {
            let text = files.read(path).ok().and_then(Result::ok).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines()
                .rev()
                .filter_map(|line| {
                    let mut fields = line.split(':');
                    let name = fields.next()?;
                    Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
                })
                .collect()
        };
        Names { users: read(b"/etc/passwd"), groups: read(b"/etc/group") }
    }

    fn owner(&self, inode: &Inode) -> String {
        let word = |of: &BTreeMap<u32, String>, id: u32| of.get(&id).cloned().unwrap_or_else(|| id.to_string());
        format!("{}:{}", word(&self.users, inode.uid), word(&self.groups, inode.gid))
    }
}

fn difference(before: &Tree, names: &Names, after: &Tree, new_names: &Names) -> Difference {
    let list = |tree: &Tree, names: &Names| -> BTreeMap<TreePath, Facts> {
        tree.iter().map(|(path, _, inode)| (path.clone(), facts(inode, names))).collect()
    };
    let (old, new) = (list(before, names), list(after, new_names));
    let gone = old.keys().filter(|path| !new.contains_key(*path)).map(|path| (path.to_string(), None));
    let other = new.iter().filter(|(path, facts)| old.get(*path) != Some(*facts));
    other.map(|(path, facts)| (path.to_string(), Some(facts.clone()))).chain(gone).collect()
}

fn facts(inode: &Inode, names: &Names) -> Facts {
    let nothing = || "-".to_owned();
    let (kind, size, content) = match &inode.kind {
        Kind::File(content) => ("file", content.size().to_string(), content.digest().to_string()),
        Kind::Directory => ("directory", nothing(), nothing()),
        Kind::Symlink(target) => ("symlink", nothing(), String::from_utf8_lossy(target).into_owned()),
        Kind::CharDevice { major, minor } => ("char", nothing(), format!("{major}:{minor}")),
        Kind::BlockDevice { major, minor } => ("block", nothing(), format!("{major}:{minor}")),
        Kind::Fifo => ("fifo", nothing(), nothing()),
    };
    let mode = if kind == "symlink" { nothing() } else { format!("{:04o}", inode.mode) };
    let attributes: Vec<String> = inode
        .xattrs
        .iter()
        .map(|(name, value)| {
            let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}={value}", String::from_utf8_lossy(name))
        })
        .collect();
    let attributes = if attributes.is_empty() { nothing() } else { attributes.join(",") };
    [kind.to_owned(), mode, names.owner(inode), size, content, attributes]
}

/// The recorder's lines: sign, path, the facts, which of them are new.
fn parse(text: &str) -> Difference {
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let facts = || std::array::from_fn(|index| fields[2 + index].to_owned());
            (fields[1].to_owned(), (fields[0] != "-").then(facts))
        })
        .collect()
}

/// What the recorder kept of files' contents, by path.
fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(file) = File::open(path) else { return BTreeMap::new() };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = format!("/{}", entry.path().unwrap().display());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, bytes)
    });
    entries.collect()
}

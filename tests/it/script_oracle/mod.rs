//! What scripts change here against what they change when the distribution's own shell runs them, as root in a chroot
//! (`ci/scripts-oracle`).

mod classes;
mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use corpus::Corpus;
use nodesmith::assemble::scripts::Moment;
use nodesmith::assemble::scripts::files::Files;
use nodesmith::package::Package;
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
    let place =
        PathBuf::from(std::env::var("SCRIPTS_ORACLE").expect("ci/test sets it to what ci/scripts-oracle prints"));
    let mut corpus = Corpus::open(&place.join("store"), &place.join("trixie")).unwrap();
    let recorded: Vec<String> = fs::read_dir(place.join("recorded"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    let names = corpus.unpack(&recorded).unwrap();
    let results: Vec<Compared> = names.par_iter().map(|name| compare(&corpus, &place.join("recorded"), name)).collect();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut scripts, mut same, mut paths) = (0, 0, 0);
    let mut unexplained = Vec::new();
    for compared in results {
        scripts += compared.scripts;
        same += compared.same;
        paths += compared.paths;
        for class in compared.classes {
            *classes.entry(class).or_default() += 1;
        }
        unexplained.extend(compared.unexplained);
    }
    for (class, count) in &classes {
        eprintln!("{count:6}  {class}");
    }
    eprintln!("{} packages, {scripts} scripts, {paths} paths, {same} of them equal", names.len());
    assert!(unexplained.is_empty(), "{} differences:\n{}", unexplained.len(), unexplained.join("\n"));
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
}

fn compare(corpus: &Corpus, recorded: &Path, name: &str) -> Compared {
    let mut compared = Compared::default();
    let mut before: Option<(Tree, Names)> = None;
    let mut changes: BTreeMap<&str, Difference> = BTreeMap::new();
    let mut texts: BTreeMap<(&str, String), Vec<u8>> = BTreeMap::new();
    let mut finished = 0;
    let mut observe = |package: &Package, script: &str, moment: Moment, files: &Files| {
        if package.id.name != name {
            return;
        }
        match moment {
            Moment::Before => before = Some((files.tree.clone(), Names::of(files))),
            Moment::After(_) => {
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
                let found = difference(&tree, &names, &files.tree, &Names::of(files));
                for path in found.keys() {
                    if let Ok(Ok(text)) = files.read(path.as_bytes()) {
                        texts.insert((script, path.clone()), text);
                    }
                }
                changes.entry(script).or_default().extend(found);
            }
        }
    };
    let result = corpus.interpret(name, Some(&mut observe)).unwrap();
    for problem in result.problems.iter().filter(|problem| problem.package.name == name) {
        // What is refused changes nothing wrong; coverage counts it.
        compared.classes.push("refused");
        let _ = problem;
    }
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
    for script in SCRIPTS {
        let Ok(text) = fs::read_to_string(recorded.join(format!("{name}.{script}.txt"))) else { continue };
        let real = parse(&text);
        if stopped.contains(if script == "triggered" { "postinst" } else { script }) {
            continue;
        }
        compared.scripts += 1;
        let ours = changes.remove(script).unwrap_or_default();
        let contents = contents(&recorded.join(format!("{name}.{script}.tar.gz")));
        let paths: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
        for path in paths {
            compared.paths += 1;
            let (theirs, ours) = (real.get(path), ours.get(path));
            let text = |texts: Option<&Vec<u8>>| texts.map(|text| String::from_utf8_lossy(text).into_owned());
            let difference = classes::Difference {
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
                compared.unexplained.push(format!(
                    "{name} {script} {path}: really {}, here {}",
                    show(theirs),
                    show(ours)
                ));
            }
        }
    }
    compared
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

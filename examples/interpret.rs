//! A corpus of packages → whose scripts are interpreted, and what stops the others.
//!
//! usage: interpret STORE CORPUS NAMES|all [PACKAGE]
//!
//! CORPUS is what `ci/scripts-corpus` leaves: `packages.tsv` (name, version, path of the deb from the directory above),
//! `closures-all.json` (name → what has to be installed for it). Of each name its scripts are interpreted on a root with
//! its closure. The last line is `N of M packages interpreted`; with PACKAGE only that one, and every problem of it.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use nodesmith::assemble::scripts::{Outcome, Problem, Why};
use nodesmith::assemble::{AgentFiles, Inputs, interpret};
use nodesmith::package::{Family, FileEntry, FileKind, Owner, Package, PackageId, deb};
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::repo::store::Store;
use nodesmith::tree::{Content, TreePath};
use rayon::prelude::*;

/// Scripts of a fresh installation.
const FRESH: [&str; 3] = ["config", "preinst", "postinst"];

struct Corpus {
    debs: BTreeMap<String, PathBuf>,
    closures: BTreeMap<String, Vec<String>>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, corpus, names, only @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: interpret STORE CORPUS NAMES|all [PACKAGE]")
    };
    let store = Store::open(Path::new(store))?;
    let corpus = read_corpus(Path::new(corpus))?;
    let mut names: Vec<String> = match names.as_str() {
        "all" => corpus.closures.keys().cloned().collect(),
        file => std::fs::read_to_string(file)?.split_whitespace().map(str::to_owned).collect(),
    };
    names.retain(|name| corpus.closures.contains_key(name) && (only.is_empty() || only.contains(name)));
    let wanted: BTreeSet<&String> = names.iter().flat_map(|name| &corpus.closures[name]).chain(&names).collect();
    let packages: BTreeMap<String, Package> = wanted
        .par_iter()
        .filter_map(|name| Some((name, corpus.debs.get(*name)?)))
        .map(|(name, path)| {
            let mut file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
            Ok(((*name).clone(), deb::unpack(&mut file, name, &store)?))
        })
        .collect::<Result<_>>()?;
    let recipe = recipe()?;
    let with_scripts: Vec<&String> = names.iter().filter(|name| has_scripts(packages.get(*name))).collect();
    let results: Vec<(&String, Vec<Problem>)> = with_scripts
        .par_iter()
        .map(|name| Ok((*name, problems(&recipe, &store, &packages, &corpus.closures[*name], name)?)))
        .collect::<Result<_>>()?;
    let mut stopped: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut interpreted = 0;
    for (name, problems) in &results {
        interpreted += usize::from(problems.is_empty());
        for problem in problems {
            let (key, text) = told(problem);
            stopped.entry(key).or_default().insert(name);
            println!("{name}\t{}\t{text}", problem.script);
        }
    }
    let mut stopped: Vec<(String, BTreeSet<&str>)> = stopped.into_iter().collect();
    stopped.sort_by_key(|(key, names)| (std::cmp::Reverse(names.len()), key.clone()));
    for (key, names) in stopped {
        println!("{:5}  {key}  ({})", names.len(), names.into_iter().take(6).collect::<Vec<_>>().join(" "));
    }
    println!("{interpreted} of {} packages interpreted", results.len());
    Ok(())
}

fn read_corpus(directory: &Path) -> Result<Corpus> {
    let above = directory.parent().unwrap_or(Path::new("."));
    let table = std::fs::read_to_string(directory.join("packages.tsv"))?;
    let rows = table.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, path) = (fields.next()?, fields.nth(1)?);
        Some((name.to_owned(), above.join(path)))
    });
    let closures = std::fs::read_to_string(directory.join("closures-all.json"))?;
    Ok(Corpus { debs: rows.filter(|(_, path)| path.is_file()).collect(), closures: serde_json::from_str(&closures)? })
}

fn has_scripts(package: Option<&Package>) -> bool {
    package.is_some_and(|package| package.scripts.iter().any(|script| FRESH.contains(&script.name.as_str())))
}

/// A recipe of nothing in particular.
fn recipe() -> Result<Recipe> {
    let directory = tempfile::tempdir()?;
    let (path, keyring) = (directory.path().join("interpret.yaml"), directory.path().join("keyring.gpg"));
    std::fs::write(&keyring, "")?;
    std::fs::write(
        &path,
        format!(
            "nodesmith: 1\nname: interpret\nversion: \"1\"\narch: x86_64\nkernel: {{package: linux, line: \"6.12\"}}\n\
             packages: [e2fsprogs]\nrepositories: {{debian: {{apt: {{mirror: host, suite: trixie, keyring: {}}}}}}}\n",
            keyring.display()
        ),
    )?;
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).context("a day")?;
    Ok(check::check(&load::load(&path)?, day)?)
}

/// Every image has a kernel.
fn kernel() -> Result<Package> {
    let owner = Owner { name: "root".into(), id: 0 };
    let image = FileEntry {
        path: TreePath::parse("/boot/vmlinuz-6.12.0-interpret")?,
        kind: FileKind::Fifo,
        mode: 0o644,
        user: owner.clone(),
        group: owner,
        mtime: 0,
        xattrs: BTreeMap::new(),
    };
    let id = PackageId { name: "linux-image-interpret".into(), version: "1".into(), arch: "amd64".into() };
    let (control, scripts, members) = Default::default();
    Ok(Package { id, family: Family::Deb, control, files: vec![image], scripts, members })
}

/// What stops the scripts of `name` on a root with its closure.
fn problems(
    recipe: &Recipe,
    store: &Store,
    packages: &BTreeMap<String, Package>,
    closure: &[String],
    name: &str,
) -> Result<Vec<Problem>> {
    let names: BTreeSet<&str> = closure.iter().map(String::as_str).chain([name]).collect();
    let mut all: Vec<Package> = names.iter().filter_map(|name| packages.get(*name).cloned()).collect();
    all.push(kernel()?);
    let agent = AgentFiles { program: Content::inline("agent"), units: vec![] };
    let inputs = Inputs { recipe, packages: &all, contents: store, images: &[], agent: &agent };
    let result = interpret(&inputs, None).with_context(|| format!("interpreting {name}"))?;
    let failed = result.scripts.iter().filter(|script| script.package.name == name).filter_map(|script| {
        let Outcome::Failed(status, complaint) = &script.outcome else { return None };
        let why = Why::Failed(*status, complaint.clone());
        Some(Problem { package: script.package.clone(), script: script.script.clone(), why })
    });
    Ok(result.problems.into_iter().filter(|problem| problem.package.name == name).chain(failed).collect())
}

/// What problems are counted by, and one of them for people.
fn told(problem: &Problem) -> (String, String) {
    match &problem.why {
        Why::Stopped(stop) => {
            let line = stop.line.map(|line| line.to_string()).unwrap_or_default();
            (
                stop.program().map_or_else(|| stop.kind.to_string(), |program| format!("{program}: {}", stop.kind)),
                format!("{}: line {line}: {}", stop.kind, stop.command),
            )
        }
        Why::Failed(status, complaint) => ("a script that fails".to_owned(), format!("status {status}: {complaint}")),
    }
}

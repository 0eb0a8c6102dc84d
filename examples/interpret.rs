//! A corpus of packages → whose scripts are interpreted, and what stops the others.
//!
//! usage: interpret STORE CORPUS NAMES|all [PACKAGE]
//!
//! CORPUS is what `ci/scripts-corpus` leaves. Of each name its scripts are interpreted on a root with its closure. The
//! last line is `N of M packages interpreted`; with PACKAGE only that one, and every problem of it.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/it/script_oracle/corpus.rs"]
mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use corpus::Corpus;
use nodesmith::assemble::scripts::{Outcome, Problem, Why};
use rayon::prelude::*;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, directory, names, only @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: interpret STORE CORPUS NAMES|all [PACKAGE]")
    };
    let mut corpus = Corpus::open(Path::new(store), Path::new(directory))?;
    let mut names: Vec<String> = match names.as_str() {
        "all" => corpus.closures.keys().cloned().collect(),
        file => std::fs::read_to_string(file)?.split_whitespace().map(str::to_owned).collect(),
    };
    names.retain(|name| only.is_empty() || only.contains(name));
    let with_scripts = corpus.unpack(&names)?;
    let results: Vec<(&String, Vec<Problem>, bool)> =
        with_scripts.par_iter().map(|name| judged(&corpus, name)).collect::<Result<_>>()?;
    let mut stopped: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut interpreted = 0;
    for (name, problems, is_built) in &results {
        interpreted += usize::from(problems.is_empty() && *is_built);
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

/// What stops the scripts of `name` on a root with its closure, and whether nothing else stops the build.
fn judged<'n>(corpus: &Corpus, name: &'n String) -> Result<(&'n String, Vec<Problem>, bool)> {
    let result = corpus.interpret(name, Default::default())?;
    for mistake in &result.mistakes.0 {
        println!("{name}\t\t{}", mistake.title);
    }
    let failed = result.scripts.iter().filter(|script| script.package.name == *name).filter_map(|script| {
        let Outcome::Failed(status, complaint) = &script.outcome else { return None };
        let why = Why::Failed(*status, complaint.clone());
        Some(Problem { package: script.package.clone(), script: script.script.clone(), why })
    });
    let problems = result.problems.into_iter().filter(|problem| problem.package.name == *name).chain(failed).collect();
    Ok((name, problems, result.mistakes.0.is_empty()))
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

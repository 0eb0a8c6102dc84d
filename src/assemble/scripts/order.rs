//! The order in which packages are installed: what a package needs comes before it.
//!
//! As apt and rpm order a transaction: dependencies first, those that must be there for scripts before others where the
//! needs go round in circles; what is left open is decided by name, so that the order of the input does not matter.

use std::collections::{BTreeMap, BTreeSet};

use crate::package::{Family, FileKind, Package, rpm};

/// Everybody's files lie in the directories of these, and everybody's owners are in the others' lists.
const FIRST: [&str; 7] = ["base-files", "filesystem", "base-passwd", "setup", "libc6", "dpkg", "debconf"];

/// Indexes of `packages`, which are sorted by id, in the order of installation.
pub(super) fn order(packages: &[&Package]) -> Vec<usize> {
    let mut providers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        for name in provided(package) {
            providers.entry(name).or_default().push(index);
        }
    }
    let paths = needed_paths(packages);
    for (index, package) in packages.iter().enumerate().filter(|(_, package)| package.family == Family::Rpm) {
        for file in package.files.iter().filter(|file| file.kind != FileKind::Directory) {
            let path = file.path.to_string();
            if paths.contains(&path) {
                providers.entry(path).or_default().push(index);
            }
        }
    }
    // Strong needs (Pre-Depends) are followed first, so that a circle is cut at a weak one.
    let needs: Vec<Vec<usize>> = packages.iter().map(|package| needed(package, &providers)).collect();
    let essential = |package: &Package| field(package, "Essential") == Some("yes");
    let mut roots: Vec<usize> = (0..packages.len()).collect();
    roots.sort_by_key(|index| {
        let name = packages[*index].id.name.as_str();
        let first = FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
        (first, !essential(packages[*index]), *index)
    });
    let (mut done, mut ordered) = (vec![false; packages.len()], Vec::with_capacity(packages.len()));
    for root in roots {
        visit(root, &needs, &mut done, &mut ordered);
    }
    ordered
}

/// Depth first, without recursion: chains of dependencies are long. A package that is on the way already is a circle.
fn visit(root: usize, needs: &[Vec<usize>], done: &mut [bool], ordered: &mut Vec<usize>) {
    let mut stack = vec![(root, 0)];
    if std::mem::replace(&mut done[root], true) {
        return;
    }
    while let Some((package, next)) = stack.pop() {
        match needs[package].get(next) {
            Some(needed) => {
                stack.push((package, next + 1));
                if !std::mem::replace(&mut done[*needed], true) {
                    stack.push((*needed, 0));
                }
            }
            None => ordered.push(package),
        }
    }
}

fn field<'a>(package: &'a Package, name: &str) -> Option<&'a str> {
    package.control.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn fields<'a>(package: &'a Package, name: &'a str) -> impl Iterator<Item = &'a str> {
    package.control.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// `a (>= 1) | b:any, c` → the names of each clause.
fn clauses(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.split(',').map(|clause| {
        let name = |one: &str| one.trim().split([' ', '(', ':']).next().unwrap_or_default().to_owned();
        clause.split('|').map(name).filter(|name| !name.is_empty()).collect()
    })
}

fn provided(package: &Package) -> Vec<String> {
    let mut names = vec![package.id.name.clone()];
    match package.family {
        Family::Deb => names.extend(field(package, "Provides").iter().flat_map(|text| clauses(text)).flatten()),
        Family::Rpm => names.extend(fields(package, rpm::PROVIDES).map(str::to_owned)),
    }
    names
}

/// The name in a requirement of an RPM: what stands before the operator.
fn required(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

fn needed_paths(packages: &[&Package]) -> BTreeSet<String> {
    let requirements = packages.iter().flat_map(|package| fields(package, rpm::REQUIRES));
    requirements.map(required).filter(|name| name.starts_with('/')).map(str::to_owned).collect()
}

/// The packages that have to be there before `package`, each once.
fn needed(package: &Package, providers: &BTreeMap<String, Vec<usize>>) -> Vec<usize> {
    let mut names: Vec<Vec<String>> = Vec::new();
    match package.family {
        Family::Deb => {
            let texts = ["Pre-Depends", "Depends"].into_iter().filter_map(|name| field(package, name));
            names.extend(texts.flat_map(clauses));
        }
        Family::Rpm => names.extend(fields(package, rpm::REQUIRES).map(|text| vec![required(text).to_owned()])),
    }
    let mut found: Vec<usize> = Vec::new();
    for clause in names {
        // Of several alternatives every one that is there.
        for provider in clause.iter().filter_map(|name| providers.get(name)).flatten() {
            if !found.contains(provider) {
                found.push(*provider);
            }
        }
    }
    found
}

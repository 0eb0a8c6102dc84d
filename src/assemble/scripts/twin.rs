//! No secret of the build in an image: what a node makes for itself must stand where it was printed.
//!
//! A program that prints a key or an identity prints a mark here, which the node replaces. A script that cuts, encodes or
//! hashes it would leave a word that all nodes share. So an image with such a mark is made twice, the second time with
//! marks of which every character is another: the two may differ in whole marks that nodes replace, and in nothing else.

use std::collections::BTreeSet;

use super::marks::Mark;
use super::probe::Probe;
use super::results::FirstBoot;
use super::transaction;
use crate::assemble::accounts::book::Accounts;
use crate::assemble::root::Root;
use crate::diag::Diagnostic;
use crate::tree::{Inode, Kind, TreePath};

/// Makes the root once more with other marks, and tells where it is not the same. `accounts` are those of the beginning.
pub(super) fn compare(root: &mut Root, marks: &[Mark], accounts: Accounts) -> anyhow::Result<()> {
    let mut twin = Root::new(root.inputs);
    twin.origin = root.origin.clone();
    twin.accounts = accounts;
    let others = transaction::run(&mut twin, Probe::default(), true)?;
    let words: Vec<(&str, &str)> =
        marks.iter().zip(&others).map(|(mark, other)| (mark.word.as_str(), other.word.as_str())).collect();
    let mut differing: Vec<String> =
        different_paths(root, &twin, &words)?.iter().map(|path| format!("`{path}`")).collect();
    let rest = [
        ("accounts", root.accounts == twin.accounts),
        ("alternatives", root.alternatives == twin.alternatives),
        ("units", root.units == twin.units),
        ("what is left to the first boot", programs(&root.first_boot, &words) == programs(&twin.first_boot, &[])),
        ("how scripts end", root.problems == twin.problems && marks.len() == others.len()),
    ];
    differing.extend(rest.iter().filter(|(_, same)| !same).map(|(what, _)| (*what).to_owned()));
    if !differing.is_empty() {
        root.mistakes.push(mistake(marks, &differing));
    }
    Ok(())
}

/// As the twin has them.
fn programs(list: &[FirstBoot], words: &[(&str, &str)]) -> Vec<FirstBoot> {
    let mut list = list.to_vec();
    for (_, mark) in list.iter_mut().filter_map(|program| program.fills.as_mut()) {
        if let Some((_, other)) = words.iter().find(|(word, _)| word == mark) {
            *mark = (*other).to_owned();
        }
    }
    list
}

fn different_paths(root: &Root, twin: &Root, words: &[(&str, &str)]) -> anyhow::Result<BTreeSet<TreePath>> {
    let mut found = BTreeSet::new();
    let paths: BTreeSet<&TreePath> = root.tree.iter().chain(twin.tree.iter()).map(|(path, ..)| path).collect();
    for path in paths {
        let same = match (root.tree.get(path), twin.tree.get(path)) {
            (Some(one), Some(other)) => one == other || differ_in_marks(root, path, one, other, words)?,
            _ => false,
        };
        if !same {
            found.insert(path.clone());
        }
    }
    Ok(found)
}

/// Whether two files are the same but for marks that the node replaces in the file at `path`.
fn differ_in_marks(
    root: &Root,
    path: &TreePath,
    one: &Inode,
    other: &Inode,
    words: &[(&str, &str)],
) -> anyhow::Result<bool> {
    let (Kind::File(content), Kind::File(wanted)) = (&one.kind, &other.kind) else { return Ok(false) };
    let facts = |inode: &Inode| Inode { kind: Kind::Fifo, ..inode.clone() };
    if facts(one) != facts(other) {
        return Ok(false);
    }
    let path = path.to_string();
    let mut text = String::from_utf8_lossy(&content.read(root.inputs.contents)?).into_owned();
    for (file, mark) in root.first_boot.iter().filter_map(|program| program.fills.as_ref()) {
        if let Some((word, other)) = words.iter().find(|(word, _)| *file == path && word == mark) {
            text = text.replace(word, other);
        }
    }
    Ok(text.as_bytes() == wanted.read(root.inputs.contents)?)
}

fn mistake(marks: &[Mark], differing: &[String]) -> Diagnostic {
    let makers: BTreeSet<String> = marks
        .iter()
        .filter(|mark| mark.is_secret)
        .map(|Mark { wanted: FirstBoot { program, package, .. }, script, .. }| {
            format!("`{}` in `{script}` of {package}", program.rsplit('/').next().unwrap_or(program))
        })
        .collect();
    let makers: Vec<String> = makers.into_iter().collect();
    let makers = makers.join(", ");
    let shown = &differing[..differing.len().min(5)];
    let more = match differing.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = shown.join(", ");
    let title = format!(
        "every node would have the same secret: {makers} makes it, and parts or digests of it are in: {shown}{more}"
    );
    Diagnostic::new("secret-in-image", title)
        .help("a node fills in what such a program prints only where a file holds it whole")
        .help("accept the program for this script (`accept-scripts`) if nodes need nothing of it, or leave the package out")
}

//! What single nodes are given: a directory whose subdirectories have their identities as names, or `default`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::Context;

use super::directory::{Directory, Found};
use super::identity::canonical;
use crate::agent::first_boot::metadata::{META_DATA, NETWORK_CONFIG, USER_DATA};
use crate::diag::{Diagnostic, Diagnostics};

/// The name of the directory for nodes that have none of their own.
const DEFAULT: &str = "default";
/// More words for the kernel, in a node's directory.
const CMDLINE: &str = "cmdline";
/// What a node may ask for; `vendor-data` is cloud-init's.
const SERVED: [&str; 4] = [META_DATA, USER_DATA, NETWORK_CONFIG, "vendor-data"];
/// Bytes: the kernel itself takes 2048 on x86 (`COMMAND_LINE_SIZE`), for all words.
const CMDLINE_MAX: u64 = 2048;

#[derive(Debug)]
pub(super) struct Nodes {
    directory: Directory,
}

/// The directory of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    directory: String,
    /// By which it was found, as it was asked for; for the default the first one, empty if there was none.
    pub(super) identity: String,
}

impl Node {
    /// Whether any other node would get the same.
    pub(super) fn is_default(&self) -> bool {
        self.directory == DEFAULT
    }
}

impl Nodes {
    /// # Errors
    /// [`Diagnostics`] for a directory that everybody would be served, and for two that are one node's.
    pub(super) fn open(path: &Path, served: &Directory) -> anyhow::Result<Nodes> {
        let directory = Directory::open(path)?;
        let mut mistakes = Diagnostics::default();
        if directory.path().starts_with(served.path()) {
            let title = format!("the nodes' directory {} lies in the one that is served to all", path.display());
            mistakes
                .push(Diagnostic::new("served-metadata", title).help("keep it elsewhere: there may be secrets in it"));
        }
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for name in directory.directories().with_context(|| format!("reading {}", path.display()))? {
            let Some(identity) = canonical(&name) else { continue };
            if let Some(other) = seen.insert(identity, name.clone()) {
                let title = format!("`{other}` and `{name}` in {} are the same node", path.display());
                mistakes.push(Diagnostic::new("two-directories-of-a-node", title).help("keep one of them"));
            }
        }
        mistakes.or(Nodes { directory }).map_err(Into::into)
    }

    /// The first of these identities that has a directory; else the default, if there is one. Looked up anew each time.
    pub(super) fn find(&self, identities: &[&str]) -> io::Result<Option<Node>> {
        let names = self.directory.directories()?;
        let node =
            |directory: &String, identity: &str| Node { directory: directory.clone(), identity: identity.to_owned() };
        for identity in identities {
            // Nobody is called by the default's name.
            let Some(asked) = canonical(identity).filter(|asked| asked != DEFAULT) else { continue };
            if let Some(name) = names.iter().find(|name| canonical(name).as_ref() == Some(&asked)) {
                return Ok(Some(node(name, identity)));
            }
        }
        let default = names.iter().find(|name| *name == DEFAULT);
        Ok(default.map(|name| node(name, identities.first().copied().unwrap_or_default())))
    }

    /// A file of metadata; `None` when the node has no such file, or no node may have one by that name.
    pub(super) fn metadata(&self, node: &Node, file: &str) -> io::Result<Option<Found>> {
        match SERVED.contains(&file) {
            true => self.directory.file(&[node.directory.as_str(), file]),
            false => Ok(None),
        }
    }

    /// The node's own words for the kernel, one line; empty when it has none.
    ///
    /// # Errors
    /// Also for what no command line can be.
    pub(super) fn words(&self, node: &Node) -> io::Result<String> {
        let Some(found) = self.directory.file(&[node.directory.as_str(), CMDLINE])? else { return Ok(String::new()) };
        let invalid = || {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}/{CMDLINE} is not one line of ASCII", node.directory))
        };
        let text = String::from_utf8(found.read(CMDLINE_MAX)?).map_err(|_| invalid())?;
        let text = text.trim();
        if text.contains(|c: char| !c.is_ascii() || c.is_ascii_control()) {
            return Err(invalid());
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(files: &[(&str, &str)]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("served")).unwrap();
        for (name, text) in files {
            let path = place.path().join("nodes").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        place
    }

    fn open(place: &tempfile::TempDir) -> anyhow::Result<Nodes> {
        Nodes::open(&place.path().join("nodes"), &Directory::open(&place.path().join("served")).unwrap())
    }

    #[test]
    fn a_node_gets_what_lies_under_one_of_its_names_and_else_the_default() {
        let place = place(&[
            ("52:54:00:AB:cd:ef/meta-data", "mac"),
            ("12345678-9ABC-def0-1234-56789abcdef0/meta-data", "uuid"),
            ("SN 7/meta-data", "serial"),
            ("SN 7/cmdline", " nodesmith.install=smallest\n"),
            ("SN 7/private", "x"),
            ("default/user-data", "default"),
            ("broken/cmdline", "a\nb"),
        ]);
        let nodes = open(&place).unwrap();
        let text = |identities: &[&str], file: &str| {
            let node = nodes.find(identities).unwrap()?;
            Some(String::from_utf8(nodes.metadata(&node, file).unwrap()?.read(100).unwrap()).unwrap())
        };
        assert_eq!(text(&["52-54-00-ab-cd-ef"], META_DATA).as_deref(), Some("mac"));
        assert_eq!(text(&["525400000000", "12345678-9abc-def0-1234-56789abcdef0"], META_DATA).as_deref(), Some("uuid"));
        assert_eq!(text(&["SN 7"], META_DATA).as_deref(), Some("serial"));
        for stranger in [&[][..], &["unknown"], &["default"], &["../nodes/SN 7"], &["."]] {
            assert_eq!(text(stranger, USER_DATA).as_deref(), Some("default"), "{stranger:?}");
            assert!(nodes.find(stranger).unwrap().unwrap().is_default());
        }
        for file in [USER_DATA, CMDLINE, "private", "..", ""] {
            assert_eq!(text(&["SN 7"], file), None, "{file}");
        }
        let words = |identity: &str| nodes.words(&nodes.find(&[identity]).unwrap().unwrap());
        assert_eq!(words("SN 7").unwrap(), "nodesmith.install=smallest");
        assert_eq!(words("525400abcdef").unwrap(), "");
        assert_eq!(words("broken").unwrap_err().to_string(), "broken/cmdline is not one line of ASCII");
        fs::remove_dir_all(place.path().join("nodes/default")).unwrap();
        assert_eq!(nodes.find(&["unknown"]).unwrap(), None);
    }

    #[test]
    fn doubtful_directories_are_mistakes() {
        let slugs = |result: anyhow::Result<Nodes>| -> Vec<&str> {
            let mistakes = result.unwrap_err().downcast::<Diagnostics>().unwrap();
            mistakes.0.iter().map(|mistake| mistake.slug).collect()
        };
        let place = place(&[("525400abcdef/meta-data", ""), ("52:54:00:ab:cd:ef/meta-data", "")]);
        assert_eq!(slugs(open(&place)), ["two-directories-of-a-node"]);
        fs::create_dir(place.path().join("served/nodes")).unwrap();
        let served = Directory::open(&place.path().join("served")).unwrap();
        for inside in ["served", "served/nodes"] {
            assert_eq!(slugs(Nodes::open(&place.path().join(inside), &served)), ["served-metadata"]);
        }
    }
}

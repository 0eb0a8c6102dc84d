//! Programs of the image that a node runs once, at its first boot: packages' scripts left them to it, because what they
//! make (keys, certificates, names) must differ from node to node.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{durable, run};
use crate::contract;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Once {
    pub program: String,
    pub arguments: Vec<String>,
    /// It is not run if all of these are there.
    #[serde(default)]
    pub makes: Vec<String>,
    /// A file, and the mark in it that gives way to what the program prints.
    #[serde(default)]
    pub fills: Option<(String, String)>,
}

/// Reads `first-boot` of [`contract::IMAGE_INFO`].
pub fn programs(text: &[u8]) -> Result<Vec<Once>> {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default, rename = "first-boot")]
        first_boot: Vec<Once>,
    }
    let info: Info = serde_json::from_slice(text).with_context(|| format!("reading {}", contract::IMAGE_INFO))?;
    Ok(info.first_boot)
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

impl Once {
    /// Whether something that it makes is missing below `root`, or a file has the mark still.
    pub fn is_due(&self, root: &Path) -> bool {
        match &self.fills {
            Some((file, mark)) => fs::read_to_string(below(root, file)).is_ok_and(|text| text.contains(mark)),
            None => !self.makes.iter().all(|path| below(root, path).exists()),
        }
    }

    pub fn run(&self) -> Result<()> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let Some((file, mark)) = &self.fills else { return run::program(&self.program, &arguments) };
        fill(Path::new("/"), file, mark, run::answer(&self.program, &arguments)?.trim())
    }
}

/// Owner and mode stay.
fn fill(root: &Path, file: &str, mark: &str, word: &str) -> Result<()> {
    let path = below(root, file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    durable::rewrite(&path, text.replace(mark, word).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_due_until_all_that_it_makes_is_there() {
        assert_eq!(programs(b"{\"name\": \"x\"}").unwrap(), []);
        let text = br#"{"first-boot": [{"program": "/usr/bin/true", "arguments": ["a"], "makes": ["/etc/a", "/etc/b"]},
            {"program": "/usr/bin/uuidgen", "arguments": [], "fills": ["/etc/a", "mark0"]}]}"#;
        let [once, filling] = programs(text).unwrap().try_into().unwrap();
        let (once, filling): (Once, Once) = (once, filling);
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/a"), "id=mark0\n").unwrap();
        assert!(once.is_due(root.path()) && filling.is_due(root.path()));
        fs::write(root.path().join("etc/b"), "").unwrap();
        fill(root.path(), "/etc/a", "mark0", "7").unwrap();
        assert!(!once.is_due(root.path()) && !filling.is_due(root.path()));
        assert_eq!(fs::read_to_string(root.path().join("etc/a")).unwrap(), "id=7\n");
        assert!(programs(b"{\"first-boot\": [{}]}").is_err());
    }
}

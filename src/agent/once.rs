//! Programs of the image that a node runs once, at its first boot: packages' scripts left them to it, because what they
//! make (keys, certificates) must differ from node to node.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::run;
use crate::contract;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Once {
    pub program: String,
    pub arguments: Vec<String>,
    /// It is not run if all of these are there.
    pub makes: Vec<String>,
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

impl Once {
    /// Whether something that it makes is missing below `root`.
    pub fn is_due(&self, root: &Path) -> bool {
        !self.makes.iter().all(|path| root.join(path.trim_start_matches('/')).exists())
    }

    pub fn run(&self) -> Result<()> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        run::program(&self.program, &arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_due_until_all_that_it_makes_is_there() {
        assert_eq!(programs(b"{\"name\": \"x\"}").unwrap(), []);
        let text = br#"{"first-boot": [{"program": "/usr/bin/true", "arguments": ["a"], "makes": ["/etc/a", "/etc/b"]}]}"#;
        let once = programs(text).unwrap().remove(0);
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/a"), "").unwrap();
        assert!(once.is_due(root.path()));
        std::fs::write(root.path().join("etc/b"), "").unwrap();
        assert!(!once.is_due(root.path()));
        assert!(programs(b"{\"first-boot\": [{}]}").is_err());
    }
}

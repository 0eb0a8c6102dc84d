//! Programs of the image that a node runs once, at its first boot: packages' scripts left them to it, because what
//! they make (keys, certificates, names) must differ from node to node. Which are due, and what becomes of what they print.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::agent::sysroot::below;
use crate::agent::{durable, run as programs};
use crate::image_info::Once;

/// Whether something that it makes is missing below `root`, or a file has the mark still.
pub fn is_due(once: &Once, root: &Path) -> bool {
    match &once.fills {
        Some((file, mark)) => fs::read_to_string(below(root, file)).is_ok_and(|text| text.contains(mark)),
        None => !once.makes.iter().all(|path| below(root, path).exists()),
    }
}

pub fn run(once: &Once) -> Result<()> {
    let arguments: Vec<&str> = once.arguments.iter().map(String::as_str).collect();
    let Some((file, mark)) = &once.fills else { return programs::program(&once.program, &arguments) };
    fill(Path::new("/"), file, mark, programs::answer(&once.program, &arguments)?.trim())
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
        let making = Once {
            program: "/usr/bin/true".to_owned(),
            arguments: vec!["a".to_owned()],
            makes: vec!["/etc/a".to_owned(), "/etc/b".to_owned()],
            fills: None,
        };
        let fills = Some(("/etc/a".to_owned(), "mark0".to_owned()));
        let filling = Once { makes: Vec::new(), fills, ..making.clone() };
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/a"), "id=mark0\n").unwrap();
        assert!(is_due(&making, root.path()) && is_due(&filling, root.path()));
        fs::write(root.path().join("etc/b"), "").unwrap();
        fill(root.path(), "/etc/a", "mark0", "7").unwrap();
        assert!(!is_due(&making, root.path()) && !is_due(&filling, root.path()));
        assert_eq!(fs::read_to_string(root.path().join("etc/a")).unwrap(), "id=7\n");
    }
}

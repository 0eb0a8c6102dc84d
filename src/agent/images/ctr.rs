//! The import into containerd by the image's own `ctr`.
//!
//! Images are pinned by a label, and another one says which archive an image came from.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::agent::run;
use crate::contract;
use crate::image_info::Archive;

/// containerd's namespace of the kubelet's images.
const NAMESPACE: &str = "k8s.io";
/// The label that CRI reports as "pinned" (containerd's internal/cri/labels).
const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");
/// SHA-256 of the archive that an image was imported from.
const ARCHIVE: &str = "io.nodesmith.archive";

pub(super) fn import(ctr: &str, archive: &Archive) -> Result<()> {
    if missing(&listed(ctr)?, archive).is_empty() {
        return Ok(());
    }
    let path = format!("{}/{}", contract::IMAGES, archive.file);
    run::program(ctr, &["--namespace", NAMESPACE, "images", "import", &path])?;
    let pinned = format!("{}={}", PINNED.0, PINNED.1);
    let origin = format!("{ARCHIVE}={}", archive.sha256);
    for name in &archive.names {
        run::program(ctr, &["--namespace", NAMESPACE, "images", "label", name, &pinned, &origin])?;
    }
    let missing = missing(&listed(ctr)?, archive);
    ensure!(missing.is_empty(), "after the import containerd does not have {} as it should", missing.join(", "));
    Ok(())
}

/// Names of the archive that containerd does not have, has from another archive, or may collect as garbage.
fn missing<'a>(listed: &BTreeMap<String, BTreeMap<String, String>>, archive: &'a Archive) -> Vec<&'a str> {
    let there = |name: &&String| {
        listed.get(*name).is_some_and(|labels| {
            labels.get(PINNED.0).is_some_and(|value| value == PINNED.1) && labels.get(ARCHIVE) == Some(&archive.sha256)
        })
    };
    archive.names.iter().filter(|name| !there(name)).map(String::as_str).collect()
}

/// containerd's images with their labels.
fn listed(ctr: &str) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    Ok(parse_list(&run::answer(ctr, &["--namespace", NAMESPACE, "images", "list"])?))
}

/// The table of `ctr images list`: the name is the first column, labels are the last (`key=value,…`, or `-`).
fn parse_list(table: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let row = |line: &str| {
        let name = line.split_whitespace().next()?.to_owned();
        let labels = line.split_whitespace().next_back()?.split(',');
        let pairs = labels.filter_map(|label| label.split_once('='));
        Some((name, pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::agent::images::import_all;
    use crate::runtime::{CONTAINERD, Runtime};

    /// A containerd that keeps its images in a directory, one file of labels each; `fail` in it makes imports fail.
    const FAKE: &str = r#"#!/bin/sh
set -e
state=$(dirname "$0"); echo "$*" >> "$state/log"
[ "$1 $2 $3" = "--namespace k8s.io images" ]; verb=$4; shift 4
key() { echo "$1" | tr /: __; }
case $verb in
import) [ ! -e "$state/fail" ] || { echo "no space left" >&2; exit 1; }
    [ -e "$state/images/$(key r.io/pause:1)" ] || echo "r.io/pause:1 -" > "$state/images/$(key r.io/pause:1)";;
label) name=$1; [ -e "$state/images/$(key "$name")" ]; echo "$name type sha256:00 2.6 KiB linux/amd64 $2,$3" > "$state/images/$(key "$name")";;
list) echo "REF TYPE DIGEST SIZE PLATFORMS LABELS"; cat "$state"/images/* 2>/dev/null || true;;
*) exit 1;;
esac
"#;

    fn fake() -> (tempfile::TempDir, Runtime) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("images")).unwrap();
        let ctr = directory.path().join("ctr");
        fs::write(&ctr, FAKE).unwrap();
        fs::set_permissions(&ctr, fs::Permissions::from_mode(0o755)).unwrap();
        let importer = ctr.display().to_string().leak();
        (directory, Runtime { importer, ..CONTAINERD })
    }

    fn pause(sha256: &str) -> Archive {
        Archive { file: "pause.tar".into(), sha256: sha256.into(), names: vec!["r.io/pause:1".into()] }
    }

    fn verbs(directory: &tempfile::TempDir) -> String {
        let log = fs::read_to_string(directory.path().join("log")).unwrap();
        fs::remove_file(directory.path().join("log")).unwrap();
        log.lines().filter_map(|line| line.split(' ').nth(3)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_archive_is_imported_and_pinned_once_and_again_when_it_is_another_one() {
        let (directory, runtime) = fake();
        import_all(&runtime, &[pause("aa")]).unwrap();
        assert_eq!(verbs(&directory), "list import label list");
        import_all(&runtime, &[pause("aa")]).unwrap();
        assert_eq!(verbs(&directory), "list");
        import_all(&runtime, &[pause("bb")]).unwrap();
        assert_eq!(verbs(&directory), "list import label list");
        let labels = &listed(runtime.importer).unwrap()["r.io/pause:1"];
        assert_eq!((labels[PINNED.0].as_str(), labels[ARCHIVE].as_str()), ("pinned", "bb"));
    }

    #[test]
    fn a_cut_between_import_and_label_is_mended() {
        let (directory, runtime) = fake();
        fs::write(directory.path().join("images/r.io_pause_1"), "r.io/pause:1 x -\n").unwrap();
        import_all(&runtime, &[pause("aa")]).unwrap();
        assert!(missing(&listed(runtime.importer).unwrap(), &pause("aa")).is_empty());
    }

    #[test]
    fn a_failure_names_the_archive_and_does_not_stop_the_others() {
        let (directory, runtime) = fake();
        let unknown = Archive { file: "other.tar".into(), names: vec!["r.io/other:1".into()], ..pause("cc") };
        let error = format!("{:#}", import_all(&runtime, &[unknown, pause("aa")]).unwrap_err());
        assert!(error.starts_with("importing other.tar: `") && error.contains("label r.io/other:1"), "{error}");
        assert!(missing(&listed(runtime.importer).unwrap(), &pause("aa")).is_empty());
        fs::write(directory.path().join("fail"), "").unwrap();
        let error = format!("{:#}", import_all(&runtime, &[pause("bb")]).unwrap_err());
        assert!(error.starts_with("importing pause.tar: ") && error.ends_with("no space left"), "{error}");
    }

    #[test]
    fn a_containerd_that_does_not_answer_is_a_failure_and_not_an_empty_list() {
        let error =
            format!("{:#}", import_all(&Runtime { importer: "/bin/false", ..CONTAINERD }, &[pause("aa")]).unwrap_err());
        assert!(error.contains("images list` ended with exit status: 1"), "{error}");
    }
}

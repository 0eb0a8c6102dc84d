use anyhow::anyhow;
use chrono::NaiveDate;

use super::lock::{LEFT_OUT, with_left_out, without_suite};
use super::servers::Servers;
use super::{Access, fetch, unused_drops};
use crate::diag::{Diagnostic, Diagnostics};
use crate::lock::{Lock, LockedPackage};
use crate::package::Family;
use crate::package::deb::tests::DebBuilder;
use crate::recipe::{AptRepository, Recipe, RepositoryKind, print};
use crate::repo::rpmmd::mirrors::Mirrors;
use crate::store::Store;

/// A recipe with these drops, the store, and a lock of the packages `one` and `two`, which are in the store.
fn world(drop: &str) -> (tempfile::TempDir, Recipe, Store, Lock) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("k.gpg"), "").unwrap();
    std::fs::write(directory.path().join("base.yaml"), "nodesmith: 1\ndrop: {nowhere: a base may\x20}\n").unwrap();
    let text = format!(
        "nodesmith: 1\nname: x\nextends: [base.yaml]\nkernel: {{package: linux, line: \"6.12\"}}\n\
         packages: [e2fsprogs]\ndrop: {{{drop}}}\n\
         repositories: {{d: {{apt: {{mirror: host, suite: s, keyring: k.gpg}}}}}}\n"
    );
    let path = directory.path().join("x.yaml");
    std::fs::write(&path, text).unwrap();
    let value = crate::recipe::load::load(&path).unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let recipe = crate::recipe::check::check(&value, day).map_err(|mistakes| mistakes.to_string()).unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let package = |name: &str| {
        let deb = DebBuilder::new(name, "1").build();
        LockedPackage {
            name: name.into(),
            version: "1".into(),
            arch: "amd64".into(),
            family: Family::Deb,
            // Whoever asks where this is gets an error.
            repository: "gone".into(),
            path: format!("{name}.deb"),
            size: deb.len() as u64,
            sha256: store.put(&deb).unwrap().to_string(),
            signer: String::new(),
        }
    };
    let lock = Lock::new(&print::package_inputs(&recipe), vec![], vec![package("one"), package("two")], vec![]);
    (directory, recipe, store, lock)
}

#[test]
fn a_security_suite_beside_no_mirror_is_told_that_it_was_looked_for() {
    let (_directory, recipe, _, _) = world("two: not wanted here");
    let RepositoryKind::Apt(apt) = &recipe.repositories[0].kind else { panic!("apt's") };
    let apt = AptRepository { suite: "trixie-security".into(), ..apt.clone() };
    let servers = |guessed| Servers { mirrors: Mirrors::of("http://x"), proxy: None, https_only: false, guessed };
    let text = without_suite(&apt, &servers(true));
    assert!(text.starts_with("this machine's apt names no mirror of Debian's security archive, and"), "{text}");
    assert!(text.contains("write `mirror: https://security.debian.org/debian-security`"), "{text}");
    assert!(without_suite(&apt, &servers(false)).starts_with("Debian has its security suites in an archive"));
}

#[test]
fn packages_in_the_store_are_unpacked_without_a_look_at_the_mirror() {
    let (_directory, recipe, store, lock) = world("two: not wanted here");
    let as_of = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let access = Access { store: &store, offline: true, as_of, progress: &() };
    let packages = fetch(&recipe, &lock, &access).unwrap();
    let names: Vec<&str> = packages.root.iter().map(|package| package.id.name.as_str()).collect();
    assert_eq!(names, ["one"]);
}

#[test]
fn where_packages_are_missing_files_that_were_left_out_are_shown() {
    let left_out: Vec<String> = (0..9).map(|number| format!("file {number}")).collect();
    let mistakes = Diagnostics(vec![Diagnostic::new("unknown-package", "no"); 2]);
    let error = with_left_out(mistakes.into(), &left_out).downcast::<Diagnostics>().unwrap();
    assert_eq!((error.0[0].help.len(), error.0[1].help.len()), (LEFT_OUT, 0));
    let failure = with_left_out(anyhow!("the disk"), &left_out);
    assert_eq!(failure.to_string(), "the disk");
}

#[test]
fn a_lock_is_of_a_kernel_line_unless_the_kernel_is_pinned() {
    let (_directory, mut recipe, _, _) = world("two: not wanted here");
    let mut other = recipe.clone();
    other.kernel.line = "6.6".into();
    assert_ne!(print::package_inputs(&recipe), print::package_inputs(&other));
    for kernel in [&mut recipe.kernel, &mut other.kernel] {
        kernel.package.version = Some("6.12.9".into());
    }
    assert_eq!(print::package_inputs(&recipe), print::package_inputs(&other));
}

#[test]
fn a_drop_that_drops_nothing_is_a_mistake_where_the_recipe_itself_says_it() {
    let (directory, recipe, _, lock) = world("two: not wanted here, twoo: not wanted either");
    let text = unused_drops(&recipe, &directory.path().join("x.yaml"), &lock).to_string();
    assert!(text.contains("x.yaml:6:30: nothing brings the package `twoo` that is dropped [unused-drop]"), "{text}");
    assert!(text.contains("packages: `two`, `one`") && text.lines().count() == 1, "{text}");
}

//! Each file in `tests/recipes/bad` holds one mistake and is named by its slug. The lines with the mistake end in
//! `# good: …`; with those lines replaced the same recipe must pass.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nodesmith::diag::Diagnostics;
use nodesmith::image_info::KubeadmApi;
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::report::{Color, render};

use crate::testkey::TestKey;

fn today() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap()
}

fn checked(path: &Path) -> Result<Recipe, Diagnostics> {
    let value = load::load(path).map_err(|error| error.downcast::<Diagnostics>().expect("a mistake, not a failure"))?;
    check::check(&value, today())
}

fn corpus() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir("tests/recipes/bad")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn good_twin(bad: &str) -> String {
    let mut good = String::new();
    for line in bad.lines() {
        match line.split_once("# good: ") {
            Some((before, "")) => assert!(!before.is_empty()),
            Some((before, replacement)) => {
                let indent: String = before.chars().take_while(|c| *c == ' ').collect();
                good.push_str(&format!("{indent}{}\n", replacement.trim_start()));
            }
            None if line.ends_with("# good:") => {}
            None => good.push_str(&format!("{line}\n")),
        }
    }
    good
}

#[test]
fn each_mistake_is_reported_once_with_its_own_slug_and_its_good_twin_passes() {
    let mut slugs = BTreeSet::new();
    let mut reports = String::new();
    for path in corpus() {
        let slug = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mistakes = checked(&path).map(|_| ()).unwrap_err();
        let found: Vec<&str> = mistakes.0.iter().map(|mistake| mistake.slug).collect();
        assert_eq!(found, [slug.as_str()], "{}:\n{}", path.display(), render(&mistakes, Color::Never));
        let mistake = &mistakes.0[0];
        assert!(mistake.location.is_some(), "{slug} has no place");
        assert!(slug == "yaml-syntax" || !mistake.help.is_empty(), "{slug} says nothing about what to do");
        reports.push_str(&format!("{}\n\n", render(&mistakes, Color::Never)));
        assert!(slugs.insert(slug.clone()), "{slug} twice");

        let bad = fs::read_to_string(&path).unwrap();
        assert!(bad.contains("# good:"), "{} shows no good line", path.display());
        let twin = path.with_file_name(format!(".{slug}.good"));
        fs::write(&twin, good_twin(&bad)).unwrap();
        let passed = checked(&twin);
        fs::remove_file(&twin).unwrap();
        if let Err(mistakes) = passed {
            panic!("the good twin of {slug} does not pass:\n{}", render(&mistakes, Color::Never));
        }
    }
    assert!(slugs.len() >= 20, "{} slugs", slugs.len());
    insta::with_settings!({snapshot_path => "../recipes/bad", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("reports", reports);
    });
}

#[test]
fn all_mistakes_are_shown_in_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.yaml");
    fs::write(&path, "nodesmith: 1\nnam: x\nkernel: {line: \"3.10\"}\npackages: [\"no such\"]\n").unwrap();
    let slugs: Vec<&str> = checked(&path).map(|_| ()).unwrap_err().0.iter().map(|mistake| mistake.slug).collect();
    let expected = [
        "unknown-key",
        "missing-key",
        "missing-key",
        "missing-key",
        "ended-kernel-line",
        "bad-package-name",
        "formatter-missing",
    ];
    assert_eq!(slugs, expected);
}

#[test]
fn a_command_line_that_a_kernel_would_cut_off_is_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.yaml");
    let slugs = |word: &str| {
        fs::write(&path, format!("nodesmith: 1\nkernel: {{line: \"6.12\", cmdline: [quiet, {word}]}}\n")).unwrap();
        let mistakes = checked(&path).map(|_| ()).unwrap_err();
        mistakes.0.into_iter().filter(|mistake| mistake.slug == "cmdline-too-long").map(|it| it.to_string()).collect()
    };
    let none: Vec<String> = slugs(&"x".repeat(1785));
    assert!(none.is_empty(), "{none:?}");
    let one: Vec<String> = slugs(&"x".repeat(1786));
    assert!(one.len() == 1 && one[0].contains("r.yaml:2:33: the kernel's command line gets 1793 bytes"), "{one:?}");
}

#[test]
fn hardware_decides_on_consoles_unless_the_recipe_names_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.yaml");
    fs::write(directory.path().join("key.gpg"), "").unwrap();
    let kernel = |sections: &str, cmdline: &str| {
        let text = format!(
            "nodesmith: 1\nname: x\npackages: [e2fsprogs]\nkernel: {{package: linux, line: \"6.12\", cmdline: [{cmdline}]}}\n\
             repositories: {{d: {{apt: {{mirror: host, suite: s, keyring: key.gpg}}}}}}\n{sections}"
        );
        fs::write(&path, text).unwrap();
        let recipe = checked(&path).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes, Color::Never)));
        let kinds: Vec<&str> = recipe.hardware.iter().map(|kind| kind.value.word).collect();
        (kinds.join(" "), recipe.kernel.cmdline.join(" "))
    };
    let expected = |kinds: &str, cmdline: &str| (kinds.to_owned(), cmdline.to_owned());
    assert_eq!(kernel("", "quiet"), expected("virtual", "console=tty0 console=ttyS0 quiet"));
    let server = expected("server", "console=tty0 console=ttyS0,115200 quiet");
    assert_eq!(kernel("hardware: [server, server]\n", "quiet"), server);
    let both = expected("virtual server", "console=tty0 console=ttyS0,115200");
    assert_eq!(kernel("hardware: [server, virtual]\n", ""), both);
    assert_eq!(kernel("hardware: [server]\n", "console=ttyS1"), expected("server", "console=ttyS1"));
}

#[test]
fn a_recipe_overrides_its_base_key_by_key_and_mistakes_stay_where_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    file("key.gpg", "");
    file(
        "base.yaml",
        "nodesmith: 1\nname: base\npackages: [e2fsprogs]\nsysctl: {vm.swappiness: 10, net.x: 1}\n\
         kernel: {package: linux, line: \"6.12\"}\nrepositories: {d: {apt: {mirror: host, suite: s, keyring: key.gpg}}}\n",
    );
    let top = file(
        "top.yaml",
        "extends: [base.yaml]\nname: top\npackages: [runc]\nsysctl: {vm.swappiness: 60}\nrepositories:\n",
    );
    let recipe = checked(&top).unwrap();
    assert_eq!(recipe.name, "top");
    let names: Vec<&str> = recipe.packages.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(names, ["e2fsprogs", "runc"]);
    assert_eq!(recipe.sysctl["vm.swappiness"], "60");
    assert_eq!(recipe.sysctl["net.x"], "1");
    assert_eq!(recipe.repositories.len(), 1, "a key with nothing behind it takes nothing away");

    file("key.gpg", "");
    let base = directory.path().join("base.yaml");
    let text = fs::read_to_string(&base).unwrap().replace("linux,", "\"li nux\",");
    fs::write(&base, text).unwrap();
    let mistakes = checked(&top).map(|_| ()).unwrap_err();
    assert!(mistakes.to_string().starts_with(&format!("{}:5:", base.display())), "{mistakes}");
}

#[test]
fn the_recipe_of_a_cluster_without_a_registry_fits_together() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::create_dir_all(place("repo/x86_64")).unwrap();
    let key = TestKey::new(1);
    fs::write(place("key.asc"), key.public()).unwrap();
    fs::copy("tests/fixtures/pause.tar", place("pause.tar")).unwrap();
    let rpms = format!(
        "repositories: {{kubernetes: {{rpm: {{directory: repo/x86_64, key: key.asc, neutral: true, fingerprint: {}}}}}}}\n\
         images: [pause.tar]\n",
        key.fingerprint()
    );
    fs::write(place("rpms.yaml"), rpms).unwrap();
    let text = fs::read_to_string("tests/recipes/kubernetes-1.20.yaml").unwrap();
    let base = fs::canonicalize("recipes/base/debian-13.yaml").unwrap();
    let text = text.replace("../../recipes/base/debian-13.yaml", base.to_str().unwrap());
    fs::write(place("r.yaml"), text.replace("../../target/kubernetes/rpms.yaml", "rpms.yaml")).unwrap();
    let recipe = checked(&place("r.yaml")).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes, Color::Never)));
    assert_eq!(recipe.runtime.unwrap().sandbox_image, "k8s.gcr.io/pause:3.2");
    assert_eq!(recipe.kubernetes.unwrap().kubeadm_api(), KubeadmApi::V1Beta2);
    assert_eq!(recipe.images[0].name, "pause.tar");
}

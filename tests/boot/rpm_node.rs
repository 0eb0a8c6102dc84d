//! A node made of RPMs alone (`ci/rpm-fixture`): the same checks as a node of Debian packages, the same join, and rpm's
//! own view of what is installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::join::joins_and_runs_pods;
use crate::node::assert_green;
use crate::support::{boot, build_as_of, nodesmith, place};

/// What the build changes of packages' files, and how `rpm -V` says it: mode, or size and digest.
const CHANGED: [(&str, &str); 6] = [
    ("/proc", ".M......."),
    ("/sys", ".M......."),
    ("/usr/lib/os-release", "S.5......"),
    ("/etc/containerd/config.toml", "S.5......"),
    ("/etc/group", "S.5......"),
    ("/etc/passwd", "S.5......"),
];

/// After the fixture's signatures, whatever the clock says.
const DAY: &str = "2026-11-01";

static CHECKED: LazyLock<PathBuf> =
    LazyLock::new(|| build_as_of(DAY, "tests/recipes/rpm-check.yaml".as_ref(), "rpm-check", "rpm-check.lock"));

#[test]
fn a_node_of_rpms_alone_passes_the_checks_over_a_reboot() {
    let seed = place().join("rpm-node.img");
    let _ = fs::remove_file(&seed);
    let made = nodesmith().arg("seed").arg(&seed).args(["--from", "tests/boot/seeds/node-7"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_green(&boot("rpm", &CHECKED.with_extension("raw"), &seed, &[]), "(vfat)");
}

#[test]
fn a_node_of_rpms_alone_joins_runs_pods_that_talk_and_is_the_same_member_after_a_reboot() {
    let image = build_as_of(DAY, "tests/recipes/rpm-cluster.yaml".as_ref(), "rpm-cluster", "rpm-cluster.lock");
    joins_and_runs_pods(&image.with_extension("raw"), "rpm-member");
}

#[test]
fn rpm_finds_in_the_image_what_the_lock_says() {
    let root = place().join("rpm-root");
    let _ = fs::remove_dir_all(&root);
    unpack_root(&CHECKED.with_extension("raw"), &root);
    let database = fs::canonicalize(root.join("usr/lib/sysimage/rpm")).unwrap();
    let rpm = |arguments: &[&str]| -> BTreeSet<String> {
        let output = Command::new("rpm").arg("--dbpath").arg(&database).args(arguments).output().unwrap();
        assert!(output.status.success(), "rpm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let lock: Value = serde_json::from_str(&fs::read_to_string(place().join("rpm-check.lock")).unwrap()).unwrap();
    let word = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    let locked: BTreeSet<String> = lock["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| format!("{} {} {}", word(package, "name"), word(package, "version"), word(package, "arch")))
        .collect();
    assert!(locked.len() > 50, "{}", locked.len());
    assert_eq!(rpm(&["-qa", "--queryformat", "%{NAME} %{EVR} %{ARCH}\n"]), locked);
    assert!(rpm(&["-qf", "/usr/bin/containerd"]).iter().any(|package| package.starts_with("containerd-")));
    // Sizes, digests, owners and modes. What `/var` starts with lies elsewhere; the rest was made for the node, from the
    // recipe, and kernel file systems are mounted over their directories.
    let verified = Command::new("rpm")
        .args(["--root", root.to_str().unwrap(), "--dbpath", "/usr/lib/sysimage/rpm", "-Va", "--nomtime", "--nodeps"])
        .output()
        .unwrap();
    let text = String::from_utf8(verified.stdout).unwrap();
    let (state, differing): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains(" /var/"));
    assert!(!state.is_empty() && state.iter().all(|line| line.starts_with("missing ")), "{state:?}");
    let of = |path: &str| differing.iter().find(|line| line.ends_with(&format!(" {path}"))).copied();
    for (path, changed) in CHANGED {
        assert!(of(path).is_none_or(|line| line.starts_with(changed)), "{:?}", of(path));
    }
    let other: Vec<&&str> =
        differing.iter().filter(|line| CHANGED.iter().all(|(path, _)| !line.ends_with(&format!(" {path}")))).collect();
    assert!(other.is_empty(), "{other:?}");
    // Every node has accounts that packages do not know.
    assert!(of("/etc/passwd").is_some() && of("/etc/group").is_some(), "{differing:?}");
    fs::remove_dir_all(&root).unwrap();
}

/// The root file system of an image, by other people's programs.
fn unpack_root(image: &Path, root: &Path) {
    let disk = fs::File::open(image).unwrap();
    let table = gpt::GptConfig::new().open_from_device(disk).unwrap();
    let partition = table.partitions().values().find(|partition| partition.name == "root-a").unwrap();
    let (start, size) = (
        partition.bytes_start(gpt::disk::LogicalBlockSize::Lb512).unwrap(),
        partition.bytes_len(gpt::disk::LogicalBlockSize::Lb512).unwrap(),
    );
    let erofs = root.with_extension("erofs");
    let copied = Command::new("dd")
        .arg(format!("if={}", image.display()))
        .arg(format!("of={}", erofs.display()))
        .args(["bs=1M", "iflag=skip_bytes,count_bytes", "status=none"])
        .args([format!("skip={start}"), format!("count={size}")])
        .status()
        .unwrap();
    assert!(copied.success());
    let fsck = std::env::var("FSCK_EROFS").expect("ci/test sets FSCK_EROFS to what ci/trixie-oracles prints");
    let output = Command::new(fsck).arg(format!("--extract={}", root.display())).arg(&erofs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(&erofs).unwrap();
}

#[test]
fn a_plain_directory_without_a_network_gives_the_same_bytes() {
    let there = fs::read_to_string("target/kubernetes/distribution.yaml").unwrap();
    let word =
        |from: &str, to: char| there.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap().to_owned();
    let work = place().join("rpm-directory");
    fs::create_dir_all(work.join("base")).unwrap();
    let here = std::env::current_dir().unwrap();
    let distribution = format!(
        "repositories:\n  distribution: {{rpm: {{directory: {}/x86_64, key: {}, fingerprint: {}}}}}\n",
        word("file://", '"'),
        word("key: ", ','),
        word("fingerprint: ", ',')
    );
    fs::write(work.join("distribution.yaml"), distribution).unwrap();
    let base = fs::read_to_string("tests/recipes/base/rpm.yaml").unwrap();
    let base = base.replace("../../../target/kubernetes/distribution.yaml", "../distribution.yaml");
    fs::write(work.join("base/rpm.yaml"), base).unwrap();
    let recipe = fs::read_to_string("tests/recipes/rpm-check.yaml").unwrap();
    let recipe = recipe.replace("../boot/overlays", here.join("tests/boot/overlays").to_str().unwrap());
    fs::write(work.join("rpm-check.yaml"), recipe).unwrap();
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(nodesmith().get_program())
        .arg("build")
        .arg(work.join("rpm-check.yaml"))
        .args(["--out".as_ref(), work.join("out").as_os_str(), "--store".as_ref(), work.join("store").as_os_str()])
        .args(["--as-of", DAY])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for kind in ["raw", "vmlinuz", "initrd", "cmdline", "efi"] {
        let name = format!("rpm-check.{kind}");
        let same =
            Command::new("cmp").arg(CHECKED.with_extension(kind)).arg(work.join("out").join(&name)).output().unwrap();
        assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    }
    fs::remove_dir_all(&work).unwrap();
}

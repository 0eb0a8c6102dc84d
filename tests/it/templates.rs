//! A node's disk in every form that a recipe may ask for, as the program writes it, against the raw image beside it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use nodesmith::formats::device::ReadAt;
use nodesmith::formats::netdisk::Reader;

use crate::build::{REFERENCE, nodesmith, sums, text};
use crate::support::{oracle, run};

const RECIPE: &str = "tests/recipes/templates.yaml";

/// Builds the recipe once more.
fn built(name: &str, threads: &str) -> PathBuf {
    let out = REFERENCE.store.with_file_name(name);
    let output = nodesmith(RECIPE, &out, &REFERENCE.store, &REFERENCE.lock)
        .args(["--as-of", &REFERENCE.day, "--locked", "--offline", "--threads", threads])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    out
}

/// Both are the same, byte for byte.
fn holds(form: &dyn ReadAt, raw: &dyn ReadAt) {
    let size = raw.size().unwrap();
    assert_eq!(form.size().unwrap(), size);
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for at in (0..size).step_by(1 << 20) {
        form.read_exact_at(&mut ours, at).unwrap();
        raw.read_exact_at(&mut theirs, at).unwrap();
        assert!(ours == theirs, "the MiB at {at} differs");
    }
}

#[test]
fn every_form_of_the_disk_holds_what_the_raw_holds() {
    // Which reads CDs too.
    let tools = ["qemu-img", "zstd", "bsdtar", "cmp", "bash"].map(oracle);
    let [Some(qemu_img), Some(_), Some(tar), Some(cmp), Some(bash)] = tools else { return };
    let out = built("templates", "2");
    let file = |ending: &str| out.join(format!("templates.{ending}"));
    let compare = |driver: &str, image: PathBuf| {
        let compared =
            run(Command::new(&qemu_img).args(["compare", "-f", driver, "-F", "raw"]).arg(&image).arg(file("raw")));
        assert!(compared.contains("Images are identical"), "{}: {compared}", image.display());
    };
    let inspect = |ending: &str| run(Command::new(env!("CARGO_BIN_EXE_nodesmith")).arg("inspect").arg(file(ending)));
    let raw = inspect("raw");
    assert!(raw.contains(": verified\n"), "{raw}");
    for (ending, driver) in
        [("qcow2", "qcow2"), ("vmdk", "vmdk"), ("vhd", "vpc"), ("azure.vhd", "vpc"), ("vhdx", "vhdx")]
    {
        compare(driver, file(ending));
        let told = inspect(ending);
        assert!(told.ends_with(&format!("\n{raw}")), "{ending}: {told}");
    }
    let script = format!("zstd -qdc '{}' | cmp - '{}'", file("raw.zst").display(), file("raw").display());
    run(Command::new(&bash).args(["-o", "pipefail", "-c", &script]));
    let unpacked = tempfile::tempdir_in(&out).unwrap();
    let unpack = |archive: PathBuf| run(Command::new(&tar).arg("-xf").arg(archive).arg("-C").arg(unpacked.path()));
    unpack(file("gce.tar.gz"));
    compare("raw", unpacked.path().join("disk.raw"));
    unpack(file("ova"));
    compare("vmdk", unpacked.path().join("templates-disk1.vmdk"));
    let told = inspect("netdisk");
    assert!(told.starts_with("netdisk\n") && told.ends_with(&format!("\n{raw}")), "{told}");
    let netdisk = File::open(file("netdisk")).unwrap();
    holds(&Reader::open(netdisk).unwrap(), &File::open(file("raw")).unwrap());
    unpack(file("iso"));
    run(Command::new(&cmp).arg(unpacked.path().join("node.netdisk")).arg(file("netdisk")));
    if let Some(sgdisk) = oracle("sgdisk") {
        let table = run(Command::new(sgdisk).arg("-v").arg(file("iso")));
        assert!(table.contains("No problems found"), "{table}");
    }
    drop(unpacked);
    let first = sums(&out);
    std::fs::remove_dir_all(&out).unwrap();
    let again = built("templates-again", "1");
    assert_eq!(sums(&again), first, "another number of threads gives other bytes");
    std::fs::remove_dir_all(&again).unwrap();
}

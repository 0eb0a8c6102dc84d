//! The quickstart node, with the checks of `overlays/check`.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::secure_boot::signed;
use crate::support::{EVENTS, Run, a_guest, boot, events, image, nodesmith, place};

/// The checks passed over a reboot, on a node that found its metadata on the volume that it was given.
pub(crate) fn assert_green(run: &Run, volume: &str) {
    assert_green_with(run, volume, 0);
}

/// The same with this many checks more, which an overlay brings.
pub(crate) fn assert_green_with(run: &Run, volume: &str, more: u64) {
    assert_green_after(run, volume, more, 1);
}

/// The same with this many resets, of which the last one was the node's.
fn assert_green_after(run: &Run, volume: &str, more: u64, resets: usize) {
    assert_eq!(run.code, Some(0), "failed checks: {}\n{}", run.message, run.console());
    let seen = run.events.iter().filter(|event| event["event"] == "reset").count();
    assert_eq!(seen, resets, "{}", run.console());
    let sources: Vec<&str> = run.events.iter().filter_map(|event| event["report"]["source"].as_str()).collect();
    assert!(!sources.is_empty() && sources.iter().all(|source| source.ends_with(volume)), "{sources:?}");
    // 17 checks on the first boot, and the same with four more on the second. The guest counts them itself: a getty that
    // starts throws away what the console has not shown yet.
    let verdict = run.events.iter().rfind(|event| event["report"]["verdict"].is_u64()).unwrap();
    assert_eq!(verdict["report"]["passed"], 17 + 21 + 2 * more, "{}", run.console());
    assert!(!run.serial.contains("check: FAILED"));
    // A run like this has everything to tell.
    for (kind, _) in EVENTS {
        assert!(run.events.iter().any(|event| event["event"] == kind), "{kind}");
    }
}

/// The metadata as `nodesmith seed` makes it, on a volume `CIDATA`. What boots from a directory sees FAT.
fn our_seed() -> std::path::PathBuf {
    let iso = place().join("ours.iso");
    let made = nodesmith().arg("seed").arg(&iso).args(["--from", "tests/boot/seeds/node-7"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    iso
}

/// The metadata as cloud-init's own tools make it, on a volume `cidata`.
fn their_seed() -> std::path::PathBuf {
    let iso = place().join("theirs.iso");
    let made = Command::new("genisoimage")
        .args(["-quiet", "-volid", "cidata", "-joliet", "-rock", "-output"])
        .arg(&iso)
        .arg("tests/boot/seeds/node-7")
        .output()
        .expect("genisoimage is installed by ci/setup");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    iso
}

#[test]
fn a_node_starts_from_its_image_by_uefi_with_secure_boot_and_keeps_its_state_over_a_reboot() {
    let image = signed().with_extension("raw");
    let before = fs::metadata(&image).unwrap().modified().unwrap();
    let run = boot("uefi", &image, our_seed(), &["--firmware", "secure-boot", "--reboots", "2"]);
    // The boot loader starts the machine anew once it has enrolled the keys.
    assert_green_after(&run, "(iso9660)", 1, 2);
    assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), before, "the built image was written");
}

#[test]
fn a_node_starts_under_a_bios_and_keeps_its_state_over_a_reboot() {
    let recipe = "tests/boot/recipes/bios.yaml".as_ref();
    let image = crate::support::build(recipe, "bios", "bios.lock").with_extension("raw");
    assert_green(&boot("bios", &image, our_seed(), &["--firmware", "bios"]), "(iso9660)");
}

#[test]
fn a_node_starts_from_its_kernel_and_initrd() {
    // With packages whose scripts leave something to each node.
    let image = image("first-boot").with_extension("raw");
    assert_green_with(&boot("direct", &image, their_seed(), &["--firmware", "direct"]), "(iso9660)", 3);
}

/// QEMU's own reader of the form has the disk.
fn is_ready_from(image: &Path) {
    let _guest = a_guest();
    let serial = place().join("form.serial.log");
    let output = nodesmith()
        .arg("boot")
        .arg(image)
        .args(["--until", "ready", "--accel", "tcg", "--json", "--time-limit", "600", "--reboots", "0", "--serial-log"])
        .arg(&serial)
        .output()
        .unwrap();
    let console = fs::read_to_string(&serial).unwrap_or_default();
    let name = image.display();
    assert_eq!(output.status.code(), Some(0), "{name}: {}\n{console}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_node_starts_from_a_qcow2_and_says_that_it_is_ready() {
    let quickstart = crate::support::build("tests/recipes/quickstart.yaml".as_ref(), "quickstart", "quickstart.lock");
    is_ready_from(&quickstart.with_extension("qcow2"));
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_node_starts_from_every_other_form_of_its_disk() {
    let templates = crate::support::build("tests/recipes/templates.yaml".as_ref(), "templates", "quickstart.lock");
    for form in ["vmdk", "vhdx"] {
        is_ready_from(&templates.with_extension(form));
    }
    fs::remove_dir_all(templates.parent().unwrap()).unwrap();
}

/// Starts the kept disk until the node is ready; its last report.
fn last_report(image: &Path, disk: &Path, seed: &Path, arguments: &[&Path]) -> Value {
    let _guest = a_guest();
    let serial = place().join("believes.serial.log");
    let output = nodesmith()
        .arg("boot")
        .arg(image)
        .args(["--until", "ready", "--accel", "tcg", "--json", "--time-limit", "600", "--reboots", "0"])
        .args([Path::new("--serial-log"), &serial, Path::new("--disk"), disk, Path::new("--seed"), seed])
        .args(arguments)
        .output()
        .unwrap();
    let console = fs::read_to_string(&serial).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{}\n{console}", String::from_utf8_lossy(&output.stderr));
    events(&output).iter().rfind(|event| event["event"] == "report").unwrap()["report"].clone()
}

#[test]
fn a_node_believes_only_the_disk_and_the_metadata_it_was_set_up_with() {
    let image = crate::support::build("tests/recipes/quickstart.yaml".as_ref(), "quickstart", "quickstart.lock")
        .with_extension("raw");
    let (disk, stranger) = (place().join("believes.img"), place().join("seed-stranger"));
    let _ = fs::remove_file(&disk);
    fs::create_dir_all(&stranger).unwrap();
    fs::write(stranger.join("meta-data"), "instance-id: i-stranger\nlocal-hostname: stranger\n").unwrap();
    let own = last_report(&image, &disk, "tests/boot/seeds/node-7".as_ref(), &[]);
    assert_eq!((&own["host_name"], &own["instance_id"]), (&"node-7".into(), &"boot-test-1".into()), "{own}");
    // A disk with the table of the image and nothing behind it.
    let claims = place().join("claims.img");
    let mut table = vec![0; 34 * 512];
    File::open(&image).unwrap().read_exact(&mut table).unwrap();
    fs::write(&claims, table).unwrap();
    File::options().write(true).open(&claims).unwrap().set_len(fs::metadata(&image).unwrap().len()).unwrap();
    let later = last_report(&image, &disk, &stranger, &["--attach".as_ref(), &claims]);
    assert_eq!((&later["host_name"], &later["instance_id"]), (&"node-7".into(), &"boot-test-1".into()), "{later}");
    fs::remove_file(&disk).unwrap();
}

//! The quickstart node, with the checks of `overlays/check`.

use std::fs;

use crate::support::{Run, boot, image, nodesmith};

fn assert_green(run: &Run, resets: usize) {
    assert_eq!(run.code, Some(0), "failed checks: {}\n{}", run.message, run.console());
    let seen = run.events.iter().filter(|event| event["event"] == "reset").count();
    assert_eq!(seen, resets, "{}", run.console());
    // 17 checks on the first boot, and the same with four more on the second.
    let passed = run.serial.matches("check: ok ").count();
    assert_eq!(passed, 17 + 21, "{}", run.console());
    assert!(!run.serial.contains("check: FAILED"));
}

#[test]
fn a_node_starts_from_its_image_by_uefi_and_keeps_its_state_over_a_reboot() {
    let image = image("check").with_extension("raw");
    let before = fs::metadata(&image).unwrap().modified().unwrap();
    assert_green(&boot("uefi", &image, "node-7", &[]), 1);
    assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), before, "the built image was written");
}

#[test]
fn a_node_starts_from_its_kernel_and_initrd() {
    let image = image("check").with_extension("raw");
    assert_green(&boot("direct", &image, "node-7", &["--firmware", "direct"]), 1);
}

#[test]
fn the_quickstart_node_starts_from_qcow2_and_says_that_it_is_ready() {
    let image = crate::support::build("recipes/quickstart.yaml".as_ref(), "quickstart").with_extension("qcow2");
    let serial = crate::support::place().join("qcow2.serial.log");
    let output = nodesmith()
        .arg("boot")
        .arg(&image)
        .args(["--until", "ready", "--accel", "tcg", "--json", "--time-limit", "600", "--reboots", "0", "--serial-log"])
        .arg(&serial)
        .output()
        .unwrap();
    let console = fs::read_to_string(&serial).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{}\n{console}", String::from_utf8_lossy(&output.stdout));
}

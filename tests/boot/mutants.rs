//! Every check can fail: one mutant for each, red for that check and no other.

use crate::support::{Run, boot, image};

fn assert_red(run: &Run, check: &str) {
    assert_eq!(run.message, check, "{}", run.console());
    assert_eq!(run.code, Some(23), "{}", run.console());
}

fn direct(name: &str, seed: &str) -> Run {
    let recipe = if name.contains("seed") { "check" } else { name };
    boot(name, &image(recipe).with_extension("raw"), seed, &["--firmware", "direct"])
}

#[test]
fn a_wrong_sysctl_is_seen() {
    assert_red(&direct("wrong-sysctl", "node-7"), "sysctls");
}

#[test]
fn a_missing_module_is_seen() {
    assert_red(&direct("missing-module", "node-7"), "modules");
}

#[test]
fn a_failing_unit_is_seen() {
    assert_red(&direct("failing-unit", "node-7"), "no_failed_unit");
}

#[test]
fn cgroupfs_is_seen() {
    assert_red(&direct("cgroupfs", "node-7"), "systemd_cgroup");
}

#[test]
fn swap_is_seen() {
    assert_red(&direct("swap", "node-7"), "no_swap");
}

#[test]
fn another_host_name_is_seen() {
    assert_red(&direct("seed-other-name", "other-name"), "hostname_from_seed");
}

#[test]
fn a_missing_address_is_seen() {
    assert_red(&direct("seed-dhcp-only", "dhcp-only"), "address_from_seed");
}

#[test]
fn a_lost_file_in_etc_is_seen() {
    assert_red(&direct("forget-etc", "node-7"), "etc_survives");
}

#[test]
fn a_lost_file_in_var_is_seen() {
    assert_red(&direct("forget-var", "node-7"), "var_survives");
}

#[test]
fn a_root_without_verity_is_refused() {
    // The same disk and kernel, but a command line that names no root hash.
    let image = image("check");
    let place = crate::support::place().join("no-verity");
    std::fs::create_dir_all(&place).unwrap();
    for extension in ["raw", "vmlinuz", "initrd"] {
        let link = place.join(format!("check.{extension}"));
        let _ = std::fs::remove_file(&link);
        std::fs::hard_link(image.with_extension(extension), link).unwrap();
    }
    let cmdline = std::fs::read_to_string(image.with_extension("cmdline")).unwrap();
    let words: Vec<&str> = cmdline.split_whitespace().filter(|word| !word.starts_with("roothash=")).collect();
    std::fs::write(place.join("check.cmdline"), words.join(" ")).unwrap();
    let run = boot("no-verity", &place.join("check.raw"), "node-7", &["--firmware", "direct", "--reboots", "0"]);
    assert_eq!(run.code, Some(1), "{}", run.console());
    assert!(run.serial.contains("roothash"), "{}", run.console());
}

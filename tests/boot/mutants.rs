//! Every check can fail: for each there is a mutant, a node with one thing wrong, that is red for that check alone.
//!
//! A mutant is an image, a seed, or a word on the command line of kernel or `nodesmith boot`. The short list is booted
//! in every run, the long one only with `NODESMITH_LONG` (`ci/long`): a guest takes a minute or two.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::support::{boot, image};

/// A node with one thing wrong.
#[derive(Debug)]
struct Mutant {
    /// The check that must be red.
    check: &'static str,
    /// A recipe of `tests/boot/recipes`.
    image: &'static str,
    /// A directory of `tests/boot/seeds`.
    seed: &'static str,
    /// A unit of `overlays/mutants` that spoils the running node.
    unit: Option<&'static str>,
    /// More words for `nodesmith boot`.
    arguments: &'static [&'static str],
}

/// A node with nothing wrong.
const NODE: Mutant = Mutant { check: "", image: "check", seed: "node-7", unit: None, arguments: &[] };

const fn spoiled_by(unit: &'static str, check: &'static str) -> Mutant {
    Mutant { check, image: "mutants", unit: Some(unit), ..NODE }
}

/// One of each kind: an image, a seed, a spoiled boot, and what only the second boot shows.
const SHORT: &[Mutant] = &[
    Mutant { check: "sysctls", image: "wrong-sysctl", ..NODE },
    Mutant { check: "hostname_from_seed", seed: "other-name", ..NODE },
    spoiled_by("mutant-failing.service", "no_failed_unit"),
    spoiled_by("mutant-forgets-etc.service", "etc_survives"),
];

const LONG: &[Mutant] = &[
    Mutant { check: "modules", image: "missing-module", ..NODE },
    Mutant { check: "systemd_cgroup", image: "cgroupfs", ..NODE },
    Mutant { check: "address_from_seed", seed: "dhcp-only", ..NODE },
    spoiled_by("mutant-swap.service", "no_swap"),
    spoiled_by("mutant-forgets-var.service", "var_survives"),
    Mutant {
        arguments: &["--append", "systemd.mask=nodesmith-check.service"],
        ..spoiled_by("mutant-plain-root.service", "verity_root")
    },
    spoiled_by("mutant-writable-usr.service", "readonly_root"),
    Mutant { check: "cri_answers", arguments: &["--append", "systemd.mask=containerd.service"], ..NODE },
    Mutant { check: "ssh_key_from_seed", seed: "no-key", ..NODE },
    Mutant { check: "host_keys", arguments: &["--append", "systemd.mask=ssh.service"], ..NODE },
    spoiled_by("mutant-no-machine-id.service", "machine_id"),
    Mutant { check: "var_partition", arguments: &["--disk-size", "5GiB"], ..NODE },
    spoiled_by("mutant-readonly-plugins.service", "writable_directories"),
    Mutant { check: "getty", arguments: &["--append", "systemd.mask=getty@tty1.service"], ..NODE },
    spoiled_by("mutant-empty-password.service", "no_password"),
    spoiled_by("mutant-new-machine-id.service", "machine_id_survives"),
    spoiled_by("mutant-forgets-metadata.service", "applied_once"),
];

#[test]
fn every_check_has_a_mutant() {
    let script = fs::read_to_string("tests/boot/overlays/check/usr/libexec/nodesmith-check").unwrap();
    let functions = script.lines().filter_map(|line| line.split_once("() {")).map(|(name, _)| name);
    let checks: BTreeSet<&str> = functions.filter(|name| !["run", "report"].contains(name)).collect();
    let mutants: Vec<&Mutant> = SHORT.iter().chain(LONG).collect();
    assert_eq!(mutants.iter().map(|mutant| mutant.check).collect::<BTreeSet<&str>>(), checks);
    assert_eq!(mutants.len(), checks.len());
    for Mutant { image, seed, unit, .. } in mutants {
        let files = [
            Some(format!("recipes/{image}.yaml")),
            Some(format!("seeds/{seed}/meta-data")),
            unit.map(|unit| format!("overlays/mutants/usr/lib/systemd/system/{unit}")),
        ];
        for file in files.iter().flatten() {
            assert!(Path::new("tests/boot").join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn a_mutant_is_red_for_its_check_alone() {
    let long = std::env::var_os("NODESMITH_LONG").is_some();
    let chosen = SHORT.iter().chain(if long { LONG } else { &[] });
    let mut wrong = Vec::new();
    for mutant in chosen {
        let start = Instant::now();
        let raw = image(mutant.image).with_extension("raw");
        let wants = mutant.unit.map(|unit| format!("systemd.wants={unit}"));
        let mut arguments = vec!["--firmware", "direct"];
        arguments.extend(wants.iter().flat_map(|wants| ["--append", wants]));
        arguments.extend(mutant.arguments);
        let run = boot(&format!("mutant-{}", mutant.check), &raw, mutant.seed, &arguments);
        println!("mutant {}: exit {:?}, red: {}, {} s", mutant.check, run.code, run.message, start.elapsed().as_secs());
        if (run.code, run.message.as_str()) != (Some(23), mutant.check) {
            wrong.push(format!("{mutant:?}: exit {:?}, red: {}\n{}", run.code, run.message, run.console()));
        }
        // The two that several are made of stay.
        if !["check", "mutants"].contains(&mutant.image) {
            fs::remove_dir_all(raw.parent().unwrap()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{} mutants are not as they should be\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn a_root_without_verity_is_refused() {
    // The same disk and kernel, but a command line that names no root hash.
    let image = image("check");
    let place = crate::support::place().join("no-verity");
    fs::create_dir_all(&place).unwrap();
    for extension in ["raw", "vmlinuz", "initrd"] {
        let link = place.join(format!("check.{extension}"));
        let _ = fs::remove_file(&link);
        fs::hard_link(image.with_extension(extension), link).unwrap();
    }
    let cmdline = fs::read_to_string(image.with_extension("cmdline")).unwrap();
    let words: Vec<&str> = cmdline.split_whitespace().filter(|word| !word.starts_with("roothash=")).collect();
    fs::write(place.join("check.cmdline"), words.join(" ")).unwrap();
    let run = boot("no-verity", &place.join("check.raw"), "node-7", &["--firmware", "direct", "--reboots", "0"]);
    assert_eq!(run.code, Some(1), "{}", run.console());
    assert!(run.serial.contains("roothash"), "{}", run.console());
}

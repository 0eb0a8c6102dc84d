//! GRUB's core images judged by `grub-mkimage`: what is loaded must be the same, byte for byte.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use nodesmith::formats::grub::{self, Request, Unpacked};

use crate::support::{oracle, run, skip};

/// What a node boots with; modules that are in no order; the largest that many machines are given.
const MODULES: [&[&str]; 3] = [
    &["biosdisk", "part_gpt", "fat", "normal", "linux", "serial", "terminal"],
    &["search", "configfile", "part_gpt", "fat", "biosdisk", "part_gpt", "boot"],
    &["biosdisk", "part_gpt", "part_msdos", "fat", "ext2", "btrfs", "xfs", "lvm", "normal", "linux", "loadenv", "test"],
];

/// The machine's own GRUB, and the roots that `ci/grub-oracle` made: the directory of the files, and the oracle.
fn installations() -> Vec<(PathBuf, PathBuf)> {
    let mut all = Vec::new();
    if let Some(mkimage) = oracle("grub-mkimage") {
        all.push((PathBuf::from("/"), mkimage));
    }
    match std::env::var_os("GRUB_ROOTS") {
        Some(roots) => all.extend(std::env::split_paths(&roots).map(|root| (root.clone(), root.join("grub-mkimage")))),
        None => skip("GRUB_ROOTS is not what ci/grub-oracle prints"),
    }
    all.into_iter().map(|(root, mkimage)| (root.join("usr/lib/grub/i386-pc"), mkimage)).collect()
}

/// The image of `grub-mkimage`.
fn made_by_grub(mkimage: &Path, files: &Path, request: &Request<'_>) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (image, config) = (directory.path().join("core.img"), directory.path().join("early.cfg"));
    let mut command = Command::new(mkimage);
    command.args(["-O", "i386-pc", "-p", request.prefix, "-d"]).arg(files).arg("-o").arg(&image);
    if let Some(text) = request.config {
        fs::write(&config, text).unwrap();
        command.arg("-c").arg(&config);
    }
    run(command.args(request.modules));
    fs::read(image).unwrap()
}

#[test]
fn grub_mkimage_loads_the_same_bytes() {
    for (directory, mkimage) in installations() {
        let files = |name: &str| fs::read(directory.join(name)).context("opening it");
        for modules in MODULES {
            for config in [None, Some("search --label --set=root esp\nset prefix=($root)/grub\n")] {
                let request = Request { modules, prefix: "(,gpt1)/grub", config, core_lba: 40 };
                let ours = grub::core_image(&files, &request).unwrap();
                let theirs = made_by_grub(&mkimage, &directory, &request);
                let place = directory.display();
                let (our, their) = (grub::read(&ours.core).unwrap(), grub::read(&theirs).unwrap());
                assert!(our.loaded == their.loaded, "{place}: {modules:?}:\n{}", grub::dump(&ours.core).unwrap());

                // What may differ: the sizes that follow from liblzma being another compressor than the one in GRUB,
                // and the place on the disk, which grub-bios-setup would fill in.
                let [ours_without, theirs_without] = [&our, &their].map(without_size);
                assert!(ours_without == theirs_without, "{place}: the decompressors differ");
                assert_eq!((our.first_lba, their.first_lba), (41, 2));
                assert_eq!(usize::from(our.sectors), ours.core.len().div_ceil(512) - 1);
                assert_eq!(usize::from(their.sectors), theirs.len().div_ceil(512) - 1);
                assert_eq!(ours.core[..500], theirs[..500]);
                assert_eq!(ours.core[510..512], theirs[510..512]);
                assert!(ours.core.len() * 100 < theirs.len() * 101, "{} and {} bytes", ours.core.len(), theirs.len());
            }
        }
    }
}

/// The decompressor but for the size of what it unpacks.
fn without_size(unpacked: &Unpacked) -> [&[u8]; 2] {
    [&unpacked.decompressor[..8], &unpacked.decompressor[12..]]
}

#[test]
fn every_module_of_a_grub_can_be_found_with_what_it_needs() {
    for (directory, _) in installations().into_iter().take(1) {
        let files = |name: &str| fs::read(directory.join(name)).context("opening it");
        let mut modules = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension() != Some(OsStr::new("mod")) {
                continue;
            }
            let module = path.file_stem().unwrap().to_str().unwrap();
            let request = Request { modules: &[module], prefix: "/", config: None, core_lba: 40 };
            let core = grub::core_image(&files, &request).unwrap();
            let content = fs::read(&path).unwrap();
            let objects = grub::read(&core.core).unwrap().objects;
            // The prefix is the last object, the module stands before it.
            assert!(objects[objects.len() - 2].content.starts_with(&content), "{module}");
            modules += 1;
        }
        assert!(modules > 200, "{modules} modules in {}", directory.display());
    }
}

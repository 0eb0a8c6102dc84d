//! Disks made here, and what is told of them.

use std::os::unix::fs::FileExt;

use super::*;
use crate::formats::erofs;
use crate::formats::fat::Entry;
use crate::formats::form_cache::NoCache;
use crate::formats::gpt::{self, SECTOR};
use crate::formats::pe::tests::stub;
use crate::formats::sparse::Source;
use crate::formats::verity;
use crate::image::disk::layout;
use crate::image::manifest::{self, FileKind, Manifest};
use crate::image::{record, uki};
use crate::slot::Slot;
use crate::tree::{Content, Digest, Inode, Kind, Origin, Tree, TreePath};

const MIB: u64 = 1 << 20;

/// A disk whose kernel's command line ends with `words(root hash)`.
fn image(words: &dyn Fn(&Digest) -> String) -> File {
    let tree = small_root();
    let mut root = tempfile::tempfile().unwrap();
    let options = erofs::Options {
        uuid: [1; 16],
        label: erofs::label("root").unwrap(),
        epoch: 0,
        codec: erofs::Codec::None,
        extent: erofs::ExtentSize::DEFAULT,
        threads: std::num::NonZeroUsize::MIN,
    };
    let none = crate::store::Store::open(tempfile::tempdir().unwrap().path()).unwrap();
    let summary = erofs::write(&tree, &none, &options, &NoCache, &mut root).unwrap();
    root.seek(SeekFrom::Start(0)).unwrap();
    let sealed = verity::format(&mut root, summary.bytes / 4096, [2; 32], [3; 16]).unwrap();
    let root_hash = Digest(sealed.root_hash);
    let program = stub(0x400);
    let command_line = format!("console=ttyS0 {}", words(&root_hash));
    let sections = uki::Sections {
        stub: &program,
        kernel: &program,
        initrd: b"initrd",
        command_line: &command_line,
        os_release: "ID=x\n",
        kernel_release: "6.12",
    };
    let uki = uki::assemble(&sections).unwrap();
    let plan = layout::plan(layout::Request {
        image: "small 1".to_owned(),
        arch: &crate::arch::X86_64,
        esp_bytes: 40 * MIB,
        slot_bytes: 4 * MIB,
        var_min_bytes: 64 * MIB,
        esp: vec![Entry { path: "EFI/Linux/small+3.efi", source: Source::Bytes(&uki) }],
        root: Source::File { file: &root, length: summary.bytes },
        verity: Source::Bytes(&sealed.hash_device),
        root_hash,
        epoch: 0,
        grub: None,
    });
    let out = tempfile::tempfile().unwrap();
    plan.unwrap().write(&out).unwrap();
    out
}

/// The root of these disks.
fn small_root() -> Tree {
    let origin = Origin::from("kmod 1");
    let mut tree = Tree::new(0, &origin);
    let text = Inode::new(Kind::File(Content::inline("a small root")), 0o644, 0, &origin);
    tree.insert(TreePath::parse("/file").unwrap(), text).unwrap();
    tree
}

fn verdict(image: File) -> (Option<bool>, String) {
    let report = inspect(image, Listing::None).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verity"]["verified"].as_bool(), Some(report.is_sound()));
    (json["verity"]["verified"].as_bool(), json["verity"]["verdict"].as_str().unwrap().to_owned())
}

#[test]
fn a_root_is_verified_against_the_hash_on_the_command_line_and_no_other() {
    assert_eq!(verdict(image(&|hash| format!("roothash={hash}"))), (Some(true), "verified".to_owned()));
    let (verified, why) = verdict(image(&|_| format!("roothash={}", Digest::of("another root"))));
    assert!(verified == Some(false) && why.contains("named by another root hash"), "{why}");
    // The agent refuses two of them, so no node boots it.
    let (verified, why) = verdict(image(&|hash| format!("roothash={hash} roothash={}", Digest::of("last"))));
    assert!(verified == Some(false) && why.contains("boots a root: ") && why.contains("roothash"), "{why}");
    let (verified, why) = verdict(image(&|_| "quiet".to_owned()));
    assert!(verified == Some(false) && why.contains("no kernel on the EFI system partition"), "{why}");
}

/// An image's listing beside a manifest.
fn listed(image: &File, manifest: &Manifest) -> Description {
    let mut file = image.try_clone().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    inspect(file, Listing::Files(Some(manifest))).unwrap()
}

/// The manifest of a build of these disks.
fn manifest_of(image: &File) -> Manifest {
    let mut manifest = Manifest { files: record::files(&small_root()), ..manifest::tests::manifest() };
    let json = serde_json::to_value(listed(image, &manifest)).unwrap();
    manifest.root_hash = Digest::parse(json["verity"]["root-hash"].as_str().unwrap()).unwrap();
    manifest
}

/// A disk whose root and hash tree lie in slot B alone, as after an update that replaced the other.
#[test]
fn a_root_in_slot_b_is_verified_too() {
    let mut image = image(&|hash| format!("roothash={hash}"));
    let mut table = gpt::read(&mut image).unwrap();
    for label in [Slot::root_label, Slot::verity_label] {
        let partition = table.partitions.iter_mut().find(|partition| partition.name == label(Slot::A)).unwrap();
        partition.name = label(Slot::B).to_owned();
    }
    let tables = gpt::encode(&table).unwrap();
    image.write_all_at(&tables.primary, 0).unwrap();
    image.write_all_at(&tables.backup, table.sectors * SECTOR - tables.backup.len() as u64).unwrap();
    image.seek(SeekFrom::Start(0)).unwrap();
    let report = inspect(image, Listing::None).unwrap();
    assert!(report.is_sound());
    let text = report.text();
    assert!(text.contains("\nverity-b\n") && text.contains("\nroot-b\n") && !text.contains("root-a"), "{text}");
}

#[test]
fn the_manifest_of_the_build_says_who_brought_which_file() {
    let image = image(&|hash| format!("roothash={hash}"));
    let mut manifest = manifest_of(&image);
    let report = listed(&image, &manifest);
    let text = report.text();
    let line = text.lines().find(|line| line.starts_with("/file ")).unwrap();
    assert!(line.ends_with(" from kmod 1") && report.is_sound(), "{line}");
    let json = serde_json::to_value(&report).unwrap();
    let files = json["root"]["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["path"] == "/file" && file["origin"] == "kmod 1"), "{files:?}");
    manifest.root_hash = Digest([1; 32]);
    assert!(!listed(&image, &manifest).text().contains("kmod 1"), "a manifest of another image was believed");
}

#[test]
fn files_that_are_not_the_manifests_are_told_and_make_an_image_unsound() {
    let image = image(&|hash| format!("roothash={hash}"));
    let mut manifest = manifest_of(&image);
    assert!(listed(&image, &manifest).text().ends_with("\nmanifest: it lists the same files\n"));
    manifest.files[1].kind = FileKind::File { size: 12, sha256: Digest([1; 32]) };
    // Whether the manifest is of this root or another: that is what somebody wants to know who compares.
    for root_hash in [manifest.root_hash, Digest([1; 32])] {
        manifest.root_hash = root_hash;
        let report = listed(&image, &manifest);
        let end = "\nmanifest: 1 different, 0 missing, 0 extra\ndifferent /file: sha256\n";
        assert!(report.text().ends_with(end), "{}", report.text());
        assert!(!report.is_sound());
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["root"]["manifest"]["different"]["/file"][0], "sha256");
    }
}

#[test]
fn another_form_of_a_description_is_a_function_of_the_value() {
    fn page(description: &Description) -> String {
        match &description.content {
            Described::Disk(disk) => {
                let names = disk.table.partitions.iter().map(|partition| format!("<li>{}</li>", partition.name));
                format!("<ul>{}</ul>", names.collect::<String>())
            }
            _ => String::new(),
        }
    }
    let report = inspect(image(&|hash| format!("roothash={hash}")), Listing::None).unwrap();
    assert_eq!(page(&report), "<ul><li>esp</li><li>root-a</li><li>verity-a</li></ul>");
}

#[test]
fn a_flipped_byte_of_the_root_does_not_verify() {
    let mut image = image(&|hash| format!("roothash={hash}"));
    let table = gpt::read(&mut image).unwrap();
    let offset = disk::find(&table, Slot::A.root_label()).unwrap().first_lba * SECTOR + 10;
    let mut byte = [0];
    FileExt::read_exact_at(&image, &mut byte, offset).unwrap();
    image.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    image.seek(SeekFrom::Start(0)).unwrap();
    let (verified, why) = verdict(image.try_clone().unwrap());
    assert!(verified == Some(false) && why.starts_with("DOES NOT VERIFY"), "{why}");
    // Even where it makes the file system unreadable.
    image.write_all_at(&[0; 4096], offset - 10).unwrap();
    image.seek(SeekFrom::Start(0)).unwrap();
    let (verified, why) = verdict(image);
    assert!(verified == Some(false) && why.starts_with("DOES NOT VERIFY"), "{why}");
}

#[test]
fn a_root_says_which_kubernetes_and_which_container_images_it_holds() {
    let world = crate::assemble::tests::cluster();
    let tree = world.assemble().unwrap().tree;
    let options = erofs::Options {
        uuid: [1; 16],
        label: [0; 16],
        epoch: 0,
        codec: erofs::Codec::Zstd { level: 3 },
        extent: erofs::ExtentSize::DEFAULT,
        threads: std::num::NonZeroUsize::MIN,
    };
    let mut file = tempfile::tempfile().unwrap();
    erofs::write(&tree, &world.store, &options, &NoCache, &mut file).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let report = inspect(file, Listing::None).unwrap();
    let (text, json) = (report.text(), serde_json::to_value(&report).unwrap());
    assert!(
        text.contains("\nimage test 1\nKubernetes 1.36.2, kubeadm v1beta4, sandbox registry.k8s.io/pause:3.10.2\n"),
        "{text}"
    );
    assert!(text.contains("\npause.tar: registry.k8s.io/pause:3.10.2 sha256:"), "{text}");
    assert_eq!(json["image"]["images"][0]["file"], "pause.tar");
}

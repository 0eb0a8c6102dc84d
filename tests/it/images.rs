//! Other people's tools look at what `nodesmith build` left.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nodesmith::contract::ESP_LABEL;
use nodesmith::formats::device::Window;
use nodesmith::formats::gpt;
use nodesmith::slot::Slot;

use crate::build::REFERENCE;
use crate::erofs::fsck;
use crate::import::import;
use crate::support::{oracle, run, skip};

fn output(ending: &str) -> PathBuf {
    REFERENCE.out.join(format!("quickstart.{ending}"))
}

/// The named partition of the raw image as a file of its own.
fn partition(label: &str, to: &Path) {
    let mut raw = File::open(output("raw")).unwrap();
    let table = gpt::read(&mut raw).unwrap();
    let partition = table.partitions.iter().find(|it| it.name == label).unwrap();
    let start = partition.first_lba * 512;
    let mut window = Window::new(&raw, start, (partition.last_lba + 1) * 512 - start);
    io::copy(&mut window, &mut File::create(to).unwrap()).unwrap();
}

fn manifest() -> serde_json::Value {
    serde_json::from_slice(&fs::read(output("manifest.json")).unwrap()).unwrap()
}

#[test]
fn sgdisk_finds_the_partition_table_sound_and_the_root_hash_in_the_partuuids() {
    let Some(sgdisk) = oracle("sgdisk") else { return };
    let text = run(Command::new(&sgdisk).arg("-v").arg(output("raw")));
    assert!(text.contains("No problems found"), "{text}");
    let hash = manifest()["root-hash"].as_str().unwrap().to_owned();
    for (number, half) in [("2", &hash[..32]), ("3", &hash[32..])] {
        let text = run(Command::new(&sgdisk).args(["-i", number]).arg(output("raw")));
        let guid = text.lines().find_map(|line| line.strip_prefix("Partition unique GUID: ")).unwrap();
        assert_eq!(guid.replace('-', "").to_lowercase(), half);
    }
}

#[test]
fn inspect_fails_for_an_image_that_would_not_boot() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.raw");
    run(Command::new("cp").arg("--sparse=always").arg(output("raw")).arg(&image));
    let inspect = || {
        let output = Command::new(env!("CARGO_BIN_EXE_nodesmith")).arg("inspect").arg(&image).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = inspect();
    assert!(code == Some(0) && text.contains(": verified\n"), "{text}");
    let listing = run(Command::new(env!("CARGO_BIN_EXE_nodesmith")).args(["inspect", "--files"]).arg(output("raw")));
    assert!(listing.lines().any(|line| line.starts_with("/usr/bin/containerd ") && line.contains(" from containerd ")));
    let mut file = OpenOptions::new().read(true).write(true).open(&image).unwrap();
    let table = gpt::read(&mut file).unwrap();
    let start = |label: &str| table.partitions.iter().find(|it| it.name == label).unwrap().first_lba * 512;
    let flip = |offset: u64| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    };
    flip(start(Slot::A.root_label()) + 5000);
    let (code, text) = inspect();
    assert!(code == Some(1) && text.contains("DOES NOT VERIFY"), "{text}");
    flip(start(Slot::A.root_label()) + 5000);

    // The kernel on the ESP names another root.
    let word = format!("roothash={}", manifest()["root-hash"].as_str().unwrap());
    let mut esp = vec![0; 128 << 20];
    file.read_exact_at(&mut esp, start(ESP_LABEL)).unwrap();
    let at = esp.windows(word.len()).position(|bytes| bytes == word.as_bytes()).unwrap() + word.len() - 1;
    let other = if esp[at] == b'0' { b'1' } else { b'0' };
    file.write_all_at(&[other], start(ESP_LABEL) + u64::try_from(at).unwrap()).unwrap();
    let (code, text) = inspect();
    assert!(code == Some(1) && text.contains("named by another root hash"), "{text}");
}

#[test]
fn inspect_names_the_files_that_are_not_the_manifests() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.raw");
    std::os::unix::fs::symlink(output("raw"), &image).unwrap();
    let inspect = |manifest: &serde_json::Value| {
        fs::write(directory.path().join("image.manifest.json"), manifest.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
        let output = command.args(["inspect", "--files"]).arg(&image).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut manifest = manifest();
    let (code, text) = inspect(&manifest);
    assert!(code == Some(0) && text.ends_with("\nmanifest: it lists the same files\n"), "{:?}", text.lines().last());
    let files = manifest["files"].as_array_mut().unwrap();
    let release = files.iter_mut().find(|file| file["path"] == "/usr/lib/os-release").unwrap();
    release["sha256"] = "00".repeat(32).into();
    let (code, text) = inspect(&manifest);
    let end = "\nmanifest: 1 different, 0 missing, 0 extra\ndifferent /usr/lib/os-release: sha256\n";
    assert!(code == Some(1) && text.ends_with(end), "{:?}", text.lines().last());
}

#[test]
fn fsck_finds_the_esp_sound() {
    let Some(fsck) = oracle("fsck.vfat") else { return };
    let directory = tempfile::tempdir().unwrap();
    let esp = directory.path().join("esp");
    partition(ESP_LABEL, &esp);
    run(Command::new(fsck).arg("-n").arg(&esp));
}

#[test]
fn objdump_lists_the_sections_of_the_unified_kernel_image() {
    let Some(objdump) = oracle("objdump") else { return };
    let text = run(Command::new(objdump).arg("-h").arg(output("efi")));
    let order: Vec<usize> = [".osrel", ".cmdline", ".uname", ".initrd", ".linux"]
        .iter()
        .map(|it| text.find(it).unwrap_or_else(|| panic!("{it}: {text}")))
        .collect();
    // As systemd's stub describes them, the kernel last: it may take the memory behind its section.
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn qemu_img_finds_the_qcow2_sound_and_equal_to_the_raw() {
    let Some(qemu_img) = oracle("qemu-img") else { return };
    let text = run(Command::new(&qemu_img).arg("check").arg(output("qcow2")));
    assert!(text.contains("No errors were found"), "{text}");
    let text = run(Command::new(&qemu_img)
        .args(["compare", "-f", "qcow2", "-F", "raw"])
        .arg(output("qcow2"))
        .arg(output("raw")));
    assert!(text.contains("Images are identical"), "{text}");
}

#[test]
fn inspect_shows_the_same_disk_in_the_qcow2_as_in_the_raw() {
    let inspect = |ending: &str, arguments: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_nodesmith")).arg("inspect").arg(output(ending)).args(arguments))
    };
    let (raw, qcow2) = (inspect("raw", &["--files"]), inspect("qcow2", &["--files"]));
    let (container, content) = qcow2.split_once("\n\n").unwrap();
    assert!(container.starts_with("qcow2\nqcow2 version 3, ") && container.lines().count() == 5, "{container}");
    assert!(content == raw, "{}", &content[..content.len().min(4000)]);
    for word in ["root-a", ": verified\n", "EFI/BOOT/", "EROFS, "] {
        assert!(raw.contains(word), "`{word}` is not in: {}", &raw[..raw.len().min(4000)]);
    }
    let json =
        |ending| -> serde_json::Value { serde_json::from_str(&inspect(ending, &["--files", "--json"])).unwrap() };
    let (raw, mut qcow2) = (json("raw"), json("qcow2"));
    let container = qcow2.as_object_mut().unwrap().remove("container").unwrap();
    assert_eq!(container["kind"], "qcow2");
    assert_eq!(raw["root"]["files"].as_array().unwrap().len(), manifest()["files"].as_array().unwrap().len());
    assert!(qcow2 == raw);
}

/// Root and hash partitions in files, and the command that verifies them.
fn verity(directory: &Path) -> Option<(PathBuf, PathBuf, impl Fn() -> bool)> {
    let veritysetup = oracle("veritysetup")?;
    let (root, hashes) = (directory.join("root"), directory.join("hashes"));
    partition(Slot::A.root_label(), &root);
    partition(Slot::A.verity_label(), &hashes);
    let hash = manifest()["root-hash"].as_str().unwrap().to_owned();
    let (data, tree) = (root.clone(), hashes.clone());
    let holds = move || {
        Command::new(&veritysetup).arg("verify").arg(&data).arg(&tree).arg(&hash).output().unwrap().status.success()
    };
    Some((root, hashes, holds))
}

#[test]
fn veritysetup_verifies_the_root_and_no_flipped_byte_passes() {
    let directory = tempfile::tempdir().unwrap();
    let Some((root, hashes, holds)) = verity(directory.path()) else { return };
    assert!(holds());
    // What is covered: as many data blocks as the superblock says (bytes 72 to 79), and 32 bytes of hash for each.
    let mut blocks = [0; 8];
    File::open(&hashes).unwrap().read_exact_at(&mut blocks, 72).unwrap();
    let covered = u64::from_le_bytes(blocks) * 4096;
    let tree = covered / 4096 * 32;
    let count = if std::env::var_os("NODESMITH_LONG").is_some() { 200 } else { 20 };
    // A fixed sequence (Knuth's multiplicative hash), one in four in the hash tree.
    for number in 0..count {
        let seed = (number + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let (path, offset) = if number % 4 == 3 { (&hashes, 4096 + seed % tree) } else { (&root, seed % covered) };
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << (seed % 8))], offset).unwrap();
        assert!(!holds(), "byte {offset} of {}", path.display());
        file.write_all_at(&byte, offset).unwrap();
    }
    assert!(holds());
}

#[test]
fn another_reader_extracts_the_tree_that_the_manifest_records() {
    let fsck = match fsck() {
        Ok(fsck) => fsck,
        Err(why) => return skip(&why.to_string()),
    };
    let directory = tempfile::tempdir().unwrap();
    let (root, unpacked) = (directory.path().join("root"), directory.path().join("unpacked"));
    partition(Slot::A.root_label(), &root);
    run(Command::new(fsck).arg(format!("--extract={}", unpacked.display())).arg("--xattrs").arg(&root));
    let (tree, _) = import(&unpacked).unwrap();
    // The manifest's records are made by the builder from its own tree; made again from what was unpacked they must be
    // the same, origins aside.
    let strip = |mut file: serde_json::Value| {
        file.as_object_mut().unwrap().remove("origin");
        file
    };
    let expected: Vec<serde_json::Value> = manifest()["files"].as_array().unwrap().iter().cloned().map(strip).collect();
    let found = nodesmith::image::record::files(&tree).into_iter();
    let found: Vec<serde_json::Value> = found.map(|file| strip(serde_json::to_value(file).unwrap())).collect();
    assert!(expected.len() > 2000, "{}", expected.len());
    let different = expected.iter().zip(&found).find(|(expected, found)| expected != found);
    assert!(different.is_none(), "{different:?}");
    assert_eq!(expected.len(), found.len());
    let set_user_id = expected.iter().filter(|file| file["mode"].as_str().unwrap().starts_with('4')).count();
    assert!(set_user_id >= 1, "{set_user_id} setuid files");
}

//! Disk formats judged by other people's tools: `sgdisk`, `fsck.vfat`, `qemu-img`, `objdump`, `cpio`, `isoinfo`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nodesmith::arch::X86_64;
use nodesmith::formats::cpio::{self, Node};
use nodesmith::formats::device::Window;
use nodesmith::formats::fat::{self, Entry, Volume};
use nodesmith::formats::form_cache::NoCache;
use nodesmith::formats::gpt::SECTOR;
use nodesmith::formats::iso9660::{self, Boot};
use nodesmith::formats::pe::{self, NewSection};
use nodesmith::formats::qcow2::{self, Codec};
use nodesmith::formats::sparse::Source;
use nodesmith::image::disk::layout::{self, Request};
use nodesmith::image::initrd::archive::{self, Compression, Files, Load, Module};
use nodesmith::tree::Digest;

use crate::efi_program::tiny_efi_program;
use crate::support::{oracle, run};

const MIB: u64 = 1 << 20;

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    (0..length.div_ceil(32) as u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).take(length).collect()
}

fn new_file(path: &Path) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(path);
    file.unwrap_or_else(|error| panic!("creating {}: {error}", path.display()))
}

#[test]
fn sgdisk_and_fsck_find_a_whole_disk_in_order() {
    let (Some(sgdisk), Some(fsck)) = (oracle("sgdisk"), oracle("fsck.vfat")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("disk.raw");
    let root_hash = Digest(std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
    let (kernel, root) = (noise(40_000_000), noise(5_000_192));
    let many: Vec<String> = (0..200).map(|number| format!("loader/entries/a-long-name-{number}.conf")).collect();
    let mut esp = vec![
        Entry { path: "EFI/BOOT/BOOTX64.EFI", source: Source::Bytes(b"boot") },
        Entry { path: "EFI/Linux/worker_1.36.2-1+3.efi", source: Source::Bytes(&kernel) },
    ];
    esp.extend(many.iter().map(|path| Entry { path, source: Source::Bytes(path.as_bytes()) }));
    let plan = layout::plan(Request {
        image: "worker 1.36.2-1".to_owned(),
        arch: &X86_64,
        esp_bytes: 300 * MIB,
        slot_bytes: 64 * MIB,
        var_min_bytes: 100 * MIB,
        esp,
        root: Source::Bytes(&root),
        verity: Source::Bytes(&root[..8192]),
        root_hash,
        epoch: 1_700_000_000,
        grub: None,
    })
    .unwrap();
    let out = new_file(&image);
    plan.write(&out).unwrap();

    let verdict = run(Command::new(&sgdisk).arg("-v").arg(&image));
    assert!(verdict.contains("No problems found"), "{verdict}");
    let info = run(Command::new(&sgdisk).args(["-i", "2"]).arg(&image));
    assert!(info.contains("Partition unique GUID: 00070E15-1C23-2A31-383F-464D545B6269"), "{info}");
    assert!(info.contains("Linux x86-64 root") || info.contains("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), "{info}");
    assert!(info.contains("Attribute flags: 1000000000000000"), "{info}");

    let esp = directory.path().join("esp.fat");
    let first = plan.parts[0].partition.first_lba * SECTOR;
    let mut bytes = vec![0; usize::try_from(300 * MIB).unwrap()];
    out.read_exact_at(&mut bytes, first).unwrap();
    std::fs::write(&esp, bytes).unwrap();
    let verdict = run(Command::new(&fsck).args(["-n", "-v"]).arg(&esp));
    // 202 files and the directories /, EFI, EFI/BOOT, EFI/Linux, loader, loader/entries.
    assert!(verdict.contains("2 FATs, 32 bit entries") && verdict.contains(" 208 files, "), "{verdict}");
}

#[test]
fn fsck_finds_seeds_and_esps_of_all_sizes_in_order() {
    let Some(fsck) = oracle("fsck.vfat") else { return };
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        run(Command::new(&fsck).arg("-n").arg(&path));
    };
    for length in [0, 100, 1_000_000, 12_000_000, 50_000_000] {
        let content = noise(length);
        let files: [(&str, &[u8]); 3] = [("meta-data", b"{}"), ("network-config", b""), ("user-data", &content)];
        check(&format!("seed-{length}"), &fat::seed("CIDATA", 7, 0, &files).unwrap());
    }
    for mib in [34, 64, 65, 129, 257, 512, 2048] {
        let volume = Volume { bytes: mib * MIB, label: "esp".into(), id: 7, epoch: 5_000_000_000 };
        let path = directory.path().join(format!("esp-{mib}"));
        let out = new_file(&path);
        out.set_len(volume.bytes).unwrap();
        fat::write(&volume, &[Entry { path: "EFI/a", source: Source::Bytes(b"a") }], &out, 0).unwrap();
        run(Command::new(&fsck).arg("-n").arg(&path));
    }
}

/// Name, size, what is written where.
type Case<'a> = (&'a str, u64, Vec<(u64, &'a [u8])>);

#[test]
fn qemu_reads_the_same_from_qcow2_as_from_raw() {
    let Some(qemu_img) = oracle("qemu-img") else { return };
    let noise = noise(9 << 20);
    let text: Vec<u8> = (0..300_000).flat_map(|number: u32| format!("{number}\n").into_bytes()).collect();
    let cases: [Case<'_>; 7] = [
        ("one sector", 512, vec![(0, b"x")]),
        ("no whole cluster at the end", (3 << 16) + 512, vec![(0, &noise[..70_000]), ((3 << 16) + 511, b"x")]),
        ("all zero", 10 * MIB, vec![]),
        ("incompressible", 9 * MIB, vec![(0, &noise)]),
        ("mixed", 64 * MIB, vec![(0, &text), (10 * MIB - 3, &noise), (30 * MIB, &text), (64 * MIB - 1, b"x")]),
        ("more than 4 GiB", 5 << 30, vec![(12_345, &text), ((5 << 30) - 100_000, &noise[..99_999])]),
        ("tables that start in holes", 600 << 30, vec![(512 * MIB - 1, b"ab"), (599 << 30, &text)]),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (name, size, parts) in &cases {
        let raw_path = directory.path().join("raw");
        let raw = new_file(&raw_path);
        raw.set_len(*size).unwrap();
        for (offset, bytes) in parts {
            raw.write_all_at(bytes, *offset).unwrap();
        }
        for codec in [Codec::Zlib { level: 6 }, Codec::Zstd { level: 3 }] {
            let path = directory.path().join("qcow2");
            let summary = qcow2::write(&raw, *size, new_file(&path), codec, 2).unwrap();
            assert_eq!(summary.file_bytes, path.metadata().unwrap().len(), "{name}");
            let info = run(Command::new(&qemu_img).args(["info", "-f", "qcow2", "--output=json"]).arg(&path));
            assert!(info.contains(&format!("\"virtual-size\": {size}")), "{name}: {info}");
            let verdict = run(Command::new(&qemu_img).args(["check", "-f", "qcow2"]).arg(&path));
            assert!(verdict.contains("No errors were found on the image."), "{name}: {verdict}");
            let compare = ["compare", "-f", "raw", "-F", "qcow2"];
            run(Command::new(&qemu_img).args(compare).args([&raw_path, &path]));
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::remove_file(&raw_path).unwrap();
    }
}

#[test]
fn we_read_what_qemu_converts() {
    let Some(qemu_img) = oracle("qemu-img") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (raw_path, path) = (directory.path().join("raw"), directory.path().join("qcow2"));
    let bytes = [vec![7; 200_000], noise(300_000), vec![0; 1 << 20], b"the end.".repeat(70)].concat();
    let bytes = [&bytes[..], &vec![0; bytes.len().next_multiple_of(512) - bytes.len()]].concat();
    std::fs::write(&raw_path, &bytes).unwrap();
    let forms: [&[&str]; 4] = [&[], &["-o", "preallocation=metadata"], &["-c"], &["-c", "-o", "compression_type=zstd"]];
    for form in forms {
        let convert = ["convert", "-f", "raw", "-O", "qcow2"];
        run(Command::new(&qemu_img).args(convert).args(form).args([&raw_path, &path]));
        let reader = qcow2::Reader::open(File::open(&path).unwrap()).unwrap();
        let mut read = Vec::new();
        // More than there is, to see the end as well.
        Window::new(&reader, 0, 2 * bytes.len() as u64).read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{form:?}");
    }
    // An overlay holds only a part of its content.
    run(Command::new(&qemu_img).args(["create", "-f", "qcow2", "-F", "raw", "-b"]).args([&raw_path, &path]));
    let error = qcow2::Reader::open(File::open(&path).unwrap()).unwrap_err();
    assert!(error.to_string().contains("backing file"), "{error}");
}

#[test]
fn blkid_finds_the_labels_of_seeds() {
    let Some(blkid) = oracle("blkid") else { return };
    let directory = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 2] = [("meta-data", b"instance-id: a\n"), ("user-data", b"")];
    let (fat, iso) = (fat::seed("cidata", 0x1234_abcd, 0, &files), iso9660::write("cidata", 1_700_000_000, &files));
    for (bytes, expected) in [
        (fat.unwrap(), ["LABEL=CIDATA", "UUID=1234-ABCD", "TYPE=vfat"]),
        (iso.unwrap(), ["LABEL=cidata", "UUID=2023-11-14-22-13-20-00", "TYPE=iso9660"]),
    ] {
        let path = directory.path().join("seed");
        std::fs::write(&path, bytes).unwrap();
        let found = run(Command::new(&blkid).args(["-p", "-o", "export"]).arg(&path));
        let all = expected.iter().all(|line| found.lines().any(|found| found == *line));
        assert!(all, "{found}");
    }
}

#[test]
fn isoinfo_lists_a_seed_with_both_kinds_of_names() {
    let Some(isoinfo) = oracle("isoinfo") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seed.iso");
    let files: [(&str, &[u8]); 3] =
        [("meta-data", b"instance-id: a\n"), ("network-config", b""), ("user-data", b"#\n")];
    std::fs::write(&path, iso9660::write("cidata", 1_700_000_000, &files).unwrap()).unwrap();
    let joliet = run(Command::new(&isoinfo).args(["-J", "-f", "-i"]).arg(&path));
    assert_eq!(joliet.lines().collect::<Vec<_>>(), ["/meta-data;1", "/network-config;1", "/user-data;1"]);
    let plain = run(Command::new(&isoinfo).args(["-f", "-i"]).arg(&path));
    assert_eq!(plain.lines().collect::<Vec<_>>(), ["/META_DAT.;1", "/NETWORK_.;1", "/USER_DAT.;1"]);
    let content = run(Command::new(&isoinfo).args(["-J", "-x", "/meta-data;1", "-i"]).arg(&path));
    assert_eq!(content, "instance-id: a\n");
}

/// An image that starts a machine by a BIOS and by UEFI, as sector 0 of a CD and of a stick see it.
fn bootable(path: &Path) {
    let (bios, efi) = (noise(30_000), fat::seed("efi", 7, 0, &[("EFI/BOOT/BOOTX64.EFI", b"MZ")]).unwrap());
    let files: [(&str, &[u8]); 3] = [("bios.img", &bios), ("efi.img", &efi), ("worker.netdisk", b"data")];
    let sizes = files.map(|(name, bytes)| (name, bytes.len() as u64));
    let boot = Boot { efi: "efi.img", bios: Some("bios.img") };
    let layout = iso9660::plan("NODESMITH", 1_700_000_000, &sizes, Some(&boot)).unwrap();
    let out = File::create(path).unwrap();
    out.set_len(16 * MIB).unwrap();
    out.write_all_at(&layout.head, 0).unwrap();
    for ((_, bytes), sector) in files.iter().zip(&layout.places) {
        out.write_all_at(bytes, *sector as u64 * 2048).unwrap();
    }
}

#[test]
fn readers_of_cds_find_what_starts_a_machine_and_every_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("installer.iso");
    bootable(&path);
    if let Some(xorriso) = oracle("xorriso") {
        let report = run(Command::new(xorriso)
            .args(["-report_about", "WARNING", "-indev"])
            .arg(&path)
            .args(["-report_el_torito", "plain"]));
        for expected in [
            "BIOS  y   none",
            "UEFI  y   none",
            "El Torito img path :   1  /bios.img",
            "El Torito img path :   2  /efi.img",
        ] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
    }
    if let Some(isoinfo) = oracle("isoinfo") {
        let listed = run(Command::new(isoinfo).args(["-J", "-f", "-i"]).arg(&path));
        assert_eq!(listed.lines().collect::<Vec<_>>(), ["/bios.img;1", "/efi.img;1", "/worker.netdisk;1"]);
    }
    if let Some(bsdtar) = oracle("bsdtar") {
        let content = run(Command::new(bsdtar).args(["-xOf"]).arg(&path).arg("worker.netdisk"));
        assert_eq!(content, "data");
    }
    if let Some(seven_zip) = oracle("7zz") {
        let listed = run(Command::new(seven_zip).arg("l").arg(&path));
        assert!(listed.contains("worker.netdisk") && listed.contains("[BOOT]"), "{listed}");
    }
}

#[test]
fn cpio_lists_the_initrd() {
    let Some(tool) = oracle("cpio") else { return };
    let module = Module { name: "dm_verity".into(), elf: b"ELF".into(), needs: vec![], load: Load::Always };
    let files = Files { agent: b"agent".into(), modules: vec![module], ..Files::default() };
    let initrd = archive::build(&files, 1_700_000_000, Compression::Gzip, &NoCache).unwrap();
    let mut archive = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(initrd.bytes.as_slice()), &mut archive).unwrap();
    let mut child = Command::new(tool)
        .args(["-itv", "--quiet", "--numeric-uid-gid"])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    drwxr-xr-x   2 0        0               0 Nov 14  2023 dev
    drwxr-xr-x   2 0        0               0 Nov 14  2023 proc
    drwxr-xr-x   2 0        0               0 Nov 14  2023 run
    drwxr-xr-x   2 0        0               0 Nov 14  2023 sys
    drwxr-xr-x   2 0        0               0 Nov 14  2023 sysroot
    crw-------   1 0        0          5,   1 Nov 14  2023 dev/console
    crw-rw-rw-   1 0        0          1,   3 Nov 14  2023 dev/null
    -rwxr-xr-x   1 0        0               5 Nov 14  2023 init
    drwxr-xr-x   2 0        0               0 Nov 14  2023 modules
    -rw-r--r--   1 0        0              13 Nov 14  2023 modules/order
    -rw-r--r--   1 0        0               0 Nov 14  2023 modules/aliases
    -rw-r--r--   1 0        0               3 Nov 14  2023 modules/dm_verity.ko
    "#);
    assert!(cpio::read(&archive).unwrap().iter().any(|entry| entry.node == Node::File(b"agent")));
}

#[test]
fn objdump_lists_appended_sections() {
    let Some(objdump) = oracle("objdump") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.efi");
    let sections =
        [NewSection { name: ".osrel", content: b"ID=worker\n" }, NewSection { name: ".initrd", content: &[7; 5000] }];
    std::fs::write(&path, pe::append(&tiny_efi_program(), &sections).unwrap()).unwrap();
    let listing = run(Command::new(objdump).arg("-h").arg(&path));
    let rows: Vec<&str> = listing.lines().filter(|line| line.trim_start().starts_with(['0', '1', '2'])).collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    0 .text         00000200  0000000000001000  0000000000001000  00000400  2**4
    1 .osrel        0000000a  0000000000002000  0000000000002000  00000600  2**2
    2 .initrd       00001388  0000000000003000  0000000000003000  00000800  2**2
    "#);
}

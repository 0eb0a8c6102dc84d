//! Templates of virtual machines judged by other people's tools: `qemu-img`, 7-Zip, `zstd`, `gzip`, `tar`, `sha256sum`, and
//! `xmllint`.

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nodesmith::formats::device::{ReadAt, Window};
use nodesmith::formats::ovf::{self, Appliance, CLOUD_INIT, Controller, Firmware};
use nodesmith::formats::raw_disk::RawDisk;
use nodesmith::formats::vhd::{self, Kind};
use nodesmith::formats::{gce, ova, raw_zst, vhdx, vmdk};
use nodesmith::tree::Digest;
use sha2::{Digest as _, Sha256};

use crate::support::{oracle, run};

const MIB: u64 = 1 << 20;

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    (0..length.div_ceil(32) as u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).take(length).collect()
}

fn new_file(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap()
}

/// Raw images: name, size, what is written where.
type Case<'a> = (&'a str, u64, Vec<(u64, &'a [u8])>);

fn for_each_case(directory: &Path, mut check: impl FnMut(&str, &Path, &File, u64)) {
    let noise = noise(9 << 20);
    let text: Vec<u8> = (0..300_000).flat_map(|number: u32| format!("{number}\n").into_bytes()).collect();
    let cases: [Case<'_>; 5] = [
        ("one mebibyte", MIB, vec![(0, b"x"), (MIB - 1, b"y")]),
        ("all zero", 10 * MIB, vec![]),
        ("incompressible", 9 * MIB, vec![(0, &noise)]),
        ("mixed", 65 * MIB, vec![(0, &text), (10 * MIB - 3, &noise), (30 * MIB, &text), (65 * MIB - 1, b"x")]),
        ("more than 4 GiB", 5 << 30, vec![(12_345, &text), ((5 << 30) - 100_000, &noise[..99_999])]),
    ];
    let raw_path = directory.join("raw");
    for (name, size, parts) in &cases {
        let raw = new_file(&raw_path);
        raw.set_len(*size).unwrap();
        for (offset, bytes) in parts {
            raw.write_all_at(bytes, *offset).unwrap();
        }
        check(name, &raw_path, &raw, *size);
    }
}

const IMAGE: vmdk::Image<'_> = vmdk::Image { file_name: "node.vmdk", hardware_version: 15 };

#[test]
fn qemu_reads_the_same_from_templates_as_from_raw() {
    let Some(qemu_img) = oracle("qemu-img") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let content = Digest::of("node");
    for_each_case(directory.path(), |name, raw_path, raw, size| {
        // Behind the image the disk is zero, as `qemu-img compare` takes a shorter one to be.
        let disk = RawDisk { file: raw, size, capacity: size + 3 * MIB, content: &content };
        let judge = |format: &str, bytes: u64, checks: bool| {
            assert_eq!(bytes, path.metadata().unwrap().len(), "{name}, {format}");
            let info = run(Command::new(&qemu_img).args(["info", "-f", format, "--output=json"]).arg(&path));
            assert!(info.contains(&format!("\"virtual-size\": {},", disk.capacity)), "{name}, {format}: {info}");
            if checks {
                let verdict = run(Command::new(&qemu_img).args(["check", "-f", format]).arg(&path));
                assert!(verdict.contains("No errors were found on the image."), "{name}, {format}: {verdict}");
            }
            run(Command::new(&qemu_img).args(["compare", "-f", "raw", "-F", format]).args([raw_path, &path]));
        };
        judge("vmdk", vmdk::write(&disk, new_file(&path), &IMAGE, 2).unwrap(), true);
        judge("vhdx", vhdx::write(&disk, &new_file(&path)).unwrap(), true);
        for kind in [Kind::Dynamic, Kind::Fixed] {
            // QEMU has no check for these.
            judge("vpc", vhd::write(&disk, &new_file(&path), kind).unwrap(), false);
        }
    });
}

#[test]
fn seven_zip_reads_the_same_from_templates_as_from_raw() {
    let Some(seven_zip) = oracle("7zz") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let (raw, content) = (tempfile::tempfile().unwrap(), Digest::of("node"));
    let mut bytes = vec![0; 20 << 20];
    bytes[5_000_000..8_000_000].copy_from_slice(&noise(3_000_000));
    bytes[9_000_000..9_900_000].fill(7);
    raw.write_all_at(&bytes, 0).unwrap();
    let disk = RawDisk { file: &raw, size: 20 * MIB, capacity: 23 * MIB, content: &content };
    bytes.resize(23 << 20, 0);
    let judge = |kind: &str| {
        let output = Command::new(&seven_zip).args(["x", "-so", kind]).arg(&path).output().unwrap();
        assert!(
            output.status.success() && output.stdout == bytes,
            "{kind}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    vmdk::write(&disk, new_file(&path), &IMAGE, 2).unwrap();
    judge("-tVMDK");
    vhdx::write(&disk, &new_file(&path)).unwrap();
    judge("-tVHDX");
    for kind in [Kind::Dynamic, Kind::Fixed] {
        vhd::write(&disk, &new_file(&path), kind).unwrap();
        judge("-tVHD");
    }
}

#[test]
fn holes_and_zeros_make_the_same_templates_for_any_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let (sparse, full) = (new_file(&directory.path().join("sparse")), new_file(&directory.path().join("full")));
    let mut bytes = vec![0; 20 << 20];
    bytes[5_000_000..5_300_000].copy_from_slice(&noise(300_000));
    bytes[9_000_000..9_900_000].fill(7);
    sparse.set_len(bytes.len() as u64).unwrap();
    sparse.write_all_at(&bytes[5_000_000..9_900_000], 5_000_000).unwrap();
    full.write_all_at(&bytes, 0).unwrap();
    let (size, content) = (bytes.len() as u64, Digest::of("node"));
    let made = |file: &File, threads: usize| {
        let disk = RawDisk { file, size, capacity: size, content: &content };
        let at = |name: &str| directory.path().join(name);
        vmdk::write(&disk, new_file(&at("vmdk")), &IMAGE, threads).unwrap();
        vhdx::write(&disk, &new_file(&at("vhdx"))).unwrap();
        vhd::write(&disk, &new_file(&at("dynamic")), Kind::Dynamic).unwrap();
        vhd::write(&disk, &new_file(&at("fixed")), Kind::Fixed).unwrap();
        raw_zst::write(file, size, new_file(&at("zst")), 3, threads).unwrap();
        gce::write(file, size, new_file(&at("gce")), 0, threads).unwrap();
        ["vmdk", "vhdx", "dynamic", "fixed", "zst", "gce"].map(|name| (name, Digest::of(fs::read(at(name)).unwrap())))
    };
    assert_eq!(made(&sparse, 1), made(&full, 3));
}

/// Everything that a reader says, to the end.
fn content(reader: &dyn ReadAt) -> Vec<u8> {
    let mut read = Vec::new();
    // More than there is, to see the end as well.
    Window::new(reader, 0, 2 * reader.size().unwrap()).read_to_end(&mut read).unwrap();
    read
}

#[test]
fn we_read_what_qemu_converts_to_templates() {
    let Some(qemu_img) = oracle("qemu-img") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (raw_path, path) = (directory.path().join("raw"), directory.path().join("image"));
    let mut bytes = [vec![7; 200_000], noise(300_000), vec![0; 1 << 20], b"the end.".repeat(70)].concat();
    bytes.resize(3 << 20, 0);
    fs::write(&raw_path, &bytes).unwrap();
    type Open = fn(File) -> std::io::Result<Box<dyn ReadAt>>;
    let forms: [(&str, &str, Open); 6] = [
        ("vmdk", "subformat=streamOptimized", |file| Ok(Box::new(vmdk::Reader::open(file)?))),
        ("vmdk", "subformat=monolithicSparse", |file| Ok(Box::new(vmdk::Reader::open(file)?))),
        ("vpc", "subformat=dynamic,force_size=on", |file| Ok(Box::new(vhd::Reader::open(file)?))),
        ("vpc", "subformat=fixed,force_size=on", |file| Ok(Box::new(vhd::Reader::open(file)?))),
        ("vhdx", "subformat=dynamic", |file| Ok(Box::new(vhdx::Reader::open(file)?))),
        ("vhdx", "subformat=fixed,block_size=1M", |file| Ok(Box::new(vhdx::Reader::open(file)?))),
    ];
    for (format, options, open) in forms {
        let convert = ["convert", "-f", "raw", "-O", format, "-o", options];
        run(Command::new(&qemu_img).args(convert).args([&raw_path, &path]));
        let reader = open(File::open(&path).unwrap()).unwrap_or_else(|error| panic!("{format}, {options}: {error}"));
        assert!(content(reader.as_ref()) == bytes, "{format}, {options}");
    }
    // The rest of it is elsewhere.
    let overlay = directory.path().join("overlay");
    run(Command::new(&qemu_img).args(["convert", "-O", "vmdk"]).args([&raw_path, &path]));
    run(Command::new(&qemu_img).args(["create", "-q", "-f", "vmdk", "-F", "vmdk", "-b"]).args([&path, &overlay]));
    let error = vmdk::Reader::open(File::open(&overlay).unwrap()).unwrap_err();
    assert!(error.to_string().contains("parent"), "{error}");
}

#[test]
fn zstd_unpacks_the_compressed_image() {
    let Some(zstd) = oracle("zstd") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (path, unpacked) = (directory.path().join("raw.zst"), directory.path().join("unpacked"));
    for_each_case(directory.path(), |name, raw_path, raw, size| {
        // Unpacking gibibytes of zeros shows nothing that mebibytes do not.
        let size = size.min(65 * MIB);
        raw.set_len(size).unwrap();
        let bytes = raw_zst::write(raw, size, new_file(&path), 3, 2).unwrap();
        assert_eq!(bytes, path.metadata().unwrap().len(), "{name}");
        run(Command::new(&zstd).args(["-q", "-t"]).arg(&path));
        run(Command::new(&zstd).args(["-q", "-d", "-f", "--sparse", "-o"]).args([&unpacked, &path]));
        run(Command::new("cmp").args([raw_path, &unpacked]));
    });
}

#[test]
fn tar_unpacks_the_image_for_compute_engine() {
    let (Some(tar), Some(gzip)) = (oracle("tar"), oracle("gzip")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gce.tar.gz");
    let raw_path = directory.path().join("raw");
    let raw = new_file(&raw_path);
    raw.set_len(65 * MIB).unwrap();
    raw.write_all_at(&noise(3 << 20), 10 * MIB - 3).unwrap();
    raw.write_all_at(&b"some text ".repeat(100_000), 30 * MIB).unwrap();
    let bytes = gce::write(&raw, 65 * MIB, new_file(&path), 1_700_000_000, 2).unwrap();
    assert_eq!(bytes, path.metadata().unwrap().len());
    run(Command::new(gzip).arg("-t").arg(&path));
    let listing = run(Command::new(&tar).env("TZ", "UTC").args(["-tvzf"]).arg(&path));
    assert_eq!(listing, "-rw-r--r-- 0/0      1073741824 2023-11-14 22:13 disk.raw\n");
    raw.set_len(66 * MIB).unwrap();
    let unpack = "\"$0\" -xzOf \"$1\" disk.raw | head -c 66M | cmp - \"$2\"";
    run(Command::new("sh").args(["-c", unpack]).args([&tar, &path, &raw_path]));
}

fn appliance<'a>(firmware: Firmware, networks: &'a [&'a str]) -> Appliance<'a> {
    Appliance {
        name: "worker 1.36.2-1",
        product: "Worker <&>",
        version: "1.36.2-1",
        cpus: 2,
        memory_mib: 4096,
        networks,
        firmware,
        controller: if firmware == Firmware::Bios { Controller::LsiLogic } else { Controller::Paravirtual },
        hardware_version: 15,
        properties: &CLOUD_INIT,
        disk: ovf::Disk { file_name: "worker.vmdk", file_bytes: 1, capacity: 64 * MIB },
    }
}

/// DMTF's schema is not ours to pass on: against it the envelopes are judged by hand (`formats::ovf` says when).
#[test]
fn the_envelope_is_xml_whatever_networks_are_called() {
    let Some(xmllint) = oracle("xmllint") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("worker.ovf");
    let is_xml = |envelope: String| {
        fs::write(&path, envelope).unwrap();
        let output = Command::new(&xmllint).args(["--nonet", "--noout"]).arg(&path).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for firmware in [Firmware::Bios, Firmware::Efi, Firmware::EfiSecure] {
        for networks in [&[][..], &["VM Network"], &["a & b", "c<", "\"d\""]] {
            let (good, why) = is_xml(ovf::envelope(&appliance(firmware, networks)).unwrap());
            assert!(good, "{why}");
        }
    }
    let envelope = ovf::envelope(&appliance(Firmware::Efi, &[])).unwrap();
    assert!(!is_xml(envelope.replacen("</Info>", "", 1)).0);
}

#[test]
fn an_ova_unpacks_to_what_its_manifest_says() {
    let (Some(tar), Some(qemu_img), Some(sums)) = (oracle("tar"), oracle("qemu-img"), oracle("sha256sum")) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { directory.path().join(name) };
    let raw = new_file(&at("raw"));
    raw.set_len(64 * MIB).unwrap();
    raw.write_all_at(&noise(3 << 20), 10 * MIB - 3).unwrap();
    let vmdk_file = new_file(&at("vmdk"));
    let raw_disk = RawDisk { file: &raw, size: 64 * MIB, capacity: 64 * MIB, content: &Digest::of("node") };
    let file_bytes = vmdk::write(&raw_disk, &vmdk_file, &IMAGE, 2).unwrap();
    let mut hasher = Sha256::new();
    std::io::copy(&mut BufReader::new(File::open(at("vmdk")).unwrap()), &mut hasher).unwrap();
    let digest = Digest(hasher.finalize().into());
    let disk = ovf::Disk { file_name: "worker.vmdk", file_bytes, capacity: 64 * MIB };
    let appliance = Appliance { disk, ..appliance(Firmware::Efi, &["VM Network"]) };
    let bytes = ova::write(&appliance, &vmdk_file, &digest, 1_700_000_000, new_file(&at("ova"))).unwrap();
    assert_eq!(bytes, at("ova").metadata().unwrap().len());
    let listing = run(Command::new(&tar).arg("-tf").arg(at("ova")));
    assert_eq!(listing, "worker.ovf\nworker.mf\nworker.vmdk\n");
    run(Command::new(&tar).arg("-xf").arg(at("ova")).arg("-C").arg(directory.path()));
    run(Command::new(sums).args(["--quiet", "--strict", "-c", "worker.mf"]).current_dir(directory.path()));
    run(Command::new(&qemu_img).args(["compare", "-f", "raw", "-F", "vmdk"]).args([at("raw"), at("worker.vmdk")]));
}

//! What is in an image, seen from the image alone.
//!
//! The kind is told from the first bytes, never from the name. A disk's root is verified as the node will do it: against
//! the root hash on the command line of the kernel on the ESP, by which the agent finds the partitions too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::contract::{CMDLINE_ROOT_HASH, ESP_LABEL, IMAGE_INFO, ROOT_A_LABEL, VERITY_A_LABEL};
use crate::formats::device::{ReadAt, Window};
use crate::formats::erofs::read::{self, Image};
use crate::formats::gpt::{self, Partition, SECTOR, Table};
use crate::formats::{cpio, fat, pe, qcow2, verity};
use crate::tree::{Content, Digest, Origin, Tree, dump};

/// Largest initrd or EFI program that is read into memory.
const WHOLE_MAX: u64 = 1 << 30;
/// Largest description of an image.
const IDENTITY_MAX: u64 = 1 << 20;

/// An image described for people and for programs.
#[derive(Debug)]
pub struct Report {
    pub text: String,
    pub json: Value,
    /// Whether the root is the one that the kernel's command line names; nothing where there is no such root.
    pub verified: Option<bool>,
}

/// What to say of the files of a root.
#[derive(Debug, Clone, Copy)]
pub enum Listing<'a> {
    None,
    /// All of them; with the manifest of the image's build, also who brought each, which images themselves do not say.
    Files(Option<&'a Value>),
}

/// Describes an image.
pub fn inspect(file: File, files: Listing<'_>) -> anyhow::Result<Report> {
    let kind = Kind::of(&file)?;
    match kind {
        Some(Kind::Qcow2) => container(file, files),
        Some(Kind::Disk) => disk(&file, files),
        Some(Kind::Erofs) => {
            let length = ReadAt::size(&file).context("measuring the image")?;
            root(Window::new(&file, 0, length), files).map(|(text, json)| Report { text, json, verified: None })
        }
        Some(Kind::EfiProgram) => efi_program(&whole(file)?),
        Some(Kind::Initrd) => initrd(&whole(file)?),
        None => bail!("this is none of: disk image with a GPT, qcow2, EROFS, EFI program, initrd"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Qcow2,
    Disk,
    Erofs,
    EfiProgram,
    Initrd,
}

impl Kind {
    fn of(device: &dyn ReadAt) -> anyhow::Result<Option<Kind>> {
        let length = device.size().context("measuring the image")?.min(2048);
        let mut head = vec![0; usize::try_from(length)?];
        device.read_exact_at(&mut head, 0).context("reading the first bytes")?;
        let magics: [(usize, &[u8], Kind); 7] = [
            (0, b"QFI\xfb", Kind::Qcow2),
            (512, b"EFI PART", Kind::Disk),
            (1024, &[0xe2, 0xe1, 0xf5, 0xe0], Kind::Erofs),
            (0, b"MZ", Kind::EfiProgram),
            (0, b"070701", Kind::Initrd),
            (0, &[0x28, 0xb5, 0x2f, 0xfd], Kind::Initrd),
            (0, &[0x1f, 0x8b], Kind::Initrd),
        ];
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        Ok(magics.into_iter().find(|(offset, magic, _)| at(*offset, magic)).map(|(.., kind)| kind))
    }
}

/// The container, and then the disk in it exactly as the raw image of that disk is described.
fn container(mut file: File, files: Listing<'_>) -> anyhow::Result<Report> {
    let header = qcow2::dump(&mut file).context("reading the qcow2 header")?;
    let described = json!({"kind": "qcow2", "text": header});
    let content = match qcow2::Reader::open(file) {
        Ok(reader) if Kind::of(&reader)? == Some(Kind::Disk) => disk(&reader, files)?,
        Ok(_) => Report {
            text: "content: not a disk with a GPT\n".to_owned(),
            json: json!({"kind": "unknown"}),
            verified: None,
        },
        // What is in it cannot be told; what it is can.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Report { text: format!("content not read: {error}\n"), json: json!({"kind": "unread"}), verified: None }
        }
        Err(error) => return Err(error).context("opening the qcow2 image"),
    };
    let mut json = content.json;
    json["container"] = described;
    Ok(Report { text: format!("qcow2\n{header}\n{}", content.text), json, verified: content.verified })
}

fn plain(kind: &str, text: String) -> Report {
    Report { json: json!({"kind": kind, "text": text}), text: format!("{kind}\n{text}"), verified: None }
}

fn whole(mut file: File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).context("going back to the start")?;
    file.take(WHOLE_MAX).read_to_end(&mut bytes).context("reading the file")?;
    Ok(bytes)
}

fn disk(device: &dyn ReadAt, files: Listing<'_>) -> anyhow::Result<Report> {
    let length = device.size().context("measuring the disk")?;
    let table = gpt::read(&mut Window::new(device, 0, length)).context("reading the partition table")?;
    let mut text = format!("disk\n{}", gpt::dump(&table));
    let mut json =
        json!({"kind": "disk", "partitions": table.partitions.iter().map(partition_json).collect::<Vec<_>>()});
    if let Some(esp) = find(&table, ESP_LABEL) {
        let listing = fat::dump(window(device, esp)).context("reading the EFI system partition")?;
        text.push_str(&format!("\n{ESP_LABEL}\n{listing}"));
        json["esp"] = Value::from(listing.lines().collect::<Vec<_>>());
    }
    let (Some(root_a), Some(verity_a)) = (find(&table, ROOT_A_LABEL), find(&table, VERITY_A_LABEL)) else {
        return Ok(Report { text, json, verified: None });
    };
    let named = [root_a.guid.into_bytes(), verity_a.guid.into_bytes()].concat();
    let named = Digest(named.try_into().unwrap_or_default());
    let mut hashes = Vec::new();
    window(device, verity_a).read_to_end(&mut hashes).context("reading the hash tree")?;
    let booted = match find(&table, ESP_LABEL) {
        Some(esp) => booted_hashes(window(device, esp)).context("reading the kernels on the EFI system partition")?,
        None => Vec::new(),
    };
    let root_hash = booted.iter().copied().find(|hash| *hash == named).or(booted.first().copied()).unwrap_or(named);
    let verdict = if booted.is_empty() {
        Err("no kernel on the EFI system partition has a command line with a root hash".to_owned())
    } else if root_hash != named {
        Err(format!("the partitions are named by another root hash, {named}: the node will not find them"))
    } else {
        verity::verify(&mut window(device, root_a), &hashes, root_hash.0).map_err(|error| error.to_string())
    };
    let verified = verdict.is_ok();
    let verdict = verdict.map_or_else(|error| format!("DOES NOT VERIFY: {error}"), |()| "verified".to_owned());
    let superblock = verity::dump(&hashes).unwrap_or_else(|error| format!("no superblock: {error}\n"));
    text.push_str(&format!("\n{VERITY_A_LABEL}\n{superblock}root hash {root_hash}: {verdict}\n"));
    json["verity"] = json!({"root-hash": root_hash.to_string(), "verdict": verdict, "verified": verified});
    // Another build's manifest says nothing about this root.
    let files = match files {
        Listing::Files(Some(manifest)) if manifest["root-hash"] != *root_hash.to_string() => Listing::Files(None),
        files => files,
    };
    let (root_text, root_json) = match root(window(device, root_a), files) {
        // What does not verify may not be readable either; the verdict is what counts.
        Err(error) if !verified => (format!("{error:#}\n"), json!({"error": format!("{error:#}")})),
        listing => listing?,
    };
    text.push_str(&format!("\n{ROOT_A_LABEL}\n{root_text}"));
    json["root"] = root_json;
    Ok(Report { text, json, verified: Some(verified) })
}

/// The root hashes on the command lines of the kernels on an ESP, one for each.
fn booted_hashes(esp: Window<'_, dyn ReadAt + '_>) -> anyhow::Result<Vec<Digest>> {
    let mut hashes = Vec::new();
    for (name, bytes) in fat::files(esp, "EFI/Linux", WHOLE_MAX)? {
        let command_line =
            pe::content(&bytes, ".cmdline").with_context(|| format!("reading {name}"))?.unwrap_or_default();
        let command_line = String::from_utf8_lossy(command_line);
        let words = command_line.trim_end_matches('\0').split_whitespace();
        // As the agent reads it: a later word overrides an earlier one.
        let word = words.rev().find_map(|word| word.strip_prefix(CMDLINE_ROOT_HASH)?.strip_prefix('='));
        hashes.extend(word.and_then(Digest::parse));
    }
    Ok(hashes)
}

fn partition_json(partition: &Partition) -> Value {
    json!({
        "name": partition.name,
        "type": partition.type_guid.to_string(),
        "guid": partition.guid.to_string(),
        "first-lba": partition.first_lba,
        "last-lba": partition.last_lba,
    })
}

fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Partition> {
    table.partitions.iter().find(|partition| partition.name == name)
}

fn window<'a>(device: &'a dyn ReadAt, partition: &Partition) -> Window<'a, dyn ReadAt + 'a> {
    let start = partition.first_lba * SECTOR;
    Window::new(device, start, (partition.last_lba + 1) * SECTOR - start)
}

fn root(device: impl ReadAt, files: Listing<'_>) -> anyhow::Result<(String, Value)> {
    let image = Image::open(device).context("reading the root file system")?;
    let tree = tree(&image).context("reading the root file system")?;
    let paths = tree.iter().count();
    let mut text = format!("EROFS, {} bytes, {paths} paths\n", image.size());
    let mut json = json!({"kind": "erofs", "bytes": image.size(), "paths": paths});
    if let Some(identity) = identity(&image)? {
        text.push_str(&describe(&identity));
        json["image"] = identity;
    }
    let Listing::Files(manifest) = files else { return Ok((text, json)) };
    let recorded = manifest.and_then(|manifest| manifest["files"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let origin = |file: &Value| Some((file["path"].as_str()?.to_owned(), file["origin"].as_str()?.to_owned()));
    let origins: BTreeMap<String, String> = recorded.iter().filter_map(origin).collect();
    let mut listed = super::manifest::files(&tree);
    // Both list the paths in the tree's order.
    for (file, line) in listed.iter_mut().zip(dump::dump(&tree).lines()) {
        text.push_str(line);
        if let Some(origin) = origins.get(file["path"].as_str().unwrap_or_default()) {
            text.push_str(&format!(" from {origin}"));
            file["origin"] = origin.as_str().into();
        }
        text.push('\n');
    }
    json["files"] = Value::from(listed);
    Ok((text, json))
}

/// What the builder wrote about the image; nothing in a root that is not ours.
fn identity(image: &Image<impl ReadAt>) -> anyhow::Result<Option<Value>> {
    let reading = || format!("reading {IMAGE_INFO} of the root");
    let mut nid = image.root();
    for name in IMAGE_INFO.split('/').skip(1) {
        let entries = image.directory(&image.inode(nid)?).with_context(reading)?;
        match entries.iter().find(|entry| entry.name == name.as_bytes()) {
            Some(entry) => nid = entry.nid,
            None => return Ok(None),
        }
    }
    let mut text = Vec::new();
    let inode = image.inode(nid)?;
    image.contents(&inode)?.take(IDENTITY_MAX).read_to_end(&mut text).with_context(reading)?;
    // Somebody else's file may have any form.
    Ok(serde_json::from_slice(&text).ok().filter(Value::is_object))
}

/// The lines of an image's identity that people look for.
fn describe(identity: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut text = format!("image {} {}\n", word(&identity["name"]), word(&identity["version"]));
    if let Some(kubernetes) = identity.get("kubernetes") {
        let (version, api) = (word(&kubernetes["version"]), word(&kubernetes["kubeadm-api"]));
        text.push_str(&format!(
            "Kubernetes {version}, kubeadm {api}, sandbox {}\n",
            word(&kubernetes["sandbox-image"])
        ));
    }
    for archive in identity["images"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let names: Vec<String> = archive["names"].as_array().into_iter().flatten().map(word).collect();
        text.push_str(&format!(
            "{}: {} sha256:{}\n",
            word(&archive["file"]),
            names.join(", "),
            word(&archive["sha256"])
        ));
    }
    text
}

fn tree(image: &Image<impl ReadAt>) -> anyhow::Result<Tree> {
    let mut digest = |size: u64, reader: &mut dyn Read| -> io::Result<Content> {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        io::copy(reader, &mut hasher)?;
        Ok(Content::Stored { digest: Digest(hasher.finalize().into()), size })
    };
    Ok(read::tree(image, &Origin::from("the image"), &mut digest)?)
}

fn efi_program(bytes: &[u8]) -> anyhow::Result<Report> {
    let mut text = pe::dump(bytes).context("reading the EFI program")?;
    let mut json = json!({"kind": "efi"});
    for section in [".cmdline", ".uname", ".osrel"] {
        if let Some(content) = pe::content(bytes, section).context("reading the EFI program")? {
            let content = String::from_utf8_lossy(content);
            let content = content.trim_end_matches(['\0', '\n']);
            text.push_str(&format!("\n{section}\n{content}\n"));
            json[section] = content.into();
        }
    }
    json["text"] = text.clone().into();
    Ok(Report { text: format!("EFI program\n{text}"), json, verified: None })
}

fn initrd(bytes: &[u8]) -> anyhow::Result<Report> {
    let mut archive = Vec::new();
    let plain_bytes: &mut dyn Read = match bytes {
        [0x28, ..] => &mut zstd::Decoder::new(bytes).context("unpacking the initrd")?,
        [0x1f, ..] => &mut flate2::read::GzDecoder::new(bytes),
        _ => &mut &bytes[..],
    };
    // Padding follows the compressed part; what was unpacked before it is the archive.
    let unpacked = plain_bytes.take(WHOLE_MAX).read_to_end(&mut archive);
    if archive.is_empty() {
        unpacked.context("unpacking the initrd")?;
    }
    Ok(plain("initrd", cpio::dump(&archive).context("reading the initrd")?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::formats::erofs::{self, NoCache};
    use crate::formats::fat::Entry;
    use crate::formats::pe::tests::stub;
    use crate::formats::sparse::Source;
    use crate::image::{disk, uki};
    use crate::tree::{Inode, Kind, TreePath};

    const MIB: u64 = 1 << 20;

    /// A disk whose kernel's command line ends with `words(root hash)`.
    fn image(words: &dyn Fn(&Digest) -> String) -> File {
        let origin = Origin::from("test");
        let mut tree = Tree::new(0, &origin);
        let text = Inode::new(Kind::File(Content::inline("a small root")), 0o644, 0, &origin);
        tree.insert(TreePath::parse("/file").unwrap(), text).unwrap();
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
        let parts = uki::Parts {
            stub: &program,
            kernel: &program,
            initrd: b"initrd",
            command_line: &command_line,
            os_release: "ID=x\n",
            kernel_release: "6.12",
        };
        let uki = uki::assemble(&parts).unwrap();
        let request = disk::Request {
            image: "small 1",
            esp_bytes: 40 * MIB,
            slot_bytes: 4 * MIB,
            var_min_bytes: 64 * MIB,
            esp_content_bytes: 0,
            root_bytes: summary.bytes,
            verity_bytes: sealed.hash_device.len() as u64,
            root_hash,
            epoch: 0,
        };
        let plan = disk::plan(&request).unwrap();
        let out = tempfile::tempfile().unwrap();
        let esp = [Entry { path: "EFI/Linux/small+3.efi", source: Source::Bytes(&uki) }];
        let root = Source::File { file: &root, length: summary.bytes };
        plan.write(&disk::Parts { esp: &esp, root, verity: Source::Bytes(&sealed.hash_device) }, &out).unwrap();
        out
    }

    fn verdict(image: File) -> (Option<bool>, String) {
        let report = inspect(image, Listing::None).unwrap();
        assert_eq!(report.json["verity"]["verified"].as_bool(), report.verified);
        (report.verified, report.json["verity"]["verdict"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_root_is_verified_against_the_hash_on_the_command_line_and_no_other() {
        assert_eq!(verdict(image(&|hash| format!("roothash={hash}"))), (Some(true), "verified".to_owned()));
        let (verified, why) = verdict(image(&|_| format!("roothash={}", Digest::of("another root"))));
        assert!(verified == Some(false) && why.contains("named by another root hash"), "{why}");
        let (verified, why) = verdict(image(&|hash| format!("roothash={hash} roothash={}", Digest::of("last"))));
        assert!(verified == Some(false) && why.contains("named by another root hash"), "{why}");
        let (verified, why) = verdict(image(&|_| "quiet".to_owned()));
        assert!(verified == Some(false) && why.contains("no kernel on the EFI system partition"), "{why}");
    }

    #[test]
    fn the_manifest_of_the_build_says_who_brought_which_file() {
        let image = image(&|hash| format!("roothash={hash}"));
        let list = |manifest: &Value| {
            let mut file = image.try_clone().unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            inspect(file, Listing::Files(Some(manifest))).unwrap()
        };
        let mut manifest = json!({"files": [{"path": "/file", "origin": "kmod 1"}]});
        assert!(!list(&manifest).text.contains("kmod 1"), "a manifest of another image was believed");
        manifest["root-hash"] = list(&manifest).json["verity"]["root-hash"].clone();
        let report = list(&manifest);
        let line = report.text.lines().find(|line| line.starts_with("/file ")).unwrap();
        assert!(line.ends_with(" from kmod 1"), "{line}");
        let files = report.json["root"]["files"].as_array().unwrap();
        assert!(files.iter().any(|file| file["path"] == "/file" && file["origin"] == "kmod 1"), "{files:?}");
    }

    #[test]
    fn a_flipped_byte_of_the_root_does_not_verify() {
        let mut image = image(&|hash| format!("roothash={hash}"));
        let table = gpt::read(&mut image).unwrap();
        let offset = find(&table, ROOT_A_LABEL).unwrap().first_lba * SECTOR + 10;
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
        let Report { text, json, .. } = inspect(file, Listing::None).unwrap();
        assert!(
            text.contains("\nimage test 1\nKubernetes 1.36.2, kubeadm v1beta4, sandbox registry.k8s.io/pause:3.10.2\n"),
            "{text}"
        );
        assert!(text.contains("\npause.tar: registry.k8s.io/pause:3.10.2 sha256:"), "{text}");
        assert_eq!(json["image"]["images"][0]["file"], "pause.tar");
    }
}

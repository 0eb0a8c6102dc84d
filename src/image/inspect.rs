//! What is in an image, seen from the image alone.
//!
//! The kind is told from the first bytes, never from the name. A disk's root is verified against the root hash that its
//! partitions are named by; that the command line says the same hash is the firmware's and the UKI's matter.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::contract::{ESP_LABEL, IMAGE_INFO, ROOT_A_LABEL, VERITY_A_LABEL};
use crate::formats::erofs::read::{self, Image, ReadAt};
use crate::formats::gpt::{self, Partition, SECTOR, Table};
use crate::formats::sparse::Window;
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
}

/// Describes an image; with `files`, every file of its root file system as well.
pub fn inspect(mut file: File, files: bool) -> anyhow::Result<Report> {
    let mut head = vec![0; 2048];
    let length = file.read(&mut head).context("reading the first bytes")?;
    head.truncate(length);
    file.seek(SeekFrom::Start(0)).context("going back to the start")?;
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if at(0, b"QFI\xfb") {
        let text = qcow2::dump(&mut file).context("reading the qcow2 header")?;
        return Ok(plain("qcow2", text));
    }
    if at(512, b"EFI PART") {
        return disk(file, files);
    }
    if at(1024, &[0xe2, 0xe1, 0xf5, 0xe0]) {
        let slice = Slice { length: file.metadata().context("measuring the image")?.len(), file: &file, start: 0 };
        return root(slice, files).map(|(text, json)| Report { text, json });
    }
    if at(0, b"MZ") {
        return efi_program(&whole(file)?);
    }
    if at(0, b"070701") || at(0, &[0x28, 0xb5, 0x2f, 0xfd]) || at(0, &[0x1f, 0x8b]) {
        return initrd(&whole(file)?);
    }
    bail!("this is none of: disk image with a GPT, qcow2, EROFS, EFI program, initrd")
}

fn plain(kind: &str, text: String) -> Report {
    Report { json: json!({"kind": kind, "text": text}), text: format!("{kind}\n{text}") }
}

fn whole(file: File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(WHOLE_MAX).read_to_end(&mut bytes).context("reading the file")?;
    Ok(bytes)
}

fn disk(mut file: File, files: bool) -> anyhow::Result<Report> {
    let table = gpt::read(&mut file).context("reading the partition table")?;
    let mut text = format!("disk\n{}", gpt::dump(&table));
    let mut json =
        json!({"kind": "disk", "partitions": table.partitions.iter().map(partition_json).collect::<Vec<_>>()});
    if let Some(esp) = find(&table, ESP_LABEL) {
        let listing = fat::dump(window(&file, esp)).context("reading the EFI system partition")?;
        text.push_str(&format!("\n{ESP_LABEL}\n{listing}"));
        json["esp"] = Value::from(listing.lines().collect::<Vec<_>>());
    }
    let (Some(root_a), Some(verity_a)) = (find(&table, ROOT_A_LABEL), find(&table, VERITY_A_LABEL)) else {
        return Ok(Report { text, json });
    };
    let root_hash = [root_a.guid.into_bytes(), verity_a.guid.into_bytes()].concat();
    let root_hash = Digest(root_hash.try_into().unwrap_or_default());
    let mut hashes = Vec::new();
    window(&file, verity_a).read_to_end(&mut hashes).context("reading the hash tree")?;
    let verdict = verity::verify(&mut window(&file, root_a), &hashes, root_hash.0);
    let verdict = verdict.map_or_else(|error| format!("DOES NOT VERIFY: {error}"), |()| "verified".to_owned());
    let superblock = verity::dump(&hashes).unwrap_or_else(|error| format!("no superblock: {error}\n"));
    text.push_str(&format!("\n{VERITY_A_LABEL}\n{superblock}root hash {root_hash}: {verdict}\n"));
    json["verity"] = json!({"root-hash": root_hash.to_string(), "verdict": verdict});
    let start = root_a.first_lba * SECTOR;
    let slice = Slice { file: &file, start, length: (root_a.last_lba + 1) * SECTOR - start };
    let (root_text, root_json) = root(slice, files)?;
    text.push_str(&format!("\n{ROOT_A_LABEL}\n{root_text}"));
    json["root"] = root_json;
    Ok(Report { text, json })
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

fn window<'a>(file: &'a File, partition: &Partition) -> Window<'a> {
    let start = partition.first_lba * SECTOR;
    Window::new(file, start, (partition.last_lba + 1) * SECTOR - start)
}

fn root(slice: Slice<'_>, files: bool) -> anyhow::Result<(String, Value)> {
    let image = Image::open(slice).context("reading the root file system")?;
    let tree = tree(&image).context("reading the root file system")?;
    let paths = tree.iter().count();
    let mut text = format!("EROFS, {} bytes, {paths} paths\n", image.size());
    let mut json = json!({"kind": "erofs", "bytes": image.size(), "paths": paths});
    if let Some(identity) = identity(&image)? {
        text.push_str(&describe(&identity));
        json["image"] = identity;
    }
    if files {
        text.push_str(&dump::dump(&tree));
        json["files"] = Value::from(super::manifest::files(&tree));
    }
    Ok((text, json))
}

/// What the builder wrote about the image; nothing in a root that is not ours.
fn identity(image: &Image<Slice<'_>>) -> anyhow::Result<Option<Value>> {
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

fn tree(image: &Image<Slice<'_>>) -> anyhow::Result<Tree> {
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
    Ok(Report { text: format!("EFI program\n{text}"), json })
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

/// A part of a file that is read at offsets of its own.
#[derive(Debug)]
struct Slice<'a> {
    file: &'a File,
    start: u64,
    length: u64,
}

impl ReadAt for Slice<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.length);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        FileExt::read_exact_at(self.file, buffer, self.start + offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::assemble::tests::cluster;
    use crate::formats::erofs::{self, NoCache};

    #[test]
    fn a_root_says_which_kubernetes_and_which_container_images_it_holds() {
        let world = cluster();
        let tree = world.assemble().unwrap().tree;
        let options = erofs::Options {
            uuid: [1; 16],
            label: [0; 16],
            epoch: 0,
            codec: erofs::Codec::Zstd { level: 3 },
            extent: erofs::ExtentSize::DEFAULT,
            threads: NonZeroUsize::MIN,
        };
        let mut file = tempfile::tempfile().unwrap();
        erofs::write(&tree, &world.store, &options, &NoCache, &mut file).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let Report { text, json } = inspect(file, false).unwrap();
        assert!(
            text.contains("\nimage test 1\nKubernetes 1.36.2, kubeadm v1beta4, sandbox registry.k8s.io/pause:3.10.2\n"),
            "{text}"
        );
        assert!(text.contains("\npause.tar: registry.k8s.io/pause:3.10.2 sha256:"), "{text}");
        assert_eq!(json["image"]["images"][0]["file"], "pause.tar");
    }
}

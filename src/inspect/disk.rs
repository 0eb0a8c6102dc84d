//! A disk: its partitions, the ESP, and the root, verified as the node will do it: against the root hash on the command
//! line of the kernel on the ESP, by which the agent finds the partitions too.

use std::io::Read;

use anyhow::Context;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::root::{self, Listing, Root};
use super::signatures::{self, KeyFile, Program};
use crate::agent::initrd::cmdline;
use crate::contract::{ESP_LABEL, ESP_TYPE};
use crate::formats::device::{ReadAt, Window};
use crate::formats::gpt::{self, Partition, SECTOR, Table};
use crate::formats::{fat, pe, verity};
use crate::root_hash;
use crate::slot::Slot;
use crate::tree::Digest;

/// Largest EFI program that is read into memory.
const WHOLE_MAX: u64 = 1 << 30;

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename = "disk")]
pub struct Disk {
    #[serde(rename = "partitions", serialize_with = "partitions")]
    pub table: Table,
    /// The files of the ESP, as text.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lines")]
    pub esp: Option<String>,
    /// The EFI programs on it, and who signed them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Program>,
    /// The keys on it for a firmware without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyFile>,
    /// Where there are partitions for it.
    #[serde(flatten)]
    pub root: Option<VerifiedRoot>,
}

#[derive(Debug, Serialize)]
pub struct VerifiedRoot {
    /// Where it lies; the partitions say so.
    #[serde(skip)]
    slot: Slot,
    pub verity: Verity,
    pub root: Contents,
}

/// Whether the root is the one that the kernel's command line names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verity {
    pub root_hash: Digest,
    pub verified: bool,
    /// `verified`, or why it is not.
    pub verdict: String,
    #[serde(skip)]
    superblock: String,
}

/// What does not verify may not be readable either; the verdict is what counts.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Contents {
    Read(Box<Root>),
    Unreadable { error: String },
}

pub(super) fn describe(device: &dyn ReadAt, files: Listing<'_>) -> anyhow::Result<Disk> {
    let length = device.size().context("measuring the disk")?;
    let table = gpt::read(&mut Window::new(device, 0, length)).context("reading the partition table")?;
    // An installer's has another name than a node's.
    let esp = table.partitions.iter().find(|partition| partition.type_guid.to_string() == ESP_TYPE);
    let listing = esp.map(|esp| fat::dump(window(device, esp))).transpose();
    let listing = listing.context("reading the EFI system partition")?;
    let read = |wanted: fn(&str) -> bool| match esp {
        Some(esp) => {
            fat::files(window(device, esp), wanted, WHOLE_MAX).context("reading files of the EFI system partition")
        }
        None => Ok(Vec::new()),
    };
    let (efi_programs, key_files) = (read(signatures::is_program)?, read(signatures::is_key)?);
    let programs = efi_programs.iter().map(|(path, bytes)| Program::of(path, bytes)).collect();
    let keys = key_files.iter().map(|(path, bytes)| KeyFile::of(path, bytes)).collect();
    let disk = Disk { table, esp: listing, programs, keys, root: None };
    let Some((slot, root, hash_tree)) = filled_slot(&disk.table) else { return Ok(disk) };
    let verity = verify(device, &efi_programs, root, hash_tree)?;
    let root = match root::describe(window(device, root), Some(verity.root_hash), files) {
        Err(error) if !verity.verified => Contents::Unreadable { error: format!("{error:#}") },
        root => Contents::Read(Box::new(root?)),
    };
    Ok(Disk { root: Some(VerifiedRoot { slot, verity, root }), ..disk })
}

fn verify(
    device: &dyn ReadAt,
    programs: &[(String, Vec<u8>)],
    root: &Partition,
    hash_tree: &Partition,
) -> anyhow::Result<Verity> {
    let named = Digest(root_hash::of_partitions(root.guid.into_bytes(), hash_tree.guid.into_bytes()));
    let mut hashes = Vec::new();
    window(device, hash_tree).read_to_end(&mut hashes).context("reading the hash tree")?;
    let booted = booted_hashes(programs).context("reading the kernels on the EFI system partition")?;
    let refused: Vec<&str> = booted.iter().filter_map(|it| it.as_ref().err().map(String::as_str)).collect();
    let refused = if refused.is_empty() { String::new() } else { format!(": {}", refused.join("; ")) };
    let booted: Vec<Digest> = booted.iter().flatten().copied().collect();
    let root_hash = booted.iter().copied().find(|hash| *hash == named).or(booted.first().copied()).unwrap_or(named);
    let verdict = if booted.is_empty() {
        Err(format!("no kernel on the EFI system partition boots a root{refused}"))
    } else if root_hash != named {
        Err(format!("the partitions are named by another root hash, {named}: the node will not find them"))
    } else {
        verity::verify(&mut window(device, root), &hashes, root_hash.0).map_err(|error| error.to_string())
    };
    let verified = verdict.is_ok();
    let verdict = verdict.map_or_else(|error| format!("DOES NOT VERIFY: {error}"), |()| "verified".to_owned());
    let superblock = verity::dump(&hashes).unwrap_or_else(|error| format!("no superblock: {error}\n"));
    Ok(Verity { root_hash, verified, verdict, superblock })
}

impl Disk {
    pub(super) fn text(&self) -> String {
        let mut text = format!("disk\n{}", gpt::dump(&self.table));
        if let Some(listing) = &self.esp {
            text.push_str(&format!("\n{ESP_LABEL}\n{listing}"));
        }
        for program in &self.programs {
            text.push_str(&format!("{}: {}\n", program.path, program.signatures.text()));
        }
        for key in &self.keys {
            text.push_str(&format!("{}: {}", key.path, key.text()));
        }
        if let Some(VerifiedRoot { slot, verity, root }) = &self.root {
            let Verity { root_hash, verdict, superblock, .. } = verity;
            let (root_label, verity_label) = (slot.root_label(), slot.verity_label());
            text.push_str(&format!("\n{verity_label}\n{superblock}root hash {root_hash}: {verdict}\n"));
            let root = match root {
                Contents::Read(root) => root.text(),
                Contents::Unreadable { error } => format!("{error}\n"),
            };
            text.push_str(&format!("\n{root_label}\n{root}"));
        }
        text
    }

    pub(super) fn is_sound(&self) -> bool {
        let signed = self.programs.iter().all(|program| program.signatures.are_sound());
        signed
            && self.root.as_ref().is_none_or(|VerifiedRoot { verity, root, .. }| {
                verity.verified && matches!(root, Contents::Read(root) if root.is_sound())
            })
    }
}

/// The root hashes on the command lines of the kernels on an ESP, one for each; or why the node would not boot it.
fn booted_hashes(programs: &[(String, Vec<u8>)]) -> anyhow::Result<Vec<Result<Digest, String>>> {
    let mut hashes = Vec::new();
    for (name, bytes) in programs.iter().filter(|(path, _)| path.to_ascii_lowercase().starts_with("efi/linux/")) {
        let command_line =
            pe::content(bytes, ".cmdline").with_context(|| format!("reading {name}"))?.unwrap_or_default();
        // The agent's own reading: what it refuses, no node boots.
        let options = cmdline::parse(String::from_utf8_lossy(command_line).trim_end_matches('\0'));
        hashes.push(options.map(|options| Digest(options.root_hash.0)).map_err(|error| format!("{error:#}")));
    }
    Ok(hashes)
}

fn partitions<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(table.partitions.iter().map(|partition| {
        json!({
            "name": partition.name,
            "type": partition.type_guid.to_string(),
            "guid": partition.guid.to_string(),
            "first-lba": partition.first_lba,
            "last-lba": partition.last_lba,
        })
    }))
}

fn lines<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(text.iter().flat_map(|text| text.lines()))
}

/// The first slot that has both of its partitions.
fn filled_slot(table: &Table) -> Option<(Slot, &Partition, &Partition)> {
    let partitions = |slot: Slot| Some((slot, find(table, slot.root_label())?, find(table, slot.verity_label())?));
    Slot::ALL.into_iter().find_map(partitions)
}

pub(super) fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Partition> {
    table.partitions.iter().find(|partition| partition.name == name)
}

fn window<'a>(device: &'a dyn ReadAt, partition: &Partition) -> Window<'a, dyn ReadAt + 'a> {
    let start = partition.first_lba * SECTOR;
    Window::new(device, start, (partition.last_lba + 1) * SECTOR - start)
}

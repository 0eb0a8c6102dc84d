//! A disk: its partitions, the ESP, and the root, verified as the node will do it: against the root hash on the command
//! line of the kernel on the ESP, by which the agent finds the partitions too.

use std::io::Read;

use anyhow::Context;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::root::{self, Listing, Root};
use crate::agent::initrd::cmdline;
use crate::contract::ESP_LABEL;
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
    let esp = find(&table, ESP_LABEL).map(|esp| fat::dump(window(device, esp))).transpose();
    let esp = esp.context("reading the EFI system partition")?;
    let Some((slot, root, hash_tree)) = filled_slot(&table) else {
        return Ok(Disk { table, esp, root: None });
    };
    let verity = verify(device, &table, root, hash_tree)?;
    let root = match root::describe(window(device, root), Some(verity.root_hash), files) {
        Err(error) if !verity.verified => Contents::Unreadable { error: format!("{error:#}") },
        root => Contents::Read(Box::new(root?)),
    };
    Ok(Disk { table, esp, root: Some(VerifiedRoot { slot, verity, root }) })
}

fn verify(device: &dyn ReadAt, table: &Table, root: &Partition, hash_tree: &Partition) -> anyhow::Result<Verity> {
    let named = Digest(root_hash::of_partitions(root.guid.into_bytes(), hash_tree.guid.into_bytes()));
    let mut hashes = Vec::new();
    window(device, hash_tree).read_to_end(&mut hashes).context("reading the hash tree")?;
    let booted = match find(table, ESP_LABEL) {
        Some(esp) => booted_hashes(window(device, esp)).context("reading the kernels on the EFI system partition")?,
        None => Vec::new(),
    };
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
        self.root.as_ref().is_none_or(|VerifiedRoot { verity, root, .. }| {
            verity.verified && matches!(root, Contents::Read(root) if root.is_sound())
        })
    }
}

/// The root hashes on the command lines of the kernels on an ESP, one for each; or why the node would not boot it.
fn booted_hashes(esp: Window<'_, dyn ReadAt + '_>) -> anyhow::Result<Vec<Result<Digest, String>>> {
    let mut hashes = Vec::new();
    for (name, bytes) in fat::files(esp, "EFI/Linux", WHOLE_MAX)? {
        let command_line =
            pe::content(&bytes, ".cmdline").with_context(|| format!("reading {name}"))?.unwrap_or_default();
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

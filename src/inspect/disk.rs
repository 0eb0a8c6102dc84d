//! A disk: its partitions, the ESP, and the root, verified as the node will do it: against the root hash on the command
//! line of the kernel on the ESP, by which the agent finds the partitions too.

use std::io::Read;

use anyhow::Context;
use serde_json::{Value, json};

use super::description::{Description, Listing};
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

pub(super) fn describe(device: &dyn ReadAt, files: Listing<'_>) -> anyhow::Result<Description> {
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
    let Some((slot, root, hash_tree)) = filled_slot(&table) else {
        return Ok(Description { text, json, verified: None });
    };
    let named = Digest(root_hash::of_partitions(root.guid.into_bytes(), hash_tree.guid.into_bytes()));
    let mut hashes = Vec::new();
    window(device, hash_tree).read_to_end(&mut hashes).context("reading the hash tree")?;
    let booted = match find(&table, ESP_LABEL) {
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
    text.push_str(&format!("\n{}\n{superblock}root hash {root_hash}: {verdict}\n", slot.verity_label()));
    json["verity"] = json!({"root-hash": root_hash.to_string(), "verdict": verdict, "verified": verified});
    // Another build's manifest says nothing about this root.
    let files = match files {
        Listing::Files(Some(manifest)) if manifest["root-hash"] != *root_hash.to_string() => Listing::Files(None),
        files => files,
    };
    let (root_text, root_json) = match super::root::describe(window(device, root), files) {
        // What does not verify may not be readable either; the verdict is what counts.
        Err(error) if !verified => (format!("{error:#}\n"), json!({"error": format!("{error:#}")})),
        listing => listing?,
    };
    text.push_str(&format!("\n{}\n{root_text}", slot.root_label()));
    json["root"] = root_json;
    Ok(Description { text, json, verified: Some(verified) })
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

fn partition_json(partition: &Partition) -> Value {
    json!({
        "name": partition.name,
        "type": partition.type_guid.to_string(),
        "guid": partition.guid.to_string(),
        "first-lba": partition.first_lba,
        "last-lba": partition.last_lba,
    })
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

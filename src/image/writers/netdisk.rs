//! The disk as data without holes, which what starts a node from the network or a CD reads.

use std::fs::File;
use std::num::NonZeroUsize;

use anyhow::Context;

use super::raw::RawImage;
use crate::formats::gpt::{self, SECTOR};
use crate::formats::netdisk::{self, Request};
use crate::netdisk_index::{Index, Partition};
use crate::slot::Slot;

/// Writes it into an empty file. The hash tree comes before the root: who has it can check the root while it comes.
pub(super) fn write(raw: &RawImage<'_>, threads: NonZeroUsize, out: &File) -> anyhow::Result<Index> {
    let partitions: Vec<Partition> = raw.partitions.iter().map(partition).collect();
    let first = [Slot::A.verity_label(), Slot::A.root_label()];
    let first = first.iter().filter_map(|label| partitions.iter().find(|partition| partition.name == *label));
    let first = first.map(|partition| partition.start..partition.start + partition.bytes).collect();
    let request = Request { raw: &raw.file, bytes: raw.bytes, partitions, first, threads: threads.get() };
    netdisk::write(request, out).context("writing the disk without its holes")
}

fn partition(partition: &gpt::Partition) -> Partition {
    let start = partition.first_lba * SECTOR;
    let bytes = (partition.last_lba + 1) * SECTOR - start;
    Partition { name: partition.name.clone(), guid: partition.guid.into_bytes(), start, bytes }
}

//! The raw image: the disk byte for byte. Other outputs are made from it, so there is one whether it is asked for or not.

use std::fs::File;
use std::num::NonZeroUsize;

use anyhow::Context;

use crate::formats::gpt;
use crate::formats::raw_disk::RawDisk;
use crate::image::disk::layout::DiskPlan;
use crate::image::outputs::Outputs;
use crate::image::start::Start;
use crate::tree::Digest;

const ENDING: &str = "raw";

/// A disk, and what its formats say of it.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub plan: &'a DiskPlan<'a>,
    /// Time of files in archives, seconds since 1970.
    pub epoch: i64,
    /// For outputs that start the node from elsewhere than its disk.
    pub start: &'a dyn Start,
}

/// A whole disk, and what other formats say of it.
#[derive(Debug)]
pub(super) struct RawImage<'a> {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// Bytes of the disk that a template gives to whoever deploys it: a node needs more than its image. Whole GiB, which
    /// some clouds demand.
    pub(super) capacity: u64,
    /// Identifiers of the disk in other formats follow from it.
    content: Digest,
    pub(super) name: String,
    pub(super) version: String,
    /// Time of files in archives, seconds since 1970.
    pub(super) epoch: u64,
    pub(super) partitions: Vec<gpt::Partition>,
    pub(super) start: &'a dyn Start,
}

impl<'a> RawImage<'a> {
    /// Among the files that are not finished; it stays one of them unless it is asked for.
    pub(super) fn make(image: &Image<'a>, outputs: &Outputs) -> anyhow::Result<RawImage<'a>> {
        let Image { name, version, plan, epoch, start } = *image;
        let file = outputs.create(ENDING)?;
        plan.write(&file)?;
        let partitions = plan.parts.iter().map(|part| part.partition.guid.to_string());
        let guids: Vec<String> = partitions.chain([plan.disk_guid.to_string()]).collect();
        Ok(RawImage {
            file,
            bytes: plan.image_bytes(),
            capacity: plan.min_disk_bytes().max(plan.image_bytes()).next_multiple_of(1 << 30),
            content: Digest::of(guids.join(" ")),
            name: name.to_owned(),
            version: version.to_owned(),
            epoch: u64::try_from(epoch).context("the epoch is before 1970")?,
            partitions: plan.parts.iter().map(|part| part.partition.clone()).collect(),
            start,
        })
    }

    /// The disk that a template gives.
    pub(super) fn disk(&self) -> RawDisk<'_> {
        RawDisk { file: &self.file, size: self.bytes, capacity: self.capacity, content: &self.content }
    }
}

/// Takes it into the set.
pub(super) fn write(_: &RawImage, _: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    outputs.add(ENDING)
}

//! The raw image: the disk byte for byte. Other outputs are made from it, so there is one whether it is asked for or not.

use std::fs::File;
use std::num::NonZeroUsize;

use crate::image::disk::layout::DiskPlan;
use crate::image::outputs::Outputs;

const ENDING: &str = "raw";

/// A whole disk.
#[derive(Debug)]
pub(super) struct RawImage {
    pub(super) file: File,
    pub(super) bytes: u64,
}

impl RawImage {
    /// Among the files that are not finished; it stays one of them unless it is asked for.
    pub(super) fn make(plan: &DiskPlan<'_>, outputs: &Outputs) -> anyhow::Result<RawImage> {
        let file = outputs.create(ENDING)?;
        plan.write(&file)?;
        Ok(RawImage { file, bytes: plan.image_bytes() })
    }
}

/// Takes it into the set.
pub(super) fn write(_: &RawImage, _: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    outputs.add(ENDING)
}

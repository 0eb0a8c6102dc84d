//! An archive for Google Compute Engine.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::gce;
use crate::image::outputs::Outputs;

const ENDING: &str = "gce.tar.gz";

pub(super) fn write(raw: &RawImage, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    gce::write(&raw.file, raw.bytes, outputs.create(ENDING)?, raw.epoch, threads.get())?;
    outputs.add(ENDING)
}

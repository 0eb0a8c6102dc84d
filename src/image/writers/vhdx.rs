//! A dynamic disk for Hyper-V.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::vhdx;
use crate::image::outputs::Outputs;

const ENDING: &str = "vhdx";

pub(super) fn write(raw: &RawImage, _: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    vhdx::write(&raw.disk(), &outputs.create(ENDING)?)?;
    outputs.add(ENDING)
}

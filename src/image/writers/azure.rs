//! A fixed disk for Azure.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::vhd::{self, Kind};
use crate::image::outputs::Outputs;

const ENDING: &str = "azure.vhd";

pub(super) fn write(raw: &RawImage, _: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    vhd::write(&raw.disk(), &outputs.create(ENDING)?, Kind::Fixed)?;
    outputs.add(ENDING)
}

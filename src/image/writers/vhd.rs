//! A dynamic disk in Virtual PC's format.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::vhd::{self, Kind};
use crate::image::outputs::Outputs;

const ENDING: &str = "vhd";

pub(super) fn write(raw: &RawImage, _: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    vhd::write(&raw.disk(), &outputs.create(ENDING)?, Kind::Dynamic)?;
    outputs.add(ENDING)
}

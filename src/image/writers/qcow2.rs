//! The disk as a compressed qcow2 image.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::qcow2::{self, Codec};
use crate::image::outputs::Outputs;

const ENDING: &str = "qcow2";

pub(super) fn write(raw: &RawImage, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    qcow2::write(&raw.file, raw.bytes, outputs.create(ENDING)?, Codec::default(), threads.get())?;
    outputs.add(ENDING)
}

//! The raw disk as zstd.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::raw_zst;
use crate::image::outputs::Outputs;

const ENDING: &str = "raw.zst";
/// Nearly all bytes are compressed already.
const LEVEL: i32 = 3;

pub(super) fn write(raw: &RawImage, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    raw_zst::write(&raw.file, raw.bytes, outputs.create(ENDING)?, LEVEL, threads.get())?;
    outputs.add(ENDING)
}

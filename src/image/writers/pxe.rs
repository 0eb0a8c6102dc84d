//! What machines start and install themselves from over the network.

use std::num::NonZeroUsize;

use super::netdisk;
use super::raw::RawImage;
use crate::image::outputs::Outputs;

const NETDISK: &str = "netdisk";

pub(super) fn write(raw: &RawImage<'_>, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    netdisk::write(raw, threads, &outputs.create(NETDISK)?)?;
    outputs.add(NETDISK)
}

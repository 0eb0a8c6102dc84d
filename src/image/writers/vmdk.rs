//! The disk as VMware's importers want it.

use std::num::NonZeroUsize;

use super::raw::RawImage;
use crate::formats::vmdk;
use crate::image::outputs::Outputs;

const ENDING: &str = "vmdk";
/// Of the machines that disks are made for (`vmx-NN`): vSphere 6.7 and later.
pub(super) const HARDWARE_VERSION: u32 = 15;

pub(super) fn write(raw: &RawImage, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    let file_name = format!("{}.{ENDING}", raw.name);
    let image = vmdk::Image { file_name: &file_name, hardware_version: HARDWARE_VERSION };
    vmdk::write(&raw.disk(), outputs.create(ENDING)?, &image, threads.get())?;
    outputs.add(ENDING)
}

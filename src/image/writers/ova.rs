//! A virtual machine for vSphere.

use std::io::{Seek, SeekFrom};
use std::num::NonZeroUsize;

use anyhow::Context;

use super::raw::RawImage;
use super::vmdk::HARDWARE_VERSION;
use crate::formats::ovf::{Appliance, CLOUD_INIT, Controller, Disk, Firmware};
use crate::formats::{ova, vmdk};
use crate::image::outputs::Outputs;
use crate::store::digest_of_file;

const ENDING: &str = "ova";
/// What kubeadm's preflight wants of a control plane, and enough for a small worker; people change it when they deploy.
const CPUS: u32 = 2;
const MEMORY_MIB: u64 = 4096;
const NETWORKS: [&str; 1] = ["VM Network"];

pub(super) fn write(raw: &RawImage, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    let file_name = format!("{}-disk1.vmdk", raw.name);
    let image = vmdk::Image { file_name: &file_name, hardware_version: HARDWARE_VERSION };
    let mut file = outputs.scratch(&file_name)?;
    let file_bytes = vmdk::write(&raw.disk(), &file, &image, threads.get())?;
    file.seek(SeekFrom::Start(0)).context("reading the disk back")?;
    let (digest, _) = digest_of_file(&file).context("reading the disk back")?;
    let appliance = Appliance {
        name: &raw.name,
        product: &raw.name,
        version: &raw.version,
        cpus: CPUS,
        memory_mib: MEMORY_MIB,
        networks: &NETWORKS,
        firmware: Firmware::Efi,
        controller: Controller::Paravirtual,
        hardware_version: HARDWARE_VERSION,
        properties: &CLOUD_INIT,
        disk: Disk { file_name: &file_name, file_bytes, capacity: raw.capacity },
    };
    ova::write(&appliance, &file, &digest, raw.epoch, outputs.create(ENDING)?)?;
    outputs.add(ENDING)
}

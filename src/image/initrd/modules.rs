//! Which kernel modules an initrd has: what finds disks anywhere, what the root is made of, what the recipe asks for.

use crate::assemble::modules::load::WantedModule;
use crate::diag::Location;
use crate::recipe::{Recipe, output};

/// Disks and machines that every image must start on, besides what the root itself needs. Names that a kernel has
/// built in, or does not have at all, are passed over.
const HARDWARE: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_console",
    "nvme",
    "ahci",
    "sd_mod",
    "hv_vmbus",
    "hv_storvsc",
    "vmw_pvscsi",
    "mptspi",
    "mpt3sas",
    "megaraid_sas",
    "smartpqi",
    "hpsa",
    "ata_piix",
    "usb_storage",
    "uas",
    "mmc_block",
    "virtio_mmio",
    "xen-blkfront",
    // Tells which disk the boot loader came from, where two hold the root.
    "efivarfs",
];
/// Network cards of machines that start from the network, as far as hypervisors have them.
const NETWORK: &[&str] = &["virtio_net", "e1000", "e1000e", "vmxnet3", "hv_netvsc", "xen-netfront", "ena"];
/// What a root in memory needs besides.
const IN_MEMORY: &[&str] = &["loop"];
/// What the root is made of; an image without one of them does not start.
const NEEDED: &[&str] = &["dm-verity", "erofs", "overlay"];

/// The modules that the initrd of this recipe's image is to have.
pub(super) fn wanted(recipe: &Recipe) -> Vec<WantedModule> {
    let wanted = |name: &str, location: Option<&Location>, required| WantedModule {
        name: name.to_owned(),
        location: location.cloned(),
        required,
    };
    let kernel = Some(&recipe.kernel.package.location);
    let mut modules: Vec<WantedModule> = HARDWARE.iter().map(|name| wanted(name, None, false)).collect();
    if recipe.outputs.contains(&&output::PXE) {
        modules.extend(NETWORK.iter().map(|name| wanted(name, None, false)));
        modules.extend(IN_MEMORY.iter().map(|name| wanted(name, kernel, true)));
    }
    modules.extend(NEEDED.iter().copied().chain([recipe.disk.var.module]).map(|name| wanted(name, kernel, true)));
    let asked = recipe.kernel.initrd_modules.iter();
    modules.extend(asked.map(|module| wanted(&module.value, Some(&module.location), true)));
    modules
}
